//===- ConvertTernLutToRISCV.cpp - Look-up tables in vector registers -----===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "RISCVFeatures.h"

#include "ternac/Conversion/MatmulKernel.h"
#include "ternac/Conversion/PlaneTables.h"
#include "ternac/Conversion/TernToVector.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNLUTTORISCVPASS
#include "RISCVPasses.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

/// Bytes of one register by those of another: vrgather.vv, which LLVM has for
/// vectors of scalable length only. A vector<[8]xi8> is a register.
static Value gather(VectorBuilder &v, Value table, Value indices) {
  auto type = cast<VectorType>(table.getType());
  auto whole = VectorType::get({8}, v.b.getI8Type(), /*scalableDims=*/{true});
  Value any = LLVM::PoisonOp::create(v.b, whole);
  auto widen = [&](Value bytes) -> Value {
    return vector::ScalableInsertOp::create(v.b, bytes, any, /*pos=*/0);
  };
  Value lanes = LLVM::ConstantOp::create(
      v.b, v.b.getI64Type(), v.b.getI64IntegerAttr(type.getDimSize(0)));
  Value found = LLVM::CallIntrinsicOp::create(
                    v.b, whole, v.b.getStringAttr("llvm.riscv.vrgather.vv"),
                    ValueRange{any, widen(table), widen(indices), lanes})
                    .getResults();
  return vector::ScalableExtractOp::create(v.b, type, found, /*pos=*/0);
}

namespace {

struct ConvertTernLutToRISCV
    : ternac::cpu::impl::ConvertTernLutToRISCVPassBase<ConvertTernLutToRISCV> {
  void runOnOperation() override {
    auto accepts = [](TargetAttr target) {
      return cpu::isRISCV(target) && target.hasCapability("byte_shuffle");
    };
    for (MatmulOp op : findMatmuls(getOperation(), Strategy::Lut, accepts)) {
      packing::Layout layout = op.getPacking()->getLayout();
      if (layout != packing::columnTwoBit())
        continue;
      int64_t width = cpu::registerBytesOf(getTarget(op));
      // Four registers of tables, and seven of sums for each of rows.
      auto form = shuffledTables(layout, width, /*rowsTogether=*/2 * width,
                                 /*tokensOfBlock=*/4, gather);
      VectorOptions options = vectorOptions(op, kBlockLanes);
      if (failed(replaceByLoops(op, options, [&](VectorBuilder &v) {
            return lowerToTables(op, v, *form);
          })))
        return signalPassFailure();
    }
  }
};

} // namespace
