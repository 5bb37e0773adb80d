//===- Floats.cpp - Instructions on floating-point numbers --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Half.h"
#include "Handlers.h"

#include <algorithm>

using namespace ternac::cuda_emulator;

/// Flags of the general forms; the rounding is above them.
enum : uint32_t { Flush = 1, Saturate = 2, Relu = 4, RoundingShift = 4 };

static float flush(float x) {
  return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x;
}

static float canonical(float x) {
  if (!std::isnan(x))
    return x;
  uint32_t bits = 0x7FFFFFFF;
  memcpy(&x, &bits, 4);
  return x;
}

static float finish(float x, uint32_t flags) {
  if (flags & Flush)
    x = flush(x);
  if (flags & Saturate)
    x = x > 0 ? std::min(x, 1.0f) : 0.0f;
  if (flags & Relu)
    x = std::isnan(x) ? x : std::max(x, 0.0f);
  return x;
}

static float operand(Thread &t, uint32_t slot, uint32_t flags) {
  float x = get<float>(t, slot);
  return flags & Flush ? flush(x) : x;
}

enum class Op { Add, Sub, Mul, Fma };

template <Op O, class T> static T compute(T a, T b, T c) {
  if constexpr (O == Op::Add)
    return a + b;
  else if constexpr (O == Op::Sub)
    return a - b;
  else if constexpr (O == Op::Mul)
    return a * b;
  else
    return std::fma(a, b, c);
}

template <Op O, class T>
static const Instruction *plain(Thread &t, const Instruction &i) {
  put<T>(t, i.d,
         compute<O, T>(get<T>(t, i.a), get<T>(t, i.b),
                       O == Op::Fma ? get<T>(t, i.c) : T(0)));
  return &i + 1;
}

template <Op O>
static const Instruction *general(Thread &t, const Instruction &i) {
  float a = operand(t, i.a, i.flags), b = operand(t, i.b, i.flags);
  float c = O == Op::Fma ? operand(t, i.c, i.flags) : 0;
  auto rounding = static_cast<Rounding>(i.flags >> RoundingShift);
  float result;
  if (rounding == Rounding::Nearest) {
    result = compute<O, float>(a, b, c);
  } else {
    double exact = O == Op::Add   ? oddFma(a, 1, b)
                   : O == Op::Sub ? oddFma(-b, 1, a)
                   : O == Op::Mul ? oddFma(a, b, 0)
                                  : oddFma(a, b, c);
    result = roundToFloat(exact, rounding);
  }
  put<float>(t, i.d, canonical(finish(result, i.flags)));
  return &i + 1;
}

/// One or two narrow numbers in a register.
template <Op O, class H, int Count>
static const Instruction *narrow(Thread &t, const Instruction &i) {
  uint32_t result = 0;
  for (int k = 0; k < Count; ++k) {
    auto at = [&](uint32_t slot) {
      H h;
      h.bits = static_cast<uint16_t>(get<uint32_t>(t, slot) >> 16 * k);
      if (i.flags & Flush && !(h.bits & H::infinity))
        h.bits &= 0x8000;
      return double(h);
    };
    double a = at(i.a), b = at(i.b);
    double exact = O == Op::Add   ? oddFma(a, 1, b)
                   : O == Op::Sub ? oddFma(-b, 1, a)
                   : O == Op::Mul ? a * b
                                  : oddFma(a, b, at(i.c));
    H h(exact);
    if (i.flags & Saturate)
      h = H(std::isnan(exact) ? 0 : std::clamp(double(h), 0.0, 1.0));
    if (i.flags & Relu && !std::isnan(exact) && (h.bits & 0x8000))
      h.bits = 0;
    if (i.flags & Flush && !(h.bits & H::infinity))
      h.bits &= 0x8000;
    result |= uint32_t(h.bits) << 16 * k;
  }
  put<uint32_t>(t, i.d, result);
  return &i + 1;
}

template <Op O>
static const Instruction *pair(Thread &t, const Instruction &i) {
  uint64_t result = 0;
  for (int k = 0; k < 2; ++k) {
    auto at = [&](uint32_t slot) {
      uint32_t bits = static_cast<uint32_t>(t.r[slot] >> 32 * k);
      float value;
      memcpy(&value, &bits, 4);
      return i.flags & Flush ? flush(value) : value;
    };
    float value = compute<O, float>(at(i.a), at(i.b), at(i.c));
    value = finish(value, i.flags);
    uint32_t bits;
    memcpy(&bits, &value, 4);
    result |= uint64_t(bits) << 32 * k;
  }
  t.r[i.d] = result;
  return &i + 1;
}

