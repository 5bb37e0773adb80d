//===- X86Features.cpp - What x86 feature bits mean for the compiler ------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "X86Features.h"

#include "ternac/Support/MakeError.h"

#include "llvm/ADT/SetOperations.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"

#include <set>

using namespace ternac;
using namespace ternac::cpu;

// Names of capabilities that only this target reads, and the instruction that
// each stands for, best first.
static constexpr struct {
  llvm::StringLiteral capability;
  DotInstruction instruction;
} dotCapabilities[] = {
    {"x86_vnni_512", DotInstruction::Vnni512},
    {"x86_vnni_256", DotInstruction::Vnni256},
    {"x86_maddubs_512", DotInstruction::Maddubs512},
    {"x86_maddubs_256", DotInstruction::Maddubs256},
    {"x86_maddubs_128", DotInstruction::Maddubs128},
    {"x86_madd_128", DotInstruction::Madd128},
};

/// Features that generated code can profit from; the rest of a host's bits say
/// nothing about it.
static constexpr llvm::StringLiteral usefulFeatures[] = {
    "sse3",        "ssse3",        "sse4.1",
    "sse4.2",      "popcnt",       "avx",
    "f16c",        "fma",          "avx2",
    "bmi",         "bmi2",         "avx512f",
    "avx512bw",    "avx512cd",     "avx512dq",
    "avx512vl",    "avx512vnni",   "avx512vbmi",
    "avx512vbmi2", "avx512bitalg", "avx512vpopcntdq",
    "avx512bf16",  "avx512fp16",   "gfni",
    "avxvnni",     "avxvnniint8",  "amx-tile",
    "amx-int8",    "amx-bf16"};

namespace {

/// A machine as feature bits.
struct X86Machine {
  std::string cpu;                ///< the LLVM name that code is tuned for
  std::set<std::string> features; ///< every feature that is on

  bool has(llvm::StringRef feature) const {
    return features.count(feature.str()) != 0;
  }
  std::vector<std::string> capabilities() const;
  int64_t vectorBits() const;
  std::string extraFeatures() const;
  std::set<std::string> requiredFeatures() const;
};

} // namespace

/// The features that an LLVM CPU name implies.
static std::set<std::string> impliedBy(llvm::StringRef cpu) {
  llvm::SmallVector<llvm::StringRef> names;
  llvm::X86::getFeaturesForCPU(cpu, names);
  std::set<std::string> features;
  for (llvm::StringRef name : names) {
    features.insert(name.ltrim('+').str());
    // Names imply others: avx2 implies avx.
    llvm::StringMap<bool> implied;
    llvm::X86::updateImpliedFeatures(name.ltrim('+'), true, implied);
    for (const auto &entry : implied)
      if (entry.second)
        features.insert(entry.first().str());
  }
  return features;
}

/// Features that code may use: those of the x86-64 levels and the useful ones.
/// Others (xop, fma4, ...) are turned off, so that what a library needs is what
/// the runtime can ask a CPU for.
static bool isUsed(llvm::StringRef feature) {
  static const std::set<std::string> levels = impliedBy("x86-64-v4");
  return llvm::is_contained(usefulFeatures, feature) ||
         levels.count(feature.str());
}

