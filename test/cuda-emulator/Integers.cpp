//===- Integers.cpp - Instructions on integers and bits -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"

#include <algorithm>
#include <bit>
#include <limits>

using namespace ternac::cuda_emulator;

template <class T> struct WideOf;
template <> struct WideOf<uint16_t> {
  using type = uint32_t;
};
template <> struct WideOf<int16_t> {
  using type = int32_t;
};
template <> struct WideOf<uint32_t> {
  using type = uint64_t;
};
template <> struct WideOf<int32_t> {
  using type = int64_t;
};
template <> struct WideOf<uint64_t> {
  using type = unsigned __int128;
};
template <> struct WideOf<int64_t> {
  using type = __int128;
};
template <class T> using Wide = typename WideOf<T>::type;

static constexpr auto addition = [](auto a, auto b) { return a + b; };
static constexpr auto subtraction = [](auto a, auto b) { return a - b; };
static constexpr auto product = [](auto a, auto b) {
  return static_cast<uint64_t>(a) * b;
};
static constexpr auto highProduct = [](auto a, auto b) {
  return static_cast<Wide<decltype(a)>>(a) * b >> (8 * sizeof(a));
};
static constexpr auto productSum = [](auto a, auto b, auto c) {
  return static_cast<uint64_t>(a) * b + c;
};
static constexpr auto highProductSum = [](auto a, auto b, auto c) {
  using T = decltype(a);
  return static_cast<uint64_t>(
             static_cast<T>(static_cast<Wide<T>>(a) * b >> (8 * sizeof(a)))) +
         static_cast<uint64_t>(c);
};
static constexpr auto quotient = [](auto a, auto b) -> decltype(a) {
  if (b == 0)
    return static_cast<decltype(a)>(-1);
  if constexpr (std::is_signed_v<decltype(a)>)
    if (b == -1)
      return static_cast<decltype(a)>(-static_cast<Wide<decltype(a)>>(a));
  return a / b;
};
static constexpr auto remainder_ = [](auto a, auto b) -> decltype(a) {
  if (b == 0)
    return a;
  if constexpr (std::is_signed_v<decltype(a)>)
    if (b == -1)
      return 0;
  return a % b;
};
static constexpr auto smaller = [](auto a, auto b) { return std::min(a, b); };
static constexpr auto larger = [](auto a, auto b) { return std::max(a, b); };
static constexpr auto saturatedSum = [](auto a, auto b) {
  return std::clamp<int64_t>(int64_t(a) + int64_t(b), INT32_MIN, INT32_MAX);
};
static constexpr auto saturatedDifference = [](auto a, auto b) {
  return std::clamp<int64_t>(int64_t(a) - int64_t(b), INT32_MIN, INT32_MAX);
};

template <class T, auto F>
static const Instruction *wideProduct(Thread &t, const Instruction &i) {
  put<Wide<T>>(t, i.d, static_cast<Wide<T>>(get<T>(t, i.a)) * get<T>(t, i.b));
  return &i + 1;
}

template <class T, auto F>
static const Instruction *wideProductSum(Thread &t, const Instruction &i) {
  using U = std::make_unsigned_t<Wide<T>>;
  put<U>(t, i.d,
         static_cast<U>(static_cast<Wide<T>>(get<T>(t, i.a)) * get<T>(t, i.b)) +
             get<U>(t, i.c));
  return &i + 1;
}

template <auto F> static Handler wide(Type type) {
  switch (type) {
  case Type::U16:
    return wideProduct<uint16_t, F>;
  case Type::S16:
    return wideProduct<int16_t, F>;
  case Type::U32:
    return wideProduct<uint32_t, F>;
  case Type::S32:
    return wideProduct<int32_t, F>;
  default:
    return nullptr;
  }
}

static Handler wideSum(Type type) {
  switch (type) {
  case Type::U16:
    return wideProductSum<uint16_t, 0>;
  case Type::S16:
    return wideProductSum<int16_t, 0>;
  case Type::U32:
    return wideProductSum<uint32_t, 0>;
  case Type::S32:
    return wideProductSum<int32_t, 0>;
  default:
    return nullptr;
  }
}

static Type widened(Type type) {
  return bitsOf(type) == 16 ? Type::U32 : Type::U64;
}

