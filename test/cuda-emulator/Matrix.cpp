//===- Matrix.cpp - Products of matrices that a warp shares -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The PTX manual gives a table per shape of which lane has which elements. All
// follow one rule: a register of a lane has consecutive elements of the inner
// dimension, as many as fit into 32 bits.
//
//===----------------------------------------------------------------------===//

#include "CudaTypes.h"
#include "Half.h"
#include "Handlers.h"

#include <algorithm>
#include <bit>

using namespace ternac::cuda_emulator;

enum : uint32_t { Clamp = 1, Xor = 2 };

/// The shape and the types, in the immediate of the instruction.
struct Shape {
  uint8_t m, n;
  uint16_t k;
  Type d, a, b, c;
};
static_assert(sizeof(Shape) == sizeof(int64_t));

static int32_t integerAt(uint32_t word, uint32_t index, Type type) {
  uint32_t bits = bitsOf(type);
  uint32_t value = word >> bits * index << (32 - bits);
  return isSigned(type) ? static_cast<int32_t>(value) >> (32 - bits)
                        : static_cast<int32_t>(value >> (32 - bits));
}

static double tinyFloat(uint32_t byte, int mantissa, int bias, bool hasInf) {
  uint32_t magnitude = byte & 0x7F;
  double value;
  if (hasInf ? magnitude > 0x7C : magnitude == 0x7F)
    return std::numeric_limits<double>::quiet_NaN();
  if (hasInf && magnitude == 0x7C)
    value = std::numeric_limits<double>::infinity();
  else if (magnitude >> mantissa)
    value = std::ldexp((1 << mantissa) | (magnitude & ((1 << mantissa) - 1)),
                       int(magnitude >> mantissa) - bias - mantissa);
  else
    value = std::ldexp(magnitude, 1 - bias - mantissa);
  return byte & 0x80 ? -value : value;
}

static double floatAt(uint32_t word, uint32_t index, Type type) {
  switch (type) {
  case Type::F16: {
    Half h;
    h.bits = static_cast<uint16_t>(word >> 16 * index);
    return h;
  }
  case Type::BF16: {
    BHalf h;
    h.bits = static_cast<uint16_t>(word >> 16 * index);
    return h;
  }
  case Type::E4M3:
    return tinyFloat(word >> 8 * index & 0xFF, 3, 7, false);
  case Type::E5M2:
    return tinyFloat(word >> 8 * index & 0xFF, 2, 15, true);
  default: {
    // .tf32 ignores the low bits.
    uint32_t bits = word & ~0x1FFFu;
    float value;
    memcpy(&value, &bits, 4);
    return value;
  }
  }
}

/// The elements of A and B as numbers, gathered from the lanes.
template <class T, auto At>
static void gather(Warp &warp, const Instruction &i, const Shape &shape,
                   T (&a)[16][256], T (&b)[8][256]) {
  const Details &more = *i.details;
  uint32_t perA = 32 / bitsOf(shape.a), perB = 32 / bitsOf(shape.b);
  uint32_t countA = i.flags >> 8 & 15, countB = i.flags >> 12 & 15;
  uint32_t rowGroups = shape.m / 8;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    Thread &t = warp.lanes[lane];
    uint32_t group = lane / 4, inGroup = lane % 4;
    for (uint32_t r = 0; r < countA; ++r)
      for (uint32_t e = 0; e < perA; ++e)
        a[group + r % rowGroups * 8]
         [inGroup * perA + e + r / rowGroups * 4 * perA] =
             At(get<uint32_t>(t, more.slots[r]), e, shape.a);
    for (uint32_t r = 0; r < countB; ++r)
      for (uint32_t e = 0; e < perB; ++e)
        b[group][inGroup * perB + e + r * 4 * perB] =
            At(get<uint32_t>(t, more.slots[countA + r]), e, shape.b);
  }
}

