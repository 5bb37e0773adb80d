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
#include "llvm/Support/raw_ostream.h"

#include <map>
#include <memory>
#include <string>

namespace ternac {

/// `--target=NAME[,KEY=VALUE...]`, split.
struct TargetSpec {
  std::string name;
  std::map<std::string, std::string> values;

  /// The value of `key`, or `orElse` when it is not there.
  llvm::StringRef get(llvm::StringRef key, llvm::StringRef orElse = "") const;
  int64_t getNumber(llvm::StringRef key, int64_t orElse = 0) const;
  /// Words that start with '+' or '-' continue a value that does:
  /// "NAME,features=+a,-b". Fails on a word that is no KEY=VALUE and on a key
  /// given twice.
  static llvm::Expected<TargetSpec> parse(llvm::StringRef text);
  /// The parameters of `attr` that may be keys, its versions aside.
  static TargetSpec of(tern::TargetAttr attr);
};

/// A key that may follow the name of a target.
struct TargetKey {
  enum class Kind { Text, Number }; ///< a number is 0 or more
  llvm::StringRef name;
  /// What its values mean, and what holds when it is not given; for users.
  std::string values, fallback;
  Kind kind = Kind::Text;
  /// Whether it says which machine is meant, as a model does: it is not given
  /// beside one.
  bool namesMachine = false;
};

/// A machine with a name: the key `model=NAME` stands for the keys in `values`,
/// "KEY=VALUE,...", where they are not given themselves. Those that name a
/// machine must not be.
struct TargetModel {
  llvm::StringLiteral name, values;
};

/// What a user may ask of the lowering of matmuls.
struct LoweringChoice {
  std::string strategy = "auto";
  std::string packing = "auto";
};

/// What `emit` writes. Kernels are those of the device beside a host, in the
/// format that its driver takes.
enum class EmitKind { Object, Assembly, LLVMIR, Kernels };

class Target {
public:
  virtual ~Target() = default;

  /// The word after `--target=`.
  virtual llvm::StringRef name() const = 0;
  /// One line for --list-targets.
  virtual llvm::StringRef description() const = 0;
  /// All keys that `resolve` reads; others are refused before it is asked.
  virtual std::vector<TargetKey> keys() const { return {}; }
  /// Machines with a name; where there are any, there is a key `model`.
  virtual llvm::ArrayRef<TargetModel> models() const { return {}; }
  /// Dialects that its passes create or that its dumped phases hold.
  virtual void registerDialects(mlir::DialectRegistry &registry) const = 0;
  /// The full description: values checked, defaults filled in, capabilities
  /// derived. With no keys it describes this host.
  virtual llvm::Expected<tern::TargetAttr>
  resolve(mlir::MLIRContext *context, const TargetSpec &spec) const = 0;
  /// Fails unless `attr`, which came with a module, is a description that
  /// `resolve` gives: code generators abort on impossible ones. Asks `resolve`
  /// with the parameters of `attr` that are keys.
  virtual llvm::Error check(mlir::MLIRContext *context,
                            tern::TargetAttr attr) const;
  /// Passes that write packing and strategy on every ternary matmul.
  virtual void buildConfigurePipeline(mlir::OpPassManager &pm,
                                      const LoweringChoice &choice) const = 0;
  /// Passes from the phase before `phase` to `phase`, for those after `packed`.
  virtual void buildCodegenPipeline(mlir::OpPassManager &pm,
                                    Phase phase) const = 0;
  /// Whether `op` may be alive at the end of `phase`, which is `vectorized` or
  /// `llvm`, though it could not be on a CPU: of a device's own dialect, say.
  virtual bool mayHold(Phase phase, mlir::Operation *op) const { return false; }
  /// The triple of what `emit` writes: that of the machine, unless it is a
  /// device beside a host.
  virtual std::string hostTriple(tern::TargetAttr attr) const {
    return attr.getTripleOrEmpty().str();
  }
  /// Whether `emit` can write that kind of file.
  virtual bool canEmit(EmitKind kind) const {
    return kind != EmitKind::Kernels;
  }
  /// Writes the module, at its last phase, to `out`.
  virtual llvm::Error emit(mlir::ModuleOp module, EmitKind kind,
                           llvm::raw_pwrite_stream &out) const = 0;

protected:
  /// Fails unless `attr` is the description `expected`.
  static llvm::Error
  expectDescription(tern::TargetAttr attr,
                    llvm::Expected<tern::TargetAttr> expected);
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
/// The target that a `--target` text names and what it describes. Models are
/// replaced by their keys and keys checked against `Target::keys`.
llvm::Expected<std::pair<const Target *, tern::TargetAttr>>
resolveTarget(mlir::MLIRContext *context, llvm::StringRef text);
/// What --list-targets says: each target with its keys and models.
void listTargets(llvm::raw_ostream &out);

} // namespace ternac

#endif // TERNAC_TARGET_TARGET_H
