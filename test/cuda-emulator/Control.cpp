//===- Control.cpp - Branches, calls and barriers -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaTypes.h"
#include "Handlers.h"

using namespace ternac::cuda_emulator;

static const Instruction *branch(Thread &t, const Instruction &i) {
  if (--t.fuel == 0) {
    t.next = i.target;
    return nullptr;
  }
  return i.target;
}

static void decodeBra(Decoder &d) {
  d.take("uni");
  d.expectOperands(1);
  std::string label = d.operands[0].name;
  d.jumpTo(d.emit(branch), label);
}

static const Instruction *branchByTable(Thread &t, const Instruction &i) {
  uint32_t index = get<uint32_t>(t, i.a);
  const auto &targets = i.details->targets;
  if (index >= targets.size())
    t.block->fault(t, i, CUDA_ERROR_ILLEGAL_INSTRUCTION,
                   "branch target " + std::to_string(index) + " of " +
                       std::to_string(targets.size()));
  if (--t.fuel == 0) {
    t.next = targets[index];
    return nullptr;
  }
  return targets[index];
}

static void decodeBrx(Decoder &d) {
  if (!d.take("idx"))
    d.fail("unknown instruction " + d.opcode);
  d.take("uni");
  d.expectOperands(2);
  uint32_t a = d.read(d.operands[0], Type::U32);
  std::string table = d.operands[1].name;
  Instruction &i = d.emit(branchByTable);
  i.a = a;
  d.addTableJump(i, table);
}

static const Instruction *leave(Thread &t, const Instruction &) {
  const Instruction *next = t.frames.back().returnTo;
  if (!next) {
    t.state = State::Exited;
    return nullptr;
  }
  const Function &callee = *t.frames.back().function;
  uint8_t *inner = t.params;
  t.pop();
  const Instruction &call = *(next - 1);
  for (size_t k = 0; k < call.details->results.size(); ++k)
    memcpy(t.params + call.details->results[k].first,
           inner + callee.results[k].offset, callee.results[k].size);
  return next;
}

static const Instruction *exitThread(Thread &t, const Instruction &) {
  t.state = State::Exited;
  return nullptr;
}

static const Instruction *trap(Thread &t, const Instruction &i) {
  t.block->fault(t, i, CUDA_ERROR_LAUNCH_FAILED, "trap");
}

static const Instruction *nothing(Thread &, const Instruction &i) {
  return &i + 1;
}

static const Instruction *failAssertion(Thread &t, const Instruction &i) {
  t.block->fault(t, i, CUDA_ERROR_ASSERT, "an assertion failed");
}

static const Instruction *call(Thread &t, const Instruction &i) {
  const Function &callee = *i.details->callee;
  if (t.frames.size() > 512)
    t.block->fault(t, i, CUDA_ERROR_LAUNCH_FAILED, "too many nested calls");
  size_t outer = static_cast<size_t>(t.params - t.paramStack.data());
  t.push(callee, &i + 1);
  const uint8_t *from = t.paramStack.data() + outer;
  for (size_t k = 0; k < i.details->copies.size(); ++k)
    memcpy(t.params + callee.parameters[k].offset,
           from + i.details->copies[k].first, callee.parameters[k].size);
  return callee.code.data();
}

static void decodeCall(Decoder &d) {
  d.take("uni");
  std::vector<Operand> results, arguments;
  size_t at = 0;
  if (at < d.operands.size() && d.operands[at].kind == Operand::List)
    results = d.operands[at++].list;
  if (at >= d.operands.size())
    d.fail("expected a function in " + d.opcode);
  Operand callee = d.operands[at++];
  if (at < d.operands.size() && d.operands[at].kind == Operand::List)
    arguments = d.operands[at++].list;
  if (callee.kind != Operand::FunctionSymbol || at != d.operands.size())
    d.fail("only direct calls are supported");
  if (callee.name == "__assertfail") {
    d.emit(failAssertion);
    return;
  }
  if (callee.name == "vprintf") {
    d.emit(nothing);
    return;
  }
  const Function &function = *callee.function;
  if (results.size() != function.results.size() ||
      arguments.size() != function.parameters.size())
    d.fail("the call of " + callee.name +
           " has another number of parameters than the function");
  Instruction &i = d.emit(call);
  Details &more = d.details(i);
  more.callee = &function;
  auto add = [&](const Operand &operand, const Parameter &parameter,
                 std::vector<std::pair<uint32_t, uint32_t>> &list) {
    if (operand.kind != Operand::ParamSymbol || operand.size != parameter.size)
      d.fail("an argument of " + callee.name + " does not fit " +
             parameter.name);
    list.emplace_back(operand.offset, parameter.size);
  };
  for (size_t k = 0; k < results.size(); ++k)
    add(results[k], function.results[k], more.results);
  for (size_t k = 0; k < arguments.size(); ++k)
    add(arguments[k], function.parameters[k], more.copies);
  d.current().callees.push_back(&function);
}

