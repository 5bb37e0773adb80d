//===- ExpandDecoderLayers.cpp - Decoder layers as the ops they stand for -===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNEXPANDDECODERLAYERSPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

/// Writes one decoder layer out.
class LayerExpander {
public:
  LayerExpander(DecoderLayerOp layer, SymbolTable &symbols)
      : layer(layer), symbols(symbols), builder(layer), loc(layer.getLoc()) {}

  void expand() {
    auto cacheType = cast<KVCacheType>(layer.getCache().getType());
    Value first =
        arith::ConstantIndexOp::create(builder, loc, layer.getFirstLayer());
    Value cacheLayer =
        arith::AddIOp::create(builder, loc, layer.getLayer(), first);
    Value rope = loadTable("rope");

    Value x = layer.getX();
    Value a = norm("input_norm", x);
    Value q = project("q_proj", a);
    Value k = project("k_proj", a);
    Value v = project("v_proj", a);
    q = rotate(q, rope);
    k = rotate(k, rope);
    auto append = KVAppendOp::create(
        builder, loc, cacheType, k, v, layer.getCache(), cacheLayer,
        layer.getPositions(), layer.getSequences());
    Value cache = append.getNewCache();
    Value attention =
        AttentionOp::create(builder, loc, q.getType(), q, cache, cacheLayer,
                            layer.getPositions(), layer.getSequences(),
                            /*outs=*/ValueRange(), layer.getWindowsAttr(),
                            mayBeNarrow())
            .getResult(0);
    attention = norm("attention_sub_norm", attention);
    Value h = add(x, project("o_proj", attention));

    Value b = norm("post_attention_norm", h);
    Value gate = project("gate_proj", b);
    Value up = project("up_proj", b);
    Value product = GateOp::create(builder, loc, gate.getType(),
                                   layer.getActivation(), gate, up,
                                   /*outs=*/ValueRange())
                        .getResult(0);
    product = norm("ffn_sub_norm", product);
    Value y = add(h, project("down_proj", product));

    layer.replaceAllUsesWith(ValueRange{y, cache});
    layer.erase();
  }

private:
  /// Whether the model's options let attention use narrow factors.
  bool mayBeNarrow() {
    auto model =
        layer->getParentOfType<ModuleOp>()->getAttrOfType<DictionaryAttr>(
            TernDialect::kModelAttr);
    auto attention =
        model ? model.getAs<StringAttr>("attention") : StringAttr();
    return attention && attention == "auto";
  }

  FlatSymbolRefAttr symbol(StringRef name) {
    return layer.getWeights().getAs<FlatSymbolRefAttr>(name);
  }

  GlobalOp global(StringRef name) {
    return symbols.lookup<GlobalOp>(symbol(name).getValue());
  }

  /// This layer's part of the weight `name`.
  Value load(StringRef name) {
    RankedTensorType type = global(name).getTensorType();
    return LoadGlobalOp::create(
               builder, loc,
               TypeRange{RankedTensorType::get(type.getShape().drop_front(),
                                               type.getElementType())},
               symbol(name), layer.getLayer())
        .getResult(0);
  }

  /// The weight `name`, which all layers share.
  Value loadTable(StringRef name) {
    return LoadGlobalOp::create(builder, loc, TypeRange{global(name).getType()},
                                symbol(name), /*layer=*/Value())
        .getResult(0);
  }

  /// rms_norm by the weight `name`, or x where the model has no such norm.
  Value norm(StringRef name, Value x) {
    if (!symbol(name))
      return x;
    return RMSNormOp::create(builder, loc, x.getType(), x, load(name),
                             /*outs=*/ValueRange(), layer.getEpsAttr())
        .getResult(0);
  }

  Value project(StringRef name, Value x) {
    Value weight = load(name);
    auto weightType = cast<RankedTensorType>(weight.getType());
    auto xType = cast<RankedTensorType>(x.getType());
    int64_t rows = weightType.getDimSize(0);
    auto type = RankedTensorType::get({xType.getDimSize(0), rows},
                                      xType.getElementType());
    std::string scaleName = (name + "_scale").str();
    if (!symbol(scaleName))
      return LinearOp::create(builder, loc, type, x, weight,
                              /*step=*/Value(), /*row_scale=*/Value(),
                              /*outs=*/ValueRange())
          .getResult(0);
    int64_t group = global(scaleName).getStored().getGroup();
    return BitLinearOp::create(
        builder, loc, type, x, weight, load(scaleName), /*norm=*/Value(),
        group ? DenseI64ArrayAttr() : builder.getDenseI64ArrayAttr({rows}),
        group ? builder.getI64IntegerAttr(group) : IntegerAttr(),
        layer.getWeightOnlyAttr(), /*eps=*/FloatAttr());
  }

  Value rotate(Value x, Value table) {
    return RopeOp::create(builder, loc, x.getType(), x, layer.getPositions(),
                          table, /*outs=*/ValueRange())
        .getResult(0);
  }

  Value add(Value a, Value b) {
    return AddOp::create(builder, loc, a.getType(), a, b,
                         /*outs=*/ValueRange())
        .getResult(0);
  }

  DecoderLayerOp layer;
  SymbolTable &symbols;
  OpBuilder builder;
  Location loc;
};

struct ExpandDecoderLayers
    : ternac::tern::impl::TernExpandDecoderLayersPassBase<ExpandDecoderLayers> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    SmallVector<DecoderLayerOp> layers;
    getOperation().walk([&](DecoderLayerOp layer) { layers.push_back(layer); });
    for (DecoderLayerOp layer : layers)
      LayerExpander(layer, symbols).expand();
  }
};

} // namespace
