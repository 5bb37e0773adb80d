//===- MemoryInstructions.cpp - Moves, loads, stores and copies ---------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"

using namespace ternac::cuda_emulator;

//===----------------------------------------------------------------------===//
// mov, cvta
//===----------------------------------------------------------------------===//

static const Instruction *move(Thread &t, const Instruction &i) {
  t.r[i.d] = t.r[i.a];
  return &i + 1;
}

/// Joins registers of `flags` bits.
static const Instruction *pack(Thread &t, const Instruction &i) {
  uint64_t result = 0;
  uint32_t shift = 0;
  uint64_t mask = (uint64_t(1) << i.flags) - 1;
  for (uint32_t slot : i.details->slots) {
    result |= (t.r[slot] & mask) << shift;
    shift += i.flags;
  }
  t.r[i.d] = result;
  return &i + 1;
}

static const Instruction *unpack(Thread &t, const Instruction &i) {
  uint64_t value = t.r[i.a], mask = (uint64_t(1) << i.flags) - 1;
  for (uint32_t slot : i.details->slots) {
    t.r[slot] = value & mask;
    value >>= i.flags;
  }
  return &i + 1;
}

static void decodeMov(Decoder &d) {
  Type type = d.takeType();
  d.expectOperands(2);
  const Operand &to = d.operands[0], &from = d.operands[1];
  uint32_t bits = bitsOf(type);
  const Operand &list = to.kind == Operand::List ? to : from;
  if (list.kind == Operand::List) {
    uint32_t part = bits / static_cast<uint32_t>(list.list.size());
    Type partType = part == 8    ? Type::B8
                    : part == 16 ? Type::B16
                    : part == 32 ? Type::B32
                                 : Type::None;
    if (partType == Type::None || part * list.list.size() != bits || bits > 64)
      d.fail("this form of " + d.opcode + " is not supported");
    std::vector<uint32_t> slots;
    bool isPack = from.kind == Operand::List;
    for (const Operand &operand : list.list)
      slots.push_back(isPack ? d.read(operand, partType)
                             : d.write(operand, partType));
    uint32_t slot = isPack ? d.write(to, type) : d.read(from, type);
    Instruction &i = d.emit(isPack ? pack : unpack);
    i.flags = part;
    d.details(i).slots = slots;
    (isPack ? i.d : i.a) = slot;
    return;
  }
  if (from.kind == Operand::FunctionSymbol)
    d.fail("addresses of functions are not supported");
  emitSimple(d, move, type, 1);
}

static const Instruction *addWindow(Thread &t, const Instruction &i) {
  t.r[i.d] = t.r[i.a] + static_cast<uint64_t>(i.immediate);
  return &i + 1;
}

static const Instruction *removeWindow(Thread &t, const Instruction &i) {
  uint64_t value = t.r[i.a];
  if (value >> 56 != static_cast<uint64_t>(i.immediate) >> 56)
    t.block->fault(t, i, 717, "the address is not in the space converted to");
  t.r[i.d] = value - static_cast<uint64_t>(i.immediate);
  return &i + 1;
}

static void decodeCvta(Decoder &d) {
  bool isTo = d.take("to");
  uint64_t window = d.take("shared::cta") || d.take("shared") ? SharedWindow
                    : d.take("local")                         ? LocalWindow
                                                              : 0;
  if (d.take("param::entry") || d.take("param") || d.take("global") ||
      d.take("const"))
    window = 0;
  Type type = d.takeType();
  Instruction &i = emitSimple(d,
                              !window ? move
                              : isTo  ? removeWindow
                                      : addWindow,
                              type, 1);
  i.immediate = static_cast<int64_t>(window);
}

template <Space S>
static const Instruction *isInSpace(Thread &t, const Instruction &i) {
  t.r[i.d] = t.r[i.a] >> 56 == static_cast<uint64_t>(i.immediate) >> 56;
  return &i + 1;
}