//===----------------------------------------------------------------------===//
// Barriers
//===----------------------------------------------------------------------===//

/// Flags: 1 aligned, 2 with a reduction, 4 .and, 8 .or, 16 .arrive.
static const Instruction *atBarrier(Thread &t, const Instruction &i) {
  Block &block = *t.block;
  uint32_t number = get<uint32_t>(t, i.a);
  uint32_t all = static_cast<uint32_t>(block.threads.size());
  uint32_t count = i.b ? get<uint32_t>(t, i.b) : all;
  if (number >= block.barriers.size())
    block.fault(t, i, CUDA_ERROR_ILLEGAL_INSTRUCTION,
                "barrier " + std::to_string(number) + " of 16");
  if (i.b && (count == 0 || count % 32 || count > (all + 31) / 32 * 32))
    block.fault(t, i, CUDA_ERROR_ILLEGAL_INSTRUCTION,
                "a barrier of " + std::to_string(count) + " threads");
  Block::Barrier &barrier = block.barriers[number];
  if (barrier.arrived && barrier.expected != count)
    block.fault(t, i, CUDA_ERROR_ILLEGAL_INSTRUCTION,
                "barrier " + std::to_string(number) + " waits for " +
                    std::to_string(barrier.expected) + " threads, but got " +
                    std::to_string(count));
  barrier.expected = count;
  ++barrier.arrived;
  if (barrier.arrived > barrier.expected)
    block.fault(t, i, CUDA_ERROR_ILLEGAL_INSTRUCTION,
                "too many threads at barrier " + std::to_string(number));
  if (i.flags & 16)
    return &i + 1;
  t.barrier = number;
  t.state = State::AtBarrier;
  t.next = &i;
  return nullptr;
}

void decodeWarpBarrier(Decoder &d);

static void decodeBarrier(Decoder &d) {
  bool isBar = d.opcode.rfind("bar.", 0) == 0;
  if (d.take("warp"))
    return decodeWarpBarrier(d);
  if (d.take("cluster")) {
    // Clusters have one block.
    d.modifiers.clear();
    d.emit(nothing);
    return;
  }
  d.take("cta");
  uint32_t flags = d.take("aligned") || isBar ? 1 : 0;
  bool isArrive = d.take("arrive"), isReduction = d.take("red");
  if (!isArrive && !isReduction && !d.take("sync"))
    d.fail("unknown instruction " + d.opcode);
  size_t at = 0;
  uint32_t to = SinkSlot, c = 0;
  bool isInverted = false;
  if (isReduction) {
    bool isAnd = d.take("and"), isOr = d.take("or");
    flags |= 2 | (isAnd ? 4 : isOr ? 8 : 0);
    if (!isAnd && !isOr && !d.take("popc"))
      d.fail("unknown instruction " + d.opcode);
    Type type = d.takeType();
    d.expectOperands(3, 4);
    to = d.write(d.operands[0], type);
    c = d.read(d.operands.back(), Type::Pred);
    d.operands.pop_back();
    at = 1;
  }
  if (isArrive)
    flags |= 16;
  d.expectOperands(at + 1, at + 2);
  uint32_t a = d.read(d.operands[at], Type::U32);
  uint32_t b = 0;
  if (d.operands.size() > at + 1)
    b = d.read(d.operands[at + 1], Type::U32);
  Instruction &i = d.emit(atBarrier);
  i.d = to;
  i.a = a;
  i.b = b;
  i.c = c;
  i.immediate = isInverted;
  i.flags = flags;
}

/// Threads of a block run in turns on one thread of the host, and blocks use
/// atomic operations of the host, so that these have nothing to do.
static void decodeNothing(Decoder &d) {
  d.modifiers.clear();
  d.emit(nothing);
}

void ternac::cuda_emulator::addControlInstructions(DecodeTable &table) {
  table["bra"] = decodeBra;
  table["brx"] = decodeBrx;
  table["ret"] = [](Decoder &d) {
    d.take("uni");
    d.emit(leave);
  };
  table["exit"] = [](Decoder &d) { d.emit(exitThread); };
  table["trap"] = [](Decoder &d) { d.emit(trap); };
  table["brkpt"] = [](Decoder &d) { d.emit(trap); };
  table["call"] = decodeCall;
  table["bar"] = decodeBarrier;
  table["barrier"] = decodeBarrier;
  for (const char *name : {"membar", "fence", "griddepcontrol", "nanosleep",
                           "setmaxnreg", "pmevent"})
    table[name] = decodeNothing;
}
