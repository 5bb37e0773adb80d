//===- SelectLowering.cpp - Strategy and packing of every ternary matmul --===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "CostModel.h"

#include "llvm/Support/FormatVariadic.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNSELECTLOWERINGPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

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
    forms = candidates(module);
    if (forms.empty())
      return signalPassFailure();
    module.walk([&](MatmulOp op) {
      if (!op.getCols()) // packed already
        select(op);
    });
  }

private:
  bool isListed(Strategy strategy) {
    return llvm::is_contained(strategies, stringifyStrategy(strategy));
  }

  /// The kernels that the options leave; none after an error.
  SmallVector<KernelForm> candidates(ModuleOp module) {
    SmallVector<KernelForm> all, possible;
    for (const KernelForm &form : kernelForms())
      if (isListed(form.strategy)) {
        all.push_back(form);
        if (isPossible(form, target))
          possible.push_back(form);
      }
    if (possible.empty()) {
      module.emitError("target '") << target.getName() << "' has no strategy";
      return {};
    }
    SmallVector<KernelForm> chosen = possible;
    if (strategy != "auto") {
      llvm::erase_if(chosen, [&](const KernelForm &form) {
        return stringifyStrategy(form.strategy) != strategy;
      });
      if (chosen.empty()) {
        strategyError(module, all, possible);
        return {};
      }
    }
    if (packing != "auto") {
      SmallVector<KernelForm> before = chosen;
      llvm::erase_if(chosen, [&](const KernelForm &form) {
        return form.packing != packing;
      });
      if (chosen.empty()) {
        packingError(module, before);
        return {};
      }
    }
    // Of the forms of one strategy and packing the first is meant.
    SmallVector<KernelForm> result;
    for (const KernelForm &form : chosen)
      if (llvm::none_of(result, [&](const KernelForm &other) {
            return other.strategy == form.strategy &&
                   other.packing == form.packing;
          }))
        result.push_back(form);
    return result;
  }

  void strategyError(ModuleOp module, ArrayRef<KernelForm> all,
                     ArrayRef<KernelForm> possible) {
    InFlightDiagnostic diag = module.emitError("strategy '") << strategy << "'";
    const auto *impossible = llvm::find_if(all, [&](const KernelForm &form) {
      return stringifyStrategy(form.strategy) == strategy;
    });
    if (impossible != all.end())
      diag << " needs the capability '" << impossible->capability
           << "', which target '" << target.getName() << "' ("
           << target.getCpuOrEmpty() << ") does not have";
    else
      diag << " is none of target '" << target.getName() << "'";
    diag << "; it has: auto";
    SmallVector<Strategy> named;
    for (const KernelForm &form : possible)
      if (!llvm::is_contained(named, form.strategy))
        named.push_back(form.strategy);
    for (Strategy candidate : named)
      diag << ", " << stringifyStrategy(candidate);
  }

  void packingError(ModuleOp module, ArrayRef<KernelForm> before) {
    auto isKnown = [&](const KernelForm &form) {
      return form.packing == packing;
    };
    InFlightDiagnostic diag =
        llvm::none_of(kernelForms(), isKnown)
            ? module.emitError("unknown packing '") << packing << "'; "
        : strategy == "auto"
            ? module.emitError("no strategy of target '")
                  << target.getName() << "' reads the packing '" << packing
                  << "'; "
            : module.emitError("strategy '")
                  << strategy << "' does not read the packing '" << packing
                  << "'; ";
    diag << "expected auto";
    SmallVector<StringRef> named;
    for (const KernelForm &form : before)
      if (!llvm::is_contained(named, form.packing))
        named.push_back(form.packing);
    for (StringRef name : named)
      diag << ", " << name;
  }

  using Ranking = SmallVector<std::pair<const KernelForm *, Cost>>;

  /// `candidates`, that of least time for `tokens` rows first.
  Ranking rank(ArrayRef<const KernelForm *> candidates, MatmulOp op,
               int64_t tokens) {
    int64_t rows = cast<ShapedType>(op.getWeight().getType()).getDimSize(0);
    Ranking ranking;
    for (const KernelForm *form : candidates)
      ranking.emplace_back(
          form, estimate(*form, target, rows, op.getMatrixCols(), tokens));
    // Of equal estimates the one that comes first in the list of forms.
    llvm::sort(ranking, [](const auto &a, const auto &b) {
      return std::pair(a.second.total(), a.first) <
             std::pair(b.second.total(), b.first);
    });
    return ranking;
  }

  void select(MatmulOp op) {
    SmallVector<const KernelForm *> all;
    for (const KernelForm &form : forms)
      all.push_back(&form);
    // One row decides on the packing, which the others share.
    Ranking one = rank(all, op, 1);
    packing::Layout layout = one.front().first->layout(op.getMatrixCols());
    llvm::erase_if(all, [&](const KernelForm *form) {
      return form->layout(op.getMatrixCols()) != layout;
    });
    Ranking few = rank(all, op, kSomeRows), many = rank(all, op, kManyRows);
    auto strategyOf = [](const Ranking &ranking) {
      return ranking.front().first->strategy;
    };
    op.setConfigAttr(LoweringConfigAttr::get(
        &getContext(), strategyOf(one), strategyOf(few), strategyOf(many)));
    op.setPackingAttr(PackingAttr::get(&getContext(), layout));
    explain(op, one, few, many);
  }

  /// Rows that stand for a few and for many.
  static constexpr int64_t kSomeRows = 8, kManyRows = 256;

  /// Why the first of each was chosen, with the estimates that decided.
  static void explain(MatmulOp op, const Ranking &one, const Ranking &few,
                      const Ranking &many) {
    int64_t rows = cast<ShapedType>(op.getWeight().getType()).getDimSize(0);
    int64_t cols = op.getMatrixCols();
    std::string text;
    llvm::raw_string_ostream stream(text);
    if (auto load = op.getWeight().getDefiningOp<LoadGlobalOp>())
      stream << load.getGlobal() << ": ";
    auto [best, cost] = one.front();
    stream << llvm::formatv(
        "chose {0} on {1} for {2}x{3}: {4:F2} bits a weight, about {5:F1} us "
        "to read and {6:F1} us to compute a row on one core",
        stringifyStrategy(best->strategy), best->layout(cols).name(), rows,
        cols, best->layout(cols).bitsPerWeight(rows, cols), cost.memory * 1e6,
        cost.arithmetic * 1e6);
    if (one.size() == 1) {
      stream << "; nothing else was asked for";
      op.emitRemark(text);
      return;
    }
    stream << llvm::formatv("; in all {0:F1} us", cost.total() * 1e6);
    auto others = [&](const Ranking &ranking) {
      for (auto [form, other] : ArrayRef(ranking).drop_front().take_front(3))
        stream << llvm::formatv(", {0} on {1} {2:F1} us",
                                stringifyStrategy(form->strategy),
                                form->layout(cols).name(), other.total() * 1e6);
    };
    others(one);
    for (auto [ranking, tokens] :
         {std::pair(&few, kSomeRows), std::pair(&many, kManyRows)}) {
      auto [form, other] = ranking->front();
      stream << llvm::formatv("; {0} rows by {1} in {2:F1} us", tokens,
                              stringifyStrategy(form->strategy),
                              other.total() * 1e6);
      others(*ranking);
    }
    op.emitRemark(text);
  }

  TargetAttr target;
  SmallVector<KernelForm> forms;
};

} // namespace
