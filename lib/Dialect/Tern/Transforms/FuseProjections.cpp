//===- FuseProjections.cpp - One matmul for projections of the same rows --===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "llvm/ADT/MapVector.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNFUSEPROJECTIONSPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

/// The weight and scale of a bitlinear that can be stacked with others.
struct Candidate {
  BitLinearOp op;
  LoadGlobalOp weight, scale;
};

/// Bitlinears can be stacked when they read the same rows and the same layer,
/// have scales of one form and treat activations alike.
using GroupKey = std::tuple<Block *, Value, Value, Attribute, Attribute>;

/// "layers0.q_proj", "layers0.k_proj" -> "layers0.q_proj_k_proj".
std::string joinNames(MutableArrayRef<GlobalOp> globals) {
  std::string name = globals.front().getSymName().str();
  for (GlobalOp global : globals.drop_front())
    name +=
        "_" +
        global.getSymName().substr(global.getSymName().rfind('.') + 1).str();
  return name;
}

struct FuseProjections
    : ternac::tern::impl::TernFuseProjectionsPassBase<FuseProjections> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    llvm::MapVector<GroupKey, SmallVector<Candidate>> groups;
    getOperation().walk([&](BitLinearOp op) {
      auto weight = op.getWeight().getDefiningOp<LoadGlobalOp>();
      auto scale = op.getScale().getDefiningOp<LoadGlobalOp>();
      if (weight && scale && !op.getNorm() &&
          weight.getLayer() == scale.getLayer())
        groups[{op->getBlock(), op.getX(), weight.getLayer(), op.getGroupAttr(),
                op.getWeightOnlyAttr()}]
            .push_back({op, weight, scale});
    });
    for (auto &[key, group] : groups)
      if (group.size() > 1)
        fuse(group, symbols);
  }

private:
  /// A global that stacks those that `loads` read along dimension `dim`, and a
  /// load of it.
  Value stack(OpBuilder &builder, Location loc,
              MutableArrayRef<LoadGlobalOp> loads, unsigned dim,
              SymbolTable &symbols) {
    SmallVector<GlobalOp> globals =
        llvm::map_to_vector(loads, [&](LoadGlobalOp load) {
          return symbols.lookup<GlobalOp>(load.getGlobal());
        });
    GlobalOp first = globals.front();
    int64_t stacked = 0;
    SmallVector<SourceAttr> sources;
    for (auto [load, global] : llvm::zip_equal(loads, globals)) {
      stacked +=
          cast<RankedTensorType>(load.getResult(0).getType()).getDimSize(dim);
      llvm::append_range(sources, global.getStored().getSources());
    }
    bool perLayer = bool(loads.front().getLayer());
    RankedTensorType type = first.getTensorType();
    SmallVector<int64_t> shape(type.getShape());
    shape[dim + (perLayer ? 1 : 0)] = stacked;
    StoredAttr stored = first.getStored();
    OpBuilder moduleBuilder(first);
    auto global = GlobalOp::create(
        moduleBuilder, loc, joinNames(globals),
        RankedTensorType::get(shape, type.getElementType()),
        StoredAttr::get(&getContext(), stored.getKind(), stored.getPacking(),
                        stored.getSense(), stored.getGroup(), stored.getTheta(),
                        stored.getScaling(), sources));
    symbols.insert(global);
    ArrayRef<int64_t> loadShape = ArrayRef(shape).drop_front(perLayer ? 1 : 0);
    return LoadGlobalOp::create(builder, loc,
                                TypeRange{RankedTensorType::get(
                                    loadShape, type.getElementType())},
                                global.getSymName(), loads.front().getLayer())
        .getResult(0);
  }

  void fuse(MutableArrayRef<Candidate> group, SymbolTable &symbols) {
    // Scales of different senses would need a sense per source.
    auto sense = [&](Candidate &c) {
      return symbols.lookup<GlobalOp>(c.scale.getGlobal())
          .getStored()
          .getSense();
    };
    for (Candidate &candidate : group)
      if (sense(candidate) != sense(group.front()))
        return;

    BitLinearOp first = group.front().op;
    OpBuilder builder(first);
    Location loc = first.getLoc();
    SmallVector<LoadGlobalOp> weights, scales;
    SmallVector<int64_t> segments;
    int64_t rows = 0;
    for (Candidate &candidate : group) {
      weights.push_back(candidate.weight);
      scales.push_back(candidate.scale);
      if (candidate.op.getSegments())
        llvm::append_range(segments, *candidate.op.getSegments());
      rows += candidate.op.getWeight().getType().getDimSize(0);
    }
    bool hasGroups = bool(first.getGroupAttr());
    Value weight = stack(builder, loc, weights, /*dim=*/0, symbols);
    Value scale = stack(builder, loc, scales, /*dim=*/hasGroups, symbols);
    RankedTensorType xType = cast<RankedTensorType>(first.getX().getType());
    auto fused = BitLinearOp::create(
        builder, loc,
        RankedTensorType::get({xType.getDimSize(0), rows},
                              xType.getElementType()),
        first.getX(), weight, scale, /*norm=*/Value(),
        hasGroups ? DenseI64ArrayAttr()
                  : builder.getDenseI64ArrayAttr(segments),
        first.getGroupAttr(), first.getWeightOnlyAttr(), /*eps=*/FloatAttr());

    Value n = tensor::DimOp::create(builder, loc, fused.getResult(), 0);
    int64_t begin = 0;
    for (Candidate &candidate : group) {
      auto type = cast<RankedTensorType>(candidate.op.getType());
      OpFoldResult size0 = type.isDynamicDim(0)
                               ? OpFoldResult(n)
                               : builder.getIndexAttr(type.getDimSize(0));
      Value slice = tensor::ExtractSliceOp::create(
          builder, loc, type, fused.getResult(),
          ArrayRef<OpFoldResult>{builder.getIndexAttr(0),
                                 builder.getIndexAttr(begin)},
          ArrayRef<OpFoldResult>{size0,
                                 builder.getIndexAttr(type.getDimSize(1))},
          ArrayRef<OpFoldResult>{builder.getIndexAttr(1),
                                 builder.getIndexAttr(1)});
      begin += type.getDimSize(1);
      candidate.op.replaceAllUsesWith(slice);
    }
    for (Candidate &candidate : group)
      candidate.op.erase();
  }
};

} // namespace
