//===- Conversions.cpp - Conversions, comparisons and selections --------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Half.h"
#include "Handlers.h"

#include <algorithm>

using namespace ternac::cuda_emulator;

//===----------------------------------------------------------------------===//
// cvt
//===----------------------------------------------------------------------===//

template <class D, class S>
static const Instruction *convertInteger(Thread &t, const Instruction &i) {
  D value = static_cast<D>(get<S>(t, i.a));
  t.r[i.d] = static_cast<uint64_t>(static_cast<int64_t>(value)) & i.mask;
  return &i + 1;
}

template <class D> static Handler fromInteger(Type source) {
  switch (source) {
  case Type::U8:
    return convertInteger<D, uint8_t>;
  case Type::U16:
    return convertInteger<D, uint16_t>;
  case Type::U32:
    return convertInteger<D, uint32_t>;
  case Type::U64:
    return convertInteger<D, uint64_t>;
  case Type::S8:
    return convertInteger<D, int8_t>;
  case Type::S16:
    return convertInteger<D, int16_t>;
  case Type::S32:
    return convertInteger<D, int32_t>;
  case Type::S64:
    return convertInteger<D, int64_t>;
  default:
    return nullptr;
  }
}

static Handler integerConversion(Type to, Type from) {
  switch (to) {
  case Type::U8:
    return fromInteger<uint8_t>(from);
  case Type::U16:
    return fromInteger<uint16_t>(from);
  case Type::U32:
    return fromInteger<uint32_t>(from);
  case Type::U64:
    return fromInteger<uint64_t>(from);
  case Type::S8:
    return fromInteger<int8_t>(from);
  case Type::S16:
    return fromInteger<int16_t>(from);
  case Type::S32:
    return fromInteger<int32_t>(from);
  case Type::S64:
    return fromInteger<int64_t>(from);
  default:
    return nullptr;
  }
}

/// What the general conversion does, in the immediate of an instruction.
struct Conversion {
  Type to, from;
  Rounding rounding;
  bool toIntegral, saturate, flush, relu;
};
static_assert(sizeof(Conversion) <= sizeof(int64_t));

static __int128 readInteger(Thread &t, uint32_t slot, Type type) {
  uint32_t bits = bitsOf(type);
  uint64_t value = t.r[slot];
  if (isSigned(type))
    return static_cast<int64_t>(value << (64 - bits)) >> (64 - bits);
  return value << (64 - bits) >> (64 - bits);
}

static double readFloat(Thread &t, uint32_t slot, Type type) {
  switch (type) {
  case Type::F64:
    return get<double>(t, slot);
  case Type::F16:
    return get<Half>(t, slot);
  case Type::BF16:
    return get<BHalf>(t, slot);
  default:
    return get<float>(t, slot);
  }
}

static double toIntegral(double x, Rounding rounding) {
  switch (rounding) {
  case Rounding::Nearest:
    return std::nearbyint(x);
  case Rounding::Zero:
    return std::trunc(x);
  case Rounding::Down:
    return std::floor(x);
  case Rounding::Up:
    return std::ceil(x);
  }
  return x;
}

static double flushed(double x, Type type) {
  return type == Type::F32 && x != 0 && std::fabs(x) < 0x1p-126
             ? std::copysign(0.0, x)
             : x;
}

static uint64_t floatBits(double x, Type type, Rounding rounding) {
  uint64_t bits = 0;
  switch (type) {
  case Type::F64:
    memcpy(&bits, &x, 8);
    return std::isnan(x) ? 0x7FFFFFFFFFFFFFFF : bits;
  case Type::F16:
    return Half(x, rounding).bits;
  case Type::BF16:
    return BHalf(x, rounding).bits;
  default: {
    if (std::isnan(x))
      return 0x7FFFFFFF;
    float single = rounding == Rounding::Nearest ? static_cast<float>(x)
                                                 : roundToFloat(x, rounding);
    memcpy(&bits, &single, 4);
    return bits;
  }
  }
}

