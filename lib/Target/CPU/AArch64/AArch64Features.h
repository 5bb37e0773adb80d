//===- AArch64Features.h - What AArch64 extensions mean ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_AARCH64_AARCH64FEATURES_H
#define TERNAC_LIB_TARGET_CPU_AARCH64_AARCH64FEATURES_H

#include "../Family.h"

namespace ternac::cpu {

/// Whether the instructions of `target` are those of AArch64: what its other
/// capabilities stand for differs between families.
bool isAArch64(tern::TargetAttr target);

/// What a byte dot product becomes: an instruction, or products of words.
enum class AArch64Product { Signed, Mixed, Words };
/// From the capabilities of `target`.
AArch64Product aarch64Product(tern::TargetAttr target);

/// Bytes of the registers that the family's passes use: those of SVE, or 16.
int64_t registerBytes(tern::TargetAttr target);

/// `arch` is native, an architecture such as armv8.2-a, or an LLVM CPU name;
/// `changes` is "+a,-b". Fails on names that are not known.
llvm::Expected<Machine> resolveAArch64(llvm::StringRef arch,
                                       llvm::StringRef changes);

/// Makes the registers of SVE at least `bits` wide; fails without SVE and on
/// lengths that there are not.
llvm::Error setRegisterBits(Machine &machine, int64_t bits);

} // namespace ternac::cpu

#endif // TERNAC_LIB_TARGET_CPU_AARCH64_AARCH64FEATURES_H
