//===- MatmulKernel.h - What kernels of the matmul share --------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOGPU_MATMULKERNEL_H
#define TERNAC_LIB_CONVERSION_TERNTOGPU_MATMULKERNEL_H

#include "Lowering.h"
#include "WordLoads.h"

namespace ternac::gpulowering {

/// A kernel of one ternary matmul: shapes, and how a sum becomes a number of
/// the result.
class MatmulKernel {
public:
  MatmulKernel(tern::MatmulOp op, GpuBuilder &v)
      : op(op), v(v), layout(op.getPacking()->getLayout()),
        outputs(op.getMatrixRows()), cols(op.getMatrixCols()) {}

protected:
  mlir::Value i32(int64_t value);
  mlir::Value div(mlir::Value a, int64_t c);
  mlir::Value rem(mlir::Value a, int64_t c);
  mlir::Value isBelow(mlir::Value a, mlir::Value c);
  mlir::Value smaller(mlir::Value a, mlir::Value c);
  /// How many groups of `size` rows have all of them.
  mlir::Value groupsOf(mlir::Value rows, int64_t size);

  /// The scale of `output`; null if sums are the result.
  mlir::Value scaleOf(mlir::Value output);
  /// The step of `row`; null if sums are the result.
  mlir::Value stepOf(mlir::Value row);
  /// Stores `sum` or, with what the two functions above gave, the number that
  /// it stands for.
  void store(mlir::Value sum, mlir::Value row, mlir::Value output,
             mlir::Value step, mlir::Value scale);

  tern::MatmulOp op;
  GpuBuilder &v;
  packing::Layout layout;
  int64_t outputs, cols;
};

/// Kernels whose threads take 16 bytes of W at a time, as four words of codes
/// 0, 1, 2. A piece of work is 16 rows of W: a tile of the layout, in which a
/// position is a word of each row, or as many rows without tiles, in which it
/// is four words of one row.
class WordKernel : public MatmulKernel {
public:
  using MatmulKernel::MatmulKernel;

  /// Whether the layout is one that such kernels read, and rows of q can be
  /// read by words; else an error.
  llvm::LogicalResult check(bool wantsTiles);

protected:
  static constexpr int64_t kRows = 16;

  bool hasTiles() const { return layout.rows == kRows; }
  /// Positions of a row of W.
  int64_t positions() const {
    return layout.paddedCols(cols) / layout.digits() / layout.digitStride() *
           (hasTiles() ? layout.blocks : layout.group / kLoadBytes);
  }
  int64_t pieces() const { return (outputs + kRows - 1) / kRows; }
  /// The column that digit 0 of a position begins with.
  mlir::Value columnOf(mlir::Value position);

  /// The four words at byte `place` of W.
  llvm::SmallVector<mlir::Value> loadWeights(mlir::Value place);
  /// `count` words of q.
  llvm::SmallVector<mlir::Value> loadQ(mlir::Value row, mlir::Value column,
                                       int64_t count);
  /// What a position multiplies: of each digit the word, or the four words, of
  /// row `row` of q.
  llvm::SmallVector<llvm::SmallVector<mlir::Value>>
  loadActivations(mlir::Value row, mlir::Value position);
  /// The codes of each digit of a word, as bytes.
  llvm::SmallVector<mlir::Value> unpack(mlir::Value word);
  mlir::Value bits(mlir::Value word, int64_t shift, uint32_t mask);
  mlir::Value times(mlir::Value word, uint32_t factor);
  /// `sum` and the products of four codes and four bytes of q.
  mlir::Value dot(mlir::Value codes, mlir::Value q, mlir::Value sum) {
    return dot4(v, codes, q, sum);
  }

private:
  llvm::SmallVector<mlir::Value> unpackBase3(mlir::Value word);
};

} // namespace ternac::gpulowering

#endif // TERNAC_LIB_CONVERSION_TERNTOGPU_MATMULKERNEL_H
