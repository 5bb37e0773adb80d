//===- SelectLowering.cpp - Strategy and packing of every ternary matmul --===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "CostModel.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FormatVariadic.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNSELECTLOWERINGPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// The ops that read one weight, and so share its packing: those of all
/// versions of the code.
using Group = SmallVector<TernaryWeightOpInterface>;

/// `tern.matmul` and `tern.ternary_linear` have kernels of their own.
enum class Kind { Matmul, Linear };

Kind kindOf(Operation *op) {
  return isa<TernaryLinearOp>(op) ? Kind::Linear : Kind::Matmul;
}

struct SelectLowering
    : ternac::tern::impl::TernSelectLoweringPassBase<SelectLowering> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    TargetAttr target = getTarget(module);
    if (!target) {
      module.emitError("expected a module attribute '")
          << TernDialect::kTargetAttr << "'";
      return signalPassFailure();
    }
    hasVersions = bool(target.getVersions());
    for (TargetAttr machine : target.getMachines())
      if (failed(findForms(module, machine, Kind::Matmul)))
        return signalPassFailure();
    for (const Group &group : findGroups(module)) {
      for (TernaryWeightOpInterface op : group)
        if (failed(findForms(op, machineOf(op), kindOf(op))))
          return signalPassFailure();
      if (failed(select(group)))
        return signalPassFailure();
    }
  }

