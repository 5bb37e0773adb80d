//===- Passes.td - Passes for Vulkan -----------------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_VULKAN_PASSES_TD
#define TERNAC_LIB_TARGET_VULKAN_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertKernelsToSPIRVPass
    : Pass<"convert-kernels-to-spirv", "::mlir::ModuleOp"> {
  let summary = "Translates kernels to SPIR-V";
  let description = [{
    Replaces the gpu.module `kernels` by the bytes of a SPIR-V module for Vulkan
    1.2, in the global `ternac.kernels.code`, and launches by `tern.launch`.

    Memory is addressed as it is on the host: a memref is the address of its
    first element, in the storage class PhysicalStorageBuffer, with its sizes and
    strides. A kernel has one push constant of 64 bits, the address of its
    argument words. Sums and products are not contracted.

    Example:

    ```mlir
    // Before.
    module attributes {gpu.container_module} {
      func.func @f(%a: memref<?xf32>, %n: index, %env: !tern.environment) {
        %c1 = arith.constant 1 : index
        gpu.launch_func @kernels::@kernel blocks in (%n, %c1, %c1)
          threads in (%c1, %c1, %c1) args(%a : memref<?xf32>)
        return
      }
      gpu.module @kernels {
        gpu.func @kernel(%a: memref<?xf32>) kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
          gpu.return
        }
      }
    }
    ```

    ```mlir
    // After, in outline.
    module attributes {tern.kernels = {format = "spirv", names = ["kernel"]}} {
      func.func @f(%a: memref<?xf32>, %n: index, %env: !tern.environment) {
        %c1 = arith.constant 1 : index
        tern.launch %env, "vulkan" "kernel" 0 [%n, %c1, %c1, %c1, %c1, %c1](%a) : memref<?xf32>
        return
      }
      llvm.mlir.global internal constant @ternac.kernels.code("...") {addr_space = 0 : i32}
    }
    ```
  }];
  let dependentDialects = ["::mlir::spirv::SPIRVDialect",
                           "::mlir::LLVM::LLVMDialect"];
}

#endif // TERNAC_LIB_TARGET_VULKAN_PASSES_TD
