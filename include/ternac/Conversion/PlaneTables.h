//===- PlaneTables.h - Look-up tables of bytes in registers -----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Forms of tables for machines that look up the bytes of a register in another.
// A sum plus a bias that makes it positive is written as high * radix + low,
// each a byte, and looked up as two bytes. Low bytes are added in words, all of
// them and once more the odd ones: the even ones are the difference. High bytes
// are added in bytes. What the bias adds is known beforehand, so it is what the
// accumulators begin with.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_PLANETABLES_H
#define TERNAC_CONVERSION_PLANETABLES_H

#include "ternac/Conversion/TableKernel.h"

#include <functional>

namespace ternac {

/// What such forms share: the sums of bytes. Rows are taken a register at a
/// time, so that no vector is wider than one.
class PlaneTables : public TableForm {
public:
  /// `width` are the bytes of a register: 16, 32 or 64.
  PlaneTables(const packing::Layout &layout, int64_t width, int64_t radix,
              int64_t bias, int64_t highMost)
      : TableForm(layout), width(width), radix(radix), bias(bias),
        highMost(highMost) {}

  /// High bytes stay below 256, and sums within i16.
  int64_t groupsPerFlush() const override {
    return std::min(255 / highMost, 32767 / (128 * layout.digits()));
  }
  /// Of each register of rows: all low bytes, odd low bytes, high bytes.
  llvm::SmallVector<mlir::Value> zero(VectorBuilder &v, int64_t rows,
                                      int64_t groups) const override;
  llvm::SmallVector<mlir::Value> zeroTotals(VectorBuilder &v,
                                            int64_t rows) const override;
  void accumulate(VectorBuilder &v, const Table &table, mlir::Value weights,
                  mlir::Value byte, int64_t rows,
                  llvm::MutableArrayRef<mlir::Value> sums) const override;
  void flush(VectorBuilder &v, llvm::ArrayRef<mlir::Value> sums,
             llvm::MutableArrayRef<mlir::Value> totals) const override;
  llvm::SmallVector<mlir::Value>
  finish(VectorBuilder &v, llvm::ArrayRef<mlir::Value> totals) const override;

protected:
  /// The low and the high bytes that a register of `weights` selects.
  virtual std::pair<mlir::Value, mlir::Value>
  select(VectorBuilder &v, const Table &table, mlir::Value weights) const = 0;

  // Arithmetic on vectors of integers.
  static mlir::Value splat(VectorBuilder &v, int64_t lanes, unsigned bits,
                           int64_t value);
  /// `vector` with elements of `bits` bits.
  static mlir::Value cast(VectorBuilder &v, mlir::Value vector, unsigned bits);
  /// Of words.
  static mlir::Value shiftLeft(VectorBuilder &v, mlir::Value words, int64_t by);
  static mlir::Value shiftRight(VectorBuilder &v, mlir::Value words,
                                int64_t by);
  static mlir::Value lowByte(VectorBuilder &v, mlir::Value words);
  /// Lane i is lane `from(i)` of `vector`.
  static mlir::Value permute(VectorBuilder &v, mlir::Value vector,
                             int64_t lanes,
                             llvm::function_ref<int64_t(int64_t)> from);

  const int64_t width, radix, bias, highMost;

private:
  mlir::Value timesRadix(VectorBuilder &v, mlir::Value words) const;
};

/// The bytes of a register `table` that those of `indices`, all below 16,
/// select.
using LookUp = std::function<mlir::Value(VectorBuilder &, mlir::Value table,
                                         mlir::Value indices)>;

/// Two-bit bytes by look-ups of each half in 16 bytes, which are repeated to
/// the `width` bytes of a register. `rowsTogether` is what
/// TableForm::rowsTogether returns, `tokensOfBlock` likewise.
std::unique_ptr<TableForm> shuffledTables(const packing::Layout &layout,
                                          int64_t width, int64_t rowsTogether,
                                          int64_t tokensOfBlock, LookUp lookUp);

} // namespace ternac

#endif // TERNAC_CONVERSION_PLANETABLES_H
