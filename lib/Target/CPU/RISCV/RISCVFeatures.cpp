//===- RISCVFeatures.cpp - What RISC-V extensions mean for the compiler ---===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A machine is rv64gc and a choice of the useful features below; whatever else
// an ISA string or a CPU has is not used, so that what a library needs is what
// the runtime can ask a processor for. What one extension implies for others is
// LLVM's knowledge.
//
//===----------------------------------------------------------------------===//

#include "RISCVFeatures.h"

#include "ternac/Support/MakeError.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/RISCVISAInfo.h"
#include "llvm/TargetParser/RISCVTargetParser.h"

#include <set>

using namespace ternac;
using namespace ternac::cpu;

/// rv64gc, as far as code depends on it; `d` implies `f`.
static constexpr llvm::StringLiteral baseFeatures[] = {"m", "a", "d", "c"};

/// Extensions that generated code can profit from.
static constexpr llvm::StringLiteral usefulFeatures[] = {
    "zba",     "zbb",     "zbs",     "zicond",   "zfhmin",  "zfh",  "v",
    "zvl128b", "zvl256b", "zvl512b", "zvl1024b", "zvfhmin", "zvfh", "zvbb"};

/// What an environment may do well without being asked: every Linux runs such
/// code, and some processors run it slowly.
static constexpr llvm::StringLiteral kUnalignedAccess = "unaligned-scalar-mem";

using Features = std::set<std::string>;
using ISAInfo = std::unique_ptr<llvm::RISCVISAInfo>;

/// Of features that fit together, each with all that it implies.
static ISAInfo closure(const Features &features) {
  std::vector<std::string> list;
  for (const std::string &feature : features)
    list.push_back("+" + feature);
  return llvm::cantFail(llvm::RISCVISAInfo::parseFeatures(64, list));
}

/// Whether `feature` brings `implied` with it; vectors of some length need
/// vectors.
static bool implies(llvm::StringRef feature, llvm::StringRef implied) {
  if (implied == "v" && feature.starts_with("zv"))
    return true;
  Features one = {feature.str()};
  if (feature.starts_with("zvl"))
    one.insert("zve32x"); // LLVM knows no length without
  return closure(one)->hasExtension(implied);
}

/// Those of `list` that no other of `features` implies, in the order of `list`.
/// Nothing implies `v`, without which LLVM would refuse the others.
static std::vector<std::string>
notImplied(llvm::ArrayRef<llvm::StringLiteral> list, const Features &features) {
  std::vector<std::string> names;
  for (llvm::StringRef name : list) {
    Features others = features;
    others.erase(name.str());
    if (features.count(name.str()) &&
        (name == "v" || !closure(others)->hasExtension(name)))
      names.push_back(name.str());
  }
  return names;
}

namespace {

struct RISCVMachine {
  std::string cpu;   ///< the LLVM name that code is tuned for
  Features features; ///< of the base and the useful ones, those that are on

  bool has(llvm::StringRef feature) const {
    return features.count(feature.str()) != 0;
  }
  std::vector<std::string> capabilities() const;
  int64_t vectorBits() const;
  std::string changes() const;
};

} // namespace

/// The machine with the used features of `isa`. Fails unless it has rv64gc.
static llvm::Expected<RISCVMachine> makeMachine(llvm::StringRef arch,
                                                llvm::StringRef cpu,
                                                const llvm::RISCVISAInfo &isa) {
  RISCVMachine machine{cpu.str(), {}};
  if (isa.getXLen() == 64)
    for (llvm::StringRef feature : usefulFeatures)
      if (isa.hasExtension(feature) &&
          (isa.hasExtension("v") || !feature.starts_with("zv")))
        machine.features.insert(feature.str());
  for (llvm::StringRef feature : baseFeatures) {
    if (isa.getXLen() != 64 || !isa.hasExtension(feature))
      return makeError("arch '" + arch +
                       "' has not all of rv64gc, which "
                       "generated code needs; name another");
    machine.features.insert(feature.str());
  }
  return machine;
}

/// This host: what Linux says of its extensions.
static RISCVMachine hostMachine() {
  llvm::StringMap<bool> bits = llvm::sys::getHostCPUFeatures();
  RISCVMachine machine{kRISCVBaseline.str(), {}};
  for (llvm::StringRef feature : baseFeatures)
    machine.features.insert(feature.str());
  for (llvm::StringRef feature : usefulFeatures)
    if (bits.lookup(feature) && (bits.lookup("v") || feature[1] != 'v'))
      machine.features.insert(feature.str());
  return machine;
}

static llvm::Expected<RISCVMachine> findMachine(llvm::StringRef arch) {
  if (arch == "native")
    return hostMachine();
  llvm::StringRef cpu = kRISCVBaseline, isa = arch;
  if (arch == kRISCVBaseline) {
    isa = "rv64gc";
  } else if (llvm::RISCV::parseCPU(arch, /*IsRV64=*/true)) {
    cpu = arch;
    isa = llvm::RISCV::getMArchFromMcpu(arch);
  } else if (!arch.starts_with("rv")) {
    return makeError("unknown arch '" + arch +
                     "'; expected native, an ISA such as rv64gcv_zvl256b, a "
                     "profile such as rva23u64 or an LLVM name of a 64-bit "
                     "RISC-V CPU such as " +
                     kRISCVBaseline);
  }
  llvm::Expected<ISAInfo> info = llvm::RISCVISAInfo::parseArchString(
      isa, /*EnableExperimentalExtension=*/false);
  if (!info)
    return makeError("unknown arch '" + arch +
                     "': " + llvm::toString(info.takeError()) +
                     "; expected an ISA such as rv64gcv_zvl256b or a profile "
                     "such as rva23u64");
  return makeMachine(arch, cpu, **info);
}

