//===- RISCV.cpp - Features of 64-bit RISC-V processors -------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Linux says what a processor has by the system call riscv_hwprobe since 6.4,
// each feature since a later version. Older ones know the extensions that are
// letters (AT_HWCAP), and write all of them in /proc/cpuinfo.
//
//===----------------------------------------------------------------------===//

#include "Processor.h"

#include <algorithm>
#include <fstream>

#include <sys/auxv.h>
#include <unistd.h>

using namespace ternac::runtime;

namespace {

/// A bit of what the key RISCV_HWPROBE_KEY_IMA_EXT_0 gives.
struct Feature {
  std::string_view name;
  int bit;
};

constexpr Feature knownFeatures[] = {
    {"zba", 3},   {"zbb", 4},    {"zbs", 5},     {"zbc", 7},   {"zvbb", 17},
    {"zvbc", 18}, {"zfh", 27},   {"zfhmin", 28}, {"zvfh", 30}, {"zvfhmin", 31},
    {"zfa", 32},  {"zacas", 34}, {"zicond", 35},
};

uint64_t probe() {
  constexpr long riscvHwprobe = 258;
  struct {
    int64_t key = 4; // RISCV_HWPROBE_KEY_IMA_EXT_0
    uint64_t value = 0;
  } pair;
  // Of all processors together.
  if (syscall(riscvHwprobe, &pair, 1L, 0L, nullptr, 0L) != 0 || pair.key < 0)
    return 0;
  return pair.value;
}

/// The extensions with long names of the line "isa" that has fewest of them:
/// "_zba_zbb_"; empty if there is no such line.
std::string readExtensions() {
  std::ifstream file("/proc/cpuinfo");
  std::string fewest;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("isa", 0) != 0 || line.find("rv64") == line.npos)
      continue;
    size_t first = line.find('_');
    std::string extensions =
        first == line.npos ? "_" : line.substr(first) + "_";
    if (fewest.empty() || extensions.size() < fewest.size())
      fewest = extensions;
  }
  return fewest;
}

bool hasLetter(char letter) {
  static const uint64_t letters = getauxval(AT_HWCAP);
  return letters >> (letter - 'a') & 1;
}

/// Bits of a vector register, which must be there.
uint64_t vectorBits() {
  uint64_t bytes;
  // csrr bytes, vlenb, for assemblers of processors without vectors.
  __asm__ volatile("csrr %0, 0xc22" : "=r"(bytes));
  return bytes * 8;
}

} // namespace

std::optional<bool> processor::hasFeature(std::string_view name) {
  if (name.size() == 1 &&
      std::string_view("imafdcv").find(name[0]) != name.npos)
    return hasLetter(name[0]);
  // The shortest length that a register must have: zvl256b.
  if (name.size() > 4 && name.substr(0, 3) == "zvl" && name.back() == 'b') {
    uint64_t bits = 0;
    for (char digit : name.substr(3, name.size() - 4)) {
      if (digit < '0' || digit > '9' || bits > 65536)
        return std::nullopt;
      bits = bits * 10 + uint64_t(digit - '0');
    }
    return hasLetter('v') && vectorBits() >= bits;
  }
  const Feature *feature =
      std::find_if(std::begin(knownFeatures), std::end(knownFeatures),
                   [&](const Feature &known) { return known.name == name; });
  if (feature == std::end(knownFeatures))
    return std::nullopt;
  static const uint64_t probed = probe();
  static const std::string extensions = readExtensions();
  return (probed >> feature->bit & 1) ||
         extensions.find("_" + std::string(name) + "_") != std::string::npos;
}

uint64_t processor::grants() { return 0; }

// pause, for assemblers that do not know it.
void processor::relax() { __asm__ volatile(".4byte 0x0100000f"); }