/// Carries live in a slot of their own, one bit.
template <class T, bool In, bool Out, bool IsSub>
static const Instruction *carried(Thread &t, const Instruction &i) {
  unsigned __int128 a = get<T>(t, i.a), b = get<T>(t, i.b);
  if (IsSub)
    b = static_cast<T>(~b);
  unsigned carry = IsSub ? 1 : 0;
  uint64_t &flag = t.r[static_cast<uint32_t>(i.immediate)];
  if (In)
    carry = IsSub ? !(flag & 1) : flag & 1;
  unsigned __int128 sum = a + b + carry;
  put<T>(t, i.d, static_cast<T>(sum));
  if (Out) {
    bool over = (sum >> (8 * sizeof(T))) & 1;
    flag = IsSub ? !over : over;
  }
  return &i + 1;
}

template <bool In, bool IsSub> static void decodeCarry(Decoder &d) {
  bool out = d.take("cc");
  Type type = d.takeType();
  Handler handler = bitsOf(type) == 64
                        ? (out ? carried<uint64_t, In, true, IsSub>
                               : carried<uint64_t, In, false, IsSub>)
                        : (out ? carried<uint32_t, In, true, IsSub>
                               : carried<uint32_t, In, false, IsSub>);
  // One flag per function; the slot of the sink is free for it.
  emitSimple(d, handler, type, 2).immediate = SinkSlot;
}

enum : uint32_t { CarryIn = 1, CarryOut = 2 };

/// A product plus c and perhaps a carry.
template <class T, auto F>
static const Instruction *carriedProductSum(Thread &t, const Instruction &i) {
  using U = std::make_unsigned_t<T>;
  unsigned __int128 sum = static_cast<U>(F(get<T>(t, i.a), get<T>(t, i.b)));
  sum += get<U>(t, i.c);
  if (i.flags & CarryIn)
    sum += t.r[SinkSlot] & 1;
  put<U>(t, i.d, static_cast<U>(sum));
  if (i.flags & CarryOut)
    t.r[SinkSlot] = static_cast<uint64_t>(sum >> 8 * sizeof(T)) & 1;
  return &i + 1;
}

template <bool In> static void decodeCarriedMad(Decoder &d) {
  uint32_t flags = In ? uint32_t(CarryIn) : 0;
  if (d.take("cc"))
    flags |= CarryOut;
  bool isHigh = d.take("hi");
  if (!isHigh && !d.take("lo"))
    d.fail("expected .lo or .hi in " + d.opcode);
  Type type = d.takeType();
  Handler handler = isHigh
                        ? TERNAC_INTEGERS(carriedProductSum, type, highProduct)
                        : TERNAC_UNSIGNED(carriedProductSum, type, product);
  emitSimple(d, handler, type, 3).flags = flags;
}

template <auto F, bool NeedsSign> static void decodeBinary(Decoder &d) {
  Type type = d.takeType();
  Handler handler = NeedsSign ? TERNAC_INTEGERS(binary, type, F)
                              : TERNAC_UNSIGNED(binary, type, F);
  emitSimple(d, handler, type, 2);
}

void decodeFloatAdd(Decoder &d);
void decodeFloatSub(Decoder &d);
void decodeFloatMul(Decoder &d);
void decodeFloatFma(Decoder &d);
void decodeFloatDiv(Decoder &d);
void decodeFloatMin(Decoder &d);
void decodeFloatMax(Decoder &d);
void decodeFloatNeg(Decoder &d);
void decodeFloatAbs(Decoder &d);

/// Whether the instruction is on floating-point numbers.
static bool isFloatForm(const Decoder &d) {
  const std::string &last = d.modifiers.empty() ? "" : d.modifiers.back();
  return last.find('f') != std::string::npos && last.find("off") != 0;
}

template <auto Integer, void (*Float)(Decoder &)>
static void either(Decoder &d) {
  if (isFloatForm(d))
    Float(d);
  else
    Integer(d);
}

static void decodeAdd(Decoder &d) {
  if (d.take("cc")) {
    d.modifiers.push_back("cc");
    // The first addition of a chain.
    return decodeCarry<false, false>(d);
  }
  bool saturate = d.take("sat");
  Type type = d.takeType();
  if (saturate)
    emitSimple(d, type == Type::S32 ? binary<int32_t, saturatedSum> : nullptr,
               type, 2);
  else if (type == Type::U16 || type == Type::S16 || bitsOf(type) >= 32)
    emitSimple(d, TERNAC_UNSIGNED(binary, type, addition), type, 2);
}

