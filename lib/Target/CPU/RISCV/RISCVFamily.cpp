//===- RISCVFamily.cpp - 64-bit RISC-V processors -------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "RISCVFeatures.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::cpu;

namespace {

class RISCVFamily final : public Family {
public:
  RISCVFamily() { registerTernacRISCVPasses(); }

  llvm::StringRef name() const override { return "riscv64"; }
  llvm::StringRef exampleTriple() const override {
    return "riscv64-unknown-linux-gnu";
  }
  bool accepts(const llvm::Triple &triple) const override {
    return triple.getArch() == llvm::Triple::riscv64;
  }
  llvm::StringRef baseline() const override { return kRISCVBaseline; }
  llvm::StringRef archWords() const override {
    return "an ISA string (rv64gcv_zvl256b) or profile (rva23u64)";
  }
  llvm::Expected<Machine> resolve(llvm::StringRef arch,
                                  llvm::StringRef changes) const override {
    return resolveRISCV(arch, changes);
  }
  void buildVectorizePipeline(OpPassManager &pm) const override {
    pm.addPass(createConvertTernDotToRISCVPass());
    pm.addPass(createConvertTernLutToRISCVPass());
  }
};

} // namespace

namespace ternac::cpu {
std::unique_ptr<Family> createRISCVFamily() {
  return std::make_unique<RISCVFamily>();
}
} // namespace ternac::cpu
