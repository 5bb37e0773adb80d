//===- ConvertTernDotToRISCV.cpp - Widening products of RISC-V ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "RISCVFeatures.h"

#include "ternac/Conversion/DotKernel.h"
#include "ternac/Conversion/TernToVector.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNDOTTORISCVPASS
#include "RISCVPasses.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// A token has one accumulator: 64 words, 8 registers of the shortest.
class WordBlocks final : public DotBlocks {
public:
  explicit WordBlocks(int64_t tokens) : DotBlocks(wideningDot(), tokens) {}

protected:
  int64_t sums(const packing::Layout &) const override { return 1; }
};

struct ConvertTernDotToRISCV
    : ternac::cpu::impl::ConvertTernDotToRISCVPassBase<ConvertTernDotToRISCV> {
  void runOnOperation() override {
    auto accepts = [](TargetAttr target) {
      return cpu::isRISCV(target) && target.hasCapability("int8_products");
    };
    for (MatmulOp op : findMatmuls(getOperation(), Strategy::Dot, accepts)) {
      VectorOptions options = vectorOptions(op, kBlockLanes);
      // Half of the 32 registers have sums.
      int64_t tokens = std::clamp<int64_t>(options.vectorBits / 64, 2, 4);
      WordBlocks blocks(tokens);
      DotPanels panels(wideningDot(), {tokens, /*groups=*/1, /*columns=*/640});
      if (failed(replaceByLoops(op, options, [&](VectorBuilder &v) {
            return lowerByRows(op, v, blocks, panels);
          })))
        return signalPassFailure();
    }
  }
};

} // namespace