static __int128 leastOf(Type type) {
  return isSigned(type) ? -(__int128(1) << (bitsOf(type) - 1)) : 0;
}
static __int128 mostOf(Type type) {
  return (__int128(1) << (bitsOf(type) - isSigned(type))) - 1;
}

static uint64_t toInteger(double x, const Conversion &how) {
  uint32_t bits = bitsOf(how.to);
  if (std::isnan(x))
    return how.from == Type::F64 || bits == 64 ? uint64_t(1) << (bits - 1) : 0;
  x = toIntegral(x, how.rounding);
  __int128 least = leastOf(how.to), most = mostOf(how.to), value;
  if (x <= static_cast<double>(least))
    value = least;
  else if (x >= static_cast<double>(most))
    value = most;
  else
    value = static_cast<__int128>(x);
  return static_cast<uint64_t>(value);
}

static double clampFloat(double x, const Conversion &how) {
  if (how.saturate)
    x = x > 0 ? std::min(x, 1.0) : 0.0;
  if (how.relu && !std::isnan(x))
    x = std::max(x, 0.0);
  return x;
}

static const Instruction *convertGeneral(Thread &t, const Instruction &i) {
  Conversion how;
  memcpy(&how, &i.immediate, sizeof(how));
  uint64_t result;
  if (!isFloat(how.from)) {
    __int128 value = readInteger(t, i.a, how.from);
    if (!isFloat(how.to)) {
      if (how.saturate)
        value = std::clamp(value, leastOf(how.to), mostOf(how.to));
      result = static_cast<uint64_t>(value);
    } else if (how.to == Type::F32 && how.rounding == Rounding::Nearest) {
      float single = static_cast<float>(value);
      result = floatBits(clampFloat(single, how), Type::F32, how.rounding);
    } else {
      // Exact in a double, or rounded to odd.
      double x = static_cast<double>(value);
      __int128 back = static_cast<__int128>(x);
      uint64_t bits;
      memcpy(&bits, &x, 8);
      if (how.to != Type::F64 && back != value && !(bits & 1)) {
        bits += (back < value) == (x > 0) ? 1 : -1;
        memcpy(&x, &bits, 8);
      }
      result = floatBits(clampFloat(x, how), how.to, how.rounding);
    }
  } else {
    double x = readFloat(t, i.a, how.from);
    if (how.flush)
      x = flushed(x, how.from);
    if (!isFloat(how.to)) {
      result = toInteger(x, how);
    } else {
      if (how.toIntegral)
        x = toIntegral(x, how.rounding);
      x = clampFloat(x, how);
      if (how.flush && how.to == Type::F32)
        x = flushed(x, how.to);
      result = floatBits(x, how.to, how.rounding);
    }
  }
  uint32_t bits = bitsOf(how.to);
  if (!isFloat(how.to)) {
    result <<= 64 - bits;
    result =
        isSigned(how.to)
            ? static_cast<uint64_t>(static_cast<int64_t>(result) >> (64 - bits))
            : result >> (64 - bits);
  }
  t.r[i.d] = result & i.mask;
  return &i + 1;
}

static const Instruction *signed32ToFloat(Thread &t, const Instruction &i) {
  put<float>(t, i.d, static_cast<float>(get<int32_t>(t, i.a)));
  return &i + 1;
}
static const Instruction *halfToFloat(Thread &t, const Instruction &i) {
  put<float>(t, i.d, get<Half>(t, i.a).toFloat());
  return &i + 1;
}
static const Instruction *bhalfToFloat(Thread &t, const Instruction &i) {
  put<float>(t, i.d, get<BHalf>(t, i.a).toFloat());
  return &i + 1;
}

