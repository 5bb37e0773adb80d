//===- SelectLowering.cpp - Strategy and packing of every ternary matmul --===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNSELECTLOWERINGPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// The capability that a strategy needs, or "".
StringRef neededCapability(Strategy strategy) {
  return strategy == Strategy::Dot ? "int8_dot" : "";
}

struct SelectLowering
    : ternac::tern::impl::TernSelectLoweringPassBase<SelectLowering> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    target = module->getAttrOfType<TargetAttr>(TernDialect::kTargetAttr);
    if (!target) {
      module.emitError("expected a module attribute '")
          << TernDialect::kTargetAttr << "'";
      return signalPassFailure();
    }
    std::optional<Strategy> chosen = chooseStrategy(module);
    if (!chosen)
      return signalPassFailure();
    WalkResult result = module.walk([&](MatmulOp op) {
      if (op.getCols()) // packed already
        return WalkResult::advance();
      std::optional<packing::Layout> layout =
          chooseLayout(op, *chosen, op.getMatrixCols());
      if (!layout)
        return WalkResult::interrupt();
      op.setConfigAttr(LoweringConfigAttr::get(&getContext(), *chosen));
      op.setPackingAttr(PackingAttr::get(&getContext(), *layout));
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

private:
  /// The strategies that the target lists and whose capability it has.
  SmallVector<Strategy> usable() {
    SmallVector<Strategy> list;
    for (const std::string &name : strategies)
      if (std::optional<Strategy> strategy = symbolizeStrategy(name)) {
        StringRef capability = neededCapability(*strategy);
        if (capability.empty() || target.hasCapability(capability))
          list.push_back(*strategy);
      }
    return list;
  }

  std::optional<Strategy> chooseStrategy(ModuleOp module) {
    SmallVector<Strategy> candidates = usable();
    if (strategy == "auto") {
      if (packing == packing::tilePlanes().name() &&
          llvm::is_contained(candidates, Strategy::AddSub))
        return Strategy::AddSub;
      if (!candidates.empty())
        return candidates.front();
      module.emitError("target '") << target.getName() << "' has no strategy";
      return std::nullopt;
    }
    std::optional<Strategy> wanted = symbolizeStrategy(strategy);
    if (wanted && llvm::is_contained(candidates, *wanted))
      return wanted;
    InFlightDiagnostic diag = module.emitError("strategy '") << strategy << "'";
    if (wanted && llvm::is_contained(strategies, strategy))
      diag << " needs the capability '" << neededCapability(*wanted)
           << "', which target '" << target.getName() << "' ("
           << target.getCpuOrEmpty() << ") does not have";
    else
      diag << " is none of target '" << target.getName() << "'";
    diag << "; it has: auto";
    for (Strategy candidate : candidates)
      diag << ", " << stringifyStrategy(candidate);
    return std::nullopt;
  }

  std::optional<packing::Layout> chooseLayout(MatmulOp op, Strategy strategy,
                                              int64_t cols) {
    // The definition reads trits one by one and in no other form.
    if (strategy == Strategy::Reference) {
      if (packing == "auto" || packing == packing::unpacked().name())
        return packing::unpacked();
      op.emitError(
          "strategy 'reference' reads the packing 'i8' only, but got '")
          << packing << "'";
      return std::nullopt;
    }
    if (packing == packing::tilePlanes().name()) {
      if (strategy == Strategy::AddSub)
        return packing::tilePlanes();
      op.emitError("packing '")
          << packing << "' has single bits, which only strategy 'add_sub' "
          << "counts, but got '" << stringifyStrategy(strategy) << "'";
      return std::nullopt;
    }
    if (packing == "auto") {
      if (strategy == Strategy::AddSub &&
          target.hasCapability("vector_popcount"))
        return packing::tilePlanes();
      packing::Layout twoBit = packing::tileTwoBit();
      packing::Layout base3 = packing::bestTileBase3(cols);
      int64_t rows = cast<ShapedType>(op.getWeight().getType()).getDimSize(0);
      bool smaller = base3.bytes(rows, cols) < twoBit.bytes(rows, cols);
      bool fast =
          strategy == Strategy::Dot && target.hasCapability("base3_unpack");
      return smaller && fast ? base3 : twoBit;
    }
    // "base3" leaves the number of blocks to the shape.
    if (packing == "base3")
      return packing::bestTileBase3(cols);
    if (packing == packing::rowTwoBit().name())
      return packing::rowTwoBit();
    if (packing == packing::tileTwoBit().name())
      return packing::tileTwoBit();
    op.emitError("unknown packing '")
        << packing << "'; expected auto, row2, tile2, base3 or planes";
    return std::nullopt;
  }

  TargetAttr target;
};

} // namespace
