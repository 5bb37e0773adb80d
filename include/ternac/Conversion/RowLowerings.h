//===- RowLowerings.h - Lowerings of ops on buffers, by kind ----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_ROWLOWERINGS_H
#define TERNAC_CONVERSION_ROWLOWERINGS_H

#include "ternac/Conversion/VectorBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ternac {

class NarrowProducts;

/// The cache of a lowered function: the pool of blocks and the block table,
/// [sequences, blocks of a sequence] i32.
struct CacheBuffers {
  mlir::Value pool;
  mlir::Value table;
};

using CacheMap = llvm::DenseMap<mlir::Value, CacheBuffers>;

/// Gives `func` the two memrefs that stand for each of its caches, unless it
/// has them.
CacheMap addCacheBuffers(mlir::func::FuncOp func);

/// Replaces each op of `func` that computes on buffers by what `lower` writes
/// before it, and caches by their memrefs. Fails, with a diagnostic, if `lower`
/// does, if an op has results, and if it has a cache that is no argument.
llvm::LogicalResult
lowerOps(mlir::func::FuncOp func,
         llvm::function_ref<llvm::LogicalResult(
             mlir::Operation *op, mlir::ImplicitLocOpBuilder &builder,
             mlir::Value environment, const CacheMap &caches)>
             lower);

/// Lowers an op that treats rows alone, or appends them to the cache; lets
/// `orElse` lower any other.
llvm::LogicalResult lowerRows(mlir::Operation *op, VectorBuilder &v,
                              const CacheMap &caches,
                              llvm::function_ref<llvm::LogicalResult()> orElse);

// Each writes loops that do the work of the op, this thread's share of it.
void lowerEmbedding(tern::EmbeddingOp op, VectorBuilder &v);
void lowerGatherRows(tern::GatherRowsOp op, VectorBuilder &v);
llvm::LogicalResult lowerCopy(mlir::memref::CopyOp op, VectorBuilder &v);
void lowerAdd(tern::AddOp op, VectorBuilder &v);
void lowerRMSNorm(tern::RMSNormOp op, VectorBuilder &v);
void lowerRope(tern::RopeOp op, VectorBuilder &v);
void lowerGate(tern::GateOp op, VectorBuilder &v);
void lowerQuantize(tern::QuantizeOp op, VectorBuilder &v);
void lowerRescale(tern::RescaleOp op, VectorBuilder &v);
llvm::LogicalResult lowerLinear(tern::LinearOp op, VectorBuilder &v);
void lowerIntegerLinear(tern::LinearOp op, VectorBuilder &v);
llvm::LogicalResult lowerTernaryLinear(tern::TernaryLinearOp op,
                                       VectorBuilder &v);
void lowerKVAppend(tern::KVAppendOp op, VectorBuilder &v,
                   const CacheBuffers &cache);
void lowerAttention(tern::AttentionOp op, VectorBuilder &v,
                    const CacheBuffers &cache,
                    llvm::ArrayRef<const NarrowProducts *> products = {});

} // namespace ternac

#endif // TERNAC_CONVERSION_ROWLOWERINGS_H