static uint32_t takeFlags(Decoder &d) {
  uint32_t flags = 0;
  if (d.take("ftz"))
    flags |= Flush;
  if (d.take("sat"))
    flags |= Saturate;
  if (d.take("relu"))
    flags |= Relu;
  if (d.take("rz"))
    flags |= uint32_t(Rounding::Zero) << RoundingShift;
  else if (d.take("rm"))
    flags |= uint32_t(Rounding::Down) << RoundingShift;
  else if (d.take("rp"))
    flags |= uint32_t(Rounding::Up) << RoundingShift;
  else
    d.take("rn");
  return flags;
}

template <Op O> static void decodeArithmetic(Decoder &d) {
  uint32_t flags = takeFlags(d);
  Type type = d.takeType();
  Handler handler = nullptr;
  switch (type) {
  case Type::F32:
    handler = flags ? general<O> : plain<O, float>;
    break;
  case Type::F64:
    handler = flags ? nullptr : plain<O, double>;
    break;
  case Type::F16:
    handler = narrow<O, Half, 1>;
    break;
  case Type::F16X2:
    handler = narrow<O, Half, 2>;
    break;
  case Type::BF16:
    handler = narrow<O, BHalf, 1>;
    break;
  case Type::BF16X2:
    handler = narrow<O, BHalf, 2>;
    break;
  case Type::F32X2:
    handler = pair<O>;
    break;
  default:
    break;
  }
  emitSimple(d, handler, type, O == Op::Fma ? 3 : 2).flags = flags;
}

void decodeFloatAdd(Decoder &d) { decodeArithmetic<Op::Add>(d); }
void decodeFloatSub(Decoder &d) { decodeArithmetic<Op::Sub>(d); }
void decodeFloatMul(Decoder &d) { decodeArithmetic<Op::Mul>(d); }
void decodeFloatFma(Decoder &d) { decodeArithmetic<Op::Fma>(d); }

//===----------------------------------------------------------------------===//
// Functions of one number, quotients, minima
//===----------------------------------------------------------------------===//

template <auto F>
static const Instruction *function32(Thread &t, const Instruction &i) {
  float x = F(operand(t, i.a, i.flags));
  put<float>(t, i.d, canonical(finish(x, i.flags)));
  return &i + 1;
}

template <auto F>
static const Instruction *function64(Thread &t, const Instruction &i) {
  put<double>(t, i.d, F(get<double>(t, i.a)));
  return &i + 1;
}

template <auto F, class H, int Count>
static const Instruction *functionNarrow(Thread &t, const Instruction &i) {
  uint32_t result = 0;
  for (int k = 0; k < Count; ++k) {
    H h;
    h.bits = static_cast<uint16_t>(get<uint32_t>(t, i.a) >> 16 * k);
    result |= uint32_t(H(double(F(double(h)))).bits) << 16 * k;
  }
  put<uint32_t>(t, i.d, result);
  return &i + 1;
}

template <auto F> static void decodeFunction(Decoder &d) {
  d.take("approx");
  d.take("full");
  uint32_t flags = takeFlags(d);
  if (flags >> RoundingShift)
    d.fail("only .rn is supported in " + d.opcode);
  Type type = d.takeType();
  Handler handler = type == Type::F32      ? function32<F>
                    : type == Type::F64    ? function64<F>
                    : type == Type::F16    ? functionNarrow<F, Half, 1>
                    : type == Type::F16X2  ? functionNarrow<F, Half, 2>
                    : type == Type::BF16   ? functionNarrow<F, BHalf, 1>
                    : type == Type::BF16X2 ? functionNarrow<F, BHalf, 2>
                                           : nullptr;
  emitSimple(d, handler, type, 1).flags = flags;
}

/// Functions that change bits only.
template <uint64_t Keep, uint64_t Flip, uint32_t Bits>
static const Instruction *signChange(Thread &t, const Instruction &i) {
  uint64_t value = t.r[i.a];
  if (i.flags & Flush) {
    float x = flush(get<float>(t, i.a));
    uint32_t bits;
    memcpy(&bits, &x, 4);
    value = bits;
  }
  t.r[i.d] = (value & Keep) ^ Flip;
  return &i + 1;
}

