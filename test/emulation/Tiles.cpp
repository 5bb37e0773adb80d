//===- Tiles.cpp - AMX in software ----------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What Intel's manual says of palette 1, including what it forbids: code that
// would fault ends the process with a sentence. Runs in a signal handler, so
// nothing here allocates or locks.
//
//===----------------------------------------------------------------------===//

#include "Tiles.h"
#include "Failure.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include <immintrin.h>

using namespace ternac::emulation;

namespace {

constexpr int kTiles = 8;
constexpr int kRows = 16;
constexpr int kRowBytes = 64;
constexpr int kLanes = kRowBytes / 4;

/// The operand of ldtilecfg.
struct Config {
  uint8_t palette;
  uint8_t startRow;
  uint8_t reserved[14];
  uint16_t rowBytes[16];
  uint8_t rows[16];
};
static_assert(sizeof(Config) == 64);

struct Tile {
  alignas(64) uint8_t bytes[kRows][kRowBytes];
};

struct State {
  Config config;
  Tile tiles[kTiles];
};

/// Threads that may have tiles configured at the same time. A handler cannot
/// allocate, and libraries loaded late have little room for variables of
/// threads: a thread has one of these between ldtilecfg and tilerelease.
constexpr int kStates = 256;
State states[kStates];
std::atomic<bool> taken[kStates];

__attribute__((tls_model("initial-exec"))) thread_local State *mine = nullptr;

} // namespace

static void acquire(const char *name) {
  for (int i = 0; i < kStates && !mine; ++i)
    if (!taken[i].exchange(true, std::memory_order_acquire))
      mine = &states[i];
  if (!mine)
    fail(name, "%d threads have tiles configured, or ended without tilerelease",
         kStates);
}

static void release() {
  if (!mine)
    return;
  taken[mine - states].store(false, std::memory_order_release);
  mine = nullptr;
}

static bool isZero(const uint8_t *begin, const uint8_t *end) {
  return std::all_of(begin, end, [](uint8_t byte) { return byte == 0; });
}

static void loadConfig(const char *name, const uint8_t *address) {
  Config config;
  memcpy(&config, address, sizeof(config));
  if (config.palette == 0)
    return release();
  if (config.palette != 1)
    fail(name, "there is no palette %d", config.palette);
  if (config.startRow != 0)
    fail(name, "start row %d is not emulated", config.startRow);
  auto bytes = reinterpret_cast<const uint8_t *>(&config);
  if (!isZero(bytes + 2, bytes + 16) || !isZero(bytes + 32, bytes + 48) ||
      !isZero(bytes + 56, bytes + 64))
    fail(name, "reserved bytes of the configuration are not zero");
  for (int t = 0; t < kTiles; ++t) {
    int rows = config.rows[t], rowBytes = config.rowBytes[t];
    if (rows > kRows || rowBytes > kRowBytes || (rows == 0) != (rowBytes == 0))
      fail(name, "tmm%d cannot have %d rows of %d bytes", t, rows, rowBytes);
  }
  acquire(name);
  mine->config = config;
  memset(mine->tiles, 0, sizeof(mine->tiles));
}

static void storeConfig(uint8_t *address) {
  if (mine)
    memcpy(address, &mine->config, sizeof(Config));
  else
    memset(address, 0, sizeof(Config));
}

/// Fails if tile `t` is not configured.
static Tile &tile(const char *name, int t) {
  if (!mine)
    fail(name, "no tiles are configured");
  if (mine->config.rows[t] == 0)
    fail(name, "tmm%d is not configured", t);
  return mine->tiles[t];
}

static void load(const Instruction &instruction, const uint8_t *address,
                 int64_t stride) {
  int t = instruction.reg;
  Tile &to = tile(instruction.name, t);
  // Into another tile first: a load that faults changes nothing.
  Tile loaded{};
  for (int row = 0; row < mine->config.rows[t]; ++row)
    memcpy(loaded.bytes[row], address + row * stride, mine->config.rowBytes[t]);
  to = loaded;
}

static void store(const Instruction &instruction, uint8_t *address,
                  int64_t stride) {
  int t = instruction.reg;
  const Tile &from = tile(instruction.name, t);
  for (int row = 0; row < mine->config.rows[t]; ++row)
    memcpy(address + row * stride, from.bytes[row], mine->config.rowBytes[t]);
}

/// Fails unless [m x n] += [m x k] * [k x n] fits the three tiles.
static void checkProduct(const Instruction &instruction) {
  const char *name = instruction.name;
  int c = instruction.reg, a = instruction.rm, b = instruction.vvvv;
  if (c == a || c == b || a == b)
    fail(name, "tmm%d, tmm%d and tmm%d are not three tiles", c, a, b);
  for (int t : {c, a, b}) {
    tile(name, t);
    if (mine->config.rowBytes[t] % 4 != 0)
      fail(name, "tmm%d has rows of %d bytes, no multiple of 4", t,
           mine->config.rowBytes[t]);
  }
  auto rows = [&](int t) { return int(mine->config.rows[t]); };
  auto rowBytes = [&](int t) { return int(mine->config.rowBytes[t]); };
  if (rows(c) != rows(a) || rowBytes(c) != rowBytes(b) ||
      rowBytes(a) != 4 * rows(b))
    fail(name,
         "%d rows of %d bytes in tmm%d do not fit %d rows of %d bytes in "
         "tmm%d times %d rows of %d bytes in tmm%d",
         rows(c), rowBytes(c), c, rows(a), rowBytes(a), a, rows(b), rowBytes(b),
         b);
}

