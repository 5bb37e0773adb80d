//===- MatmulKernel.h - Functions for ternary matmuls -----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every packed `tern.matmul` becomes a call of a function
// `tern_matmul_<strategy>_<packing>_<M>x<K>`, one per shape. This file has the
// loops that all packings of 64-byte blocks share; what happens to a block is a
// strategy's business, and a target adds its own by implementing
// `BlockStrategy`.
//
// A block is 64 bytes of weights: one tile of 16 rows x 4 bytes ("tile"
// packings) or 64 bytes of one row ("row" packings). Each byte holds several
// digits; the activations that belong to digit d lie digitStride columns apart.
// In a tile, 4 activations are broadcast to the 16 rows, so that each i32 lane
// of a byte dot product is one row. A block of bit planes ("planes") is two
// such tiles: the plus bits and the minus bits of 16 rows x 32 columns.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_MATMULKERNEL_H
#define TERNAC_CONVERSION_MATMULKERNEL_H

#include "ternac/Conversion/VectorBuilder.h"
#include "ternac/Packing/Layout.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <limits>

namespace ternac {

/// Bytes of a block and i32 lanes of an accumulator.
inline constexpr int64_t kBlockBytes = 64;
inline constexpr int64_t kBlockLanes = 16;

/// How the blocks of a row or tile are multiplied and summed.
class BlockStrategy {
public:
  virtual ~BlockStrategy() = default;

  /// The word in the kernel's name.
  virtual llvm::StringRef name() const = 0;
  /// True if the sums are of codes 0, 1, 2: the sum of q is then subtracted.
  virtual bool unsignedCodes() const = 0;
  /// True if blocks of `layout` can be added.
  virtual bool reads(const packing::Layout &layout) const;
  /// Rows of a tile that are summed in one pass over its blocks: 4, 8 or 16. Of
  /// a block of one row it is a quarter, half or all that is summed.
  virtual int64_t rowsTogether() const { return kBlockLanes; }
  /// Tokens that share the loading and decoding of a block, at most.
  virtual int64_t tokensTogether() const { return 4; }
  /// True if `accumulate` wants activations as `rewrite` leaves them.
  virtual bool rewritesActivations() const { return false; }
  /// Writes the activations of one superblock, at `place` of the flat memref
  /// `q`, in another form of as many bytes to `newPlace` of `rewritten`.
  virtual void rewrite(VectorBuilder &v, const packing::Layout &layout,
                       mlir::Value q, mlir::Value place, mlir::Value rewritten,
                       mlir::Value newPlace) const {}
  /// Superblocks after which `flush` must be called, or `kNever`. With none
  /// that fits, lowering fails.
  virtual int64_t superblocksPerFlush(const packing::Layout &layout) const = 0;
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  /// Accumulators of one token that are carried through the blocks, zero.
  virtual llvm::SmallVector<mlir::Value>
  zero(VectorBuilder &v, const packing::Layout &layout) const = 0;
  /// Adds one block: `weights` is vector<64xi8>, of bit planes vector<128xi8>;
  /// `activations(token, digit)` gives vector<64xi8>; `sums[token]` are that
  /// token's accumulators. With fewer rows in a pass all have fewer lanes.
  virtual void accumulate(
      VectorBuilder &v, const packing::Layout &layout, mlir::Value weights,
      llvm::function_ref<mlir::Value(int64_t token, int64_t digit)> activations,
      llvm::MutableArrayRef<llvm::SmallVector<mlir::Value>> sums) const = 0;
  /// The sum of the accumulators, per i32 lane: vector<16xi32>, or as
  /// many as are summed in a pass.
  virtual mlir::Value flush(VectorBuilder &v, const packing::Layout &layout,
                            llvm::ArrayRef<mlir::Value> sums) const = 0;
};

/// Additions and subtractions only.
std::unique_ptr<BlockStrategy> addSubStrategy(const VectorOptions &options);
/// The same on bit planes.
std::unique_ptr<BlockStrategy> bitPlaneStrategy(const VectorOptions &options);

/// Replaces `op`, a packed matmul in buffer form, by this thread's share of a
/// call of its kernel, which is created if the module does not have it yet.
/// Fails with a diagnostic on layouts that do not have 64-byte blocks.
llvm::LogicalResult lowerToKernel(tern::MatmulOp op, VectorBuilder &v,
                                  const BlockStrategy &strategy);

/// The same for the definition: scalar loops over unpacked trits.
llvm::LogicalResult lowerToReferenceKernel(tern::MatmulOp op, VectorBuilder &v);

/// The matmuls of `strategy` in buffer form below `module` whose target
/// `accepts`: those that a target's pass lowers.
llvm::SmallVector<tern::MatmulOp>
findMatmuls(mlir::ModuleOp module, tern::Strategy strategy,
            llvm::function_ref<bool(tern::TargetAttr)> accepts);

/// Kernels take matrices as one dimension of unknown size.
mlir::MemRefType flat(mlir::Type element);
/// `memref` of [n, columns] as one dimension.
mlir::Value flatten(VectorBuilder &v, mlir::Value memref);
/// Fails unless q and the outs of `op` can be flattened.
llvm::LogicalResult verifyContiguous(tern::MatmulOp op);
/// The private function `name` of the module of `op`, in the version of the
/// code that `op` is of; if it is new, `body` writes it, without the return.
mlir::func::FuncOp getKernelFunction(
    mlir::Operation *op, llvm::StringRef name, mlir::TypeRange inputs,
    llvm::function_ref<void(VectorBuilder &, mlir::func::FuncOp)> body,
    const VectorBuilder &caller);

/// The same four activations, at `place` of the flat q, for each of `rows`
/// rows: vector<64xi8> for 16.
mlir::Value broadcastFour(VectorBuilder &v, mlir::Value q, mlir::Value place,
                          int64_t rows = kBlockLanes);

/// Four neighbouring i16 lanes are one i32 lane of the result.
mlir::Value addFours(VectorBuilder &v, mlir::Value words);

/// Masks of the bytes of a block whose digit is 2 (+1) and 0 (-1), by digit.
struct DigitMasks {
  mlir::Value plus, minus;
};
llvm::SmallVector<DigitMasks> decodeMasks(VectorBuilder &v,
                                          const packing::Layout &layout,
                                          mlir::Value weights);
/// The digits of a block as bytes 0, 1, 2; with `shifted`, two-bit digits stay
/// in their place: digit d is 4^d times the code.
llvm::SmallVector<mlir::Value> decodeCodes(VectorBuilder &v,
                                           const packing::Layout &layout,
                                           mlir::Value weights,
                                           bool shifted = false);

} // namespace ternac

#endif // TERNAC_CONVERSION_MATMULKERNEL_H