template <bool IsNeg> static void decodeSign(Decoder &d) {
  uint32_t flags = takeFlags(d);
  Type type = d.takeType();
  Handler handler = nullptr;
  switch (type) {
  case Type::F32:
    handler = IsNeg ? signChange<0xFFFFFFFF, 0x80000000, 32>
                    : signChange<0x7FFFFFFF, 0, 32>;
    break;
  case Type::F64:
    handler = IsNeg ? signChange<0xFFFFFFFFFFFFFFFF, 0x8000000000000000, 64>
                    : signChange<0x7FFFFFFFFFFFFFFF, 0, 64>;
    break;
  case Type::F16:
  case Type::BF16:
    handler =
        IsNeg ? signChange<0xFFFF, 0x8000, 16> : signChange<0x7FFF, 0, 16>;
    flags = 0;
    break;
  case Type::F16X2:
  case Type::BF16X2:
    handler = IsNeg ? signChange<0xFFFFFFFF, 0x80008000, 33>
                    : signChange<0x7FFF7FFF, 0, 33>;
    flags = 0;
    break;
  default:
    break;
  }
  emitSimple(d, handler, type, 1).flags = flags;
}

void decodeFloatNeg(Decoder &d) { decodeSign<true>(d); }
void decodeFloatAbs(Decoder &d) { decodeSign<false>(d); }

static const Instruction *divide32(Thread &t, const Instruction &i) {
  float a = operand(t, i.a, i.flags), b = operand(t, i.b, i.flags);
  put<float>(t, i.d, canonical(finish(a / b, i.flags)));
  return &i + 1;
}

void decodeFloatDiv(Decoder &d) {
  d.take("approx");
  d.take("full");
  uint32_t flags = takeFlags(d);
  if (flags >> RoundingShift)
    d.fail("only .rn is supported in " + d.opcode);
  Type type = d.takeType();
  constexpr auto quotient = [](double a, double b) { return a / b; };
  emitSimple(d,
             type == Type::F32   ? divide32
             : type == Type::F64 ? binary<double, quotient>
                                 : nullptr,
             type, 2)
      .flags = flags;
}

enum : uint32_t { WithNaN = 8, XorSign = 1 << 8, Absolute = 1 << 9 };

template <bool IsMin> static double extreme(double a, double b, bool withNaN) {
  if (std::isnan(a) || std::isnan(b)) {
    if (withNaN || (std::isnan(a) && std::isnan(b)))
      return std::numeric_limits<double>::quiet_NaN();
    return std::isnan(a) ? b : a;
  }
  if (a == b)
    return std::signbit(a) == IsMin ? a : b;
  return (a < b) == IsMin ? a : b;
}

template <bool IsMin>
static const Instruction *extreme32(Thread &t, const Instruction &i) {
  float a = operand(t, i.a, i.flags), b = operand(t, i.b, i.flags);
  bool sign = std::signbit(a) != std::signbit(b);
  if (i.flags & Absolute)
    a = std::fabs(a), b = std::fabs(b);
  float result =
      canonical(static_cast<float>(extreme<IsMin>(a, b, i.flags & WithNaN)));
  if (i.flags & XorSign && !std::isnan(result))
    result = std::copysign(result, sign ? -1.0f : 1.0f);
  put<float>(t, i.d, result);
  return &i + 1;
}

template <bool IsMin, class H, int Count>
static const Instruction *extremeNarrow(Thread &t, const Instruction &i) {
  uint32_t result = 0;
  for (int k = 0; k < Count; ++k) {
    H a, b;
    a.bits = static_cast<uint16_t>(get<uint32_t>(t, i.a) >> 16 * k);
    b.bits = static_cast<uint16_t>(get<uint32_t>(t, i.b) >> 16 * k);
    result |= uint32_t(H(extreme<IsMin>(a, b, i.flags & WithNaN)).bits)
              << 16 * k;
  }
  put<uint32_t>(t, i.d, result);
  return &i + 1;
}