/// Replaces the sums by `sums`, with zeros where the tile ends.
static void writeSums(int t, const uint32_t (&sums)[kRows][kLanes]) {
  for (int row = 0; row < kRows; ++row) {
    int used = row < mine->config.rows[t] ? mine->config.rowBytes[t] : 0;
    memcpy(mine->tiles[t].bytes[row], sums[row], used);
    memset(mine->tiles[t].bytes[row] + used, 0, kRowBytes - used);
  }
}

/// Bytes as integers of 32 bits, modulo which sums wrap.
template <typename AByte, typename BByte>
static void dotBytes(const Instruction &instruction) {
  checkProduct(instruction);
  const Tile &a = mine->tiles[instruction.rm];
  const Tile &b = mine->tiles[instruction.vvvv];
  uint32_t sums[kRows][kLanes];
  memcpy(sums, mine->tiles[instruction.reg].bytes, sizeof(sums));
  for (int m = 0; m < mine->config.rows[instruction.reg]; ++m)
    for (int k = 0; k < mine->config.rows[instruction.vvvv]; ++k)
      for (int n = 0; n < kLanes; ++n)
        for (int i = 0; i < 4; ++i)
          sums[m][n] += uint32_t(int32_t(AByte(a.bytes[m][4 * k + i])) *
                                 int32_t(BByte(b.bytes[k][4 * n + i])));
  writeSums(instruction.reg, sums);
}

/// Bits of MXCSR.
static constexpr unsigned kMasked = 0x1f80, kFlushResults = 0x8000,
                          kZeroInputs = 0x40;

/// Even and odd products are summed apart, fused and in order, then added, then
/// added to what was there. Denormals are zero, halves round to even.
__attribute__((target("fma"), noinline)) static void
dotBF16(const Instruction &instruction) {
  const Tile &a = mine->tiles[instruction.rm];
  const Tile &b = mine->tiles[instruction.vvvv];
  uint32_t sums[kRows][kLanes];
  memcpy(sums, mine->tiles[instruction.reg].bytes, sizeof(sums));
  const __m128i upper = _mm_set1_epi32(int(0xffff0000));
  for (int m = 0; m < mine->config.rows[instruction.reg]; ++m) {
    for (int n = 0; n < kLanes; n += 4) {
      __m128 even = _mm_setzero_ps(), odd = _mm_setzero_ps();
      for (int k = 0; k < mine->config.rows[instruction.vvvv]; ++k) {
        uint32_t pair;
        memcpy(&pair, &a.bytes[m][4 * k], sizeof(pair));
        __m128i x = _mm_set1_epi32(int(pair));
        __m128i y = _mm_loadu_si128(
            reinterpret_cast<const __m128i *>(&b.bytes[k][4 * n]));
        auto low = [](__m128i v) {
          return _mm_castsi128_ps(_mm_slli_epi32(v, 16));
        };
        auto high = [&](__m128i v) {
          return _mm_castsi128_ps(_mm_and_si128(v, upper));
        };
        even = _mm_fmadd_ps(low(x), low(y), even);
        odd = _mm_fmadd_ps(high(x), high(y), odd);
      }
      auto sum = reinterpret_cast<float *>(&sums[m][n]);
      _mm_storeu_ps(sum, _mm_add_ps(_mm_loadu_ps(sum), _mm_add_ps(even, odd)));
    }
  }
  writeSums(instruction.reg, sums);
}

void ternac::emulation::runTiles(const Instruction &instruction,
                                 uint8_t *address, int64_t stride) {
  switch (instruction.operation) {
  case Operation::LoadConfig:
    return loadConfig(instruction.name, address);
  case Operation::StoreConfig:
    return storeConfig(address);
  case Operation::Release:
    return release();
  case Operation::Zero:
    memset(&tile(instruction.name, instruction.reg), 0, sizeof(Tile));
    return;
  case Operation::Load:
    return load(instruction, address, stride);
  case Operation::Store:
    return store(instruction, address, stride);
  case Operation::DotSS:
    return dotBytes<int8_t, int8_t>(instruction);
  case Operation::DotSU:
    return dotBytes<int8_t, uint8_t>(instruction);
  case Operation::DotUS:
    return dotBytes<uint8_t, int8_t>(instruction);
  case Operation::DotUU:
    return dotBytes<uint8_t, uint8_t>(instruction);
  case Operation::DotBF16:
    checkProduct(instruction);
    // The kernel restores the register when the handler returns.
    _mm_setcsr(kMasked | kFlushResults | kZeroInputs);
    return dotBF16(instruction);
  default:
    fail(instruction.name, "no instruction of tiles");
  }
}
