//===- AArch64Features.cpp - What AArch64 extensions mean for the compiler ===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AArch64Features.h"

#include "ternac/Support/MakeError.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/AArch64TargetParser.h"
#include "llvm/TargetParser/Host.h"

#include <set>

using namespace ternac;
using namespace ternac::cpu;

namespace aarch64 = llvm::AArch64;

/// Extensions that generated code can profit from. The others of a processor
/// are turned off, so that what a library needs is what the runtime can ask a
/// processor for.
static constexpr aarch64::ArchExtKind usefulExtensions[] = {
    aarch64::AEK_LSE,  aarch64::AEK_FP16, aarch64::AEK_DOTPROD,
    aarch64::AEK_BF16, aarch64::AEK_I8MM, aarch64::AEK_SVE,
    aarch64::AEK_SVE2};

/// What every processor has.
static constexpr aarch64::ArchExtKind baseExtensions[] = {aarch64::AEK_FP,
                                                          aarch64::AEK_SIMD};

/// Registers of SVE that have more than the 128 bits which all have.
static constexpr struct {
  llvm::StringLiteral cpu;
  int64_t bits;
} longRegisters[] = {
    {"a64fx", 512}, {"neoverse-v1", 256}, {"neoverse-512tvb", 256}};

/// The word for LLVM of an extension: "dotprod".
static llvm::StringRef featureOf(const aarch64::ExtensionInfo &extension) {
  return extension.PosTargetFeature.drop_front();
}
static llvm::StringRef featureOf(aarch64::ArchExtKind kind) {
  return featureOf(aarch64::getExtensionByID(kind));
}

namespace {

/// A machine as extensions.
struct AArch64Machine {
  std::string cpu; ///< the LLVM name that code is tuned for
  aarch64::ExtensionBitset
      ofCPU; ///< what LLVM takes to be there if nothing else is said
  aarch64::ExtensionSet extensions;
  int64_t vectorBits = 128;

  bool has(aarch64::ArchExtKind kind) const {
    return extensions.Enabled.test(kind);
  }
  Machine describe() const;

private:
  std::vector<std::string> capabilities() const;
  std::string extraFeatures() const;
  std::vector<std::string> requiredFeatures() const;
};

} // namespace

static std::string usefulNames() {
  return llvm::join(llvm::map_range(usefulExtensions,
                                    [](aarch64::ArchExtKind kind) {
                                      return featureOf(kind);
                                    }),
                    ", ");
}

/// Bits of the registers of SVE of a CPU.
static int64_t registerBitsOf(llvm::StringRef cpu) {
  for (auto [name, bits] : longRegisters)
    if (cpu == name)
      return bits;
  return 128;
}

/// The extension that LLVM's code generator or its users call `name`.
static std::optional<aarch64::ExtensionInfo>
findExtension(llvm::StringRef name) {
  if (auto extension = aarch64::targetFeatureToExtension(("+" + name).str()))
    return extension;
  return aarch64::parseArchExtension(name);
}

/// This host as its useful extensions: LLVM knows the names of too few of its
/// CPUs to rely on them.
static AArch64Machine hostMachine() {
  AArch64Machine machine;
  machine.cpu = "generic";
  aarch64::CpuInfo generic = *aarch64::parseCpu(machine.cpu);
  machine.ofCPU = generic.DefaultExtensions;
  machine.extensions.addCPUDefaults(generic);
  llvm::StringMap<bool> bits = llvm::sys::getHostCPUFeatures();
  for (aarch64::ArchExtKind kind : usefulExtensions)
    if (bits.lookup(featureOf(kind)))
      machine.extensions.enable(kind);
  machine.vectorBits = registerBitsOf(llvm::sys::getHostCPUName());
  return machine;
}

static llvm::Expected<AArch64Machine> findMachine(llvm::StringRef arch) {
  if (arch == "native")
    return hostMachine();
  AArch64Machine machine;
  if (std::optional<aarch64::CpuInfo> cpu = aarch64::parseCpu(arch)) {
    machine.cpu = cpu->Name.str();
    machine.ofCPU = cpu->DefaultExtensions;
    machine.extensions.addCPUDefaults(*cpu);
    machine.vectorBits = registerBitsOf(cpu->Name);
    return machine;
  }
  const aarch64::ArchInfo *level = aarch64::parseArch(arch);
  if (!level || level->Profile != aarch64::AProfile)
    return makeError("unknown arch '" + arch +
                     "'; expected native, an architecture such as armv8-a, "
                     "armv8.2-a or armv9-a, or an LLVM name of an AArch64 CPU "
                     "such as neoverse-n1");
  // LLVM has no CPU of that name, so the extensions are spelt out.
  machine.cpu = "generic";
  machine.ofCPU = aarch64::parseCpu(machine.cpu)->DefaultExtensions;
  machine.extensions.addArchDefaults(*level);
  return machine;
}