static void decodeSub(Decoder &d) {
  if (d.take("cc")) {
    d.modifiers.push_back("cc");
    return decodeCarry<false, true>(d);
  }
  bool saturate = d.take("sat");
  Type type = d.takeType();
  if (saturate)
    emitSimple(
        d, type == Type::S32 ? binary<int32_t, saturatedDifference> : nullptr,
        type, 2);
  else
    emitSimple(d, TERNAC_UNSIGNED(binary, type, subtraction), type, 2);
}

static void decodeMul(Decoder &d) {
  bool isWide = d.take("wide"), isHigh = d.take("hi"), isLow = d.take("lo");
  Type type = d.takeType();
  if (isWide) {
    d.expectOperands(3);
    uint32_t to = d.write(d.operands[0], widened(type));
    uint32_t a = d.read(d.operands[1], type), b = d.read(d.operands[2], type);
    Instruction &i = d.emit(wide<0>(type));
    i.d = to;
    i.a = a;
    i.b = b;
  } else if (isHigh) {
    emitSimple(d, TERNAC_INTEGERS(binary, type, highProduct), type, 2);
  } else {
    if (!isLow)
      d.fail("expected .lo, .hi or .wide in " + d.opcode);
    emitSimple(d, TERNAC_UNSIGNED(binary, type, product), type, 2);
  }
}

static void decodeMad(Decoder &d) {
  if (std::find(d.modifiers.begin(), d.modifiers.end(), "cc") !=
      d.modifiers.end())
    return decodeCarriedMad<false>(d);
  bool isWide = d.take("wide"), isHigh = d.take("hi"), isLow = d.take("lo");
  Type type = d.takeType();
  if (isWide) {
    d.expectOperands(4);
    uint32_t to = d.write(d.operands[0], widened(type));
    uint32_t a = d.read(d.operands[1], type), b = d.read(d.operands[2], type);
    uint32_t c = d.read(d.operands[3], widened(type));
    Instruction &i = d.emit(wideSum(type));
    i.d = to;
    i.a = a;
    i.b = b;
    i.c = c;
  } else if (isHigh) {
    emitSimple(d, TERNAC_INTEGERS(ternary, type, highProductSum), type, 3);
  } else {
    if (!isLow)
      d.fail("expected .lo, .hi or .wide in " + d.opcode);
    emitSimple(d, TERNAC_UNSIGNED(ternary, type, productSum), type, 3);
  }
}

template <bool IsAddition> static void decode24(Decoder &d) {
  if (!d.take("lo"))
    d.fail("only .lo is supported in " + d.opcode);
  Type type = d.takeType();
  constexpr auto cutUnsigned = [](uint32_t a, uint32_t b) {
    return (a & 0xFFFFFF) * (b & 0xFFFFFF);
  };
  constexpr auto cutSigned = [](uint32_t a, uint32_t b) {
    return uint32_t(int64_t(int32_t(a << 8) >> 8) * (int32_t(b << 8) >> 8));
  };
  constexpr auto sumUnsigned = [](uint32_t a, uint32_t b, uint32_t c) {
    return (a & 0xFFFFFF) * (b & 0xFFFFFF) + c;
  };
  constexpr auto sumSigned = [](uint32_t a, uint32_t b, uint32_t c) {
    return uint32_t(int64_t(int32_t(a << 8) >> 8) * (int32_t(b << 8) >> 8)) + c;
  };
  bool sign = isSigned(type);
  if (IsAddition)
    emitSimple(
        d, sign ? ternary<uint32_t, sumSigned> : ternary<uint32_t, sumUnsigned>,
        type, 3);
  else
    emitSimple(
        d, sign ? binary<uint32_t, cutSigned> : binary<uint32_t, cutUnsigned>,
        type, 2);
}

static void decodeNeg(Decoder &d) {
  Type type = d.takeType();
  emitSimple(d, TERNAC_UNSIGNED(unary, type, [](auto a) { return 0 - a; }),
             type, 1);
}

static void decodeAbs(Decoder &d) {
  Type type = d.takeType();
  emitSimple(d,
             TERNAC_INTEGERS(unary, type,
                             [](auto a) {
                               return a < 0 ? 0 - static_cast<uint64_t>(a)
                                            : static_cast<uint64_t>(a);
                             }),
             type, 1);
}

