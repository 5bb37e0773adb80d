//===- ConvertTernLutToAArch64.cpp - Look-up tables in AArch64 registers --===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AArch64Vectors.h"
#include "Passes.h"

#include "ternac/Conversion/PlaneTables.h"
#include "ternac/Conversion/TernToVector.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNLUTTOAARCH64PASS
#include "AArch64Passes.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

constexpr cpu::AArch64Instruction lookUpInstruction = {
    "llvm.aarch64.neon.tbl1.v16i8", "llvm.aarch64.sve.tbl.nxv16i8"};

struct ConvertTernLutToAArch64
    : ternac::cpu::impl::ConvertTernLutToAArch64PassBase<
          ConvertTernLutToAArch64> {
  void runOnOperation() override {
    for (MatmulOp op :
         findMatmuls(getOperation(), Strategy::Lut, cpu::isAArch64)) {
      packing::Layout layout = op.getPacking()->getLayout();
      if (layout != packing::columnTwoBit())
        continue;
      cpu::AArch64Vectors vectors(cpu::registerBytes(getTarget(op)));
      int64_t width = vectors.registerBytes();
      // Four registers of tables and three of sums for each register of rows.
      std::unique_ptr<TableForm> form = shuffledTables(
          layout, width, /*rowsTogether=*/4 * width,
          /*tokensOfBlock=*/width == 16 ? 4 : 6,
          [&](VectorBuilder &v, Value table, Value indices) {
            return vectors.call(v, lookUpInstruction,
                                cast<VectorType>(indices.getType()),
                                {table, indices});
          });
      if (failed(replaceByLoops(
              op, vectorOptions(op, kBlockLanes),
              [&](VectorBuilder &v) { return lowerToTables(op, v, *form); })))
        return signalPassFailure();
    }
  }
};

} // namespace