/// Calls `f` with each element of C and D: its row, column, the slot in C and
/// in D and the number within the register.
template <class F>
static void forOutputs(Warp &warp, const Instruction &i, const Shape &shape,
                       F f) {
  const Details &more = *i.details;
  uint32_t inputs = (i.flags >> 8 & 15) + (i.flags >> 12 & 15);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    for (uint32_t e = 0; e < shape.m / 4u; ++e) {
      uint32_t row = lane / 4 + e / 2 * 8, column = lane % 4 * 2 + e % 2;
      uint32_t c = shape.c == Type::F16 ? e / 2 : e;
      uint32_t d = shape.d == Type::F16 ? e / 2 : e;
      f(warp.lanes[lane], row, column, more.slots[inputs + c],
        more.moreSlots[d], e % 2);
    }
  }
}

static Shape shapeOf(const Instruction &i) {
  Shape shape;
  memcpy(&shape, &i.immediate, sizeof(shape));
  return shape;
}

static void multiplyIntegers(Warp &warp, const Instruction &i, uint32_t) {
  Shape shape = shapeOf(i);
  static thread_local int32_t a[16][256], b[8][256];
  gather<int32_t, integerAt>(warp, i, shape, a, b);
  bool isBits = bitsOf(shape.a) == 1;
  // D may be other registers of C.
  uint32_t results[128], at = 0;
  forOutputs(warp, i, shape,
             [&](Thread &t, uint32_t row, uint32_t column, uint32_t c, uint32_t,
                 uint32_t) {
               int64_t sum = get<int32_t>(t, c);
               for (uint32_t k = 0; k < shape.k; ++k) {
                 if (isBits)
                   sum += i.flags & Xor ? (a[row][k] ^ b[column][k]) & 1
                                        : a[row][k] & b[column][k] & 1;
                 else
                   sum += a[row][k] * b[column][k];
               }
               if (i.flags & Clamp)
                 sum = std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX);
               results[at++] = static_cast<uint32_t>(sum);
             });
  at = 0;
  forOutputs(warp, i, shape,
             [&](Thread &t, uint32_t, uint32_t, uint32_t, uint32_t d,
                 uint32_t) { put<uint32_t>(t, d, results[at++]); });
}

static void multiplyFloats(Warp &warp, const Instruction &i, uint32_t) {
  Shape shape = shapeOf(i);
  static thread_local double a[16][256], b[8][256];
  gather<double, floatAt>(warp, i, shape, a, b);
  // The sum in double precision: hardware's order is not specified.
  double results[32][4];
  auto valueOf = [&](Thread &t, uint32_t slot, uint32_t part) -> double {
    if (shape.c == Type::F16)
      return floatAt(get<uint32_t>(t, slot), part, Type::F16);
    return get<float>(t, slot);
  };
  uint32_t at = 0;
  forOutputs(warp, i, shape,
             [&](Thread &t, uint32_t row, uint32_t column, uint32_t c, uint32_t,
                 uint32_t part) {
               double sum = 0;
               for (uint32_t k = 0; k < shape.k; ++k)
                 sum += a[row][k] * b[column][k];
               results[at / 4][at % 4] = sum + valueOf(t, c, part);
               ++at;
             });
  at = 0;
  forOutputs(
      warp, i, shape,
      [&](Thread &t, uint32_t, uint32_t, uint32_t, uint32_t d, uint32_t part) {
        double sum = results[at / 4][at % 4];
        ++at;
        if (shape.d == Type::F16) {
          uint32_t mask = 0xFFFFu << 16 * part;
          uint32_t bits = uint32_t(Half(sum).bits) << 16 * part;
          put<uint32_t>(t, d, (get<uint32_t>(t, d) & ~mask) | bits);
        } else {
          put<float>(t, d, static_cast<float>(sum));
        }
      });
}