template <bool IsMin> static void decodeMinMax(Decoder &d) {
  // .relu of the packed forms is not supported and stays as a modifier.
  Type type = d.takeType();
  emitSimple(d,
             IsMin ? TERNAC_INTEGERS(binary, type, smaller)
                   : TERNAC_INTEGERS(binary, type, larger),
             type, 2);
}

//===----------------------------------------------------------------------===//
// Bits
//===----------------------------------------------------------------------===//

template <auto F> static void decodeLogic(Decoder &d) {
  Type type = d.takeType();
  constexpr auto bit = [](uint8_t a, uint8_t b) { return F(a, b) & 1; };
  emitSimple(d,
             type == Type::Pred ? binary<uint8_t, bit>
                                : TERNAC_UNSIGNED(binary, type, F),
             type, 2);
}

static void decodeNot(Decoder &d) {
  Type type = d.takeType();
  constexpr auto bit = [](uint8_t a) { return ~a & 1; };
  emitSimple(d,
             type == Type::Pred
                 ? unary<uint8_t, bit>
                 : TERNAC_UNSIGNED(unary, type, [](auto a) { return ~a; }),
             type, 1);
}

static void decodeCnot(Decoder &d) {
  Type type = d.takeType();
  emitSimple(d, TERNAC_UNSIGNED(unary, type, [](auto a) { return a == 0; }),
             type, 1);
}

template <class T, bool Left>
static const Instruction *shift(Thread &t, const Instruction &i) {
  constexpr uint32_t bits = 8 * sizeof(T);
  uint32_t count = get<uint32_t>(t, i.b);
  T a = get<T>(t, i.a);
  if (count >= bits)
    a = !Left && a < 0 ? T(-1) : T(0);
  else
    a = Left ? static_cast<T>(std::make_unsigned_t<T>(a) << count)
             : static_cast<T>(a >> count);
  put<T>(t, i.d, a);
  return &i + 1;
}
template <class T, auto> constexpr Handler shiftLeft = shift<T, true>;
template <class T, auto> constexpr Handler shiftRight = shift<T, false>;

template <bool Left> static void decodeShift(Decoder &d) {
  Type type = d.takeType();
  d.expectOperands(3);
  uint32_t to = d.write(d.operands[0], type), a = d.read(d.operands[1], type);
  uint32_t b = d.read(d.operands[2], Type::U32);
  Handler handler = Left ? TERNAC_INTEGERS(shiftLeft, type, 0)
                         : TERNAC_INTEGERS(shiftRight, type, 0);
  Instruction &i = d.emit(handler);
  i.d = to;
  i.a = a;
  i.b = b;
}

static constexpr auto shiftCount = [](uint32_t c, bool wraps) {
  return wraps ? c & 31 : std::min(c, 32u);
};
static constexpr auto funnelLeft = [](uint32_t a, uint32_t b, uint32_t n) {
  return uint32_t(((uint64_t(b) << 32 | a) << n) >> 32);
};
static constexpr auto funnelRight = [](uint32_t a, uint32_t b, uint32_t n) {
  return uint32_t((uint64_t(b) << 32 | a) >> n);
};
static constexpr auto leftWrap = [](uint32_t a, uint32_t b, uint32_t c) {
  return funnelLeft(a, b, shiftCount(c, true));
};
static constexpr auto leftClamp = [](uint32_t a, uint32_t b, uint32_t c) {
  return funnelLeft(a, b, shiftCount(c, false));
};
static constexpr auto rightWrap = [](uint32_t a, uint32_t b, uint32_t c) {
  return funnelRight(a, b, shiftCount(c, true));
};
static constexpr auto rightClamp = [](uint32_t a, uint32_t b, uint32_t c) {
  return funnelRight(a, b, shiftCount(c, false));
};

static void decodeShf(Decoder &d) {
  bool isLeft = d.take("l"), isWrapping = d.take("wrap");
  if (!isLeft && !d.take("r"))
    d.fail("expected .l or .r in " + d.opcode);
  if (!isWrapping && !d.take("clamp"))
    d.fail("expected .wrap or .clamp in " + d.opcode);
  Type type = d.takeType();
  Handler handler = isLeft ? (isWrapping ? ternary<uint32_t, leftWrap>
                                         : ternary<uint32_t, leftClamp>)
                           : (isWrapping ? ternary<uint32_t, rightWrap>
                                         : ternary<uint32_t, rightClamp>);
  emitSimple(d, handler, type, 3);
}