static llvm::Error apply(llvm::StringRef changes, AArch64Machine &machine) {
  llvm::SmallVector<llvm::StringRef> words;
  changes.split(words, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (llvm::StringRef word : words) {
    bool enable = word.starts_with("+");
    auto extension = findExtension(word.drop_front());
    bool isUseful =
        extension && llvm::is_contained(usefulExtensions, extension->ID);
    // What is off may be said to be off: descriptions do.
    bool isOff = extension && !isUseful && !enable &&
                 !llvm::is_contained(baseExtensions, extension->ID);
    if ((!enable && !word.starts_with("-")) || (!isUseful && !isOff))
      return makeError("unknown feature '" + word +
                       "'; expected + or - and one of: " + usefulNames());
    if (enable)
      machine.extensions.enable(extension->ID);
    else if (isUseful)
      machine.extensions.disable(extension->ID);
  }
  return llvm::Error::success();
}

static llvm::Expected<AArch64Machine> findMachine(llvm::StringRef arch,
                                                  llvm::StringRef changes) {
  llvm::Expected<AArch64Machine> machine = findMachine(arch);
  if (!machine)
    return machine;
  if (llvm::Error error = apply(changes, *machine))
    return error;
  if (!machine->has(aarch64::AEK_SVE))
    machine->vectorBits = 128;
  return machine;
}

llvm::Expected<Machine> cpu::resolveAArch64(llvm::StringRef arch,
                                            llvm::StringRef changes) {
  llvm::Expected<AArch64Machine> machine = findMachine(arch, changes);
  if (!machine)
    return machine.takeError();
  return machine->describe();
}

llvm::Error cpu::setRegisterBits(Machine &machine, int64_t bits) {
  llvm::Expected<AArch64Machine> same =
      findMachine(machine.cpu, machine.features);
  if (!same)
    return same.takeError();
  if (bits != 128 && !same->has(aarch64::AEK_SVE))
    return makeError("expected vector_bits=128 of target 'cpu' without the "
                     "feature sve, but got " +
                     llvm::Twine(bits));
  // The registers of longer machines are used in part: blocks have 64 bytes.
  if (bits != 128 && bits != 256 && bits != 512)
    return makeError("expected vector_bits of target 'cpu' to be 128, 256 or "
                     "512 with the feature sve, but got " +
                     llvm::Twine(bits));
  same->vectorBits = bits;
  machine = same->describe();
  return llvm::Error::success();
}

Machine AArch64Machine::describe() const {
  std::vector<std::string> required = requiredFeatures();
  std::set<std::string> all(required.begin(), required.end());
  // Longer registers are shorter ones, too.
  for (int64_t bits = 256; bits < vectorBits; bits *= 2)
    all.insert("sve" + std::to_string(bits));
  return Machine{cpu, extraFeatures(), llvm::join(required, ","),
                 all, capabilities(),  vectorBits};
}

std::vector<std::string> AArch64Machine::capabilities() const {
  // The baseline: fused products of f32, conversions of f16, 32 registers,
  // look-ups in registers, and counts of the bits of bytes.
  std::vector<std::string> list = {"aarch64",      "fma",
                                   "f16_convert",  "vector_registers_32",
                                   "byte_shuffle", "byte_popcount"};
  bool isLong = vectorBits > 128;
  if (isLong) {
    list.push_back("scalable_128");
    list.push_back("vector_popcount");
  }
  // Instructions of SVE have the dot product of signed bytes from its first
  // version on.
  if (has(aarch64::AEK_DOTPROD) || isLong) {
    list.push_back("int8_dot");
    list.push_back("aarch64_sdot");
  } else if (has(aarch64::AEK_I8MM)) {
    list.push_back("int8_dot");
    list.push_back("aarch64_usdot");
  } else {
    list.push_back("int8_products");
  }
  if (has(aarch64::AEK_I8MM)) {
    list.push_back("tile_matmul");
    list.push_back("register_tiles");
    list.push_back("aarch64_smmla");
  }
  return list;
}

std::string AArch64Machine::extraFeatures() const {
  std::vector<std::string> changes;
  for (const aarch64::ExtensionInfo &extension : aarch64::Extensions) {
    if (extension.PosTargetFeature.empty() ||
        llvm::is_contained(baseExtensions, extension.ID))
      continue;
    bool isOn =
        has(extension.ID) && llvm::is_contained(usefulExtensions, extension.ID);
    if (isOn != ofCPU.test(extension.ID))
      changes.push_back((isOn ? "+" : "-") + featureOf(extension).str());
  }
  return llvm::join(changes, ",");
}

std::vector<std::string> AArch64Machine::requiredFeatures() const {
  std::vector<std::string> names;
  for (aarch64::ArchExtKind kind : usefulExtensions)
    if (has(kind))
      names.push_back(featureOf(kind).str());
  if (vectorBits > 128)
    names.push_back("sve" + std::to_string(vectorBits));
  return names;
}

bool cpu::isAArch64(tern::TargetAttr target) {
  return target.hasCapability("aarch64");
}

AArch64Product cpu::aarch64Product(tern::TargetAttr target) {
  if (target.hasCapability("aarch64_sdot"))
    return AArch64Product::Signed;
  if (target.hasCapability("aarch64_usdot"))
    return AArch64Product::Mixed;
  return AArch64Product::Words;
}

int64_t cpu::registerBytes(tern::TargetAttr target) {
  return target.hasCapability("scalable_128") ? registerBytesOf(target) : 16;
}
