//===- Lowering.h - Kernels of the ops that are not row by row --*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOGPU_LOWERING_H
#define TERNAC_LIB_CONVERSION_TERNTOGPU_LOWERING_H

#include "GpuBuilder.h"

#include "ternac/Conversion/RowLowerings.h"

namespace ternac::gpulowering {

llvm::LogicalResult lowerMatmul(tern::MatmulOp op, GpuBuilder &v);
/// The matmul by other strategies than `add_sub`, for any number of rows.
llvm::LogicalResult writeDot(tern::MatmulOp op, GpuBuilder &v);
llvm::LogicalResult writeTile(tern::MatmulOp op, GpuBuilder &v);

/// `sum` and the products of the bytes of `codes`, signed or not, and the
/// signed ones of `q`: an instruction where the target has one.
mlir::Value dot4(GpuBuilder &v, mlir::Value codes, mlir::Value q,
                 mlir::Value sum, bool isSigned = false);

/// The dense layer by 16 bytes at a time; false if rows are no whole ones.
bool writeRows(tern::LinearOp op, GpuBuilder &v);

llvm::LogicalResult lowerLinear(tern::LinearOp op, GpuBuilder &v);
llvm::LogicalResult lowerAttention(tern::AttentionOp op, GpuBuilder &v,
                                   const CacheBuffers &cache);

} // namespace ternac::gpulowering

#endif // TERNAC_LIB_CONVERSION_TERNTOGPU_LOWERING_H
