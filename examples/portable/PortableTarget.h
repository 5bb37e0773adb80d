//===- PortableTarget.h - A target in one file ------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vectors for every 64-bit machine that LLVM knows, by generic passes alone:
// the target that docs/AddingATarget.md begins with.
//
//===----------------------------------------------------------------------===//

#ifndef PORTABLETARGET_H
#define PORTABLETARGET_H

#include "ternac/Codegen/HostTarget.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

class PortableTarget final : public ternac::HostTarget {
public:
  llvm::StringRef name() const override { return "portable"; }
  llvm::StringRef description() const override {
    return "vector code for any 64-bit machine that LLVM knows";
  }
  std::vector<ternac::TargetKey> keys() const override {
    return {{"triple", "an LLVM triple", "this host"},
            {"features", "+a,-b", "none"},
            {"vector_bits", "bits of a register", "128",
             ternac::TargetKey::Kind::Number}};
  }
  void registerDialects(mlir::DialectRegistry &) const override {}

  llvm::Expected<ternac::tern::TargetAttr>
  resolve(mlir::MLIRContext *context,
          const ternac::TargetSpec &spec) const override {
    llvm::Triple triple(llvm::Triple::normalize(
        spec.get("triple", llvm::sys::getDefaultTargetTriple())));
    int64_t bits = spec.getNumber("vector_bits", 128);
    if (!triple.isArch64Bit() || !triple.isLittleEndian() ||
        !triple.isOSLinux() || !llvm::isPowerOf2_64(bits) || bits < 64 ||
        bits > 512)
      return llvm::createStringError(
          llvm::inconvertibleErrorCode(),
          "expected a 64-bit little-endian Linux machine with 64, 128, 256 or "
          "512 vector_bits for target 'portable', but got '" +
              triple.str() + "' with " + llvm::Twine(bits));
    mlir::Builder builder(context);
    auto text = [&](llvm::StringRef value) {
      return value.empty() ? mlir::StringAttr() : builder.getStringAttr(value);
    };
    // Whoever names features sees to it that the machine has them: nothing is
    // required of it that the runtime would look for.
    return ternac::tern::TargetAttr::get(
        context, name(), text(triple.str()), /*cpu=*/mlir::StringAttr(),
        text(spec.get("features")), /*required_features=*/mlir::StringAttr(),
        builder.getStrArrayAttr(capabilities), bits, /*l2=*/0,
        /*bandwidth=*/0, /*peak=*/0);
  }

protected:
  std::vector<std::string> strategies() const override {
    return {"add_sub", "lut"};
  }
  void buildVectorizePipeline(mlir::OpPassManager &pm) const override {
    pm.addPass(ternac::tern::createTernSpecializeRowsPass());
    pm.addPass(ternac::createConvertTernToVectorPass());
  }

private:
  /// Words that passes ask for.
  std::vector<llvm::StringRef> capabilities = {};
};

#endif // PORTABLETARGET_H
