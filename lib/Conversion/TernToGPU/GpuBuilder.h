//===- GpuBuilder.h - Kernels whose blocks have rows ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The lowerings of row ops, on a GPU: a row is a block's, its columns are the
// block's threads', one at a time, and what reduces vectors reduces over the
// block. Everything written before the rows are shared out is code of the host,
// which must not touch the memory of the device.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOGPU_GPUBUILDER_H
#define TERNAC_LIB_CONVERSION_TERNTOGPU_GPUBUILDER_H

#include "ternac/Conversion/VectorBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace ternac {

class GpuBuilder : public VectorBuilder {
public:
  /// Threads of a block, unless a kernel asks for more.
  static constexpr int64_t kThreads = 64;
  /// Blocks of a launch at most: what any device can start.
  static constexpr int64_t kMaxBlocks = 65535;

  /// Kernels are named after `kernel`.
  GpuBuilder(mlir::ImplicitLocOpBuilder &builder, mlir::Value environment,
             const VectorOptions &options, std::string kernel)
      : VectorBuilder(builder, environment, options),
        kernel(std::move(kernel)) {}

  /// What kernels are called from now on.
  void nameKernel(std::string name) { kernel = std::move(name); }

  /// Launches a kernel in which each block has rows of [0, count).
  void forThreadRows(mlir::Value count, Body body) override {
    forBlocks(count, kThreads, body);
  }
  /// The same with blocks of `threads` threads.
  void forBlocks(mlir::Value count, int64_t threads, Body body);
  llvm::SmallVector<mlir::Value>
  forColumns(int64_t count, mlir::ValueRange carried,
             llvm::function_ref<llvm::SmallVector<mlir::Value>(
                 mlir::Value column, int64_t width, mlir::ValueRange carried)>
                 body) override;
  using VectorBuilder::forColumns;
  /// Over the one lane of each thread of the block; the same for all threads.
  mlir::Value reduceAdd(mlir::Value vector) override;
  mlir::Value reduceMax(mlir::Value vector) override;
  /// Launches wait for those before them.
  void barrier() override {}

  // In a kernel:
  mlir::Value thread();
  /// How many there are in a block.
  int64_t threads() const { return blockThreads; }
  /// The `value`, of 32 bits, of the thread of the same subgroup whose number
  /// differs in the bits of `mask`. For targets with `subgroup_32`; all threads
  /// of the subgroup take part.
  mlir::Value exchange(mlir::Value value, int64_t mask);
  /// Memory of the block.
  mlir::Value shared(mlir::Type element, int64_t size);
  /// Waits for the threads of the block and shows each what the others stored
  /// in the memory of the block.
  void synchronize();
  mlir::Value isFirstThread();

private:
  mlir::Value
  reduceBlock(mlir::Value vector,
              llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)>);

  std::string kernel;
  mlir::gpu::LaunchOp launch;
  int64_t blockThreads = kThreads;
  /// What reductions use, by type.
  llvm::DenseMap<mlir::Type, mlir::Value> scratch;
};

} // namespace ternac

#endif // TERNAC_LIB_CONVERSION_TERNTOGPU_GPUBUILDER_H
