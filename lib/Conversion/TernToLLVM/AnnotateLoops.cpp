//===- AnnotateLoops.cpp - What is known of loops -------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/Passes.h"

namespace ternac {
#define GEN_PASS_DEF_TERNANNOTATELOOPSPASS
#include "ternac/Conversion/Passes.h.inc"
} // namespace ternac

using namespace mlir;

namespace {

struct AnnotateLoops : ternac::impl::TernAnnotateLoopsPassBase<AnnotateLoops> {
  void runOnOperation() override {
    getOperation().walk([](LLVM::BrOp branch) {
      constexpr StringLiteral name = "llvm.loop_annotation";
      if (auto annotation =
              branch->getAttrOfType<LLVM::LoopAnnotationAttr>(name)) {
        branch->removeAttr(name);
        branch.setLoopAnnotationAttr(annotation);
      }
    });
  }
};

} // namespace
