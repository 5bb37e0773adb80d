//===- X86Features.h - What x86 feature bits mean ---------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_X86_X86FEATURES_H
#define TERNAC_LIB_TARGET_CPU_X86_X86FEATURES_H

#include "../Family.h"

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

/// Whether the instructions of `target` are those of x86: what its other
/// capabilities stand for differs between families.
bool isX86(tern::TargetAttr target);
/// From the capabilities of `target`.
DotInstruction dotInstruction(tern::TargetAttr target);

/// "v3" after a level of x86-64 is the level x86-64-v3.
std::string expandX86(llvm::StringRef previous, llvm::StringRef word);

/// `arch` is native, an x86-64 level, or an LLVM CPU name; `changes` is
/// "+a,-b". Fails on names that LLVM does not know.
llvm::Expected<Machine> resolveX86(llvm::StringRef arch,
                                   llvm::StringRef changes);

} // namespace ternac::cpu

#endif // TERNAC_LIB_TARGET_CPU_X86_X86FEATURES_H
