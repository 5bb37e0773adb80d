//===- Family.h - A family of instruction sets ------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The target `cpu` is the same for every processor that LLVM writes code for;
// what differs is in a folder per family of instruction sets, which implements
// this interface and is one word in CMakeLists.txt.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_FAMILY_H
#define TERNAC_LIB_TARGET_CPU_FAMILY_H

#include "ternac/Dialect/Tern/IR/Tern.h"
#include "ternac/Target/Target.h"

#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Error.h"
#include "llvm/TargetParser/Triple.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace ternac::cpu {

/// What a family knows of one processor; the fields of `#tern.target`.
struct Machine {
  std::string cpu;      ///< the LLVM name that code is tuned for
  std::string features; ///< "+a,-b": how its features differ from the cpu's
  /// "a,b": what the runtime must find in a processor before it runs the code.
  std::string requiredFeatures;
  /// These and all that they imply, but for what every processor has: how
  /// machines are compared.
  std::set<std::string> allFeatures;
  /// The first is the family's own word, by which its passes know their ops.
  std::vector<std::string> capabilities;
  int64_t vectorBits;
};

/// Bytes of the registers that a family's passes use: 16, 32 or 64, whatever
/// `vector_bits` says.
inline int64_t registerBytesOf(tern::TargetAttr target) {
  return llvm::bit_floor(
      uint64_t(std::clamp<int64_t>(target.getVectorBits() / 8, 16, 64)));
}

class Family {
public:
  virtual ~Family() = default;

  /// For messages and lists.
  virtual llvm::StringRef name() const = 0;
  /// A triple that it accepts, for messages.
  virtual llvm::StringRef exampleTriple() const = 0;
  /// Whether it writes code for `triple`, which is of a 64-bit little-endian
  /// ELF machine.
  virtual bool accepts(const llvm::Triple &triple) const = 0;
  /// What code is for when neither the host nor the user says: every processor
  /// of the family runs it.
  virtual llvm::StringRef baseline() const = 0;
  /// What the values of the key `arch` are beside native and LLVM's names of
  /// CPUs, with examples; for users.
  virtual llvm::StringRef archWords() const = 0;
  /// A name of a list, `previous+word`, written out: families may let `word` be
  /// short for what it has in place of the end of the name before it.
  virtual std::string expandArch(llvm::StringRef previous,
                                 llvm::StringRef word) const {
    return word.str();
  }
  /// `arch` is "native" (on a host of this family), a name of the family's own
  /// or LLVM's name of a CPU; `changes` is "+a,-b". Fails on names that are not
  /// known, with a list of those that are.
  virtual llvm::Expected<Machine> resolve(llvm::StringRef arch,
                                          llvm::StringRef changes) const = 0;
  /// Machines with a name.
  virtual llvm::ArrayRef<TargetModel> models() const { return {}; }
  /// Makes `machine` one whose widest registers have `bits` bits, as far as its
  /// features leave that open, or fails.
  virtual llvm::Error setVectorBits(Machine &machine, int64_t bits) const;
  /// Dialects that its passes create.
  virtual void registerDialects(mlir::DialectRegistry &registry) const {}
  /// Its passes from `bufferized` to `vectorized`. They run for every module
  /// and take the ops whose target has the family's capabilities; what they
  /// leave is lowered to vectors by the generic pass.
  virtual void buildVectorizePipeline(mlir::OpPassManager &pm) const = 0;
  /// How its dialects become LLVM's.
  virtual void
  extendVectorToLLVM(mlir::ConvertVectorToLLVMPassOptions &options) const {}
};

} // namespace ternac::cpu

#endif // TERNAC_LIB_TARGET_CPU_FAMILY_H
