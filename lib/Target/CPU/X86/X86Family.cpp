//===- X86Family.cpp - x86-64 processors ----------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "X86Features.h"

#include "mlir/Dialect/AMX/AMXDialect.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::cpu;

namespace {

class X86Family final : public Family {
public:
  X86Family() { registerTernacX86Passes(); }

  llvm::StringRef name() const override { return "x86-64"; }
  llvm::StringRef exampleTriple() const override {
    return "x86_64-unknown-linux-gnu";
  }
  bool accepts(const llvm::Triple &triple) const override {
    return triple.getArch() == llvm::Triple::x86_64 && !triple.isX32();
  }
  llvm::StringRef baseline() const override { return "x86-64"; }
  llvm::StringRef archWords() const override { return "a level (x86-64-v3)"; }
  std::string expandArch(llvm::StringRef previous,
                         llvm::StringRef word) const override {
    return expandX86(previous, word);
  }
  llvm::Expected<Machine> resolve(llvm::StringRef arch,
                                  llvm::StringRef changes) const override {
    return resolveX86(arch, changes);
  }
  llvm::ArrayRef<TargetModel> models() const override {
    static constexpr TargetModel list[] = {
#define TERNAC_CPU_MODEL(name, values) {name, values},
#include "Models.def"
#undef TERNAC_CPU_MODEL
    };
    return list;
  }
  void registerDialects(DialectRegistry &registry) const override {
    registry.insert<amx::AMXDialect>();
  }
  void buildVectorizePipeline(OpPassManager &pm) const override {
    // What tile cannot do at run time is left to dot.
    pm.addPass(createConvertTernTileToX86Pass());
    pm.addPass(createConvertTernDotToX86Pass());
    pm.addPass(createConvertTernLutToX86Pass());
    pm.addPass(createConvertTernAttentionToX86Pass());
  }
  void
  extendVectorToLLVM(ConvertVectorToLLVMPassOptions &options) const override {
    options.amx = true;
  }
};

} // namespace

namespace ternac::cpu {
std::unique_ptr<Family> createX86Family() {
  return std::make_unique<X86Family>();
}
} // namespace ternac::cpu
