//===- Vectors.cpp - AVX-VNNI in software ---------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernel saves registers with XSAVE in its standard format: the legacy area
// of FXSAVE, a header whose first word says which components are not in their
// initial state (zero), and the components where cpuid says. It restores from
// there what the first word names, and sets the rest to the initial state.
//
//===----------------------------------------------------------------------===//

#include "Vectors.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include <cpuid.h>

using namespace ternac::emulation;

namespace {

enum Component { Xmm = 1, YmmUpper = 2, ZmmUpper = 6, ComponentCount = 8 };

constexpr int kHeaderOffset = 512;

/// The bytes before the header that the kernel describes the frame in.
constexpr int kDescriptionOffset = 464;
struct Description {
  uint32_t magic;
  uint32_t frameBytes;
  uint64_t components;
};
constexpr uint32_t kMagic = 0x46505853; // FP_XSTATE_MAGIC1

struct Extent {
  uint32_t offset, size;
};

/// Read once, when the library is loaded: cpuid is slow on virtual machines.
struct Extents {
  Extent of[ComponentCount] = {};
  Extents() {
    of[Xmm] = {160, 256};
    for (int i : {YmmUpper, ZmmUpper}) {
      uint32_t size, offset, c, d;
      if (__get_cpuid_count(0xd, i, &size, &offset, &c, &d))
        of[i] = {offset, size};
    }
  }
};
const Extents extents;

} // namespace

VectorRegisters::VectorRegisters(uint8_t *area) : frame(nullptr) {
  if (!area)
    return;
  Description description;
  memcpy(&description, area + kDescriptionOffset, sizeof(description));
  bool savesYmm = description.components >> YmmUpper & 1;
  if (description.magic == kMagic && savesYmm)
    frame = area;
}

uint64_t &VectorRegisters::components() const {
  return *reinterpret_cast<uint64_t *>(frame + kHeaderOffset);
}

uint8_t *VectorRegisters::find(int component) const {
  bool saved = components() >> component & 1;
  return saved ? frame + extents.of[component].offset : nullptr;
}

uint8_t *VectorRegisters::create(int component) {
  uint8_t *begin = frame + extents.of[component].offset;
  if (!find(component)) {
    memset(begin, 0, extents.of[component].size);
    components() |= uint64_t(1) << component;
  }
  return begin;
}

void VectorRegisters::read(int number, uint8_t *bytes) const {
  memset(bytes, 0, 32);
  if (const uint8_t *lower = find(Xmm))
    memcpy(bytes, lower + 16 * number, 16);
  if (const uint8_t *upper = find(YmmUpper))
    memcpy(bytes + 16, upper + 16 * number, 16);
}

void VectorRegisters::write(int number, const uint8_t *bytes, bool is256) {
  memcpy(create(Xmm) + 16 * number, bytes, 16);
  if (is256)
    memcpy(create(YmmUpper) + 16 * number, bytes + 16, 16);
  else if (uint8_t *upper = find(YmmUpper))
    memset(upper + 16 * number, 0, 16);
  if (uint8_t *upper = find(ZmmUpper))
    memset(upper + 32 * number, 0, 32);
}

/// sum + the products of the parts of a lane; exact.
template <typename A, typename B>
static int64_t dot(int32_t sum, const uint8_t *a, const uint8_t *b) {
  int64_t total = sum;
  for (size_t i = 0; i < 4; i += sizeof(A)) {
    A x;
    B y;
    memcpy(&x, a + i, sizeof(x));
    memcpy(&y, b + i, sizeof(y));
    total += int64_t(x) * y;
  }
  return total;
}

void ternac::emulation::runVectors(const Instruction &instruction,
                                   const uint8_t *address,
                                   VectorRegisters &registers) {
  size_t size = instruction.is256 ? 32 : 16;
  uint8_t sums[32], a[32], b[32];
  registers.read(instruction.reg, sums);
  registers.read(instruction.vvvv, a);
  if (instruction.hasMemory)
    memcpy(b, address, size);
  else
    registers.read(instruction.rm, b);
  bool words = instruction.operation == Operation::Words ||
               instruction.operation == Operation::WordsSaturate;
  bool saturate = instruction.operation == Operation::BytesSaturate ||
                  instruction.operation == Operation::WordsSaturate;
  using Limits = std::numeric_limits<int32_t>;
  for (size_t i = 0; i < size; i += 4) {
    int32_t sum;
    memcpy(&sum, sums + i, sizeof(sum));
    int64_t total = words ? dot<int16_t, int16_t>(sum, a + i, b + i)
                          : dot<uint8_t, int8_t>(sum, a + i, b + i);
    if (saturate)
      total = std::clamp<int64_t>(total, Limits::min(), Limits::max());
    sum = static_cast<int32_t>(total);
    memcpy(sums + i, &sum, sizeof(sum));
  }
  registers.write(instruction.reg, sums, instruction.is256);
}
