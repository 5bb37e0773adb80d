//===- X86Features.h - What x86 feature bits mean ---------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_X86FEATURES_H
#define TERNAC_LIB_TARGET_CPU_X86FEATURES_H

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "llvm/Support/Error.h"

#include <set>
#include <string>

namespace ternac::cpu {

/// The instruction that a byte dot product becomes, best first.
enum class DotInstruction {
  Vnni512,
  Vnni256,
  Maddubs512,
  Maddubs256,
  Maddubs128,
  Madd128,
  None
};

/// From the capabilities of `target`.
DotInstruction dotInstruction(tern::TargetAttr target);

/// A machine as feature bits.
struct X86Machine {
  std::string cpu;                ///< the LLVM name that code is tuned for
  std::set<std::string> features; ///< every feature that is on

  bool has(llvm::StringRef feature) const {
    return features.count(feature.str()) != 0;
  }
  /// The words of `#tern.target`'s capabilities.
  std::vector<std::string> capabilities() const;
  int64_t vectorBits() const;
  /// "+a,+b": the features that `cpu` alone does not imply.
  std::string extraFeatures() const;
  /// "a,b": what the runtime must find in the CPU before it runs such code.
  std::string requiredFeatures() const;
};

/// `arch` is native, an x86-64 level, or an LLVM CPU name; `changes` is
/// "+a,-b". Fails on names that LLVM does not know.
llvm::Expected<X86Machine> resolveX86(llvm::StringRef arch,
                                      llvm::StringRef changes);

} // namespace ternac::cpu

#endif // TERNAC_LIB_TARGET_CPU_X86FEATURES_H
