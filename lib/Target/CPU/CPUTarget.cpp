//===- CPUTarget.cpp - Vector code for CPUs -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "X86Features.h"

#include "ternac/Codegen/HostTarget.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Dialect/AMX/AMXDialect.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace ternac;

static llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

namespace {

class CPUTarget final : public HostTarget {
public:
  CPUTarget() {
    cpu::registerConvertTernAttentionToX86PassPass();
    cpu::registerConvertTernDotToX86PassPass();
    cpu::registerConvertTernLutToX86PassPass();
    cpu::registerConvertTernTileToX86PassPass();
  }

  llvm::StringRef name() const override { return "cpu"; }
  llvm::StringRef description() const override {
    return "vector code for x86-64; keys: arch (native, x86-64[-v2|-v3|-v4], "
           "an LLVM CPU), features (+a,-b), triple, l1d, l2, bandwidth, peak";
  }
  void registerDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect, amx::AMXDialect>();
  }

  llvm::Expected<tern::TargetAttr>
  resolve(MLIRContext *context, const TargetSpec &spec) const override {
    std::map<std::string, std::string> values = spec.values;
    auto take = [&](const char *key, std::string fallback) {
      auto it = values.find(key);
      if (it == values.end())
        return fallback;
      std::string value = it->second;
      values.erase(it);
      return value;
    };
    std::string host = llvm::sys::getDefaultTargetTriple();
    bool isX86Host = llvm::Triple(host).getArch() == llvm::Triple::x86_64;
    std::string tripleText = take("triple", host);
    std::string arch = take("arch", "native");
    std::string features = take("features", "");
    int64_t numbers[4];
    const char *keys[] = {"l1d", "l2", "bandwidth", "peak"};
    for (auto [key, number] : llvm::zip_equal(keys, numbers)) {
      std::string text = take(key, "0");
      if (llvm::StringRef(text).getAsInteger(10, number) || number < 0)
        return makeError("expected a number for key '" + llvm::Twine(key) +
                         "' of target 'cpu', but got '" + text + "'");
    }
    if (!values.empty())
      return makeError("unknown key '" + values.begin()->first +
                       "' of target 'cpu'; expected one of: arch, features, "
                       "triple, l1d, l2, bandwidth, peak");

    llvm::Triple triple(llvm::Triple::normalize(tripleText));
    if (triple.getArch() != llvm::Triple::x86_64 || triple.isX32() ||
        !triple.isOSBinFormatELF())
      return makeError("triple '" + tripleText +
                       "' is not supported; expected an x86_64 ELF triple such "
                       "as x86_64-unknown-linux-gnu");
    if (arch == "native" && !isX86Host)
      return makeError("arch=native needs an x86-64 host; name an arch");
    llvm::Expected<cpu::X86Machine> machine = cpu::resolveX86(arch, features);
    if (!machine)
      return machine.takeError();

    SmallVector<Attribute> capabilities;
    for (const std::string &capability : machine->capabilities())
      capabilities.push_back(StringAttr::get(context, capability));
    auto text = [&](const std::string &value) {
      return value.empty() ? StringAttr() : StringAttr::get(context, value);
    };
    return tern::TargetAttr::get(
        context, name(), text(triple.str()), text(machine->cpu),
        text(machine->extraFeatures()), text(machine->requiredFeatures()),
        ArrayAttr::get(context, capabilities), machine->vectorBits(),
        numbers[0], numbers[1], numbers[2], numbers[3]);
  }

  llvm::Error check(MLIRContext *context,
                    tern::TargetAttr attr) const override {
    TargetSpec spec;
    spec.values = {{"triple", attr.getTripleOrEmpty().str()},
                   {"arch", attr.getCpuOrEmpty().str()},
                   {"features", attr.getFeaturesOrEmpty().str()},
                   {"l1d", std::to_string(attr.getL1d())},
                   {"l2", std::to_string(attr.getL2())},
                   {"bandwidth", std::to_string(attr.getBandwidth())},
                   {"peak", std::to_string(attr.getPeak())}};
    return expectDescription(attr, resolve(context, spec));
  }

protected:
  std::vector<std::string> strategies() const override {
    return {"dot", "add_sub", "lut", "tile"};
  }
  void buildVectorizePipeline(OpPassManager &pm) const override {
    pm.addPass(tern::createTernSpecializeRowsPass());
    // What tile cannot do at run time is left to dot.
    pm.addPass(cpu::createConvertTernTileToX86Pass());
    pm.addPass(cpu::createConvertTernDotToX86Pass());
    pm.addPass(cpu::createConvertTernLutToX86Pass());
    pm.addPass(cpu::createConvertTernAttentionToX86Pass());
    pm.addPass(createConvertTernToVectorPass());
  }
  ConvertVectorToLLVMPassOptions vectorToLLVM() const override {
    ConvertVectorToLLVMPassOptions options;
    options.amx = true;
    return options;
  }
};

} // namespace

namespace ternac {
std::unique_ptr<Target> createCPUTarget() {
  return std::make_unique<CPUTarget>();
}
} // namespace ternac
