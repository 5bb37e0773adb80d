//===- X86Dot.h - Byte dot products of x86 as operations --------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_X86_X86DOT_H
#define TERNAC_LIB_TARGET_CPU_X86_X86DOT_H

#include "X86Features.h"

#include "ternac/Conversion/DotKernel.h"

namespace ternac::cpu {

/// Sums in i32 lanes or, where the instruction adds pairs of products, in i16
/// lanes. Wider blocks than a register are taken in parts.
class X86Dot final : public ByteDot {
public:
  explicit X86Dot(DotInstruction instruction) : instruction(instruction) {}

  DotInstruction getInstruction() const { return instruction; }
  bool addsPairs() const;
  /// Registers of 512 or of 256 bits.
  bool isWide() const { return parts() == 1; }
  bool isHalf() const { return parts() == 2; }

  /// Two products of a code and an activation, from 2 * 2 * -128 to 2 * 2 *
  /// 127, are added in an i16 lane.
  int64_t dotsThatFit() const override { return addsPairs() ? 64 : 0; }
  mlir::Value zero(VectorBuilder &v) const override;
  mlir::Value dot(VectorBuilder &v, mlir::Value sum, mlir::Value codes,
                  mlir::Value bytes) const override;
  mlir::Value widen(VectorBuilder &v, mlir::Value sums) const override;

  /// vector<32xi16>.
  static mlir::VectorType pairs(VectorBuilder &v);
  static mlir::Value call(VectorBuilder &v, llvm::StringRef name,
                          mlir::VectorType result, mlir::ValueRange arguments);

private:
  int64_t parts() const;
  mlir::Value words(VectorBuilder &v, mlir::Value sum, mlir::Value codes,
                    mlir::Value bytes) const;
  mlir::Value inParts(VectorBuilder &v, llvm::StringRef name,
                      mlir::VectorType type, mlir::ValueRange operands) const;

  DotInstruction instruction;
};

/// `value` in every byte of a block.
mlir::Value splatBytes(VectorBuilder &v, int value);

/// The digits of a block of base-3 bytes, by one look-up of `byte_permute`: 0
/// to 3 as two-bit fields of a byte, and 81 times digit 4.
struct Base3Fields {
  mlir::Value fields, high;
};
Base3Fields base3Fields(VectorBuilder &v, mlir::Value weights);

/// The digits of a block as bytes 0, 1, 2, by `byte_permute` if it is there.
llvm::SmallVector<mlir::Value> decodePanel(VectorBuilder &v,
                                           const packing::Layout &layout,
                                           mlir::Value weights,
                                           bool bytePermute);

} // namespace ternac::cpu

#endif // TERNAC_LIB_TARGET_CPU_X86_X86DOT_H