/// This host as its highest x86-64 level and the useful features beyond.
static X86Machine hostMachine() {
  llvm::StringMap<bool> bits = llvm::sys::getHostCPUFeatures();
  X86Machine machine;
  machine.cpu = "x86-64";
  for (llvm::StringRef level : {"x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
    bool complete = llvm::all_of(impliedBy(level), [&](const std::string &f) {
      return !llvm::is_contained(usefulFeatures, llvm::StringRef(f)) ||
             bits.lookup(f);
    });
    if (!complete)
      break;
    machine.cpu = level.str();
  }
  machine.features = impliedBy(machine.cpu);
  for (llvm::StringRef feature : usefulFeatures)
    if (bits.lookup(feature))
      machine.features.insert(feature.str());
  return machine;
}

std::string cpu::expandX86(llvm::StringRef previous, llvm::StringRef word) {
  constexpr llvm::StringLiteral level = "x86-64";
  bool isShort = word.size() == 2 && word[0] == 'v' && llvm::isDigit(word[1]);
  if (isShort && previous.starts_with(level))
    return (level + "-" + word).str();
  return word.str();
}

llvm::Expected<Machine> cpu::resolveX86(llvm::StringRef arch,
                                        llvm::StringRef changes) {
  X86Machine machine;
  if (arch == "native") {
    machine = hostMachine();
  } else {
    llvm::SmallVector<llvm::StringRef> known;
    llvm::X86::fillValidCPUArchList(known, /*Only64Bit=*/true);
    if (!llvm::is_contained(known, arch))
      return makeError("unknown arch '" + arch +
                       "'; expected native, x86-64, x86-64-v2, x86-64-v3, "
                       "x86-64-v4 or an LLVM name of a 64-bit x86 CPU");
    machine.cpu = arch.str();
    for (const std::string &feature : impliedBy(arch))
      if (isUsed(feature))
        machine.features.insert(feature);
  }
  llvm::SmallVector<llvm::StringRef> words;
  changes.split(words, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (llvm::StringRef word : words) {
    bool enable = word.starts_with("+");
    llvm::StringRef name = word.drop_front();
    // A feature that is off in any case may be turned off: so a description
    // says it of those that the cpu would have.
    bool isOff = word.starts_with("-") && !machine.has(name) &&
                 impliedBy(machine.cpu).count(name.str());
    if (isOff)
      continue;
    if ((!enable && !word.starts_with("-")) ||
        !llvm::is_contained(usefulFeatures, name))
      return makeError("unknown feature '" + word +
                       "'; expected + or - and one of: " +
                       llvm::join(llvm::ArrayRef(usefulFeatures), ", "));
    llvm::StringMap<bool> implied;
    llvm::X86::updateImpliedFeatures(name, enable, implied);
    for (const auto &entry : implied) {
      if (entry.second)
        machine.features.insert(entry.first().str());
      else
        machine.features.erase(entry.first().str());
    }
    if (enable)
      machine.features.insert(name.str());
    else
      machine.features.erase(name.str());
  }
  // Features that others imply are among them.
  std::set<std::string> required = machine.requiredFeatures();
  return Machine{
      machine.cpu, machine.extraFeatures(), llvm::join(required, ","),
      required,    machine.capabilities(),  machine.vectorBits()};
}

bool cpu::isX86(tern::TargetAttr target) { return target.hasCapability("x86"); }

std::vector<std::string> X86Machine::capabilities() const {
  std::vector<std::string> list = {"x86"};
  if (has("fma"))
    list.push_back("fma");
  if (has("f16c"))
    list.push_back("f16_convert");
  if (has("avx512bf16") && vectorBits() == 512)
    list.push_back("bf16_dot");
  if (vectorBits() == 512)
    list.push_back("vector_registers_32");
  if (has("avx512bw"))
    list.push_back("mask_registers");
  if (has("avx512vpopcntdq") && vectorBits() == 512)
    list.push_back("vector_popcount");
  if (has("avx512vbmi"))
    list.push_back("byte_permute");
  if (has("ssse3"))
    list.push_back("byte_shuffle");
  DotInstruction best = DotInstruction::Madd128;
  if (has("avx512vnni") && vectorBits() == 512)
    best = DotInstruction::Vnni512;
  else if (has("avxvnni") || (has("avx512vnni") && has("avx512vl")))
    best = DotInstruction::Vnni256;
  else if (vectorBits() == 512)
    best = DotInstruction::Maddubs512;
  else if (has("avx2"))
    best = DotInstruction::Maddubs256;
  else if (has("ssse3"))
    best = DotInstruction::Maddubs128;
  for (auto [capability, instruction] : dotCapabilities)
    if (instruction == best) {
      list.push_back("int8_dot");
      list.push_back(capability.str());
    }
  if (has("amx-tile") && has("amx-int8")) {
    list.push_back("tile_matmul");
    list.push_back("x86_amx_int8");
  }
  if (has("amx-tile") && has("amx-bf16") && vectorBits() == 512)
    list.push_back("x86_amx_bf16");
  // One table look-up takes a base-3 byte apart.
  if (has("avx512vbmi") && best == DotInstruction::Vnni512)
    list.push_back("base3_unpack");
  return list;
}

int64_t X86Machine::vectorBits() const {
  if (has("avx512bw") && has("avx512vl") && has("avx512dq"))
    return 512;
  return has("avx2") ? 256 : 128;
}

std::string X86Machine::extraFeatures() const {
  std::set<std::string> implied = impliedBy(cpu);
  std::vector<std::string> changes;
  for (const std::string &feature : features)
    if (!implied.count(feature))
      changes.push_back("+" + feature);
  for (const std::string &feature : implied)
    if (!features.count(feature))
      changes.push_back("-" + feature);
  return llvm::join(changes, ",");
}

DotInstruction cpu::dotInstruction(tern::TargetAttr target) {
  for (auto [capability, instruction] : dotCapabilities)
    if (target.hasCapability(capability))
      return instruction;
  return DotInstruction::None;
}

std::set<std::string> X86Machine::requiredFeatures() const {
  // Every x86-64 CPU has the features of the first level.
  std::set<std::string> always = impliedBy("x86-64"), names = features;
  llvm::set_subtract(names, always);
  return names;
}
