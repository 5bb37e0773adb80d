//===- CPUTarget.cpp - Vector code for CPUs -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Versions.h"

#include "ternac/Codegen/HostTarget.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Dialect/Tern/Transforms/Passes.h"
#include "ternac/Support/MakeError.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace ternac;

// One create function per folder of the list in CMakeLists.txt.
#define TERNAC_CPU_FAMILY(Name)                                                \
  namespace ternac::cpu {                                                      \
  std::unique_ptr<Family> create##Name##Family();                              \
  }
#include "Families.def"
#undef TERNAC_CPU_FAMILY

llvm::Error cpu::Family::setVectorBits(Machine &machine, int64_t bits) const {
  if (bits == machine.vectorBits)
    return llvm::Error::success();
  return makeError("expected vector_bits=" + llvm::Twine(machine.vectorBits) +
                   " of target 'cpu', which the features of '" + machine.cpu +
                   "' say, but got " + llvm::Twine(bits));
}

namespace {

class CPUTarget final : public HostTarget {
public:
  CPUTarget() {
#define TERNAC_CPU_FAMILY(Name) families.push_back(cpu::create##Name##Family());
#include "Families.def"
#undef TERNAC_CPU_FAMILY
    for (const auto &family : families)
      llvm::append_range(allModels, family->models());
    text = "vector code by LLVM for " + ofFamilies(&cpu::Family::name);
  }

  llvm::StringRef name() const override { return "cpu"; }
  llvm::StringRef description() const override { return text; }
  std::vector<TargetKey> keys() const override {
    using Kind = TargetKey::Kind;
    return {
        {"arch",
         "native, " + ofFamilies(&cpu::Family::archWords) +
             ", or an LLVM CPU; or several: a+b",
         "native on a host of the triple, else the lowest level", Kind::Text,
         /*namesMachine=*/true},
        {"cpu", "an LLVM CPU, or several: a+b", "as arch says", Kind::Text,
         /*namesMachine=*/true},
        {"features", "+a,-b, LLVM's names of features", "those of the arch"},
        {"triple", "a triple like " + ofFamilies(&cpu::Family::exampleTriple),
         "this host", Kind::Text, /*namesMachine=*/true},
        {"vector_bits",
         "bits of a vector register, where features leave it open",
         "the fewest there can be", Kind::Number},
        {"l2", "bytes of a core's second cache", "0, unknown", Kind::Number},
        {"bandwidth", "bytes a second of one core from memory", "0, unknown",
         Kind::Number},
        {"peak", "int8 multiply-accumulates a second of one core", "0, unknown",
         Kind::Number},
    };
  }
  llvm::ArrayRef<TargetModel> models() const override { return allModels; }
  void registerDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect>();
    for (const auto &family : families)
      family->registerDialects(registry);
  }

  llvm::Expected<tern::TargetAttr>
  resolve(MLIRContext *context, const TargetSpec &spec) const override {
    llvm::Expected<std::vector<cpu::Version>> machines =
        findMachines(context, spec);
    if (!machines)
      return machines.takeError();
    return cpu::combine(*machines);
  }

  llvm::Error check(MLIRContext *context,
                    tern::TargetAttr attr) const override {
    TargetSpec whole = TargetSpec::of(attr);
    std::vector<cpu::Version> versions;
    for (tern::TargetAttr given : attr.getMachines()) {
      // Caches and speeds are those of the baseline.
      TargetSpec spec = TargetSpec::of(given);
      for (llvm::StringRef key : {"l2", "bandwidth", "peak"})
        spec.values[key.str()] = whole.values[key.str()];
      llvm::Expected<std::vector<cpu::Version>> machines =
          findMachines(context, spec);
      if (!machines)
        return machines.takeError();
      versions.push_back(std::move(machines->front()));
      versions.back().name = given.getMachineName();
    }
    return expectDescription(attr, cpu::combine(versions));
  }

protected:
  std::vector<std::string> strategies() const override {
    return {"dot", "add_sub", "lut", "tile"};
  }
  void buildVectorizePipeline(OpPassManager &pm) const override {
    pm.addPass(tern::createTernSpecializeRowsPass());
    for (const auto &family : families)
      family->buildVectorizePipeline(pm);
    pm.addPass(createConvertTernToVectorPass());
  }
  ConvertVectorToLLVMPassOptions vectorToLLVM() const override {
    ConvertVectorToLLVMPassOptions options;
    for (const auto &family : families)
      family->extendVectorToLLVM(options);
    return options;
  }

private:
  /// The processors that `spec` names.
  llvm::Expected<std::vector<cpu::Version>>
  findMachines(MLIRContext *context, const TargetSpec &spec) const {
    std::string arch = spec.get("arch").str(), cpu = spec.get("cpu").str();
    std::string features = spec.get("features").str();
    std::string tripleText = spec.get("triple").str();
    if (!arch.empty() && !cpu.empty())
      return makeError("keys 'arch' and 'cpu' of target 'cpu' both name the "
                       "processor; give one of them");

    llvm::Triple host(llvm::sys::getDefaultTargetTriple());
    llvm::Triple triple =
        tripleText.empty() ? host
                           : llvm::Triple(llvm::Triple::normalize(tripleText));
    const cpu::Family *family = findFamily(triple);
    if (!family)
      return makeError("triple '" +
                       (tripleText.empty() ? triple.str() : tripleText) +
                       "' is not supported; expected one like " +
                       ofFamilies(&cpu::Family::exampleTriple) +
                       ", of linux, freebsd, netbsd, openbsd or no system");
    bool isHost = family->accepts(host);
    std::string list = !cpu.empty()    ? cpu
                       : !arch.empty() ? arch
                       : isHost        ? "native"
                                       : family->baseline().str();
    llvm::Expected<std::vector<std::string>> names =
        splitNames(*family, cpu.empty() ? "arch" : "cpu", list);
    if (!names)
      return names.takeError();
    if (llvm::is_contained(*names, "native") && !cpu.empty())
      return makeError("expected an LLVM CPU for key 'cpu' of target 'cpu', "
                       "but got 'native'; use arch=native");
    if (llvm::is_contained(*names, "native") && !isHost)
      return makeError("arch=native needs a host that is " + family->name() +
                       "; name an arch");
    if (llvm::Error error = checkFeatures(features))
      return error;
    bool hasBits = !spec.get("vector_bits").empty();
    if (names->size() > 1 && (!features.empty() || hasBits))
      return makeError(
          "key '" + llvm::Twine(features.empty() ? "vector_bits" : "features") +
          "' of target 'cpu' changes one processor, but '" + list + "' names " +
          llvm::Twine(names->size()) + "; leave it out, or name one");
    std::vector<cpu::Version> machines;
    for (const std::string &name : *names) {
      llvm::Expected<cpu::Version> machine =
          describe(context, *family, triple, name, spec);
      if (!machine)
        return machine.takeError();
      machines.push_back(std::move(*machine));
    }
    return machines;
  }

