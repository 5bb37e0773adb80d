//===- AArch64Vectors.h - Instructions of AArch64 on blocks -----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_AARCH64_AARCH64VECTORS_H
#define TERNAC_LIB_TARGET_CPU_AARCH64_AARCH64VECTORS_H

#include "AArch64Features.h"

#include "ternac/Conversion/DotKernel.h"

namespace ternac::cpu {

/// An instruction that NEON and SVE both have, by its intrinsics.
struct AArch64Instruction {
  llvm::StringLiteral neon, sve;
};

/// Calls `instruction` on vectors of the bytes of a register: 16, which is
/// NEON's, or more, which is SVE's. These are part of longer registers, where
/// the host has such, and the rest of them is never looked at.
class AArch64Vectors {
public:
  explicit AArch64Vectors(int64_t registerBytes) : bytes(registerBytes) {}

  int64_t registerBytes() const { return bytes; }
  /// `operands` fill a register each, and so does the result.
  mlir::Value call(VectorBuilder &v, const AArch64Instruction &instruction,
                   mlir::VectorType result, mlir::ValueRange operands) const;
  /// The same on vectors of several registers, one after the other.
  mlir::Value callInParts(VectorBuilder &v,
                          const AArch64Instruction &instruction,
                          mlir::VectorType result,
                          mlir::ValueRange operands) const;
  /// The 16 bytes of `vector` in every 16 bytes of a register.
  mlir::Value repeat(VectorBuilder &v, mlir::Value vector) const;

private:
  bool isScalable() const { return bytes > 16; }

  int64_t bytes;
};

/// Byte dot products by `sdot` or `usdot`. Codes are less than 128, so that it
/// is all one which.
class AArch64Dot final : public ByteDot {
public:
  AArch64Dot(AArch64Product product, int64_t registerBytes);

  mlir::Value dot(VectorBuilder &v, mlir::Value sum, mlir::Value codes,
                  mlir::Value bytes) const override;

private:
  AArch64Instruction instruction;
  AArch64Vectors vectors;
};

/// `length` lanes of `vector`, from `first` on.
mlir::Value slice(VectorBuilder &v, mlir::Value vector, int64_t first,
                  int64_t length);

} // namespace ternac::cpu

#endif // TERNAC_LIB_TARGET_CPU_AARCH64_AARCH64VECTORS_H