static void decodeIsspacep(Decoder &d) {
  uint64_t window = d.take("shared::cta") || d.take("shared") ? SharedWindow
                    : d.take("local")                         ? LocalWindow
                                                              : 0;
  if (!window && !d.take("global"))
    d.fail("this form of " + d.opcode + " is not supported");
  d.expectOperands(2);
  uint32_t to = d.write(d.operands[0], Type::Pred);
  uint32_t a = d.read(d.operands[1], Type::U64);
  Instruction &i = d.emit(isInSpace<Space::Generic>);
  i.d = to;
  i.a = a;
  i.immediate = static_cast<int64_t>(window);
}

//===----------------------------------------------------------------------===//
// ld, st
//===----------------------------------------------------------------------===//

static uint64_t addressOf(Thread &t, const Instruction &i) {
  return (t.r[i.a] + static_cast<uint64_t>(i.immediate)) & i.mask;
}

template <Space S, class T>
static const Instruction *load(Thread &t, const Instruction &i) {
  const uint8_t *from =
      resolve<S>(t, i, addressOf(t, i), sizeof(T), Access::Load);
  T value;
  memcpy(&value, from, sizeof(T));
  if constexpr (std::is_signed_v<T>)
    t.r[i.d] = i.flags == 64
                   ? uint64_t(int64_t(value))
                   : uint64_t(int64_t(value)) & ((uint64_t(1) << i.flags) - 1);
  else
    t.r[i.d] = value;
  return &i + 1;
}

template <Space S, class T>
static const Instruction *loadVector(Thread &t, const Instruction &i) {
  const std::vector<uint32_t> &slots = i.details->slots;
  const uint8_t *from =
      resolve<S>(t, i, addressOf(t, i), sizeof(T) * slots.size(), Access::Load);
  for (size_t k = 0; k < slots.size(); ++k) {
    T value;
    memcpy(&value, from + k * sizeof(T), sizeof(T));
    t.r[slots[k]] =
        std::is_signed_v<T> && i.flags != 64
            ? uint64_t(int64_t(value)) & ((uint64_t(1) << i.flags) - 1)
            : uint64_t(value);
  }
  return &i + 1;
}

template <Space S, class T>
static const Instruction *store(Thread &t, const Instruction &i) {
  t.storing = reinterpret_cast<const uint8_t *>(&t.r[i.d]);
  uint8_t *to = resolve<S>(t, i, addressOf(t, i), sizeof(T), Access::Store);
  t.storing = nullptr;
  memcpy(to, &t.r[i.d], sizeof(T));
  return &i + 1;
}

template <Space S, class T>
static const Instruction *storeVector(Thread &t, const Instruction &i) {
  const std::vector<uint32_t> &slots = i.details->slots;
  uint8_t data[32];
  for (size_t k = 0; k < slots.size(); ++k)
    memcpy(data + k * sizeof(T), &t.r[slots[k]], sizeof(T));
  size_t size = sizeof(T) * slots.size();
  t.storing = data;
  uint8_t *to = resolve<S>(t, i, addressOf(t, i), size, Access::Store);
  t.storing = nullptr;
  memcpy(to, data, size);
  return &i + 1;
}

template <Space S> static Handler loadOf(Type type, bool isVector) {
  switch (type) {
  case Type::S8:
    return isVector ? loadVector<S, int8_t> : load<S, int8_t>;
  case Type::S16:
    return isVector ? loadVector<S, int16_t> : load<S, int16_t>;
  case Type::S32:
    return isVector ? loadVector<S, int32_t> : load<S, int32_t>;
  default:
    break;
  }
  switch (bitsOf(type)) {
  case 8:
    return isVector ? loadVector<S, uint8_t> : load<S, uint8_t>;
  case 16:
    return isVector ? loadVector<S, uint16_t> : load<S, uint16_t>;
  case 32:
    return isVector ? loadVector<S, uint32_t> : load<S, uint32_t>;
  case 64:
    return isVector ? loadVector<S, uint64_t> : load<S, uint64_t>;
  default:
    return nullptr;
  }
}

template <Space S> static Handler storeOf(Type type, bool isVector) {
  switch (bitsOf(type)) {
  case 8:
    return isVector ? storeVector<S, uint8_t> : store<S, uint8_t>;
  case 16:
    return isVector ? storeVector<S, uint16_t> : store<S, uint16_t>;
  case 32:
    return isVector ? storeVector<S, uint32_t> : store<S, uint32_t>;
  case 64:
    return isVector ? storeVector<S, uint64_t> : store<S, uint64_t>;
  default:
    return nullptr;
  }
}