  /// The processors that "a+b" names.
  static llvm::Expected<std::vector<std::string>>
  splitNames(const cpu::Family &family, const char *key, llvm::StringRef list) {
    llvm::SmallVector<llvm::StringRef> words;
    list.split(words, '+');
    std::vector<std::string> names;
    for (llvm::StringRef word : words) {
      if (word.empty())
        return makeError("expected the name of a processor before and after "
                         "each '+' of " +
                         llvm::Twine(key) + "=" + list);
      names.push_back(names.empty() ? word.str()
                                    : family.expandArch(names.back(), word));
    }
    return names;
  }

  llvm::Expected<cpu::Version> describe(MLIRContext *context,
                                        const cpu::Family &family,
                                        const llvm::Triple &triple,
                                        llvm::StringRef arch,
                                        const TargetSpec &spec) const {
    llvm::Expected<cpu::Machine> machine =
        family.resolve(arch, spec.get("features"));
    if (!machine)
      return machine.takeError();
    if (!spec.get("vector_bits").empty())
      if (llvm::Error error =
              family.setVectorBits(*machine, spec.getNumber("vector_bits")))
        return error;
    SmallVector<Attribute> capabilities;
    for (const std::string &capability : machine->capabilities)
      capabilities.push_back(StringAttr::get(context, capability));
    auto text = [&](const std::string &value) {
      return value.empty() ? StringAttr() : StringAttr::get(context, value);
    };
    auto target = tern::TargetAttr::get(
        context, name(), text(triple.str()), text(machine->cpu),
        text(machine->features), text(machine->requiredFeatures),
        ArrayAttr::get(context, capabilities), machine->vectorBits,
        spec.getNumber("l2"), spec.getNumber("bandwidth"),
        spec.getNumber("peak"));
    return cpu::Version{arch.str(), target, std::move(machine->allFeatures)};
  }

  const cpu::Family *findFamily(const llvm::Triple &triple) const {
    if (!triple.isOSBinFormatELF() || !triple.isArch64Bit() ||
        !triple.isLittleEndian() || !isKnownSystem(triple))
      return nullptr;
    for (const auto &family : families)
      if (family->accepts(triple))
        return family.get();
    return nullptr;
  }
  /// Whether the system is one whose processes are a processor's own, or none,
  /// and LLVM knows the environment, if one is named.
  static bool isKnownSystem(const llvm::Triple &triple) {
    auto isNone = [](llvm::StringRef name) {
      return name.empty() || name == "unknown" || name == "none" ||
             name == "elf";
    };
    bool isUnix = triple.isOSLinux() || triple.isOSFreeBSD() ||
                  triple.isOSNetBSD() || triple.isOSOpenBSD();
    return (isUnix || isNone(triple.getOSName())) &&
           (triple.getEnvironment() != llvm::Triple::UnknownEnvironment ||
            isNone(triple.getEnvironmentName()));
  }
  /// Fails on text that is no "+a,-b" or says something twice; families know
  /// the names.
  static llvm::Error checkFeatures(llvm::StringRef text) {
    llvm::SmallVector<llvm::StringRef> words;
    llvm::StringSet<> names;
    if (!text.empty())
      text.split(words, ',');
    for (llvm::StringRef word : words) {
      llvm::StringRef name = word.drop_front(std::min<size_t>(word.size(), 1));
      if ((!word.starts_with("+") && !word.starts_with("-")) || name.empty())
        return makeError("expected + or - and a feature in features=" + text +
                         ", but got '" + word + "'");
      if (!names.insert(name).second)
        return makeError("feature '" + name +
                         "' appears twice in features=" + text);
    }
    return llvm::Error::success();
  }
  /// What all families say, for lists and messages.
  std::string ofFamilies(llvm::StringRef (cpu::Family::*word)() const) const {
    return llvm::join(llvm::map_range(families,
                                      [&](const auto &family) {
                                        return (family.get()->*word)();
                                      }),
                      ", ");
  }

  std::vector<std::unique_ptr<cpu::Family>> families;
  std::vector<TargetModel> allModels;
  std::string text;
};

} // namespace

namespace ternac {
std::unique_ptr<Target> createCPUTarget() {
  return std::make_unique<CPUTarget>();
}
} // namespace ternac
