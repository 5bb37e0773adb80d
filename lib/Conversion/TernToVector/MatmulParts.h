//===- MatmulParts.h - What kernels of ternary matmuls share ----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The signature of a kernel, its call, the loading of a block and the storing
// of sums are the same whatever happens in between.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOVECTOR_MATMULPARTS_H
#define TERNAC_LIB_CONVERSION_TERNTOVECTOR_MATMULPARTS_H

#include "ternac/Conversion/MatmulKernel.h"

namespace ternac {

/// The static facts of one kernel.
struct MatmulShape {
  explicit MatmulShape(tern::MatmulOp op);

  packing::Layout layout;
  int64_t rows, cols; ///< M and K, before padding
  int64_t qStride;    ///< columns of q, at least the padded K
  bool tiled() const { return layout.rows > 1; }
  int64_t paddedCols() const { return layout.paddedCols(cols); }
  int64_t superblocks() const { return paddedCols() / layout.span(); }
  /// Bytes of all blocks of one row, or of one tile of rows.
  int64_t groupBytes() const {
    return superblocks() * layout.blocks * layout.tileBytes();
  }
};

/// `tern_matmul_<strategy>_<packing>_<M>x<K>`.
std::string matmulKernelName(llvm::StringRef strategy,
                             const MatmulShape &shape);

/// What a kernel takes.
struct KernelArguments {
  static constexpr unsigned kQ = 0, kSum = 1, kWeights = 2, kOut = 3, kN = 4,
                            kBegin = 5, kEnd = 6, kStep = 7, kScale = 8,
                            kResidual = 9;
};

/// The kernel of `name`: (q, sum, weights, out, n, begin, end), where q is flat
/// and rows begin..end of the matrix are computed for n tokens. Without a
/// rescale out is flat, too; with one, step, scale and the residual, if there
/// is one, follow. The body, if the kernel is new, is written by `body`. Where
/// one shape is stored in several forms, all but the first have it in the name.
mlir::func::FuncOp getMatmulKernel(
    tern::MatmulOp op, std::string name,
    llvm::function_ref<void(VectorBuilder &, mlir::func::FuncOp)> body,
    VectorBuilder &caller);

/// Calls `kernel` for this thread's rows, in multiples of `step`: for its
/// share, then for pieces of `piece` rows, or, with 0, for its share of all.
void callMatmulKernel(tern::MatmulOp op, VectorBuilder &v,
                      mlir::func::FuncOp kernel, int64_t step, int64_t piece);

/// Rows of a piece of the matrix that is worth a call, in multiples of `step`.
int64_t rowsOfPiece(const MatmulShape &shape, int64_t step);

/// Loads the block at `byte`, or as much of it from there on as `rows` rows of
/// a tile have, and fetches others, which will be used later.
mlir::Value loadBlock(VectorBuilder &v, const packing::Layout &layout,
                      mlir::Value weights, mlir::Value byte,
                      int64_t rows = kBlockLanes);

/// The type of rows such as those of the matrix `memref`, wherever they lie.
mlir::MemRefType stridedRows(mlir::Value memref);

/// The scales of rows row .. row + width of a matrix, of which each segment of
/// rows has one of `all`.
mlir::Value scalesOfSegments(VectorBuilder &v, mlir::Value all,
                             llvm::ArrayRef<int64_t> segments, mlir::Value row,
                             int64_t width);

/// Stores sums in `kernel`, a kernel of `op`, as `op` wants them.
class SumStore {
public:
  SumStore(VectorBuilder &v, tern::MatmulOp op, mlir::func::FuncOp kernel,
           const MatmulShape &shape, bool unsignedCodes)
      : v(v), op(op), kernel(kernel), shape(shape),
        unsignedCodes(unsignedCodes) {}

  /// Stores the sums of one token and of the rows of a tile, or of one row:
  /// at `place` of a flat out, or else rescaled.
  void storeSums(mlir::Value lanes, mlir::Value token, mlir::Value row,
                 mlir::Value place);

private:
  void store(mlir::Value sums, int64_t width, mlir::Value token,
             mlir::Value row, mlir::Value place);
  mlir::Value scales(mlir::Value row, int64_t width);

  VectorBuilder &v;
  tern::MatmulOp op;
  mlir::func::FuncOp kernel;
  const MatmulShape &shape;
  bool unsignedCodes;
};

} // namespace ternac

#endif // TERNAC_LIB_CONVERSION_TERNTOVECTOR_MATMULPARTS_H
