//===- PackWeights.cpp - Packed weights and the plan of their segment -----===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "llvm/ADT/MapVector.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNPACKWEIGHTSPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

struct PackWeights : ternac::tern::impl::TernPackWeightsPassBase<PackWeights> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    SmallVector<TernaryWeightOpInterface> products;
    getOperation().walk([&](TernaryWeightOpInterface op) {
      if (cast<ShapedType>(op.getWeight().getType()).getRank() == 2)
        products.push_back(op);
    });
    for (TernaryWeightOpInterface op : products)
      if (failed(pack(op, symbols)))
        return signalPassFailure();
    eraseUnused(symbols);
    if (failed(plan()))
      signalPassFailure();
  }

private:
  LogicalResult pack(TernaryWeightOpInterface op, SymbolTable &symbols) {
    if (!op.getPackingAttr() || !op.getConfigAttr())
      return op.emitOpError("expected 'packing' and 'config'; run "
                            "tern-select-lowering first");
    packing::Layout layout = op.getPackingAttr().getLayout();
    int64_t rows = op.getMatrixRows(), cols = op.getMatrixCols();
    auto packedType = RankedTensorType::get({layout.bytes(rows, cols)},
                                            IntegerType::get(&getContext(), 8));
    if (auto matmul = dyn_cast<MatmulOp>(*op);
        matmul && failed(padInput(matmul, layout)))
      return failure();
    OpBuilder builder(op);
    op.setColsAttr(builder.getI64IntegerAttr(cols));
    // For readers of the IR: what padding makes of the layout's bits.
    op->setAttr("tern.bits_per_weight",
                builder.getF32FloatAttr(layout.bitsPerWeight(rows, cols)));

    auto load = op.getWeight().getDefiningOp<LoadGlobalOp>();
    if (!load) {
      Value packed = PackOp::create(builder, op.getLoc(), packedType,
                                    op.getWeight(), op.getPackingAttr());
      op.getWeightMutable().assign(packed);
      return success();
    }
    if (failed(packGlobal(op, symbols.lookup<GlobalOp>(load.getGlobal()),
                          packedType)))
      return failure();
    Value packed =
        LoadGlobalOp::create(builder, op.getLoc(), TypeRange{packedType},
                             load.getGlobal(), load.getLayer())
            .getResult(0);
    op.getWeightMutable().assign(packed);
    if (load.use_empty())
      load.erase();
    return success();
  }

  /// Makes `global` bytes in the packing of `op`, unless it is already.
  LogicalResult packGlobal(TernaryWeightOpInterface op, GlobalOp global,
                           RankedTensorType packedType) {
    StoredAttr stored = global.getStored();
    if (stored.getPacking()) {
      if (stored.getPacking() == op.getPackingAttr())
        return success();
      return op.emitOpError("expected the packing ")
             << stored.getPacking() << " that another op chose for '"
             << global.getSymName() << "'";
    }
    SmallVector<int64_t> shape(packedType.getShape());
    if (global.getTensorType().getRank() == 3)
      shape.insert(shape.begin(), global.getTensorType().getDimSize(0));
    global.setTypeAttr(TypeAttr::get(
        RankedTensorType::get(shape, packedType.getElementType())));
    global.setStoredAttr(
        StoredAttr::get(&getContext(), stored.getKind(), op.getPackingAttr(),
                        stored.getSense(), stored.getGroup(), stored.getTheta(),
                        stored.getScaling(), stored.getSources()));
    return success();
  }

  /// Lets the quantisation that `op` reads write the columns of `layout`.
  static LogicalResult padInput(MatmulOp op, const packing::Layout &layout) {
    int64_t columns = layout.paddedCols(op.getMatrixCols());
    if (op.getConfig()->uses(Strategy::Tile))
      columns = llvm::alignTo(columns, MatmulOp::kTileColumns);
    auto type = cast<RankedTensorType>(op.getQ().getType());
    if (type.getDimSize(1) >= columns)
      return success();
    auto quantize = op.getQ().getDefiningOp<QuantizeOp>();
    if (!quantize)
      return op.emitOpError("expected q to come from a tern.quantize, whose "
                            "rows can be padded to ")
             << columns << " columns";
    quantize.getResult(0).setType(RankedTensorType::get(
        {type.getDimSize(0), columns}, type.getElementType()));
    return success();
  }

  void eraseUnused(SymbolTable &symbols) {
    llvm::DenseSet<StringRef> used;
    getOperation().walk([&](LoadGlobalOp load) {
      if (load.use_empty())
        load.erase();
      else
        used.insert(load.getGlobal());
    });
    for (GlobalOp global :
         llvm::make_early_inc_range(getOperation().getOps<GlobalOp>()))
      if (!used.contains(global.getSymName()))
        symbols.erase(global);
  }

  /// Gives every global its place, in the order of the module.
  LogicalResult plan() {
    ModuleOp module = getOperation();
    auto weights =
        module->getAttrOfType<WeightsAttr>(TernDialect::kWeightsAttr);
    if (!weights && module.getOps<GlobalOp>().empty())
      return success();
    if (!weights)
      return module.emitError("expected a module attribute '")
             << TernDialect::kWeightsAttr << "'";
    SmallVector<EntryAttr> entries;
    uint64_t offset = 0;
    for (GlobalOp global : module.getOps<GlobalOp>()) {
      EntryAttr entry = makeEntry(global, offset);
      offset += entry.getLayerBytes() * entry.getLayers();
      entries.push_back(entry);
    }
    module->setAttr(TernDialect::kWeightsAttr,
                    WeightsAttr::get(&getContext(), weights.getFiles(),
                                     weights.getSyntheticSeed(), entries));
    return success();
  }

  EntryAttr makeEntry(GlobalOp global, uint64_t offset) {
    StoredAttr stored = global.getStored();
    RankedTensorType type = global.getTensorType();
    int64_t layers = global.getLayers();
    int64_t rows = 0, cols = type.getShape().back();
    bool isOneEach =
        stored.getKind() == StoredKind::Scales && stored.getGroup() == 0;
    for (SourceAttr source : stored.getSources()) {
      rows += isOneEach ? 1 : source.getRows();
      cols = isOneEach ? 1 : source.getCols();
    }
    if (stored.getKind() == StoredKind::Rope)
      rows = type.getDimSize(0);
    Type element = type.getElementType();
    Encoding encoding = element.isF16()    ? Encoding::F16
                        : element.isBF16() ? Encoding::BF16
                                           : Encoding::F32;
    // The bytes of one layer, in the terms of the packer.
    packing::Entry entry;
    entry.kind = packing::EntryKind(stored.getKind());
    if (stored.getPacking())
      entry.layout = stored.getPacking().getLayout();
    entry.element = packing::Encoding(encoding);
    entry.group = stored.getGroup();
    entry.rows = rows;
    entry.cols = cols;
    uint64_t layerBytes = llvm::alignTo(entry.payloadBytes(), 64);
    return EntryAttr::get(&getContext(), global.getSymName(), offset,
                          layerBytes, layers, rows, cols, encoding, stored);
  }
};

} // namespace
