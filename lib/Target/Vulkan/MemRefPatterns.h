//===- MemRefPatterns.h - Memory by its address in SPIR-V -------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In a kernel a memref is a struct of i64: the address of its first element,
// its sizes and its strides. A memref in the memory of a block is a pointer to
// an array.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_VULKAN_MEMREFPATTERNS_H
#define TERNAC_LIB_TARGET_VULKAN_MEMREFPATTERNS_H

#include "mlir/Dialect/SPIRV/Transforms/SPIRVConversion.h"

namespace ternac {

/// Words of the struct of a memref of rank `rank`.
inline int64_t memrefWords(int64_t rank) { return 1 + 2 * rank; }

/// Whether `type` lies in the memory of a block.
bool isShared(mlir::MemRefType type);

void addMemRefConversions(mlir::SPIRVTypeConverter &converter);
void populateMemRefPatterns(const mlir::SPIRVTypeConverter &converter,
                            mlir::RewritePatternSet &patterns);

} // namespace ternac

#endif // TERNAC_LIB_TARGET_VULKAN_MEMREFPATTERNS_H
