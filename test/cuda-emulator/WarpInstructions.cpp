//===- WarpInstructions.cpp - What the lanes of a warp do together ------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaTypes.h"
#include "Handlers.h"

#include <algorithm>
#include <bit>

using namespace ternac::cuda_emulator;

template <class F> static void forLanes(uint32_t lanes, F f) {
  for (uint32_t lane = 0; lane < 32; ++lane)
    if (lanes >> lane & 1)
      f(lane);
}

/// Emits an instruction of a warp with the mask in `mask`.
static Instruction &emitCollective(Decoder &d, WarpHandler handler,
                                   const Operand &mask) {
  uint32_t slot = d.read(mask, Type::B32);
  Instruction &i = d.emit(joinCollective);
  Details &more = d.details(i);
  more.warp = handler;
  more.maskSlot = static_cast<int32_t>(slot);
  return i;
}

static void requireSync(Decoder &d) {
  if (!d.take("sync"))
    d.fail("only the forms with .sync are supported: " + d.opcode);
}

//===----------------------------------------------------------------------===//
// shfl
//===----------------------------------------------------------------------===//

enum Shuffle : uint32_t { Up, Down, Butterfly, Index };

static void shuffle(Warp &warp, const Instruction &i, uint32_t lanes) {
  uint32_t values[32] = {};
  forLanes(lanes, [&](uint32_t lane) {
    values[lane] = get<uint32_t>(warp.lanes[lane], i.a);
  });
  forLanes(lanes, [&](uint32_t lane) {
    Thread &t = warp.lanes[lane];
    uint32_t b = get<uint32_t>(t, i.b) & 31, c = get<uint32_t>(t, i.c);
    uint32_t clampTo = c & 31, segment = c >> 8 & 31;
    int last = (lane & segment) | (clampTo & ~segment);
    int first = lane & segment;
    int from = 0;
    bool inside = false;
    switch (i.flags) {
    case Up:
      from = int(lane) - int(b);
      inside = from >= last;
      break;
    case Down:
      from = int(lane + b);
      inside = from <= last;
      break;
    case Butterfly:
      from = int(lane ^ b);
      inside = from <= last;
      break;
    default:
      from = first | int(b & ~segment);
      inside = from <= last;
    }
    if (!inside)
      from = int(lane);
    if (!(lanes >> from & 1))
      warp.block.fault(t, i, CUDA_ERROR_ILLEGAL_INSTRUCTION,
                       "shfl reads lane " + std::to_string(from) +
                           ", which does not take part");
    put<uint32_t>(t, i.d, values[from]);
    t.r[static_cast<uint32_t>(i.immediate)] = inside;
  });
}

static void decodeShfl(Decoder &d) {
  requireSync(d);
  uint32_t mode = Index;
  if (d.take("up"))
    mode = Up;
  else if (d.take("down"))
    mode = Down;
  else if (d.take("bfly"))
    mode = Butterfly;
  else if (!d.take("idx"))
    d.fail("expected .up, .down, .bfly or .idx in " + d.opcode);
  d.takeType();
  d.expectOperands(5);
  const Operand &to = d.operands[0];
  bool isPair = to.kind == Operand::List;
  uint32_t value = d.write(isPair ? to.list[0] : to, Type::B32);
  uint32_t predicate =
      isPair ? d.write(to.list[1], Type::Pred) : uint32_t(SinkSlot);
  uint32_t a = d.read(d.operands[1], Type::B32);
  uint32_t b = d.read(d.operands[2], Type::B32);
  uint32_t c = d.read(d.operands[3], Type::B32);
  Instruction &i = emitCollective(d, shuffle, d.operands[4]);
  i.d = value;
  i.a = a;
  i.b = b;
  i.c = c;
  i.flags = mode;
  i.immediate = predicate;
}

//===----------------------------------------------------------------------===//
// vote, match, redux, activemask, elect
//===----------------------------------------------------------------------===//

enum Vote : uint32_t { All, Any, Uniform, Ballot };

static void vote(Warp &warp, const Instruction &i, uint32_t lanes) {
  uint32_t ballot = 0;
  forLanes(lanes, [&](uint32_t lane) {
    ballot |= uint32_t(warp.lanes[lane].r[i.a] & 1) << lane;
  });
  uint32_t result = i.flags == All       ? ballot == lanes
                    : i.flags == Any     ? ballot != 0
                    : i.flags == Uniform ? !ballot || ballot == lanes
                                         : ballot;
  forLanes(lanes, [&](uint32_t lane) { warp.lanes[lane].r[i.d] = result; });
}

static void decodeVote(Decoder &d) {
  requireSync(d);
  uint32_t mode = Ballot;
  if (d.take("all"))
    mode = All;
  else if (d.take("any"))
    mode = Any;
  else if (d.take("uni"))
    mode = Uniform;
  else if (!d.take("ballot"))
    d.fail("expected .all, .any, .uni or .ballot in " + d.opcode);
  Type type = d.takeType();
  d.expectOperands(3);
  uint32_t to = d.write(d.operands[0], type);
  uint32_t a = d.read(d.operands[1], Type::Pred);
  Instruction &i = emitCollective(d, vote, d.operands[2]);
  i.d = to;
  i.a = a;
  i.flags = mode;
}