private:
  static TargetAttr machineOf(Operation *op) {
    return getTarget(op).withVersions({});
  }

  /// Ops that are not packed yet, by their weights.
  static SmallVector<Group> findGroups(ModuleOp module) {
    SmallVector<Group> groups;
    llvm::StringMap<unsigned> places;
    module.walk([&](TernaryWeightOpInterface op) {
      if (op.getColsAttr())
        return;
      auto load = op.getWeight().getDefiningOp<LoadGlobalOp>();
      if (!load) {
        groups.push_back({op});
        return;
      }
      auto [place, isNew] = places.try_emplace(load.getGlobal(), groups.size());
      if (isNew)
        groups.emplace_back();
      groups[place->second].push_back(op);
    });
    return groups;
  }

  bool isListed(Strategy strategy) {
    return llvm::is_contained(kind == Kind::Linear ? linearStrategies
                                                   : strategies,
                              stringifyStrategy(strategy));
  }

  ArrayRef<KernelForm> formsOfKind() {
    return kind == Kind::Linear ? linearForms() : matmulForms();
  }

  /// Errors are those of `op`, whose forms are looked for, or of the module.
  LogicalResult findForms(Operation *op, TargetAttr machine, Kind kindOfOp) {
    if (forms.contains({machine, kindOfOp}))
      return success();
    target = machine;
    kind = kindOfOp;
    SmallVector<KernelForm> found = candidates(op);
    if (found.empty())
      return failure();
    forms.insert({{machine, kind}, std::move(found)});
    return success();
  }

  /// The kernels for `target` that the options leave; none after an error.
  SmallVector<KernelForm> candidates(Operation *op) {
    SmallVector<KernelForm> all, possible;
    for (const KernelForm &form : formsOfKind())
      if (isListed(form.strategy)) {
        all.push_back(form);
        if (isPossible(form, target))
          possible.push_back(form);
      }
    if (possible.empty() && kind == Kind::Linear) {
      op->emitOpError()
          << describe()
          << " has no code yet for ternary layers without rounded "
             "activations or with groups of scales; compile for "
             "another target";
      return {};
    }
    if (possible.empty()) {
      op->emitError() << describe() << " has no strategy";
      return {};
    }
    SmallVector<KernelForm> chosen = possible;
    if (strategy != "auto") {
      llvm::erase_if(chosen, [&](const KernelForm &form) {
        return stringifyStrategy(form.strategy) != strategy;
      });
      if (chosen.empty()) {
        strategyError(op, all, possible);
        return {};
      }
    }
    if (packing != "auto") {
      SmallVector<KernelForm> before = chosen;
      llvm::erase_if(chosen, [&](const KernelForm &form) {
        return form.packing != packing;
      });
      if (chosen.empty()) {
        packingError(op, before);
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

  /// `target` for messages; which machine only if there are several.
  std::string describe() {
    std::string text = ("target '" + target.getName() + "'").str();
    if (hasVersions)
      text += " (" + target.getMachineName() + ")";
    return text;
  }

  void strategyError(Operation *op, ArrayRef<KernelForm> all,
                     ArrayRef<KernelForm> possible) {
    InFlightDiagnostic diag = op->emitError("strategy '") << strategy << "'";
    // What any of its forms on one packing would do with; on others they need
    // no less.
    SmallVector<StringRef> capabilities;
    StringRef first;
    for (const KernelForm &form : all) {
      if (stringifyStrategy(form.strategy) != strategy)
        continue;
      if (capabilities.empty())
        first = form.packing;
      if (form.packing == first &&
          !llvm::is_contained(capabilities, form.capability))
        capabilities.push_back(form.capability);
    }
    if (!capabilities.empty())
      diag << " needs the capability '" << llvm::join(capabilities, "' or '")
           << "', which target '" << target.getName() << "' ("
           << target.getMachineName() << ") does not have";
    else
      diag << " is none of " << describe() << ofKind();
    diag << "; it has: auto";
    SmallVector<Strategy> named;
    for (const KernelForm &form : possible)
      if (!llvm::is_contained(named, form.strategy))
        named.push_back(form.strategy);
    for (Strategy candidate : named)
      diag << ", " << stringifyStrategy(candidate);
  }

  /// Which ops an error is about, where they are not all that a target has.
  StringRef ofKind() {
    return kind == Kind::Linear ? " for layers of f32 sums" : "";
  }

  void packingError(Operation *op, ArrayRef<KernelForm> before) {
    auto isKnown = [&](const KernelForm &form) {
      return form.packing == packing;
    };
    InFlightDiagnostic diag =
        llvm::none_of(matmulForms(), isKnown)
            ? op->emitError("unknown packing '") << packing << "'; "
        : strategy == "auto" ? op->emitError("no strategy of ")
                                   << describe() << ofKind()
                                   << " reads the packing '" << packing << "'; "
                             : op->emitError("strategy '")
                                   << strategy << "'" << ofKind()
                                   << " does not read the packing '" << packing
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

  /// The forms of `machine` that read `layout`, or all if it is null; that of
  /// least time for `tokens` rows first.
  Ranking rank(TargetAttr machine, TernaryWeightOpInterface op, int64_t tokens,
               const packing::Layout *layout = nullptr) {
    int64_t rows = op.getMatrixRows(), cols = op.getMatrixCols();
    Ranking ranking;
    for (const KernelForm &form : forms.find({machine, kindOf(op)})->second)
      if (!layout || form.layout(cols) == *layout)
        ranking.emplace_back(&form,
                             estimate(form, machine, rows, cols, tokens));
    // Of equal estimates the one that comes first in the list of forms.
    llvm::sort(ranking, [](const auto &a, const auto &b) {
      return std::pair(a.second.total(), a.first) <
             std::pair(b.second.total(), b.first);
    });
    return ranking;
  }

  /// A packing that all versions share, and how many times the time of its own
  /// best packing a row takes a version, on average.
  struct SharedLayout {
    packing::Layout layout;
    double slowdown;
  };

  /// One row decides on the packing: that on which the machines together lose
  /// least of what each could have alone.
  std::optional<SharedLayout> choosePacking(TernaryWeightOpInterface op,
                                            ArrayRef<TargetAttr> machines) {
    std::optional<SharedLayout> best;
    for (auto [form, cost] : rank(machines.front(), op, 1)) {
      packing::Layout layout = form->layout(op.getMatrixCols());
      double sum = 0;
      bool isPossible = llvm::all_of(machines, [&](TargetAttr machine) {
        Ranking ranking = rank(machine, op, 1, &layout);
        if (ranking.empty())
          return false;
        sum += ranking.front().second.total() /
               rank(machine, op, 1).front().second.total();
        return true;
      });
      double slowdown = sum / double(machines.size());
      if (isPossible && (!best || slowdown < best->slowdown))
        best = {layout, slowdown};
    }
    return best;
  }

  LogicalResult select(const Group &group) {
    TernaryWeightOpInterface first = group.front();
    for (TernaryWeightOpInterface op : group)
      if (kindOf(op) != kindOf(first))
        return op.emitOpError(
                   "expected no other kind of op to read its weight, "
                   "but ")
               << first->getName() << " does, too";
    SmallVector<TargetAttr> machines;
    for (TernaryWeightOpInterface op : group)
      if (TargetAttr machine = machineOf(op);
          !llvm::is_contained(machines, machine))
        machines.push_back(machine);
    std::optional<SharedLayout> shared = choosePacking(first, machines);
    if (!shared)
      return first.emitOpError("expected a packing that a strategy of every "
                               "version reads, but there is none; name another "
                               "strategy or packing");
    for (TernaryWeightOpInterface op : group) {
      TargetAttr machine = machineOf(op);
      const packing::Layout &layout = shared->layout;
      Ranking one = rank(machine, op, 1, &layout),
              few = rank(machine, op, kSomeRows, &layout),
              many = rank(machine, op, kManyRows, &layout);
      auto strategyOf = [](const Ranking &ranking) {
        return ranking.front().first->strategy;
      };
      op.setConfigAttr(LoweringConfigAttr::get(
          &getContext(), strategyOf(one), strategyOf(few), strategyOf(many)));
      op.setPackingAttr(PackingAttr::get(&getContext(), layout));
      std::string sharing;
      if (machines.size() > 1)
        sharing = llvm::formatv("; code for {0}, on a packing for {1} versions "
                                "whose rows take {2:F2} times their best",
                                machine.getMachineName(), machines.size(),
                                shared->slowdown);
      explain(op, one.front(), rank(machine, op, 1), few, many, sharing);
    }
    return success();
  }

  /// Rows that stand for a few and for many.
  static constexpr int64_t kSomeRows = 8, kManyRows = 256;

  /// Why `chosen` and the first for more rows were chosen, with the estimates
  /// that decided; `all` are those of one row.
  static void explain(TernaryWeightOpInterface op,
                      std::pair<const KernelForm *, Cost> chosen,
                      const Ranking &all, const Ranking &few,
                      const Ranking &many, StringRef sharing) {
    int64_t rows = op.getMatrixRows(), cols = op.getMatrixCols();
    std::string text;
    llvm::raw_string_ostream stream(text);
    if (auto load = op.getWeight().getDefiningOp<LoadGlobalOp>())
      stream << load.getGlobal() << ": ";
    auto [best, cost] = chosen;
    stream << llvm::formatv(
        "chose {0} on {1} for {2}x{3}: {4:F2} bits a weight, about {5:F1} us "
        "to read and {6:F1} us to compute a row on one core",
        stringifyStrategy(best->strategy), best->layout(cols).name(), rows,
        cols, best->layout(cols).bitsPerWeight(rows, cols), cost.memory * 1e6,
        cost.arithmetic * 1e6);
    if (all.size() == 1) {
      stream << "; nothing else was asked for" << sharing;
      op.emitRemark(text);
      return;
    }
    stream << llvm::formatv("; in all {0:F1} us", cost.total() * 1e6);
    auto others = [&](const Ranking &ranking, const KernelForm *first) {
      unsigned count = 0;
      for (auto [form, other] : ranking)
        if (form != first && count++ < 3)
          stream << llvm::formatv(
              ", {0} on {1} {2:F1} us", stringifyStrategy(form->strategy),
              form->layout(cols).name(), other.total() * 1e6);
    };
    others(all, best);
    for (auto [ranking, tokens] :
         {std::pair(&few, kSomeRows), std::pair(&many, kManyRows)}) {
      auto [form, other] = ranking->front();
      stream << llvm::formatv("; {0} rows by {1} in {2:F1} us", tokens,
                              stringifyStrategy(form->strategy),
                              other.total() * 1e6);
      others(*ranking, form);
    }
    stream << sharing;
    op.emitRemark(text);
  }

  TargetAttr target;        ///< whose forms are looked for
  Kind kind = Kind::Matmul; ///< of what ops
  bool hasVersions;         ///< the module has several machines
  llvm::DenseMap<std::pair<TargetAttr, Kind>, SmallVector<KernelForm>> forms;
};

} // namespace
