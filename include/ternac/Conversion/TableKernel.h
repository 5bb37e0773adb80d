//===- TableKernel.h - Ternary matmuls by table look-up ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Strategy `lut`. One byte of weights holds the trits of a group of
// neighbouring columns. For each group, all sums that a byte can select are
// computed once per row of q and written to a table in the scratch of the op;
// then a byte is an index, and the kernel only looks up and adds. Nothing
// multiplies.
//
// A call with few rows of q looks them up one after the other. Per 4 rows, each
// thread builds its share of the tables by a call of
// `tern_build_tables_<packing>_<K>`, waits for the others, and computes its
// rows of the matrix by a call of `tern_matmul_lut_<packing>_<M>x<K>`. With
// many rows of q, blocks of 16 are looked up side by side, as TokenTables.h
// says, by `tern_matmul_lut_<packing>_<M>x<K>_many`.
//
// The layouts have tiles of 64 rows, one byte wide, so that the 64 bytes of a
// block are indices into the same table. How a table lies in memory and is
// looked up is a `TableForm`; a target adds its own by implementing one.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_TABLEKERNEL_H
#define TERNAC_CONVERSION_TABLEKERNEL_H

#include "ternac/Conversion/VectorBuilder.h"
#include "ternac/Packing/Layout.h"

#include <memory>

namespace ternac {

/// The table of a group, and how what its bytes select is summed.
class TableForm {
public:
  explicit TableForm(const packing::Layout &layout) : layout(layout) {}
  virtual ~TableForm() = default;

  /// Rows of the matrix that share the loading of a table: 16, 32, 64 or a
  /// multiple of 64.
  virtual int64_t rowsTogether() const { return 64; }
  /// Rows of q, below MatmulOp::kBlockTokens, that are looked up one after the
  /// other in about the time of a block of them side by side.
  virtual int64_t tokensOfBlock() const = 0;
  /// i16 elements of a table, at most MatmulOp::kTableElements.
  virtual int64_t elements() const = 0;
  /// Groups after which `flush` must be called.
  virtual int64_t groupsPerFlush() const = 0;

  /// Writes a table at `place` in the flat `tables`; `x` are the activations of
  /// the group, an i16 for each digit.
  virtual void build(VectorBuilder &v, llvm::ArrayRef<mlir::Value> x,
                     mlir::Value tables, mlir::Value place) const = 0;

  /// A table of a group and what `load` made of it.
  struct Table {
    mlir::Value tables, place;
    llvm::SmallVector<mlir::Value> values;
  };
  /// What look-ups in a table share.
  virtual llvm::SmallVector<mlir::Value>
  load(VectorBuilder &v, mlir::Value tables, mlir::Value place) const {
    return {};
  }
  /// Accumulators of `rows` rows, at most 64, for the next `groups` groups.
  virtual llvm::SmallVector<mlir::Value> zero(VectorBuilder &v, int64_t rows,
                                              int64_t groups) const = 0;
  /// Adds to `sums` what `rows` bytes, from `byte` in `weights`, select.
  virtual void accumulate(VectorBuilder &v, const Table &table,
                          mlir::Value weights, mlir::Value byte, int64_t rows,
                          llvm::MutableArrayRef<mlir::Value> sums) const = 0;
  /// The i32 accumulators of `rows` rows, zero.
  virtual llvm::SmallVector<mlir::Value> zeroTotals(VectorBuilder &v,
                                                    int64_t rows) const = 0;
  /// Adds `sums` to `totals`.
  virtual void flush(VectorBuilder &v, llvm::ArrayRef<mlir::Value> sums,
                     llvm::MutableArrayRef<mlir::Value> totals) const = 0;
  /// The totals of 16 rows each: vector<16xi32>, in the order of rows.
  virtual llvm::SmallVector<mlir::Value>
  finish(VectorBuilder &v, llvm::ArrayRef<mlir::Value> totals) const = 0;

protected:
  packing::Layout layout;
};

/// Tables of i16 in memory, one element per byte value: needs nothing of the
/// machine.
std::unique_ptr<TableForm> memoryTables(const packing::Layout &layout,
                                        const VectorOptions &options);

/// Replaces `op`, a packed matmul of strategy `lut` in buffer form, by this
/// thread's share of it. Fails with a diagnostic on layouts whose tiles are not
/// 64 rows by one byte.
llvm::LogicalResult lowerToTables(tern::MatmulOp op, VectorBuilder &v,
                                  const TableForm &form);

/// vector<`lanes` x i16> of sums: lane i has `bias` and, for each d,
/// `trit(i, d)` times x[d], by addition and subtraction.
mlir::Value tritSums(VectorBuilder &v, llvm::ArrayRef<mlir::Value> x,
                     int64_t lanes, int64_t bias,
                     llvm::function_ref<int(int64_t lane, int64_t d)> trit);

} // namespace ternac

#endif // TERNAC_CONVERSION_TABLEKERNEL_H