template <bool IsLoad>
static Handler access(Space space, Type type, bool isVector) {
  switch (space) {
  case Space::Global:
    return IsLoad ? loadOf<Space::Global>(type, isVector)
                  : storeOf<Space::Global>(type, isVector);
  case Space::Shared:
    return IsLoad ? loadOf<Space::Shared>(type, isVector)
                  : storeOf<Space::Shared>(type, isVector);
  case Space::Local:
    return IsLoad ? loadOf<Space::Local>(type, isVector)
                  : storeOf<Space::Local>(type, isVector);
  case Space::Param:
    return IsLoad ? loadOf<Space::Param>(type, isVector)
                  : storeOf<Space::Param>(type, isVector);
  case Space::Generic:
    return IsLoad ? loadOf<Space::Generic>(type, isVector)
                  : storeOf<Space::Generic>(type, isVector);
  }
  return nullptr;
}

/// Removes the modifiers that change no result here, and whatever sets their
/// operand.
static void takeHints(Decoder &d) {
  for (const char *hint : {"weak",
                           "volatile",
                           "relaxed",
                           "acquire",
                           "release",
                           "mmio",
                           "cta",
                           "cluster",
                           "gpu",
                           "sys",
                           "ca",
                           "cg",
                           "cs",
                           "lu",
                           "cv",
                           "wb",
                           "wt",
                           "nc",
                           "L1::evict_normal",
                           "L1::evict_unchanged",
                           "L1::evict_first",
                           "L1::evict_last",
                           "L1::no_allocate",
                           "L2::evict_first",
                           "L2::evict_last",
                           "L2::evict_normal",
                           "L2::64B",
                           "L2::128B",
                           "L2::256B",
                           "unified"})
    d.take(hint);
  if (d.take("L2::cache_hint") && d.operands.size() > 2)
    d.operands.pop_back();
}

static Space takeSpace(Decoder &d) {
  if (d.take("global") || d.take("const"))
    return Space::Global;
  if (d.take("shared") || d.take("shared::cta"))
    return Space::Shared;
  if (d.take("local"))
    return Space::Local;
  if (d.take("param") || d.take("param::entry") || d.take("param::func"))
    return Space::Param;
  return Space::Generic;
}

template <bool IsLoad> static void decodeAccess(Decoder &d) {
  takeHints(d);
  Space space = takeSpace(d);
  uint32_t count = d.take("v2") ? 2 : d.take("v4") ? 4 : d.take("v8") ? 8 : 1;
  Type type = d.takeType();
  d.expectOperands(2);
  const Operand &data = d.operands[IsLoad ? 0 : 1];
  const Operand &address = d.operands[IsLoad ? 1 : 0];
  if (count * bitsOf(type) > 256)
    d.fail("too many bytes in " + d.opcode);
  bool isList = data.kind == Operand::List;
  if (count != (isList ? data.list.size() : 1))
    d.fail("expected " + std::to_string(count) + " registers in " + d.opcode);
  std::vector<uint32_t> slots;
  uint32_t bits = 64;
  for (const Operand &operand :
       isList ? data.list : std::vector<Operand>{data}) {
    slots.push_back(IsLoad ? d.write(operand, type, true)
                           : d.read(operand, type, true));
    bits = operand.kind == Operand::Register ? operand.bits : bits;
  }
  if (!address.name.empty() && space == Space::Param) {
    uint64_t bytes = count * bitsOf(type) / 8;
    for (const Parameter &parameter : d.current().parameters)
      if (parameter.name == address.name &&
          address.offset + bytes > parameter.offset + parameter.size)
        d.fail(d.opcode + " goes beyond parameter " + address.name);
  }
  Instruction &i = d.emit(access<IsLoad>(space, type, isList));
  d.setAddress(i, address);
  i.flags = bits;
  if (isList)
    d.details(i).slots = slots;
  else
    i.d = slots[0];
}

//===----------------------------------------------------------------------===//
// cp.async
//===----------------------------------------------------------------------===//

