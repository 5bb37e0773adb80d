//===- DotKernel.h - Ternary matmuls by byte dot products -------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Strategy `dot`: codes 0, 1, 2 are multiplied with activations and summed, by
// whatever a machine has for it. A target implements `ByteDot`, says how many
// sums its registers hold and, where its instructions allow better than
// `decodeCodes`, how a block is taken apart; the rest is the same for all.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_DOTKERNEL_H
#define TERNAC_CONVERSION_DOTKERNEL_H

#include "ternac/Conversion/PanelKernel.h"

namespace ternac {

/// Products of the 64 bytes of a block and of as many activations, and their
/// sums: those of four neighbours in each of 16 lanes of i32, or something
/// narrower that can be made of it.
class ByteDot {
public:
  virtual ~ByteDot() = default;

  /// How often products of codes up to 2 may be added to narrow sums; 0: sums
  /// are vector<16xi32>, which hold any K.
  virtual int64_t dotsThatFit() const { return 0; }
  /// No products.
  virtual mlir::Value zero(VectorBuilder &v) const;
  /// sum + codes * bytes.
  virtual mlir::Value dot(VectorBuilder &v, mlir::Value sum, mlir::Value codes,
                          mlir::Value bytes) const = 0;
  /// Sums as vector<16xi32>.
  virtual mlir::Value widen(VectorBuilder &v, mlir::Value sums) const {
    return sums;
  }
};

/// Products and sums of i16, a lane for each byte: for machines that multiply
/// bytes to words and have nothing that adds neighbours.
const ByteDot &wideningDot();

/// Blocks by a `ByteDot`.
class DotBlocks : public BlockStrategy {
public:
  /// `tokens` have their accumulators in registers.
  DotBlocks(const ByteDot &byteDot, int64_t tokens)
      : byteDot(byteDot), tokens(tokens) {}

  llvm::StringRef name() const override { return "dot"; }
  bool unsignedCodes() const override { return true; }
  int64_t tokensTogether() const override { return tokens; }
  int64_t superblocksPerFlush(const packing::Layout &layout) const override;
  llvm::SmallVector<mlir::Value>
  zero(VectorBuilder &v, const packing::Layout &layout) const override;
  void accumulate(VectorBuilder &v, const packing::Layout &layout,
                  mlir::Value weights,
                  llvm::function_ref<mlir::Value(int64_t, int64_t)> activations,
                  llvm::MutableArrayRef<llvm::SmallVector<mlir::Value>> sums)
      const override;
  mlir::Value flush(VectorBuilder &v, const packing::Layout &layout,
                    llvm::ArrayRef<mlir::Value> sums) const override;

protected:
  /// Accumulators of a token: digit d is added to number d % `sums`.
  virtual int64_t sums(const packing::Layout &layout) const = 0;
  /// The digits of a block as bytes, each `scale` times too large.
  virtual llvm::SmallVector<mlir::Value> decode(VectorBuilder &v,
                                                const packing::Layout &layout,
                                                mlir::Value weights) const;
  /// A power of two or an odd number, the same for all digits of one
  /// accumulator. The sum of a digit that is a power of two too large must stay
  /// below 2^31.
  virtual int64_t scale(const packing::Layout &layout, int64_t digit) const {
    return 1;
  }

  const ByteDot &byteDot;

private:
  int64_t tokens;
};

/// Panels by a `ByteDot`.
class DotPanels : public PanelStrategy {
public:
  struct Sizes {
    /// Tokens of a slot and groups of 16 rows: as many as have their
    /// accumulators in registers.
    int64_t tokens, groups;
    /// Columns of a panel, which with its rows stays in the first-level cache.
    int64_t columns;
    /// Tokens from which on panels are faster than blocks.
    int64_t fewestTokens = tern::MatmulOp::kFewRows + 1;
  };

  DotPanels(const ByteDot &byteDot, const Sizes &sizes)
      : byteDot(byteDot), sizes(sizes) {}

  llvm::StringRef name() const override { return "dot"; }
  int64_t tokensPerSlot() const override { return sizes.tokens; }
  int64_t groups() const override { return sizes.groups; }
  int64_t columns() const override { return sizes.columns; }
  int64_t fewestTokens() const override { return sizes.fewestTokens; }
  llvm::SmallVector<mlir::Value> decode(VectorBuilder &v,
                                        const packing::Layout &layout,
                                        mlir::Value weights) const override;
  void multiply(VectorBuilder &v, const PanelStep &step) const override;

private:
  void multiply(VectorBuilder &v, const PanelStep &step, int64_t first,
                int64_t last) const;

  const ByteDot &byteDot;
  Sizes sizes;
};

} // namespace ternac

#endif // TERNAC_CONVERSION_DOTKERNEL_H