/// Two numbers to a pair: the first is the upper half.
template <class H>
static const Instruction *convertPair(Thread &t, const Instruction &i) {
  Conversion how;
  memcpy(&how, &i.immediate, sizeof(how));
  uint32_t result = 0;
  for (uint32_t slot : {i.a, i.b}) {
    double x = get<float>(t, slot);
    if (how.relu && !std::isnan(x))
      x = std::max(x, 0.0);
    result = result << 16 | H(x, how.rounding).bits;
  }
  put<uint32_t>(t, i.d, result);
  return &i + 1;
}

static const Instruction *convertTf32(Thread &t, const Instruction &i) {
  float x = get<float>(t, i.a);
  uint32_t bits;
  memcpy(&bits, &x, 4);
  // .rna: nearest, ties away from zero.
  if (std::isfinite(x))
    bits = (bits + 0x1000) & ~0x1FFFu;
  put<uint32_t>(t, i.d, bits);
  return &i + 1;
}

/// cvt.pack: saturated integers, with the upper part from c.
static const Instruction *convertPack(Thread &t, const Instruction &i) {
  auto type = static_cast<Type>(i.flags);
  uint32_t bits = bitsOf(type), result = 0;
  auto narrowed = [&](uint32_t slot) {
    __int128 value = readInteger(t, slot, Type::S32);
    return static_cast<uint32_t>(
               std::clamp(value, leastOf(type), mostOf(type))) &
           ((1u << bits) - 1);
  };
  result = narrowed(i.a) << bits | narrowed(i.b);
  if (bits < 16)
    result |= get<uint32_t>(t, i.c) << 2 * bits;
  put<uint32_t>(t, i.d, result);
  return &i + 1;
}

static void decodePack(Decoder &d) {
  if (!d.take("sat"))
    d.fail("expected .sat in " + d.opcode);
  Type to = d.takeType(), from = d.takeType();
  bool hasRest = bitsOf(to) < 16;
  if (hasRest)
    d.takeType();
  if (from != Type::S32 || bitsOf(to) < 8)
    d.fail("this form of " + d.opcode + " is not supported");
  if (!hasRest)
    d.operands.push_back(d.operands.back());
  emitSimple(d, convertPack, Type::B32, 3).flags = static_cast<uint32_t>(to);
}