/// Turns `name` off, and what needs it.
static void disable(llvm::StringRef name, RISCVMachine &machine) {
  bool hadVectors = machine.has("v");
  std::erase_if(machine.features, [&](const std::string &feature) {
    return feature == name || implies(feature, name);
  });
  if (hadVectors && !machine.has("v"))
    std::erase_if(machine.features, [](const std::string &feature) {
      return implies(feature, "v");
    });
}

/// Turns features on and off as `changes` says.
static llvm::Error apply(llvm::StringRef changes, RISCVMachine &machine) {
  const ISAInfo base =
      closure(Features(std::begin(baseFeatures), std::end(baseFeatures)));
  llvm::SmallVector<llvm::StringRef> words;
  changes.split(words, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (llvm::StringRef word : words) {
    bool enable = word.starts_with("+");
    llvm::StringRef name = word.drop_front();
    bool isSigned = enable || word.starts_with("-");
    bool isBase = llvm::is_contained(baseFeatures, name);
    if (isSigned && !enable && base->hasExtension(name))
      return makeError("feature '" + word +
                       "' is not possible: generated code needs rv64gc");
    // Whatever there is may be off: what is no useful feature may be part of
    // one, or it is never used.
    bool isKnown = isBase || llvm::is_contained(usefulFeatures, name) ||
                   name == kUnalignedAccess ||
                   (!enable && llvm::RISCVISAInfo::isSupportedExtension(name));
    if (!isSigned || !isKnown)
      return makeError("unknown feature '" + word +
                       "'; expected + or - and one of: " +
                       llvm::join(llvm::ArrayRef(usefulFeatures), ", ") + ", " +
                       kUnalignedAccess);
    if (!enable) {
      disable(name, machine);
      continue;
    }
    machine.features.insert(name.str());
    for (llvm::StringRef feature : usefulFeatures)
      if (feature != "v" && implies(name, feature))
        machine.features.insert(feature.str());
  }
  auto isOfVectors = [](llvm::StringRef name) {
    return name.starts_with("zv");
  };
  if (!machine.has("v") && llvm::any_of(machine.features, isOfVectors))
    return makeError("expected '+v' among features of vectors, but got '" +
                     changes + "'");
  return llvm::Error::success();
}

llvm::Expected<Machine> cpu::resolveRISCV(llvm::StringRef arch,
                                          llvm::StringRef changes) {
  llvm::Expected<RISCVMachine> machine = findMachine(arch);
  if (!machine)
    return machine.takeError();
  if (llvm::Error error = apply(changes, *machine))
    return error;
  std::vector<std::string> required =
      notImplied(usefulFeatures, machine->features);
  std::set<std::string> all;
  const ISAInfo extensions = closure(machine->features);
  for (const auto &[name, version] : extensions->getExtensions())
    all.insert(name);
  return Machine{
      machine->cpu, machine->changes(),      llvm::join(required, ","),
      all,          machine->capabilities(), machine->vectorBits()};
}

bool cpu::isRISCV(tern::TargetAttr target) {
  return target.hasCapability("riscv");
}

std::vector<std::string> RISCVMachine::capabilities() const {
  std::vector<std::string> list = {"riscv", "fma"};
  // Vectors of f16 are scalars here and there.
  if (has("zfhmin") && (has("zvfhmin") || !has("v")))
    list.push_back("f16_convert");
  if (!has("v"))
    return list;
  list.push_back("mask_registers");
  if (has("zvbb"))
    list.push_back("vector_popcount");
  for (const char *capability :
       {"byte_shuffle", "int8_products", "vector_registers_32",
        "unknown_vector_length"})
    list.push_back(capability);
  return list;
}

/// Of what kernels use of a register: no block of theirs has more than 512.
int64_t RISCVMachine::vectorBits() const {
  return has("v") ? std::min(closure(features)->getMinVLen(), 512u) : 64;
}

/// How the features differ from those that LLVM takes `cpu` to have.
std::string RISCVMachine::changes() const {
  ISAInfo all = closure(features);
  auto known = llvm::cantFail(llvm::RISCVISAInfo::parseArchString(
      llvm::RISCV::getMArchFromMcpu(cpu),
      /*EnableExperimentalExtension=*/false));
  std::vector<std::string> words;
  for (const auto &[name, version] : known->getExtensions())
    if (name != "i" && !all->hasExtension(name))
      words.push_back("-" + name);
  for (llvm::ArrayRef<llvm::StringLiteral> list :
       {llvm::ArrayRef(baseFeatures), llvm::ArrayRef(usefulFeatures)})
    for (const std::string &name : notImplied(list, features))
      if (!known->hasExtension(name))
        words.push_back("+" + name);
  if (has(kUnalignedAccess))
    words.push_back("+" + kUnalignedAccess.str());
  return llvm::join(words, ",");
}