template <class T, auto>
static const Instruction *extractField(Thread &t, const Instruction &i) {
  constexpr uint32_t bits = 8 * sizeof(T);
  using U = std::make_unsigned_t<T>;
  uint32_t position = get<uint32_t>(t, i.b) & 0xFF;
  uint32_t length = get<uint32_t>(t, i.c) & 0xFF;
  U a = get<U>(t, i.a), result = 0;
  bool sign = false;
  if (std::is_signed_v<T> && length)
    sign = a >> std::min(position + length - 1, bits - 1) & 1;
  for (uint32_t k = 0; k < bits; ++k) {
    bool bit =
        k < length && position + k < bits ? a >> (position + k) & 1 : sign;
    result |= U(bit) << k;
  }
  put<U>(t, i.d, result);
  return &i + 1;
}

static void decodeBfe(Decoder &d) {
  Type type = d.takeType();
  d.expectOperands(4);
  uint32_t to = d.write(d.operands[0], type), a = d.read(d.operands[1], type);
  uint32_t b = d.read(d.operands[2], Type::U32);
  uint32_t c = d.read(d.operands[3], Type::U32);
  Instruction &i = d.emit(TERNAC_INTEGERS(extractField, type, 0));
  i.d = to;
  i.a = a;
  i.b = b;
  i.c = c;
}

template <class T>
static const Instruction *insertField(Thread &t, const Instruction &i) {
  constexpr uint32_t bits = 8 * sizeof(T);
  uint32_t position = get<uint32_t>(t, i.c) & 0xFF;
  uint32_t length = get<uint32_t>(t, static_cast<uint32_t>(i.immediate)) & 0xFF;
  T a = get<T>(t, i.a), result = get<T>(t, i.b);
  for (uint32_t k = 0; k < length && position + k < bits; ++k) {
    T one = T(1) << (position + k);
    result = (a >> k & 1) ? result | one : result & ~one;
  }
  put<T>(t, i.d, result);
  return &i + 1;
}

static void decodeBfi(Decoder &d) {
  Type type = d.takeType();
  d.expectOperands(5);
  uint32_t to = d.write(d.operands[0], type), a = d.read(d.operands[1], type),
           b = d.read(d.operands[2], type);
  uint32_t c = d.read(d.operands[3], Type::U32);
  uint32_t length = d.read(d.operands[4], Type::U32);
  Instruction &i = d.emit(bitsOf(type) == 64 ? insertField<uint64_t>
                                             : insertField<uint32_t>);
  i.d = to;
  i.a = a;
  i.b = b;
  i.c = c;
  i.immediate = length;
}

enum PermuteMode { Default, F4e, B4e, Rc8, Ecl, Ecr, Rc16 };

static const Instruction *permute(Thread &t, const Instruction &i) {
  uint32_t selectors = get<uint32_t>(t, i.c);
  switch (i.flags) {
  case F4e: {
    uint32_t n = selectors & 3;
    selectors = 0x3210 + 0x1111 * n;
    break;
  }
  case B4e: {
    uint32_t n = selectors & 3;
    selectors = 0;
    for (uint32_t k = 0; k < 4; ++k)
      selectors |= ((n - k) & 7) << 4 * k;
    break;
  }
  case Rc8:
    selectors = 0x1111 * (selectors & 3);
    break;
  case Ecl: {
    uint32_t n = selectors & 3;
    selectors = 0;
    for (uint32_t k = 0; k < 4; ++k)
      selectors |= std::max(k, n) << 4 * k;
    break;
  }
  case Ecr: {
    uint32_t n = selectors & 3;
    selectors = 0;
    for (uint32_t k = 0; k < 4; ++k)
      selectors |= std::min(k, n) << 4 * k;
    break;
  }
  case Rc16:
    selectors = selectors & 1 ? 0x3232 : 0x1010;
    break;
  default:
    break;
  }
  uint64_t bytes = get<uint32_t>(t, i.a) | get<uint64_t>(t, i.b) << 32;
  uint32_t result = 0;
  for (uint32_t k = 0; k < 4; ++k) {
    uint32_t selector = selectors >> 4 * k & 15;
    uint32_t byte = bytes >> 8 * (selector & 7) & 0xFF;
    if (selector & 8)
      byte = byte & 0x80 ? 0xFF : 0;
    result |= byte << 8 * k;
  }
  put<uint32_t>(t, i.d, result);
  return &i + 1;
}