static void decodeCvt(Decoder &d) {
  if (d.take("pack"))
    return decodePack(d);
  Conversion how{};
  const std::pair<const char *, Rounding> roundings[] = {
      {"rn", Rounding::Nearest},  {"rz", Rounding::Zero},
      {"rm", Rounding::Down},     {"rp", Rounding::Up},
      {"rni", Rounding::Nearest}, {"rzi", Rounding::Zero},
      {"rmi", Rounding::Down},    {"rpi", Rounding::Up}};
  bool isRounded = false;
  for (auto [name, rounding] : roundings) {
    if (!d.take(name))
      continue;
    how.rounding = rounding;
    how.toIntegral = name[2] == 'i';
    isRounded = true;
  }
  bool away = d.take("rna");
  how.saturate = d.take("sat");
  how.flush = d.take("ftz");
  how.relu = d.take("relu");
  how.to = d.takeType();
  how.from = d.takeType();
  if (how.to == Type::TF32) {
    if (!away)
      d.fail("this form of " + d.opcode + " is not supported");
    d.expectOperands(2);
    uint32_t to = d.write(d.operands[0], Type::B32);
    uint32_t a = d.read(d.operands[1], Type::F32);
    Instruction &i = d.emit(convertTf32);
    i.d = to;
    i.a = a;
    return;
  }
  int64_t immediate = 0;
  memcpy(&immediate, &how, sizeof(how));
  if (how.to == Type::F16X2 || how.to == Type::BF16X2) {
    if (how.from != Type::F32)
      d.fail("this form of " + d.opcode + " is not supported");
    d.expectOperands(3);
    uint32_t to = d.write(d.operands[0], how.to);
    uint32_t a = d.read(d.operands[1], Type::F32),
             b = d.read(d.operands[2], Type::F32);
    Instruction &i =
        d.emit(how.to == Type::F16X2 ? convertPair<Half> : convertPair<BHalf>);
    i.d = to;
    i.a = a;
    i.b = b;
    i.immediate = immediate;
    return;
  }
  auto isScalar = [](Type type) {
    return (type >= Type::U8 && type <= Type::S64) || type == Type::F16 ||
           type == Type::BF16 || type == Type::F32 || type == Type::F64;
  };
  if (!isScalar(how.to) || !isScalar(how.from) || away)
    d.fail("this form of " + d.opcode + " is not supported");
  // ptxas demands a rounding wherever one may be needed.
  bool needsRounding = isFloat(how.to) != isFloat(how.from) ||
                       (isFloat(how.to) && bitsOf(how.to) < bitsOf(how.from));
  if (needsRounding && !isRounded)
    d.fail("expected a rounding in " + d.opcode);
  if (needsRounding && isFloat(how.from) && !isFloat(how.to) && !how.toIntegral)
    d.fail("expected a rounding to an integer in " + d.opcode);
  d.expectOperands(2);
  uint32_t to = d.write(d.operands[0], how.to, true);
  uint32_t a = d.read(d.operands[1], how.from, true);
  Handler handler = convertGeneral;
  bool isPlain = !how.saturate && !how.flush && !how.relu &&
                 how.rounding == Rounding::Nearest;
  if (isPlain && !isFloat(how.to) && !isFloat(how.from))
    handler = integerConversion(how.to, how.from);
  else if (isPlain && how.to == Type::F32 && how.from == Type::S32)
    handler = signed32ToFloat;
  else if (isPlain && how.to == Type::F32 && how.from == Type::F16)
    handler = halfToFloat;
  else if (isPlain && how.to == Type::F32 && how.from == Type::BF16)
    handler = bhalfToFloat;
  Instruction &i = d.emit(handler);
  i.d = to;
  i.a = a;
  i.immediate = immediate;
  uint32_t bits = d.operands[0].bits;
  i.mask = bits >= 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
}

//===----------------------------------------------------------------------===//
// setp, set, selp, slct
//===----------------------------------------------------------------------===//

enum : uint32_t {
  HasBool = 3,
  BoolAnd = 1,
  BoolOr = 2,
  BoolXor = 3,
  HasSecond = 4,
  FlushInputs = 8,
  OfSet = 16,
  ToFloat = 32,
  ToHalf = 64,
  ToBHalf = 128
};

template <class T, auto C>
static const Instruction *compare(Thread &t, const Instruction &i) {
  T a = get<T>(t, i.a), b = get<T>(t, i.b);
  if constexpr (std::is_same_v<T, float>) {
    if (i.flags & FlushInputs) {
      a = static_cast<float>(flushed(a, Type::F32));
      b = static_cast<float>(flushed(b, Type::F32));
    }
  }
  uint32_t result = C(a, b);
  if (!i.flags) {
    t.r[i.d] = result;
    return &i + 1;
  }
  uint32_t second = !result;
  if (uint32_t operation = i.flags & HasBool) {
    uint32_t c = t.r[i.c] & 1;
    auto combine = [&](uint32_t x) {
      return operation == BoolAnd ? x & c : operation == BoolOr ? x | c : x ^ c;
    };
    result = combine(result);
    second = combine(second);
  }
  if (i.flags & OfSet) {
    t.r[i.d] = !result             ? 0
               : i.flags & ToFloat ? 0x3F800000
               : i.flags & ToHalf  ? 0x3C00
               : i.flags & ToBHalf ? 0x3F80
                                   : 0xFFFFFFFF;
    return &i + 1;
  }
  t.r[i.d] = result;
  if (i.flags & HasSecond)
    t.r[static_cast<uint32_t>(i.immediate)] = second;
  return &i + 1;
}

