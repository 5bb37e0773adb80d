//===- ConvertTernToTArray.cpp - Ternary matmuls as programs --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TArray.h"

#include "ternac/Conversion/MatmulKernel.h"
#include "ternac/Conversion/TernToVector.h"

#include "llvm/Support/FormatVariadic.h"

namespace tarray {
#define GEN_PASS_DEF_CONVERTTERNTOTARRAYPASS
#include "TArrayPasses.h.inc"
} // namespace tarray

using namespace mlir;
using namespace ternac;
using namespace tarray;

namespace {

/// The descriptors of a program, and its buffers.
enum : uint32_t { kActivations, kWeights, kSums };

/// The sizes that a program depends on.
struct Shape {
  explicit Shape(tern::MatmulOp op)
      : rows(op.getMatrixRows()), cols(op.getMatrixCols()),
        qStride(cast<MemRefType>(op.getQ().getType()).getDimSize(1)) {}

  int64_t rows, cols; ///< of the matrix, before padding
  int64_t qStride;    ///< columns of the activations, padding included
  /// Blocks of weights from one tile of rows to the next.
  int64_t blocks() const {
    return llvm::divideCeil(cols, int64_t(kBlockColumns));
  }
  std::string name() const {
    return llvm::formatv("tern_matmul_add_sub_tile2_{0}x{1}_q{2}", rows, cols,
                         qStride);
  }
};

/// Writes the instructions for one block of rows of activations: for each 16
/// rows of the matrix, sums over all columns. A matrix with more columns than
/// the memories hold goes in chunks of them.
///
/// The memory engine takes its instructions in order, and those that store sums
/// or replace activations wait for the array. So weights, which have a second
/// bank, are asked for before these.
void writeProgram(ImplicitLocOpBuilder &b, const Shape &shape) {
  DescriptorOp::create(b, kActivations, kActivations, shape.qStride);
  DescriptorOp::create(b, kWeights, kWeights, tarray::kBlockBytes);
  DescriptorOp::create(b, kSums, kSums, shape.rows * sizeof(int32_t));
  int64_t all = shape.blocks();
  bool fits = all <= kBlocks;
  if (fits)
    LoadActivationsOp::create(b, kActivations, /*block=*/0, all);
  auto store = [&](int64_t row) {
    int64_t lanes = std::min<int64_t>(kLanes, shape.rows - row);
    StoreSumsOp::create(b, kSums, row, lanes);
  };
  int64_t row = 0;
  for (; row < shape.rows; row += kLanes) {
    int64_t tile = row / kLanes * all;
    for (int64_t block = 0; block < all; block += kBlocks) {
      int64_t count = std::min<int64_t>(kBlocks, all - block);
      LoadWeightsOp::create(b, kWeights, tile + block, count);
      if (block == 0) {
        if (row > 0)
          store(row - kLanes);
        ClearSumsOp::create(b);
      }
      if (!fits)
        LoadActivationsOp::create(b, kActivations, block, count);
      AccumulateOp::create(b, count);
    }
  }
  store(row - kLanes);
}

/// The program for `op`; those of one shape have one.
ProgramOp getProgram(tern::MatmulOp op) {
  Shape shape(op);
  auto module = op->getParentOfType<ModuleOp>();
  std::string name = shape.name();
  if (auto known = module.lookupSymbol<ProgramOp>(name))
    return known;
  ImplicitLocOpBuilder b(op.getLoc(), OpBuilder::atBlockEnd(module.getBody()));
  auto program = ProgramOp::create(b, name);
  b.createBlock(&program.getBodyRegion());
  writeProgram(b, shape);
  return program;
}

/// `count` rows of the flat `memref`, from row `first` on.
Value rowsOf(VectorBuilder &v, Value memref, int64_t width, Value first,
             Value count) {
  OpFoldResult offset = v.mul(first, v.index(width));
  OpFoldResult size = v.mul(count, v.index(width));
  OpFoldResult stride = v.b.getIndexAttr(1);
  return memref::SubViewOp::create(v.b, memref, ArrayRef(offset),
                                   ArrayRef(size), ArrayRef(stride));
}

/// Each thread submits the program for its share of the rows of activations, as
/// many of them at a time as the machine takes.
LogicalResult submit(tern::MatmulOp op, VectorBuilder &v) {
  if (failed(verifyContiguous(op)))
    return failure();
  ProgramOp program = getProgram(op);
  Shape shape(op);
  Value out = op.getOuts().front();
  Value q = flatten(v, op.getQ()), sums = flatten(v, out);
  Value rows = memref::DimOp::create(v.b, out, 0);
  auto share = tern::ThreadRangeOp::create(v.b, v.environment, rows, kRows);
  v.forRange(share.getBegin(), share.getEnd(), kRows, [&](Value first) {
    Value left = arith::SubIOp::create(v.b, share.getEnd(), first);
    Value count = arith::MinUIOp::create(v.b, left, v.index(kRows));
    SmallVector<Value> buffers(3);
    buffers[kActivations] = rowsOf(v, q, shape.qStride, first, count);
    buffers[kWeights] = op.getWeight();
    buffers[kSums] = rowsOf(v, sums, shape.rows, first, count);
    tern::SubmitOp::create(v.b, v.environment, kDeviceName,
                           program.getSymName(), buffers);
  });
  return success();
}

struct ConvertTernToTArray
    : tarray::impl::ConvertTernToTArrayPassBase<ConvertTernToTArray> {
  void runOnOperation() override {
    SmallVector<tern::MatmulOp> matmuls;
    getOperation().walk([&](tern::MatmulOp op) {
      tern::TargetAttr target = tern::getTarget(op);
      if (target && target.hasCapability("ternary_array") && op.getPacking() &&
          op.getNumResults() == 0)
        matmuls.push_back(op);
    });
    VectorOptions options = vectorOptions(getOperation(), /*lanes=*/16);
    for (tern::MatmulOp op : matmuls)
      if (failed(verify(op)) ||
          failed(replaceByLoops(
              op, options, [&](VectorBuilder &v) { return submit(op, v); })))
        return signalPassFailure();
  }

private:
  /// What the machine cannot do.
  static LogicalResult verify(tern::MatmulOp op) {
    if (op.getPacking()->getLayout() != packing::tileTwoBit())
      return op.emitOpError("the ternary array reads the packing 'tile2', but "
                            "got '")
             << op.getPacking()->getLayout().name() << "'";
    if (op.getStep())
      return op.emitOpError("the ternary array does not rescale");
    return success();
  }
};

} // namespace
