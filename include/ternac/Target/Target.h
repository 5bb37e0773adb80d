//===- Target.h - The interface of a hardware target ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A target is a folder under lib/Target and one word in TERNAC_TARGETS, or a
// shared library of its own (Plugin.h). It says what a description of its
// machine means, which passes take a model from one phase to the next, and how
// the last IR becomes bytes. Everything else is generic; see
// docs/AddingATarget.md.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TARGET_TARGET_H
#define TERNAC_TARGET_TARGET_H

#include "ternac/Dialect/Tern/IR/Tern.h"
#include "ternac/Pipeline/Phases.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Error.h"

#include <map>
#include <memory>
#include <string>

namespace ternac {

/// `--target=NAME[,KEY=VALUE...]`, split.
struct TargetSpec {
  std::string name;
  std::map<std::string, std::string> values;

  /// Words that start with '+' or '-' continue the value before them:
  /// "cpu,features=+avx2,+fma". Fails on a word that is no KEY=VALUE and on a
  /// key given twice.
  static llvm::Expected<TargetSpec> parse(llvm::StringRef text);
};

/// What a user may ask of the lowering of matmuls.
struct LoweringChoice {
  std::string strategy = "auto";
  std::string packing = "auto";
};

/// What `emit` writes.
enum class EmitKind { Object, Assembly, LLVMIR };

class Target {
public:
  virtual ~Target() = default;

  /// The word after `--target=`.
  virtual llvm::StringRef name() const = 0;
  /// One line for --list-targets.
  virtual llvm::StringRef description() const = 0;
  /// Dialects that its passes create or that its dumped phases hold.
  virtual void registerDialects(mlir::DialectRegistry &registry) const = 0;
  /// The full description: keys checked, defaults filled in, capabilities
  /// derived. With no keys it describes this host.
  virtual llvm::Expected<tern::TargetAttr>
  resolve(mlir::MLIRContext *context, const TargetSpec &spec) const = 0;
  /// Fails unless `attr`, which came with a module, is a description that
  /// `resolve` gives: code generators abort on impossible ones.
  virtual llvm::Error check(mlir::MLIRContext *context,
                            tern::TargetAttr attr) const = 0;
  /// Passes that write packing and strategy on every ternary matmul.
  virtual void buildConfigurePipeline(mlir::OpPassManager &pm,
                                      const LoweringChoice &choice) const = 0;
  /// Passes from the phase before `phase` to `phase`, for those after `packed`.
  virtual void buildCodegenPipeline(mlir::OpPassManager &pm,
                                    Phase phase) const = 0;
  /// Whether `op` may be alive at the end of `phase`, which is `vectorized` or
  /// `llvm`, though it could not be on a CPU: of a device's own dialect, say.
  virtual bool mayHold(Phase phase, mlir::Operation *op) const { return false; }
  /// Whether `emit` can write that kind of file.
  virtual bool canEmit(EmitKind kind) const { return true; }
  /// Writes the module, at its last phase, to `out`.
  virtual llvm::Error emit(mlir::ModuleOp module, EmitKind kind,
                           llvm::raw_pwrite_stream &out) const = 0;
};

/// All targets: those of this build, in the order of TERNAC_TARGETS, then those
/// registered since. The first is what is compiled for when nobody says
/// otherwise.
llvm::ArrayRef<std::unique_ptr<Target>> allTargets();
/// Adds a target; its name must be new. To be called before dialects and passes
/// are registered.
llvm::Error registerTarget(std::unique_ptr<Target> target);
/// Opens the shared library `path`, a target plug-in, and registers its target.
/// It stays open until the process ends. Fails on a file that is none, or is
/// one of other versions of Ternac and LLVM.
llvm::Error loadTargetPlugin(llvm::StringRef path);
/// The target of that name, or null.
const Target *findTarget(llvm::StringRef name);
/// The same, as an error that lists the targets there are.
llvm::Expected<const Target *> requireTarget(llvm::StringRef name);

} // namespace ternac

#endif // TERNAC_TARGET_TARGET_H
