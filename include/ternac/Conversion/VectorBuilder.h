//===- VectorBuilder.h - Loops and arithmetic on vectors --------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the lowerings of row ops share: loops over columns with a static tail,
// conversions, a deterministic reduction tree and exp. Everything is exact
// about its order of operations: no reassociation, no contraction, FMA where it
// is written and the target has it.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_VECTORBUILDER_H
#define TERNAC_CONVERSION_VECTORBUILDER_H

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace ternac {

/// What a lowering may assume of the target.
struct VectorOptions {
  int64_t lanes = 16;
  int64_t vectorBits = 128; ///< of the widest register
  bool fma = false;
  bool f16Convert = false;
  bool vectorPopcount = false; ///< of i32
  bool bytePopcount = false;
  bool subgroups = false; ///< of 32 threads of a block exchange values
  int64_t registers = 16; ///< of vectors
  /// A register on the stack is found by a product: loops must not spill.
  bool unknownLength = false;

  /// How many tokens, `most` at most, and how many of 16 rows a loop should
  /// take, whose sums of one token are `bits` bits: all, unless it must not
  /// spill; then what has its sums in three eighths of the registers.
  int64_t tokensTogether(int64_t bits, int64_t most) const {
    int64_t fit = registers * vectorBits * 3 / 8 / bits;
    return unknownLength ? std::clamp<int64_t>(fit, 1, most) : most;
  }
  int64_t rowsTogether(int64_t bits) const {
    for (int64_t rows = 16; unknownLength && rows > 4; rows /= 2)
      if (bits * rows / 16 <= registers * vectorBits * 3 / 8)
        return rows;
    return unknownLength ? 4 : 16;
  }
};

/// How far ahead of their use weights are fetched: far into a larger cache,
/// which many fetches can be on their way to, then near into the smallest.
inline constexpr int64_t kFarBytes = 8192, kNearBytes = 1024;

/// Where threads are not those of an environment but a device's, a derived
/// class says what is shared out and reduced among them.
class VectorBuilder {
public:
  VectorBuilder(mlir::ImplicitLocOpBuilder &builder, mlir::Value environment,
                VectorOptions options)
      : b(builder), environment(environment), options(options) {}
  virtual ~VectorBuilder() = default;

  mlir::ImplicitLocOpBuilder &b;
  const mlir::Value environment;
  const VectorOptions options;

  // Constants and index arithmetic.
  mlir::Value index(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value c);
  mlir::Value mul(mlir::Value a, mlir::Value c);
  mlir::Value f32(double value);
  /// `value` in every lane of a vector of `width` f32.
  mlir::Value splat(double value, int64_t width);
  mlir::Value splatI32(int32_t value, int64_t width);
  mlir::Value broadcast(mlir::Value scalar, int64_t width);
  /// A value of an i32 memref as an index.
  mlir::Value loadIndex(mlir::Value memref, mlir::ValueRange indices);

  // Loops.
  using Body = llvm::function_ref<void(mlir::Value)>;
  using CarriedBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::Value, mlir::ValueRange)>;
  void forRange(mlir::Value begin, mlir::Value end, int64_t step, Body body);
  llvm::SmallVector<mlir::Value> forRange(mlir::Value begin, mlir::Value end,
                                          int64_t step, mlir::ValueRange init,
                                          CarriedBody body);
  /// [begin, end) in blocks: as many of sizes[0] as fit, of the rest as many of
  /// sizes[1] as fit, and so on. The last size is 1.
  void
  forBlocks(mlir::Value begin, mlir::Value end, llvm::ArrayRef<int64_t> sizes,
            llvm::function_ref<void(mlir::Value first, int64_t count)> body);
  void ifThen(mlir::Value condition, llvm::function_ref<void()> then);
  void ifThenElse(mlir::Value condition, llvm::function_ref<void()> then,
                  llvm::function_ref<void()> otherwise);
  /// This thread's rows of [0, count).
  virtual void forThreadRows(mlir::Value count, Body body);
  /// This thread's parts of rows [0, count), of which each has `parts`.
  virtual void
  forRowParts(mlir::Value count, int64_t parts,
              llvm::function_ref<void(mlir::Value row, mlir::Value part)> body);
  /// Shares [0, count) out between the threads: to each an equal part, in
  /// multiples of `step`, and what is left, a 1/kShareLeft of all, in pieces to
  /// whoever comes first, so that all finish together however fast they are.
  /// `piece` is a multiple of `step`. A barrier must follow.
  void
  forShares(int64_t count, int64_t step, int64_t piece,
            llvm::function_ref<void(mlir::Value begin, mlir::Value end)> body);
  static constexpr int64_t kShareLeft = 4;
  /// Weights of a piece at least: a few microseconds of work.
  static constexpr int64_t kPieceBytes = 32 * 1024;
  /// All columns [begin, begin + count), `width` at a time: `lanes`, and once
  /// the rest. `carried` vectors have `lanes` lanes; `body` gets the column and
  /// the width.
  virtual llvm::SmallVector<mlir::Value>
  forColumns(int64_t count, mlir::ValueRange carried,
             llvm::function_ref<llvm::SmallVector<mlir::Value>(
                 mlir::Value column, int64_t width, mlir::ValueRange carried)>
                 body);
  void
  forColumns(int64_t count,
             llvm::function_ref<void(mlir::Value column, int64_t width)> body);

  // Memory.
  virtual mlir::Value load(mlir::Value memref, mlir::ValueRange indices,
                           int64_t width);
  /// Loads f32, f16, bf16, i8 or i32 and converts to f32.
  mlir::Value loadF32(mlir::Value memref, mlir::ValueRange indices,
                      int64_t width);
  virtual void store(mlir::Value vector, mlir::Value memref,
                     mlir::ValueRange indices);
  /// Stores a number of a row, or of a part of one, of which all threads that
  /// work on it have the same.
  virtual void storeOnce(mlir::Value number, mlir::Value memref,
                         mlir::ValueRange indices);

  // Arithmetic on vectors (or scalars) of f32.
  mlir::Value addF(mlir::Value a, mlir::Value c);
  mlir::Value subF(mlir::Value a, mlir::Value c);
  mlir::Value mulF(mlir::Value a, mlir::Value c);
  mlir::Value divF(mlir::Value a, mlir::Value c);
  /// a * c + d, fused where the target has it.
  mlir::Value fma(mlir::Value a, mlir::Value c, mlir::Value d);
  /// a > c ? a : c; c when either is NaN.
  mlir::Value maxF(mlir::Value a, mlir::Value c);
  mlir::Value minF(mlir::Value a, mlir::Value c);
  mlir::Value absF(mlir::Value a);
  /// Rounds half to even; exact for |a| < 2^22.
  mlir::Value roundEven(mlir::Value a);
  /// e^a to about 2 ulp; 0 below -87, e^88 above 88.
  mlir::Value exp(mlir::Value a);
  mlir::Value toF32(mlir::Value vector);
  mlir::Value toElement(mlir::Value vector, mlir::Type element);

  /// Widens to `lanes`, `fill` in the new lanes.
  mlir::Value widen(mlir::Value vector, mlir::Value fill);
  /// The same tree for every width that is a power of two.
  virtual mlir::Value reduceAdd(mlir::Value vector);
  virtual mlir::Value reduceMax(mlir::Value vector);
  /// The sums of each of several vectors of i32, as one vector: all together
  /// take far fewer steps than one after the other.
  mlir::Value reduceAddEach(llvm::ArrayRef<mlir::Value> vectors);

  /// sum[i] + a[2i] * c[2i] + a[2i + 1] * c[2i + 1]: i32 lanes of products of
  /// i16.
  mlir::Value addProducts(mlir::Value sum, mlir::Value a, mlir::Value c);

  virtual void barrier();

private:
  mlir::Value reduce(mlir::Value vector,
                     llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)>);
  mlir::Value f16ToF32(mlir::Value vector);
  mlir::Value f32ToF16(mlir::Value vector);
  mlir::Value constantLike(mlir::Value value, double number);
  mlir::Value constantBitsLike(mlir::Value value, uint32_t bits);
  mlir::Value bitsOf(mlir::Value value, mlir::Type element);
};

} // namespace ternac

#endif // TERNAC_CONVERSION_VECTORBUILDER_H
