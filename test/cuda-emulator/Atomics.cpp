//===- Atomics.cpp - atom and red ---------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Blocks run on several threads of the host, so operations of the host do
// these.
//
//===----------------------------------------------------------------------===//

#include "Half.h"
#include "Handlers.h"

#include <algorithm>

using namespace ternac::cuda_emulator;

template <class W>
using Bits =
    std::conditional_t<sizeof(W) == 8, uint64_t,
                       std::conditional_t<sizeof(W) == 4, uint32_t, uint16_t>>;

/// Two narrow numbers.
template <class H> struct Pair {
  H low, high;
};

template <Space S, class T, auto F>
static const Instruction *atomic(Thread &t, const Instruction &i) {
  using W = Bits<T>;
  uint64_t address = (t.r[i.a] + static_cast<uint64_t>(i.immediate)) & i.mask;
  auto *place = reinterpret_cast<W *>(
      resolve<S>(t, i, address, sizeof(T), Access::Atomic));
  T b = get<T>(t, i.b), c = get<T>(t, i.c);
  W old = __atomic_load_n(place, __ATOMIC_SEQ_CST), updated;
  do {
    T value;
    memcpy(static_cast<void *>(&value), &old, sizeof(T));
    value = static_cast<T>(F(value, b, c));
    memcpy(&updated, &value, sizeof(T));
  } while (!__atomic_compare_exchange_n(place, &old, updated, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  t.r[i.d] = old;
  return &i + 1;
}

template <class T, auto F> static Handler inSpace(Space space) {
  return space == Space::Global   ? atomic<Space::Global, T, F>
         : space == Space::Shared ? atomic<Space::Shared, T, F>
                                  : atomic<Space::Generic, T, F>;
}

static constexpr auto addition = [](auto a, auto b, auto) { return a + b; };
static constexpr auto least = [](auto a, auto b, auto) {
  return std::min(a, b);
};
static constexpr auto most = [](auto a, auto b, auto) {
  return std::max(a, b);
};
static constexpr auto both = [](auto a, auto b, auto) { return a & b; };
static constexpr auto either = [](auto a, auto b, auto) { return a | b; };
static constexpr auto one = [](auto a, auto b, auto) { return a ^ b; };
static constexpr auto exchange = [](auto, auto b, auto) { return b; };
static constexpr auto compareAndSwap = [](auto a, auto b, auto c) {
  return a == b ? c : a;
};
static constexpr auto increment = [](auto a, auto b, auto) {
  return a >= b ? 0 : a + 1;
};
static constexpr auto decrement = [](auto a, auto b, auto) {
  return a == 0 || a > b ? b : a - 1;
};
template <class H>
static constexpr auto narrowSum =
    [](H a, H b, H) { return H(oddFma(a, 1, b)); };
template <class H>
static constexpr auto pairSum = [](Pair<H> a, Pair<H> b, Pair<H>) {
  return Pair<H>{H(oddFma(a.low, 1, b.low)), H(oddFma(a.high, 1, b.high))};
};

template <auto F> static Handler ofSize(Type type, Space space) {
  return bitsOf(type) == 32   ? inSpace<uint32_t, F>(space)
         : bitsOf(type) == 64 ? inSpace<uint64_t, F>(space)
                              : nullptr;
}

template <auto F> static Handler ofSign(Type type, Space space) {
  return type == Type::S32   ? inSpace<int32_t, F>(space)
         : type == Type::S64 ? inSpace<int64_t, F>(space)
                             : ofSize<F>(type, space);
}

static Handler additionOf(Type type, Space space) {
  switch (type) {
  case Type::F32:
    return inSpace<float, addition>(space);
  case Type::F64:
    return inSpace<double, addition>(space);
  case Type::F16:
    return inSpace<Half, narrowSum<Half>>(space);
  case Type::BF16:
    return inSpace<BHalf, narrowSum<BHalf>>(space);
  case Type::F16X2:
    return inSpace<Pair<Half>, pairSum<Half>>(space);
  case Type::BF16X2:
    return inSpace<Pair<BHalf>, pairSum<BHalf>>(space);
  default:
    return ofSize<addition>(type, space);
  }
}

template <bool HasResult> static void decodeAtomic(Decoder &d) {
  if (d.take("async"))
    d.fail("red.async is not supported");
  for (const char *hint : {"relaxed", "acquire", "release", "acq_rel",
                           "seq_cst", "cta", "cluster", "gpu", "sys", "noftz"})
    d.take(hint);
  if (d.take("L2::cache_hint"))
    d.operands.pop_back();
  Space space = d.take("global")                            ? Space::Global
                : d.take("shared") || d.take("shared::cta") ? Space::Shared
                                                            : Space::Generic;
  std::string operation;
  for (const char *name :
       {"add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"})
    if (d.take(name))
      operation = name;
  Type type = d.takeType();
  Handler handler = nullptr;
  if (operation == "add")
    handler = additionOf(type, space);
  else if (isFloat(type))
    handler = nullptr;
  else if (operation == "min")
    handler = ofSign<least>(type, space);
  else if (operation == "max")
    handler = ofSign<most>(type, space);
  else if (operation == "and")
    handler = ofSize<both>(type, space);
  else if (operation == "or")
    handler = ofSize<either>(type, space);
  else if (operation == "xor")
    handler = ofSize<one>(type, space);
  else if (operation == "exch" && HasResult)
    handler = ofSize<exchange>(type, space);
  else if (operation == "cas" && HasResult)
    handler = bitsOf(type) == 16 ? inSpace<uint16_t, compareAndSwap>(space)
                                 : ofSize<compareAndSwap>(type, space);
  else if (operation == "inc" && type == Type::U32)
    handler = inSpace<uint32_t, increment>(space);
  else if (operation == "dec" && type == Type::U32)
    handler = inSpace<uint32_t, decrement>(space);
  size_t at = HasResult ? 1 : 0;
  d.expectOperands(at + (operation == "cas" ? 3 : 2));
  uint32_t to = HasResult ? d.write(d.operands[0], type) : uint32_t(SinkSlot);
  uint32_t b = d.read(d.operands[at + 1], type), c = b;
  if (operation == "cas")
    c = d.read(d.operands[at + 2], type);
  Instruction &i = d.emit(handler);
  d.setAddress(i, d.operands[at]);
  i.d = to;
  i.b = b;
  i.c = c;
}

void ternac::cuda_emulator::addAtomicInstructions(DecodeTable &table) {
  table["atom"] = decodeAtomic<true>;
  table["red"] = decodeAtomic<false>;
}
