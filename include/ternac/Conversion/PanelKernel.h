//===- PanelKernel.h - Ternary matmuls of many rows -------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With many rows of activations (tokens) a matmul is bound by arithmetic, and
// taking the weights apart must not cost more than multiplying them. So a panel
// of the matrix, a few tiles of 16 rows by some hundreds of columns, is
// unpacked to bytes 0, 1, 2 in memory that stays in the first-level cache, and
// then multiplied with all tokens:
//
//   for each panel row (16 * groups rows of the matrix), shared out to threads
//     for each panel of it (columns), its sums being kept
//       unpack: [groups][columns / 4][16 rows][4 columns] bytes
//       for each slot of tokens: sums += activations * panel
//     store the sums of all tokens
//
// The weights are those that single tokens are multiplied with: tiles of 16
// rows by 4 columns. What multiplies a slot with a panel is a `PanelStrategy`;
// a target adds its own by implementing one.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_PANELKERNEL_H
#define TERNAC_CONVERSION_PANELKERNEL_H

#include "ternac/Conversion/MatmulKernel.h"

namespace ternac {

/// One or more slots of tokens and the panel that they are multiplied with.
struct PanelStep {
  mlir::Value q; ///< flat i8
  /// By slot, the place in q of the first token's first column of the panel.
  llvm::SmallVector<mlir::Value> qPlaces;
  int64_t qStride;   ///< from a token to the next
  mlir::Value panel; ///< flat i8
  /// Bytes of a group of 16 rows, and columns of it that count.
  int64_t groupBytes, columns;
  mlir::Value sums; ///< flat i32
  /// By slot, the place in sums of the first token: 16 * groups sums, followed
  /// by those of the next token.
  llvm::SmallVector<mlir::Value> sumPlaces;
};

/// How slots of tokens are multiplied with a panel.
class PanelStrategy {
public:
  virtual ~PanelStrategy() = default;

  /// The word in the kernel's name.
  virtual llvm::StringRef name() const = 0;
  /// Tokens of a slot, and slots that share what is loaded of a panel.
  virtual int64_t tokensPerSlot() const = 0;
  virtual int64_t slotsTogether() const { return 1; }
  /// Groups of 16 rows of a panel.
  virtual int64_t groups() const = 0;
  /// Columns of a panel: a multiple of 320, so of the span of every layout.
  virtual int64_t columns() const = 0;
  /// Columns are multiplied in multiples of this; q must have as many.
  virtual int64_t columnStep() const { return 4; }
  /// Tokens from which on `lowerByRows` prefers panels, more than a few.
  virtual int64_t fewestTokens() const { return tern::MatmulOp::kFewRows + 1; }
  /// Whether calls may have fewer tokens than a slot.
  virtual bool fillsSlots() const { return false; }
  /// The digits of a block as bytes 0, 1, 2.
  virtual llvm::SmallVector<mlir::Value> decode(VectorBuilder &v,
                                                const packing::Layout &layout,
                                                mlir::Value weights) const = 0;
  /// Brings an unpacked group, `columns` columns of 16 rows from `place` of the
  /// flat `panel`, in the order that `multiply` reads.
  virtual void arrange(VectorBuilder &v, mlir::Value panel, int64_t place,
                       int64_t columns) const {}
  /// Adds the products of `step` to its sums.
  virtual void multiply(VectorBuilder &v, const PanelStep &step) const = 0;
};

/// The most bytes of rows of q that a kernel copies to its stack, to fill a
/// slot when a call has fewer tokens.
inline constexpr int64_t kMaxSlotBytes = 1 << 20;

/// Replaces `op`, a packed matmul in buffer form of a layout with panels, by
/// this thread's share of a call of its kernel. The kernel takes as many tokens
/// as fill a slot and more, and fewer if the strategy fills slots and one has
/// at most `kMaxSlotBytes`. `suffix` tells its name from that of a kernel for
/// few tokens.
llvm::LogicalResult lowerToPanels(tern::MatmulOp op, VectorBuilder &v,
                                  const PanelStrategy &strategy,
                                  llvm::StringRef suffix = "");

/// Moves `op` to where `can` is true and writes a matmul of strategy dot, of
/// the same packed weights, for elsewhere.
void leaveRestToDot(tern::MatmulOp op, mlir::Value can);

/// Lowers `op` to a kernel of `blocks` for one or few tokens and, if its layout
/// has panels, to one of `panels`, named `..._many`, for many.
llvm::LogicalResult lowerByRows(tern::MatmulOp op, VectorBuilder &v,
                                const BlockStrategy &blocks,
                                const PanelStrategy &panels);

} // namespace ternac

#endif // TERNAC_CONVERSION_PANELKERNEL_H