/// Flags: 1 all, 2 of 64 bits.
static void match(Warp &warp, const Instruction &i, uint32_t lanes) {
  auto valueOf = [&](uint32_t lane) {
    uint64_t value = warp.lanes[lane].r[i.a];
    return i.flags & 2 ? value : value & 0xFFFFFFFF;
  };
  uint32_t results[32] = {};
  forLanes(lanes, [&](uint32_t lane) {
    forLanes(lanes, [&](uint32_t other) {
      results[lane] |= uint32_t(valueOf(lane) == valueOf(other)) << other;
    });
  });
  forLanes(lanes, [&](uint32_t lane) {
    Thread &t = warp.lanes[lane];
    bool isAll = results[lane] == lanes;
    t.r[i.d] = i.flags & 1 && !isAll ? 0 : results[lane];
    t.r[static_cast<uint32_t>(i.immediate)] = isAll;
  });
}

static void decodeMatch(Decoder &d) {
  requireSync(d);
  uint32_t flags = d.take("all") ? 1 : 0;
  if (!flags && !d.take("any"))
    d.fail("expected .all or .any in " + d.opcode);
  Type type = d.takeType();
  flags |= bitsOf(type) == 64 ? 2 : 0;
  d.expectOperands(3);
  const Operand &to = d.operands[0];
  bool isPair = to.kind == Operand::List;
  uint32_t value = d.write(isPair ? to.list[0] : to, Type::B32);
  uint32_t predicate =
      isPair ? d.write(to.list[1], Type::Pred) : uint32_t(SinkSlot);
  uint32_t a = d.read(d.operands[1], type);
  Instruction &i = emitCollective(d, match, d.operands[2]);
  i.d = value;
  i.a = a;
  i.flags = flags;
  i.immediate = predicate;
}

template <class T, auto F>
static void reduce(Warp &warp, const Instruction &i, uint32_t lanes) {
  bool isFirst = true;
  T result{};
  forLanes(lanes, [&](uint32_t lane) {
    T value = get<T>(warp.lanes[lane], i.a);
    result = isFirst ? value : static_cast<T>(F(result, value));
    isFirst = false;
  });
  forLanes(lanes,
           [&](uint32_t lane) { put<T>(warp.lanes[lane], i.d, result); });
}

static void decodeRedux(Decoder &d) {
  requireSync(d);
  WarpHandler handler = nullptr;
  constexpr auto add = [](auto a, auto b) { return a + b; };
  constexpr auto least = [](auto a, auto b) { return std::min(a, b); };
  constexpr auto most = [](auto a, auto b) { return std::max(a, b); };
  constexpr auto both = [](auto a, auto b) { return a & b; };
  constexpr auto either = [](auto a, auto b) { return a | b; };
  constexpr auto one = [](auto a, auto b) { return a ^ b; };
  bool sign = !d.modifiers.empty() && d.modifiers.back() == "s32";
  if (d.take("add"))
    handler = reduce<uint32_t, add>;
  else if (d.take("min"))
    handler = sign ? reduce<int32_t, least> : reduce<uint32_t, least>;
  else if (d.take("max"))
    handler = sign ? reduce<int32_t, most> : reduce<uint32_t, most>;
  else if (d.take("and"))
    handler = reduce<uint32_t, both>;
  else if (d.take("or"))
    handler = reduce<uint32_t, either>;
  else if (d.take("xor"))
    handler = reduce<uint32_t, one>;
  else
    d.fail("expected an operation in " + d.opcode);
  Type type = d.takeType();
  if (isFloat(type))
    d.fail("this form of " + d.opcode + " is not supported");
  d.expectOperands(3);
  uint32_t to = d.write(d.operands[0], type);
  uint32_t a = d.read(d.operands[1], type);
  Instruction &i = emitCollective(d, handler, d.operands[2]);
  i.d = to;
  i.a = a;
}

static void meet(Warp &, const Instruction &, uint32_t) {}

void decodeWarpBarrier(Decoder &d) {
  requireSync(d);
  d.expectOperands(1);
  emitCollective(d, meet, d.operands[0]);
}

static void showActive(Warp &warp, const Instruction &i, uint32_t lanes) {
  forLanes(lanes, [&](uint32_t lane) { warp.lanes[lane].r[i.d] = lanes; });
}

static void decodeActivemask(Decoder &d) {
  d.takeType();
  d.expectOperands(1);
  uint32_t to = d.write(d.operands[0], Type::B32);
  Instruction &i = d.emit(joinCollective);
  i.d = to;
  Details &more = d.details(i);
  more.warp = showActive;
  more.anyLanes = true;
}

static void elect(Warp &warp, const Instruction &i, uint32_t lanes) {
  uint32_t leader = static_cast<uint32_t>(std::countr_zero(lanes));
  forLanes(lanes, [&](uint32_t lane) {
    warp.lanes[lane].r[i.d] = leader;
    warp.lanes[lane].r[i.a] = lane == leader;
  });
}

static void decodeElect(Decoder &d) {
  requireSync(d);
  d.expectOperands(2);
  const Operand &to = d.operands[0];
  if (to.kind != Operand::List)
    d.fail("expected d|p in " + d.opcode);
  uint32_t value = d.write(to.list[0], Type::B32);
  uint32_t predicate = d.write(to.list[1], Type::Pred);
  Instruction &i = emitCollective(d, elect, d.operands[1]);
  i.d = value;
  i.a = predicate;
}

void ternac::cuda_emulator::addWarpInstructions(DecodeTable &table) {
  table["shfl"] = decodeShfl;
  table["vote"] = decodeVote;
  table["match"] = decodeMatch;
  table["redux"] = decodeRedux;
  table["activemask"] = decodeActivemask;
  table["elect"] = decodeElect;
}
