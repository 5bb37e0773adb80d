//===- RISCVFeatures.h - What RISC-V extensions mean ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_RISCV_RISCVFEATURES_H
#define TERNAC_LIB_TARGET_CPU_RISCV_RISCVFEATURES_H

#include "../Family.h"

namespace ternac::cpu {

/// LLVM's name of a CPU of which nothing is known; here it stands for rv64gc,
/// which every 64-bit Linux machine has.
inline constexpr llvm::StringLiteral kRISCVBaseline = "generic-rv64";

/// Whether the instructions of `target` are those of RISC-V: what its other
/// capabilities stand for differs between families.
bool isRISCV(tern::TargetAttr target);

/// `arch` is native, an LLVM CPU name, an ISA string such as rv64gcv_zvl256b or
/// a profile such as rva23u64; `changes` is "+a,-b". Fails on names that LLVM
/// does not know and on machines without rv64gc.
llvm::Expected<Machine> resolveRISCV(llvm::StringRef arch,
                                     llvm::StringRef changes);

} // namespace ternac::cpu

#endif // TERNAC_LIB_TARGET_CPU_RISCV_RISCVFEATURES_H
