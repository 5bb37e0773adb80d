//===- GpuBuilder.h - Kernels whose blocks have rows ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The lowerings of row ops, on a GPU: a row is a block's, its columns are the
// block's threads', some at a time, and what reduces vectors reduces over the
// block. Where threads go in subgroups, parts of a row are the subgroups'.
// Everything written before the rows are shared out is code of the host, which
// must not touch the memory of the device.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOGPU_GPUBUILDER_H
#define TERNAC_LIB_CONVERSION_TERNTOGPU_GPUBUILDER_H

#include "ternac/Conversion/VectorBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#include <string>

namespace ternac {

/// A kernel that is being written. That of several ops gives each block one
/// row, for which it does the work of one op after the other.
struct KernelLaunch {
  int64_t threads = 0; ///< of a block
  mlir::gpu::LaunchOp op;
  mlir::Value row; ///< the block's, in turn
  std::string name;
  /// Memory that reductions use, by type.
  llvm::DenseMap<mlir::Type, mlir::Value> scratch;
};

class GpuBuilder : public VectorBuilder {
public:
  /// Threads of a block, unless a kernel asks for more.
  static constexpr int64_t kThreads = 64;
  static constexpr int64_t kSubgroup = 32;
  /// Threads of a block at most, without and with subgroups.
  static constexpr int64_t kMostThreads = 128, kMostWithSubgroups = 1024;
  /// Blocks of a launch at most: what any device can start.
  static constexpr int64_t kMaxBlocks = 65535;

  /// Kernels are named after `kernel`. Those of rows become parts of `joined`,
  /// if it is not null.
  GpuBuilder(mlir::ImplicitLocOpBuilder &builder, mlir::Value environment,
             const VectorOptions &options, std::string kernel,
             KernelLaunch *joined = nullptr)
      : VectorBuilder(builder, environment, options), kernel(std::move(kernel)),
        joined(joined) {}

  /// What kernels are called from now on.
  void nameKernel(std::string name) { kernel = std::move(name); }

  /// Launches a kernel in which each block has rows of [0, count).
  void forThreadRows(mlir::Value count, Body body) override;
  void forRowParts(mlir::Value count, int64_t parts,
                   llvm::function_ref<void(mlir::Value row, mlir::Value part)>
                       body) override;
  /// A launch with blocks of `threads` threads: with subgroups a multiple of
  /// theirs, otherwise a power of two.
  void forBlocks(mlir::Value count, int64_t threads, Body body);
  llvm::SmallVector<mlir::Value>
  forColumns(int64_t count, mlir::ValueRange carried,
             llvm::function_ref<llvm::SmallVector<mlir::Value>(
                 mlir::Value column, int64_t width, mlir::ValueRange carried)>
                 body) override;
  using VectorBuilder::forColumns;
  /// At once where the type of the memref and the indices say that the address
  /// is a multiple of the width.
  mlir::Value load(mlir::Value memref, mlir::ValueRange indices,
                   int64_t width) override;
  void store(mlir::Value vector, mlir::Value memref,
             mlir::ValueRange indices) override;
  void storeOnce(mlir::Value number, mlir::Value memref,
                 mlir::ValueRange indices) override;
  /// Over the lanes of all threads that share a row, or a part of one; the same
  /// for all of them.
  mlir::Value reduceAdd(mlir::Value vector) override;
  mlir::Value reduceMax(mlir::Value vector) override;
  /// Launches wait for those before them.
  void barrier() override {}

  /// How many threads pay for rows of `columns` numbers.
  int64_t threadsForColumns(int64_t columns) const;

  // In a kernel:
  /// The number of this thread among those that share a row, or a part of one.
  mlir::Value thread();
  /// How many these are.
  int64_t threads() const { return lane ? kSubgroup : launch->threads; }
  /// Shares [0, count) out among the subgroups, or does one after the other.
  void forParts(int64_t count, Body body);
  /// The `value`, of 32 bits, of the thread of the same subgroup whose number
  /// differs in the bits of `mask`. For targets with `subgroup_32`; all threads
  /// of the subgroup take part.
  mlir::Value exchange(mlir::Value value, int64_t mask);
  /// Memory of the block.
  mlir::Value shared(mlir::Type element, int64_t size);
  /// Waits for the threads of the block and shows each what the others stored
  /// in the memory of the block and of the device.
  void synchronize();
  mlir::Value isFirstThread();
  mlir::Value minus(mlir::Value a, mlir::Value c);
  mlir::Value div(mlir::Value a, int64_t c);
  mlir::Value rem(mlir::Value a, int64_t c);
  mlir::Value isBelow(mlir::Value a, mlir::Value c);

private:
  using Combine = llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)>;

  mlir::Value reduceThreads(mlir::Value own, mlir::Value neutral,
                            Combine combine);
  mlir::Value reduceSubgroup(mlir::Value own, Combine combine);
  mlir::Value reduceSubgroups(mlir::Value own, mlir::Value neutral,
                              Combine combine);
  mlir::Value reduceInMemory(mlir::Value own, Combine combine);
  mlir::Value memoryFor(mlir::Type type, int64_t size);
  mlir::gpu::LaunchOp open(KernelLaunch &kernel, mlir::Value count);

  std::string kernel;
  KernelLaunch *joined;
  KernelLaunch own;
  KernelLaunch *launch = &own;
  /// Among the threads of its subgroup, where that has a part.
  mlir::Value lane;
};

} // namespace ternac

#endif // TERNAC_LIB_CONVERSION_TERNTOGPU_GPUBUILDER_H
