//===- AArch64Family.cpp - 64-bit processors of Arm -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AArch64Features.h"
#include "Passes.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::cpu;

namespace {

class AArch64Family final : public Family {
public:
  AArch64Family() { registerTernacAArch64Passes(); }

  llvm::StringRef name() const override { return "AArch64"; }
  llvm::StringRef exampleTriple() const override {
    return "aarch64-unknown-linux-gnu";
  }
  bool accepts(const llvm::Triple &triple) const override {
    // Others have other pointers, other calls, or a sandbox.
    return triple.getArch() == llvm::Triple::aarch64 &&
           triple.getSubArch() != llvm::Triple::AArch64SubArch_arm64e &&
           triple.getSubArch() != llvm::Triple::AArch64SubArch_arm64ec &&
           triple.getSubArch() != llvm::Triple::AArch64SubArch_lfi &&
           triple.getEnvironment() != llvm::Triple::GNUILP32;
  }
  llvm::StringRef baseline() const override { return "armv8-a"; }
  llvm::StringRef archWords() const override {
    return "an architecture (armv8.2-a)";
  }
  llvm::Expected<Machine> resolve(llvm::StringRef arch,
                                  llvm::StringRef changes) const override {
    return resolveAArch64(arch, changes);
  }
  llvm::Error setVectorBits(Machine &machine, int64_t bits) const override {
    return setRegisterBits(machine, bits);
  }
  llvm::ArrayRef<TargetModel> models() const override {
    static constexpr TargetModel list[] = {
#define TERNAC_CPU_MODEL(name, values) {name, values},
#include "Models.def"
#undef TERNAC_CPU_MODEL
    };
    return list;
  }
  void buildVectorizePipeline(OpPassManager &pm) const override {
    // Rows that do not fill a tile are left to dot.
    pm.addPass(createConvertTernTileToAArch64Pass());
    pm.addPass(createConvertTernDotToAArch64Pass());
    pm.addPass(createConvertTernLutToAArch64Pass());
  }
};

} // namespace

namespace ternac::cpu {
std::unique_ptr<Family> createAArch64Family() {
  return std::make_unique<AArch64Family>();
}
} // namespace ternac::cpu