static void decodeMma(Decoder &d) {
  if (!d.take("sync") || !d.take("aligned"))
    d.fail("expected .sync.aligned in " + d.opcode);
  Shape shape{};
  for (const std::string &modifier : d.modifiers) {
    unsigned m, n, k;
    if (sscanf(modifier.c_str(), "m%un%uk%u", &m, &n, &k) != 3)
      continue;
    shape.m = static_cast<uint8_t>(m);
    shape.n = static_cast<uint8_t>(n);
    shape.k = static_cast<uint16_t>(k);
    d.take(std::string(modifier));
    break;
  }
  if (!d.take("row") || !d.take("col"))
    d.fail("expected .row.col in " + d.opcode);
  uint32_t flags = d.take("satfinite") ? uint32_t(Clamp) : 0;
  bool isXor = d.take("xor"), isAnd = d.take("and"), isPopc = d.take("popc");
  shape.d = d.takeType();
  shape.a = d.takeType();
  shape.b = d.takeType();
  shape.c = d.takeType();
  uint32_t bits = bitsOf(shape.a);
  if (bitsOf(shape.b) != bits)
    d.fail("A and B of different widths in " + d.opcode);
  bool isInteger = !isFloat(shape.a);
  bool isKnown = false;
  // All shapes have rows of 128 or 256 bits, and 8 by 8 only of 128.
  uint32_t rowBits = bits * shape.k;
  if (shape.n == 8 && (shape.m == 16 || (shape.m == 8 && isInteger)))
    isKnown = rowBits == 128 || (rowBits == 256 && shape.m == 16);
  if (isInteger)
    isKnown &= shape.d == Type::S32 && shape.c == Type::S32 &&
               (bits == 1 ? isPopc && (isXor || isAnd) && shape.a == Type::B1
                          : !isPopc && (bits == 4 || bits == 8));
  else
    isKnown &= !isPopc &&
               ((shape.d == Type::F32 && shape.c == Type::F32) ||
                (shape.d == Type::F16 && shape.c == Type::F16 &&
                 shape.a == Type::F16)) &&
               (bits == 8 || shape.a == shape.b) &&
               (bits != 8 || rowBits == 256);
  if (!isKnown)
    d.fail("this form of " + d.opcode + " is not supported");
  if (isXor)
    flags |= Xor;
  d.expectOperands(4);
  uint32_t countA = shape.m / 8 * rowBits / 128, countB = rowBits / 128;
  auto countOf = [&](Type type) {
    return type == Type::F16 ? shape.m / 8u : shape.m / 4u;
  };
  std::vector<uint32_t> inputs, outputs;
  auto listOf = [&](const Operand &operand, uint32_t count) {
    std::vector<Operand> list = operand.kind == Operand::List
                                    ? operand.list
                                    : std::vector<Operand>{operand};
    if (list.size() != count)
      d.fail("expected " + std::to_string(count) + " registers, but got " +
             std::to_string(list.size()) + " in " + d.opcode);
    return list;
  };
  for (const Operand &operand : listOf(d.operands[0], countOf(shape.d)))
    outputs.push_back(d.write(operand, Type::B32));
  auto readFloats = [&](const Operand &operand, bool isNumber) {
    return d.read(operand, isNumber ? Type::F32 : Type::B32);
  };
  for (const Operand &operand : listOf(d.operands[1], countA))
    inputs.push_back(d.read(operand, Type::B32));
  for (const Operand &operand : listOf(d.operands[2], countB))
    inputs.push_back(d.read(operand, Type::B32));
  for (const Operand &operand : listOf(d.operands[3], countOf(shape.c)))
    inputs.push_back(readFloats(operand, shape.c == Type::F32));
  Instruction &i = d.emit(joinCollective);
  Details &more = d.details(i);
  more.warp = isInteger ? multiplyIntegers : multiplyFloats;
  more.slots = inputs;
  more.moreSlots = outputs;
  i.flags = flags | countA << 8 | countB << 12;
  memcpy(&i.immediate, &shape, sizeof(shape));
}

//===----------------------------------------------------------------------===//
// ldmatrix, stmatrix
//===----------------------------------------------------------------------===//

/// The host's address of row `row` of matrix `number`.
static uint8_t *matrixRow(Warp &warp, const Instruction &i, uint32_t number,
                          uint32_t row, Access access) {
  Thread &t = warp.lanes[number * 8 + row];
  uint64_t address = (t.r[i.a] + static_cast<uint64_t>(i.immediate)) & i.mask;
  if (address >> 56 == SharedWindow >> 56)
    address -= SharedWindow;
  return resolveShared(t, i, address, 16, access);
}

