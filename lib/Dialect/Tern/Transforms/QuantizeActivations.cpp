//===- QuantizeActivations.cpp - Layers as integer arithmetic -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"
#include "ternac/Packing/Int4.h"

#include "llvm/ADT/DenseMap.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNQUANTIZEACTIVATIONSPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

struct QuantizeActivations
    : ternac::tern::impl::TernQuantizeActivationsPassBase<QuantizeActivations> {
  void runOnOperation() override {
    quantizations.clear();
    SmallVector<BitLinearOp> ops;
    getOperation().walk([&](BitLinearOp op) { ops.push_back(op); });
    for (BitLinearOp op : ops)
      rewrite(op);
    SmallVector<LinearOp> linears;
    getOperation().walk([&](LinearOp op) {
      if (op.hasIntegerWeight() && !op.getStep() && op.getOuts().empty())
        linears.push_back(op);
    });
    for (LinearOp op : linears)
      rewrite(op);
  }

private:
  void rewrite(BitLinearOp op) {
    OpBuilder builder(op);
    bool hasGroups = op.getGroup() && op.getScale().getType().getDimSize(0) > 1;
    Value y;
    if (op.getWeightOnly()) {
      y = ternaryLinear(op, builder, op.getX(), /*step=*/Value());
    } else {
      QuantizeOp quantize = quantization(op, builder);
      y = hasGroups ? ternaryLinear(op, builder, quantize.getResult(0),
                                    quantize.getResult(1))
                    : product(op, builder, quantize);
    }
    op.replaceAllUsesWith(y);
    op.erase();
  }

  /// Rows of f32, or of int8 in units of `step`, times the scaled matrix.
  static Value ternaryLinear(BitLinearOp op, OpBuilder &builder, Value x,
                             Value step) {
    return TernaryLinearOp::create(
               builder, op.getLoc(), TypeRange{op.getType()}, x, op.getWeight(),
               op.getScale(), step, /*outs=*/ValueRange(),
               /*packing=*/PackingAttr(), /*cols=*/IntegerAttr(),
               /*config=*/LoweringConfigAttr(), op.getSegmentsAttr(),
               op.getGroupAttr())
        .getResult(0);
  }

  /// An integer product and its rescale.
  static Value product(BitLinearOp op, OpBuilder &builder,
                       QuantizeOp quantize) {
    Location loc = op.getLoc();
    int64_t n = cast<ShapedType>(op.getType()).getDimSize(0);
    int64_t m = cast<ShapedType>(op.getType()).getDimSize(1);
    auto acc = MatmulOp::create(
        builder, loc, RankedTensorType::get({n, m}, builder.getI32Type()),
        quantize.getResult(0), quantize.getResult(2), op.getWeight(),
        /*step=*/Value(), /*scale=*/Value(), /*residual=*/Value(),
        /*outs=*/ValueRange(), /*packing=*/PackingAttr(),
        /*cols=*/IntegerAttr(), /*config=*/LoweringConfigAttr(),
        /*segments=*/DenseI64ArrayAttr());
    return RescaleOp::create(builder, loc, TypeRange{op.getType()},
                             acc.getResult(0), quantize.getResult(1),
                             op.getScale(), /*residual=*/Value(),
                             /*outs=*/ValueRange(), op.getSegmentsAttr())
        .getResult(0);
  }

  /// A dense layer of integers: rows of i16, padded as the weight is, with the
  /// norm that only this layer reads.
  void rewrite(LinearOp op) {
    OpBuilder builder(op);
    Value source = op.getX();
    auto norm = source.getDefiningOp<RMSNormOp>();
    if (norm && norm->hasOneUse())
      source = norm.getX();
    else
      norm = {};
    auto x = cast<RankedTensorType>(op.getX().getType());
    int64_t n = x.getDimSize(0), cols = x.getDimSize(1);
    if (op.hasInt4Weight())
      cols = llvm::alignTo(cols, ternac::packing::Int4::kSpan);
    auto quantize = QuantizeOp::create(
        builder, op.getLoc(),
        TypeRange{RankedTensorType::get({n, cols}, builder.getI16Type()),
                  RankedTensorType::get({n}, builder.getF32Type())},
        source, /*up=*/Value(), norm ? norm.getWeight() : Value(),
        /*outs=*/ValueRange(), /*activation=*/ActivationAttr(),
        norm ? norm.getEpsAttr() : FloatAttr());
    op.getXMutable().assign(quantize.getResult(0));
    op.getStepMutable().assign(quantize.getResult(1));
    if (norm)
      norm.erase();
  }

  /// The quantisation of the rows that `op` reads, shared with an earlier
  /// bitlinear of the same block where there is one.
  QuantizeOp quantization(BitLinearOp op, OpBuilder &builder) {
    QuantizeOp &known =
        quantizations[{op->getBlock(), op.getX(), op.getNorm()}];
    if (known && known.getEpsAttr() == op.getEpsAttr())
      return known;
    auto x = cast<RankedTensorType>(op.getX().getType());
    int64_t n = x.getDimSize(0);
    known = QuantizeOp::create(
        builder, op.getLoc(),
        TypeRange{RankedTensorType::get(x.getShape(), builder.getI8Type()),
                  RankedTensorType::get({n}, builder.getF32Type()),
                  RankedTensorType::get({n}, builder.getI32Type())},
        op.getX(), /*up=*/Value(), op.getNorm(), /*outs=*/ValueRange(),
        /*activation=*/ActivationAttr(), op.getEpsAttr());
    return known;
  }

  llvm::DenseMap<std::tuple<Block *, Value, Value>, QuantizeOp> quantizations;
};

} // namespace