/// Compares pairs: to two predicates, or to a mask of both halves.
template <class H, auto C>
static const Instruction *comparePairs(Thread &t, const Instruction &i) {
  uint32_t results[2];
  for (int k = 0; k < 2; ++k) {
    H a, b;
    a.bits = static_cast<uint16_t>(get<uint32_t>(t, i.a) >> 16 * k);
    b.bits = static_cast<uint16_t>(get<uint32_t>(t, i.b) >> 16 * k);
    results[k] = C(double(a), double(b));
    uint32_t c = t.r[i.c] & 1;
    if (uint32_t operation = i.flags & HasBool)
      results[k] = operation == BoolAnd  ? results[k] & c
                   : operation == BoolOr ? results[k] | c
                                         : results[k] ^ c;
  }
  if (i.flags & OfSet) {
    uint32_t one = i.flags & ToHalf    ? 0x3C00
                   : i.flags & ToBHalf ? 0x3F80
                                       : 0xFFFF;
    t.r[i.d] = (results[0] ? one : 0) | (results[1] ? one << 16 : 0);
  } else {
    t.r[i.d] = results[0];
    if (i.flags & HasSecond)
      t.r[static_cast<uint32_t>(i.immediate)] = results[1];
  }
  return &i + 1;
}

template <auto C> static Handler comparison(Type type) {
  switch (type) {
  case Type::U16:
  case Type::B16:
    return compare<uint16_t, C>;
  case Type::U32:
  case Type::B32:
    return compare<uint32_t, C>;
  case Type::U64:
  case Type::B64:
    return compare<uint64_t, C>;
  case Type::S16:
    return compare<int16_t, C>;
  case Type::S32:
    return compare<int32_t, C>;
  case Type::S64:
    return compare<int64_t, C>;
  case Type::F32:
    return compare<float, C>;
  case Type::F64:
    return compare<double, C>;
  case Type::F16:
    return compare<Half, C>;
  case Type::BF16:
    return compare<BHalf, C>;
  case Type::F16X2:
    return comparePairs<Half, C>;
  case Type::BF16X2:
    return comparePairs<BHalf, C>;
  default:
    return nullptr;
  }
}

static constexpr auto equal = [](auto a, auto b) { return a == b; };
static constexpr auto notEqual = [](auto a, auto b) { return a < b || a > b; };
static constexpr auto less = [](auto a, auto b) { return a < b; };
static constexpr auto lessEqual = [](auto a, auto b) { return a <= b; };
static constexpr auto greater = [](auto a, auto b) { return a > b; };
static constexpr auto greaterEqual = [](auto a, auto b) { return a >= b; };
static constexpr auto equalOrNaN = [](auto a, auto b) {
  return !(a < b || a > b);
};
static constexpr auto notEqualOrNaN = [](auto a, auto b) { return !(a == b); };
static constexpr auto lessOrNaN = [](auto a, auto b) { return !(a >= b); };
static constexpr auto lessEqualOrNaN = [](auto a, auto b) { return !(a > b); };
static constexpr auto greaterOrNaN = [](auto a, auto b) { return !(a <= b); };
static constexpr auto greaterEqualOrNaN = [](auto a, auto b) {
  return !(a < b);
};
static constexpr auto areNumbers = [](auto a, auto b) {
  return a == a && b == b;
};
static constexpr auto isAnyNaN = [](auto a, auto b) {
  return !(a == a && b == b);
};

static const std::pair<const char *, Handler (*)(Type)> comparisons[] = {
    {"eq", comparison<equal>},         {"ne", comparison<notEqual>},
    {"lt", comparison<less>},          {"lo", comparison<less>},
    {"le", comparison<lessEqual>},     {"ls", comparison<lessEqual>},
    {"gt", comparison<greater>},       {"hi", comparison<greater>},
    {"ge", comparison<greaterEqual>},  {"hs", comparison<greaterEqual>},
    {"equ", comparison<equalOrNaN>},   {"neu", comparison<notEqualOrNaN>},
    {"ltu", comparison<lessOrNaN>},    {"leu", comparison<lessEqualOrNaN>},
    {"gtu", comparison<greaterOrNaN>}, {"geu", comparison<greaterEqualOrNaN>},
    {"num", comparison<areNumbers>},   {"nan", comparison<isAnyNaN>},
};