template <bool IsLoad>
static void moveMatrices(Warp &warp, const Instruction &i, uint32_t) {
  const std::vector<uint32_t> &slots = i.details->slots;
  std::vector<uint32_t> words(slots.size() * 32);
  bool isTransposed = i.flags & 1;
  for (uint32_t number = 0; number < slots.size(); ++number) {
    uint8_t *rows[8];
    for (uint32_t row = 0; row < 8; ++row)
      rows[row] = matrixRow(warp, i, number, row,
                            IsLoad ? Access::Load : Access::Store);
    for (uint32_t lane = 0; lane < 32; ++lane) {
      Thread &t = warp.lanes[lane];
      uint32_t word = IsLoad ? 0 : get<uint32_t>(t, slots[number]);
      for (uint32_t e = 0; e < 2; ++e) {
        uint32_t row = lane / 4, column = lane % 4 * 2 + e;
        if (isTransposed)
          std::swap(row, column);
        uint16_t element;
        if (IsLoad) {
          memcpy(&element, rows[row] + 2 * column, 2);
          word |= uint32_t(element) << 16 * e;
        } else {
          element = static_cast<uint16_t>(word >> 16 * e);
          memcpy(rows[row] + 2 * column, &element, 2);
        }
      }
      words[number * 32 + lane] = word;
    }
  }
  // The destination may be the register with the address.
  if (IsLoad)
    for (uint32_t number = 0; number < slots.size(); ++number)
      for (uint32_t lane = 0; lane < 32; ++lane)
        put<uint32_t>(warp.lanes[lane], slots[number],
                      words[number * 32 + lane]);
}

template <bool IsLoad> static void decodeMatrixMove(Decoder &d) {
  if (!d.take("sync") || !d.take("aligned") || !d.take("m8n8"))
    d.fail("expected .sync.aligned.m8n8 in " + d.opcode);
  uint32_t count = d.take("x4") ? 4 : d.take("x2") ? 2 : 1;
  d.take("x1");
  bool isTransposed = d.take("trans");
  if (!d.take("shared"))
    d.take("shared::cta");
  if (d.takeType() != Type::B16)
    d.fail("this form of " + d.opcode + " is not supported");
  d.expectOperands(2);
  const Operand &data = d.operands[IsLoad ? 0 : 1];
  std::vector<Operand> list =
      data.kind == Operand::List ? data.list : std::vector<Operand>{data};
  if (list.size() != count)
    d.fail("expected " + std::to_string(count) + " registers in " + d.opcode);
  std::vector<uint32_t> slots;
  for (const Operand &operand : list)
    slots.push_back(IsLoad ? d.write(operand, Type::B32)
                           : d.read(operand, Type::B32));
  Instruction &i = d.emit(joinCollective);
  d.setAddress(i, d.operands[IsLoad ? 1 : 0]);
  i.flags = isTransposed;
  Details &more = d.details(i);
  more.warp = moveMatrices<IsLoad>;
  more.slots = slots;
}

/// A matrix of 8 by 8 elements of 16 bits, transposed among the lanes.
static void transpose(Warp &warp, const Instruction &i, uint32_t) {
  uint32_t words[32] = {};
  for (uint32_t lane = 0; lane < 32; ++lane) {
    uint32_t word = get<uint32_t>(warp.lanes[lane], i.a);
    for (uint32_t e = 0; e < 2; ++e) {
      uint32_t row = lane % 4 * 2 + e, column = lane / 4;
      words[row * 4 + column / 2] |= (word >> 16 * e & 0xFFFF)
                                     << 16 * (column % 2);
    }
  }
  for (uint32_t lane = 0; lane < 32; ++lane)
    put<uint32_t>(warp.lanes[lane], i.d, words[lane]);
}

static void decodeMovmatrix(Decoder &d) {
  if (!d.take("sync") || !d.take("aligned") || !d.take("m8n8") ||
      !d.take("trans"))
    d.fail("this form of " + d.opcode + " is not supported");
  Type type = d.takeType();
  if (type != Type::B16)
    d.fail("this form of " + d.opcode + " is not supported");
  Instruction &i = emitSimple(d, joinCollective, Type::B32, 1);
  d.details(i).warp = transpose;
}

void ternac::cuda_emulator::addMatrixInstructions(DecodeTable &table) {
  table["mma"] = decodeMma;
  table["ldmatrix"] = decodeMatrixMove<true>;
  table["stmatrix"] = decodeMatrixMove<false>;
  table["movmatrix"] = decodeMovmatrix;
}