static const Instruction *copyAsync(Thread &t, const Instruction &i) {
  PendingCopy copy;
  copy.to = addressOf(t, i);
  // A generic address of shared memory keeps its window.
  if (copy.to >> 56 == SharedWindow >> 56)
    copy.to -= SharedWindow;
  const Details &more = *i.details;
  copy.from = t.r[i.b] + static_cast<uint64_t>(int64_t(more.maskSlot));
  copy.size = i.flags;
  copy.sourceSize = i.c ? get<uint32_t>(t, i.c) : i.flags;
  copy.line = i.line;
  if (copy.sourceSize > copy.size)
    t.block->fault(t, i, 715, "cp.async reads more than it writes");
  if (copy.to % copy.size)
    misaligned(t, i, copy.to, copy.size);
  if (copy.from % copy.size)
    misaligned(t, i, copy.from, copy.size);
  t.openCopies.push_back(copy);
  return &i + 1;
}

static const Instruction *commitCopies(Thread &t, const Instruction &i) {
  t.copyGroups.push_back(std::move(t.openCopies));
  t.openCopies.clear();
  return &i + 1;
}

static const Instruction *waitCopies(Thread &t, const Instruction &i) {
  t.finishCopies(static_cast<size_t>(i.immediate));
  return &i + 1;
}

static const Instruction *waitAllCopies(Thread &t, const Instruction &i) {
  commitCopies(t, i);
  t.finishCopies(0);
  return &i + 1;
}

static void decodeCp(Decoder &d) {
  if (!d.take("async"))
    d.fail("unknown instruction " + d.opcode);
  if (d.take("commit_group")) {
    d.emit(commitCopies);
    return;
  }
  if (d.take("wait_all")) {
    d.emit(waitAllCopies);
    return;
  }
  if (d.take("wait_group")) {
    d.expectOperands(1);
    int64_t groups = static_cast<int64_t>(d.operands[0].value);
    d.emit(waitCopies).immediate = groups;
    return;
  }
  bool isGlobal = d.take("cg");
  bool hasHint = false;
  for (const std::string &modifier : d.modifiers)
    hasHint |= modifier == "L2::cache_hint";
  takeHints(d);
  if ((!d.take("shared") && !d.take("shared::cta")) || !d.take("global"))
    d.fail("this form of " + d.opcode + " is not supported");
  (void)hasHint;
  d.expectOperands(3, 4);
  uint64_t size = d.operands[2].value;
  if (size != 16 && (isGlobal || (size != 4 && size != 8)))
    d.fail("expected a size of " + std::string(isGlobal ? "" : "4, 8 or ") +
           "16 in " + d.opcode);
  uint32_t sourceSize = 0;
  if (d.operands.size() == 4)
    sourceSize = d.read(d.operands[3], Type::U32);
  const Operand &from = d.operands[1];
  if (from.kind != Operand::Address)
    d.fail("expected an address in " + d.opcode);
  Instruction &i = d.emit(copyAsync);
  d.setAddress(i, d.operands[0]);
  i.b = from.slot;
  i.c = sourceSize;
  i.flags = static_cast<uint32_t>(size);
  d.details(i).maskSlot = static_cast<int32_t>(from.offset);
}

/// Hints: nothing to do, and no result that anyone looks at.
static void decodeIgnored(Decoder &d) {
  d.modifiers.clear();
  if (!d.operands.empty() && d.operands[0].kind == Operand::Register) {
    uint32_t to = d.write(d.operands[0], Type::B64);
    uint32_t zero = d.constant(0);
    Instruction &i = d.emit(move);
    i.d = to;
    i.a = zero;
  }
}

void ternac::cuda_emulator::addMemoryInstructions(DecodeTable &table) {
  table["mov"] = decodeMov;
  table["cvta"] = decodeCvta;
  table["isspacep"] = decodeIsspacep;
  table["ld"] = decodeAccess<true>;
  table["ldu"] = decodeAccess<true>;
  table["st"] = decodeAccess<false>;
  table["cp"] = decodeCp;
  for (const char *hint :
       {"prefetch", "prefetchu", "createpolicy", "discard", "applypriority"})
    table[hint] = decodeIgnored;
}