template <bool IsSet> static void decodeCompare(Decoder &d) {
  Handler (*choose)(Type) = nullptr;
  for (auto [name, handlers] : comparisons)
    if (d.take(name))
      choose = handlers;
  if (!choose)
    d.fail("expected a comparison in " + d.opcode);
  uint32_t flags = 0;
  if (d.take("and"))
    flags = BoolAnd;
  else if (d.take("or"))
    flags = BoolOr;
  else if (d.take("xor"))
    flags = BoolXor;
  if (d.take("ftz"))
    flags |= FlushInputs;
  Type to = IsSet ? d.takeType() : Type::Pred;
  Type type = d.takeType();
  d.expectOperands(flags & HasBool ? 4 : 3);
  uint32_t first, second = SinkSlot;
  const Operand &destination = d.operands[0];
  if (IsSet) {
    flags |= OfSet;
    if (to == Type::F32)
      flags |= ToFloat;
    else if (to == Type::F16 || to == Type::F16X2)
      flags |= ToHalf;
    else if (to == Type::BF16 || to == Type::BF16X2)
      flags |= ToBHalf;
    first = d.write(destination, to);
  } else if (destination.kind == Operand::List) {
    first = d.write(destination.list[0], Type::Pred);
    second = d.write(destination.list[1], Type::Pred);
    flags |= HasSecond;
  } else {
    first = d.write(destination, Type::Pred);
  }
  uint32_t a = d.read(d.operands[1], type), b = d.read(d.operands[2], type);
  uint32_t c = flags & HasBool ? d.read(d.operands[3], Type::Pred) : 0;
  Instruction &i = d.emit(choose(type));
  i.d = first;
  i.a = a;
  i.b = b;
  i.c = c;
  i.flags = flags;
  i.immediate = second;
}

static const Instruction *select(Thread &t, const Instruction &i) {
  t.r[i.d] = t.r[i.c] & 1 ? t.r[i.a] : t.r[i.b];
  return &i + 1;
}

static void decodeSelp(Decoder &d) {
  Type type = d.takeType();
  d.expectOperands(4);
  uint32_t to = d.write(d.operands[0], type);
  uint32_t a = d.read(d.operands[1], type), b = d.read(d.operands[2], type);
  uint32_t c = d.read(d.operands[3], Type::Pred);
  Instruction &i = d.emit(select);
  i.d = to;
  i.a = a;
  i.b = b;
  i.c = c;
}

template <class T>
static const Instruction *selectBySign(Thread &t, const Instruction &i) {
  t.r[i.d] = get<T>(t, i.c) >= 0 ? t.r[i.a] : t.r[i.b];
  return &i + 1;
}

static void decodeSlct(Decoder &d) {
  d.take("ftz");
  Type type = d.takeType(), by = d.takeType();
  d.expectOperands(4);
  uint32_t to = d.write(d.operands[0], type);
  uint32_t a = d.read(d.operands[1], type), b = d.read(d.operands[2], type);
  uint32_t c = d.read(d.operands[3], by);
  Instruction &i =
      d.emit(by == Type::F32 ? selectBySign<float> : selectBySign<int32_t>);
  i.d = to;
  i.a = a;
  i.b = b;
  i.c = c;
}

void ternac::cuda_emulator::addConversions(DecodeTable &table) {
  table["cvt"] = decodeCvt;
  table["setp"] = decodeCompare<false>;
  table["set"] = decodeCompare<true>;
  table["selp"] = decodeSelp;
  table["slct"] = decodeSlct;
}