template <bool IsMin> static void decodeExtreme(Decoder &d) {
  uint32_t flags = 0;
  if (d.take("ftz"))
    flags |= Flush;
  if (d.take("NaN"))
    flags |= WithNaN;
  if (d.take("xorsign"))
    flags |= XorSign;
  if (d.take("abs"))
    flags |= Absolute;
  Type type = d.takeType();
  constexpr auto wide = [](double a, double b) {
    return extreme<IsMin>(a, b, false);
  };
  if (flags & (XorSign | Absolute) && type != Type::F32)
    d.fail("this form of " + d.opcode + " is not supported");
  Handler handler = type == Type::F32      ? extreme32<IsMin>
                    : type == Type::F64    ? binary<double, wide>
                    : type == Type::F16    ? extremeNarrow<IsMin, Half, 1>
                    : type == Type::F16X2  ? extremeNarrow<IsMin, Half, 2>
                    : type == Type::BF16   ? extremeNarrow<IsMin, BHalf, 1>
                    : type == Type::BF16X2 ? extremeNarrow<IsMin, BHalf, 2>
                                           : nullptr;
  emitSimple(d, handler, type, 2).flags = flags;
}

void decodeFloatMin(Decoder &d) { decodeExtreme<true>(d); }
void decodeFloatMax(Decoder &d) { decodeExtreme<false>(d); }

static const Instruction *copysign32(Thread &t, const Instruction &i) {
  put<float>(t, i.d, std::copysign(get<float>(t, i.b), get<float>(t, i.a)));
  return &i + 1;
}
static const Instruction *copysign64(Thread &t, const Instruction &i) {
  put<double>(t, i.d, std::copysign(get<double>(t, i.b), get<double>(t, i.a)));
  return &i + 1;
}

static void decodeCopysign(Decoder &d) {
  Type type = d.takeType();
  emitSimple(d, type == Type::F64 ? copysign64 : copysign32, type, 2);
}

enum Class { Finite, Infinite, Number, NotANumber, Normal, Subnormal };

template <class T>
static const Instruction *testClass(Thread &t, const Instruction &i) {
  T x = get<T>(t, i.a);
  bool result = false;
  switch (i.flags) {
  case Finite:
    result = std::isfinite(x);
    break;
  case Infinite:
    result = std::isinf(x);
    break;
  case Number:
    result = !std::isnan(x);
    break;
  case NotANumber:
    result = std::isnan(x);
    break;
  case Normal:
    result = std::isnormal(x);
    break;
  default:
    result = std::fpclassify(x) == FP_SUBNORMAL;
  }
  t.r[i.d] = result;
  return &i + 1;
}

static void decodeTestp(Decoder &d) {
  uint32_t flags = Subnormal;
  const std::pair<const char *, Class> classes[] = {{"finite", Finite},
                                                    {"infinite", Infinite},
                                                    {"number", Number},
                                                    {"notanumber", NotANumber},
                                                    {"normal", Normal}};
  for (auto [name, value] : classes)
    if (d.take(name))
      flags = value;
  d.take("subnormal");
  Type type = d.takeType();
  d.expectOperands(2);
  uint32_t to = d.write(d.operands[0], Type::Pred);
  uint32_t a = d.read(d.operands[1], type);
  Instruction &i =
      d.emit(type == Type::F64 ? testClass<double> : testClass<float>);
  i.d = to;
  i.a = a;
  i.flags = flags;
}

void ternac::cuda_emulator::addFloatInstructions(DecodeTable &table) {
  table["fma"] = decodeFloatFma;
  table["sqrt"] = decodeFunction<[](auto x) { return std::sqrt(x); }>;
  table["rsqrt"] = decodeFunction<[](auto x) {
    return decltype(x)(1 / std::sqrt(double(x)));
  }>;
  table["rcp"] = decodeFunction<[](auto x) { return 1 / x; }>;
  table["ex2"] = decodeFunction<[](auto x) { return std::exp2(x); }>;
  table["lg2"] = decodeFunction<[](auto x) { return std::log2(x); }>;
  table["sin"] = decodeFunction<[](auto x) { return std::sin(x); }>;
  table["cos"] = decodeFunction<[](auto x) { return std::cos(x); }>;
  table["tanh"] = decodeFunction<[](auto x) { return std::tanh(x); }>;
  table["copysign"] = decodeCopysign;
  table["testp"] = decodeTestp;
}
