//===- Passes.td - Passes for NVIDIA's GPUs ----------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_NVPTX_PASSES_TD
#define TERNAC_LIB_TARGET_NVPTX_PASSES_TD

include "mlir/Pass/PassBase.td"

def PassKernelWordsPass
    : Pass<"pass-kernel-words", "::mlir::gpu::GPUModuleOp"> {
  let summary = "Makes words of the arguments of kernels";
  let description = [{
    A kernel gets its arguments as `tern.launch` passes them: of a memref the
    address of its first element, in global memory, its sizes and its strides;
    everything else as one word of 64 bits.

    Example:

    ```mlir
    // Before.
    module attributes {gpu.container_module} {
      gpu.module @kernels {
        gpu.func @kernel(%a: memref<?xf32>) kernel {
          gpu.return
        }
      }
    }
    ```

    ```mlir
    // After, in outline.
    module attributes {gpu.container_module} {
      gpu.module @kernels {
        gpu.func @kernel(%a: !llvm.ptr<1>, %size: i64, %stride: i64) kernel {
          gpu.return
        }
      }
    }
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def ConvertKernelsToNVVMPass
    : Pass<"convert-kernels-to-nvvm", "::mlir::gpu::GPUModuleOp"> {
  let summary = "Converts kernels to the dialects LLVM and NVVM";
  let description = [{
    What upstream's `convert-gpu-to-nvvm` does, but without calls of CUDA's device
    library: square roots and absolute values become LLVM's intrinsics. Products
    of bytes, `tern.dot4` and `tern.dot_tile`, become instructions. Kernels say
    how many of their blocks should run at once: with the registers that this
    leaves, assemblers keep loads where they were written, before their uses.

    Example:

    ```mlir
    // Before.
    module attributes {gpu.container_module} {
      gpu.module @kernels {
        gpu.func @kernel(%x: f32) kernel {
          %y = math.sqrt %x : f32
          gpu.return
        }
      }
    }
    ```

    ```mlir
    // After, in outline.
    module attributes {gpu.container_module} {
      gpu.module @kernels {
        llvm.func @kernel(%x: f32) attributes {gpu.kernel, nvvm.kernel} {
          %y = llvm.intr.sqrt(%x) : (f32) -> f32
          llvm.return
        }
      }
    }
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect"];
}

def SerializeKernelsPass : Pass<"serialize-kernels-to-ptx", "::mlir::ModuleOp"> {
  let summary = "Translates kernels to PTX";
  let description = [{
    Replaces the gpu.module `kernels`, which holds the dialects LLVM and NVVM
    alone, by PTX for the processor of `tern.target`, in the global
    `ternac.kernels.code`, and launches by `tern.launch`. Where `ptxas` is found,
    the global `ternac.kernels.object` has what it makes of the PTX. It is looked
    for where the environment variable TERNAC_PTXAS says, or else in PATH, in
    CUDA_HOME and in /usr/local/cuda; TERNAC_PTXAS="" is not to look for it.

    Example:

    ```mlir
    // Before.
    module attributes {gpu.container_module, tern.target =
        #tern.target<name = "nvptx", triple = "nvptx64-nvidia-cuda", cpu = "sm_90">} {
      func.func @f(%n: index, %env: !tern.environment) {
        %c1 = arith.constant 1 : index
        gpu.launch_func @kernels::@kernel blocks in (%n, %c1, %c1)
          threads in (%c1, %c1, %c1)
        return
      }
      gpu.module @kernels {
        llvm.func @kernel() attributes {gpu.kernel, nvvm.kernel} {
          llvm.return
        }
      }
    }
    ```

    ```mlir
    // After, in outline.
    module attributes {tern.kernels = {format = "ptx", names = ["kernel"]}} {
      func.func @f(%n: index, %env: !tern.environment) {
        %c1 = arith.constant 1 : index
        tern.launch %env, "cuda" "kernel" 0 [%n, %c1, %c1, %c1, %c1, %c1]()
        return
      }
      llvm.mlir.global internal constant @ternac.kernels.code("...") {addr_space = 0 : i32}
    }
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // TERNAC_LIB_TARGET_NVPTX_PASSES_TD
