//===- WordLoads.h - Memory in words, sums over a block ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What kernels share whose threads load 16 bytes at a time and add up what they
// make of them.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOGPU_WORDLOADS_H
#define TERNAC_LIB_CONVERSION_TERNTOGPU_WORDLOADS_H

#include "GpuBuilder.h"

namespace ternac::gpulowering {

/// Bytes that a thread loads at a time.
inline constexpr int64_t kLoadBytes = 16;

/// What rows of a memref begin at multiples of: 16, 4 or 1 bytes. Buffers begin
/// at multiples of 16.
int64_t rowAlignment(mlir::Value memref);

/// `count` words of the integers or floats from `indices` on, which lie at a
/// multiple of `alignment` bytes.
llvm::SmallVector<mlir::Value> loadWords(GpuBuilder &v, mlir::Value memref,
                                         mlir::ValueRange indices,
                                         int64_t count, int64_t alignment);

/// Calls `write` with 1, 2, 4.. for as many of `rows` as are taken together,
/// and whether these are all: they are but with `most`.
void forRowsTogether(GpuBuilder &v, mlir::Value rows, int64_t most,
                     llvm::function_ref<void(int64_t, bool)> write);

/// `numbers` sums, each of as many parts, which threads of a block have.
class BlockSums {
public:
  BlockSums(GpuBuilder &v, mlir::Type element, int64_t parts, int64_t numbers)
      : v(v), element(element), parts(parts), numbers(numbers),
        memory(v.shared(element, parts * numbers)) {}

  void put(mlir::Value sum, mlir::Value part, mlir::Value number);
  /// Of all parts in ascending order; after `synchronize`.
  mlir::Value total(mlir::Value number);

private:
  GpuBuilder &v;
  mlir::Type element;
  int64_t parts, numbers;
  mlir::Value memory;
};

} // namespace ternac::gpulowering

#endif // TERNAC_LIB_CONVERSION_TERNTOGPU_WORDLOADS_H