static void decodePrmt(Decoder &d) {
  uint32_t mode = d.take("f4e")    ? F4e
                  : d.take("b4e")  ? B4e
                  : d.take("rc8")  ? Rc8
                  : d.take("ecl")  ? Ecl
                  : d.take("ecr")  ? Ecr
                  : d.take("rc16") ? Rc16
                                   : Default;
  Type type = d.takeType();
  emitSimple(d, permute, type, 3).flags = mode;
}

static const Instruction *logic3(Thread &t, const Instruction &i) {
  uint32_t a = get<uint32_t>(t, i.a), b = get<uint32_t>(t, i.b),
           c = get<uint32_t>(t, i.c), result = 0;
  for (uint32_t k = 0; k < 8; ++k)
    if (i.flags >> k & 1)
      result |= (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
  put<uint32_t>(t, i.d, result);
  return &i + 1;
}

static void decodeLop3(Decoder &d) {
  Type type = d.takeType();
  d.expectOperands(5);
  const Operand &table = d.operands[4];
  if (table.kind != Operand::Integer || table.value > 255)
    d.fail("expected a constant of 8 bits in " + d.opcode);
  uint32_t flags = static_cast<uint32_t>(table.value);
  d.operands.pop_back();
  emitSimple(d, logic3, type, 3).flags = flags;
}

/// Instructions from one type to .u32.
template <auto F> static void decodeCount(Decoder &d) {
  Type type = d.takeType();
  d.expectOperands(2);
  uint32_t to = d.write(d.operands[0], Type::U32);
  uint32_t a = d.read(d.operands[1], type);
  constexpr auto run32 = [](Thread &t, const Instruction &i) {
    put<uint32_t>(t, i.d, F(get<uint32_t>(t, i.a)));
    return &i + 1;
  };
  constexpr auto run64 = [](Thread &t, const Instruction &i) {
    put<uint32_t>(t, i.d, F(get<uint64_t>(t, i.a)));
    return &i + 1;
  };
  Instruction &i = d.emit(bitsOf(type) == 64 ? Handler(run64) : Handler(run32));
  i.d = to;
  i.a = a;
}

template <class T, auto>
static const Instruction *findLeading(Thread &t, const Instruction &i) {
  using U = std::make_unsigned_t<T>;
  T a = get<T>(t, i.a);
  U bits = static_cast<U>(a < 0 ? ~a : a);
  uint32_t position = 8 * sizeof(T) - 1 - std::countl_zero(bits);
  if (bits && i.flags)
    position = 8 * sizeof(T) - 1 - position;
  put<uint32_t>(t, i.d, bits ? position : ~0u);
  return &i + 1;
}

static void decodeBfind(Decoder &d) {
  bool isShift = d.take("shiftamt");
  Type type = d.takeType();
  d.expectOperands(2);
  uint32_t to = d.write(d.operands[0], Type::U32);
  uint32_t a = d.read(d.operands[1], type);
  Instruction &i = d.emit(TERNAC_INTEGERS(findLeading, type, 0));
  i.d = to;
  i.a = a;
  i.flags = isShift;
}

static void decodeBrev(Decoder &d) {
  Type type = d.takeType();
  emitSimple(d,
             TERNAC_UNSIGNED(unary, type,
                             [](auto a) {
                               decltype(a) result = 0;
                               for (uint32_t k = 0; k < 8 * sizeof(a); ++k)
                                 result = result << 1 | (a >> k & 1);
                               return result;
                             }),
             type, 1);
}

//===----------------------------------------------------------------------===//
// Dot products of bytes
//===----------------------------------------------------------------------===//

template <class A, class B>
static const Instruction *dot4(Thread &t, const Instruction &i) {
  uint32_t a = get<uint32_t>(t, i.a), b = get<uint32_t>(t, i.b);
  uint32_t sum = get<uint32_t>(t, i.c);
  for (uint32_t k = 0; k < 4; ++k)
    sum += uint32_t(int32_t(A(a >> 8 * k)) * int32_t(B(b >> 8 * k)));
  put<uint32_t>(t, i.d, sum);
  return &i + 1;
}

template <class A, class B>
static const Instruction *dot2(Thread &t, const Instruction &i) {
  using A16 = std::conditional_t<std::is_signed_v<A>, int16_t, uint16_t>;
  uint32_t a = get<uint32_t>(t, i.a);
  uint32_t b = get<uint32_t>(t, i.b) >> i.flags;
  uint32_t sum = get<uint32_t>(t, i.c);
  for (uint32_t k = 0; k < 2; ++k)
    sum += uint32_t(int32_t(A16(a >> 16 * k)) * int32_t(B(b >> 8 * k)));
  put<uint32_t>(t, i.d, sum);
  return &i + 1;
}

template <bool Four> static void decodeDot(Decoder &d) {
  uint32_t flags = 0;
  if (!Four) {
    if (d.take("hi"))
      flags = 16;
    else if (!d.take("lo"))
      d.fail("expected .lo or .hi in " + d.opcode);
  }
  Type a = d.takeType(), b = d.takeType();
  if (bitsOf(a) != 32 || bitsOf(b) != 32)
    d.fail("this form of " + d.opcode + " is not supported");
  Handler handlers[2][2] = {
      {Four ? dot4<uint8_t, uint8_t> : dot2<uint8_t, uint8_t>,
       Four ? dot4<uint8_t, int8_t> : dot2<uint8_t, int8_t>},
      {Four ? dot4<int8_t, uint8_t> : dot2<int8_t, uint8_t>,
       Four ? dot4<int8_t, int8_t> : dot2<int8_t, int8_t>}};
  emitSimple(d, handlers[isSigned(a)][isSigned(b)], Type::B32, 3).flags = flags;
}

static void decodeSad(Decoder &d) {
  Type type = d.takeType();
  emitSimple(d,
             TERNAC_INTEGERS(ternary, type,
                             [](auto a, auto b, auto c) {
                               return uint64_t(c) +
                                      (a < b ? uint64_t(b) - uint64_t(a)
                                             : uint64_t(a) - uint64_t(b));
                             }),
             type, 3);
}

void ternac::cuda_emulator::addIntegerInstructions(DecodeTable &table) {
  table["add"] = either<decodeAdd, decodeFloatAdd>;
  table["addc"] = decodeCarry<true, false>;
  table["sub"] = either<decodeSub, decodeFloatSub>;
  table["subc"] = decodeCarry<true, true>;
  table["mul"] = either<decodeMul, decodeFloatMul>;
  table["mad"] = either<decodeMad, decodeFloatFma>;
  table["madc"] = decodeCarriedMad<true>;
  table["div"] = either<decodeBinary<quotient, true>, decodeFloatDiv>;
  table["rem"] = decodeBinary<remainder_, true>;
  table["neg"] = either<decodeNeg, decodeFloatNeg>;
  table["abs"] = either<decodeAbs, decodeFloatAbs>;
  table["min"] = either<decodeMinMax<true>, decodeFloatMin>;
  table["max"] = either<decodeMinMax<false>, decodeFloatMax>;
  table["mul24"] = decode24<false>;
  table["mad24"] = decode24<true>;
  table["sad"] = decodeSad;
  table["and"] = decodeLogic<[](auto a, auto b) { return a & b; }>;
  table["or"] = decodeLogic<[](auto a, auto b) { return a | b; }>;
  table["xor"] = decodeLogic<[](auto a, auto b) { return a ^ b; }>;
  table["not"] = decodeNot;
  table["cnot"] = decodeCnot;
  table["shl"] = decodeShift<true>;
  table["shr"] = decodeShift<false>;
  table["shf"] = decodeShf;
  table["bfe"] = decodeBfe;
  table["bfi"] = decodeBfi;
  table["prmt"] = decodePrmt;
  table["lop3"] = decodeLop3;
  table["popc"] = decodeCount<[](auto a) { return std::popcount(a); }>;
  table["clz"] = decodeCount<[](auto a) { return std::countl_zero(a); }>;
  table["bfind"] = decodeBfind;
  table["brev"] = decodeBrev;
  table["dp4a"] = decodeDot<true>;
  table["dp2a"] = decodeDot<false>;
}
