//===- Passes.td - Passes out of the tern dialect ----------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_PASSES_TD
#define TERNAC_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertTernToVectorPass
    : Pass<"convert-tern-to-vector", "::mlir::ModuleOp"> {
  let summary = "Lowers tern ops on buffers to loops over vectors";
  let description = [{
    Every op becomes loops in which each thread does its share
    (`tern.thread_range`; the last quarter of a large matrix goes in pieces to
    the thread that asks first, `tern.claim`), then a `tern.barrier`. Sums use `lanes` partial sums
    and one fixed tree, whatever the machine, so that results depend on neither
    threads nor chunks. The integer matmuls of strategies `reference`, `add_sub`
    and `lut` become functions of their own,
    `tern_matmul_<strategy>_<packing>_<M>x<K>`; those of other strategies are a
    target's and must be lowered before. Strategy `lut` calls
    `tern_matmul_lut_<packing>_<M>x<K>_many` for blocks of 16 rows of q; what is
    left, unless it is enough to be padded to a block, is a loop over up to 4 rows
    at a time: `tern_build_tables_<packing>_<K>`, a barrier, the kernel. A target
    may have lowered it before, with faster tables for these. Each version of the
    code has kernels of its own, whose names end in `_version1` and so on.

    Example:

    ```mlir
    // Before.
    func.func @f(%a: memref<?x16xf32>, %env: !tern.environment) {
      tern.add %a, %a into %a : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
      return
    }
    ```

    ```mlir
    // After, in outline.
    func.func @f(%a: memref<?x16xf32>, %env: !tern.environment) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %n = memref.dim %a, %c0 : memref<?x16xf32>
      %begin, %end = tern.thread_range %env, %n step 1
      scf.for %row = %begin to %end step %c1 {
        %x = vector.load %a[%row, %c0] : memref<?x16xf32>, vector<16xf32>
        %y = arith.addf %x, %x : vector<16xf32>
        vector.store %y, %a[%row, %c0] : memref<?x16xf32>, vector<16xf32>
      }
      tern.barrier %env
      return
    }
    ```
  }];
  let options = [
    Option<"lanes", "lanes", "int64_t", "16", "elements of a vector">,
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertLinalgToThreadLoopsPass
    : Pass<"convert-linalg-to-thread-loops", "::mlir::ModuleOp"> {
  let summary = "Lowers linalg ops on buffers to loops of threads";
  let description = [{
    Every op becomes a nest of loops, of which each thread does its share of a
    parallel one (`tern.thread_range`), then a `tern.barrier`. The order of a
    reduction is that of the op, whatever the threads. The innermost loop is the
    parallel one that all operands walk through element by element, if there is
    such a loop, and is marked for LLVM's vectoriser. What has nothing to share
    out is done by one thread; so are stores of single elements.

    Copies of buffers whose rows have no static number of columns, or do not
    follow each other, are lowered too; other copies are those of
    convert-tern-to-vector.

    Example:

    ```mlir
    // Before.
    func.func @f(%x: memref<?x16xf32>, %y: memref<?x16xf32>, %env: !tern.environment) {
      linalg.exp ins(%x : memref<?x16xf32>) outs(%y : memref<?x16xf32>)
      return
    }
    ```

    ```mlir
    // After, in outline.
    func.func @f(%x: memref<?x16xf32>, %y: memref<?x16xf32>, %env: !tern.environment) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c16 = arith.constant 16 : index
      %n = memref.dim %x, %c0 : memref<?x16xf32>
      %begin, %end = tern.thread_range %env, %n step 1
      scf.for %i = %begin to %end step %c1 {
        scf.for %j = %c0 to %c16 step %c1 {
          %a = memref.load %x[%i, %j] : memref<?x16xf32>
          %b = math.exp %a : f32
          memref.store %b, %y[%i, %j] : memref<?x16xf32>
        }
      }
      tern.barrier %env
      return
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::ternac::tern::TernDialect"];
}

def ConvertMathToArithPass
    : Pass<"convert-math-to-arith", "::mlir::ModuleOp"> {
  let summary = "Lowers functions that processors do not have to arithmetic";
  let description = [{
    Upstream's polynomials and expansions, in f32: a library has no libm. Math on
    f16 and bf16 is done in f32. Fails on what there is no polynomial for, and on
    f64.

    Example:

    ```mlir
    // Before.
    func.func @f(%x: f32) -> f32 {
      %y = math.sinh %x : f32
      return %y : f32
    }
    ```

    ```mlir
    // After, in outline: the exponentials are polynomials, too.
    func.func @f(%x: f32) -> f32 {
      %half = arith.constant 0.5 : f32
      %a = math.exp %x : f32
      %n = arith.negf %x : f32
      %b = math.exp %n : f32
      %d = arith.subf %a, %b : f32
      %y = arith.mulf %d, %half : f32
      return %y : f32
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::vector::VectorDialect"];
}

def ConvertTernToLLVMPass
    : Pass<"convert-tern-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Lowers the environment of a thread to LLVM";
  let description = [{
    Lowers `tern.barrier`, `tern.thread_range`, `tern.claim`, `tern.granted` and
    `tern.submit` to the LLVM dialect and makes `!tern.environment` a pointer.
    The passes of upstream do the rest. The device that commands are submitted to
    is named by the module's attribute `tern.device` then; there is one at most.

    Example:

    ```mlir
    // Before.
    func.func @f(%env: !tern.environment) {
      tern.barrier %env
      return
    }
    ```

    ```mlir
    // After, in outline.
    func.func @f(%env: !llvm.ptr, %barrier: !llvm.ptr, %context: !llvm.ptr, %thread: i32) {
      llvm.call %barrier(%context, %thread) : !llvm.ptr, (!llvm.ptr, i32) -> ()
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def TernAnnotateLoopsPass
    : Pass<"tern-annotate-loops", "::mlir::ModuleOp"> {
  let summary = "Hands what is known of loops on to LLVM";
  let description = [{
    Upstream's lowering of `scf.for` keeps `llvm.loop_annotation` beside the branch
    that it makes of the loop; here it becomes the branch's own, which ends up in
    LLVM IR.

    Example:

    ```mlir
    // Before.
    llvm.func @f() {
      llvm.br ^bb1
    ^bb1:
      llvm.br ^bb1 {llvm.loop_annotation = #llvm.loop_annotation<vectorize = <disable = false>>}
    }
    ```

    ```mlir
    // After.
    llvm.func @f() {
      llvm.br ^bb1
    ^bb1:
      llvm.br ^bb1 {loop_annotation = #llvm.loop_annotation<vectorize = <disable = false>>}
    }
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def TernEmitModelTablePass
    : Pass<"tern-emit-model-table", "::mlir::ModuleOp"> {
  let summary = "Adds the table that a model library exports";
  let description = [{
    Adds, in the LLVM dialect, the function `ternac_model` and what it returns:
    the facts of the model, the sizes of workspace and cache, and `forward`, of
    `ternac/Runtime/ModelABI.h`, and a list of the versions of the code: of
    `forward` for the baseline, `forward_version1` and so on. Modules without
    `tern.model` are left alone, except that `ternac_kernels` returns the kernels
    of those that have any.

    Example:

    ```mlir
    // Before: no model, so nothing changes.
    module {
      llvm.func @f() {
        llvm.return
      }
    }
    ```

    ```mlir
    // After, in outline, where there is one.
    module {
      llvm.mlir.global internal constant @ternac.table() : !llvm.struct<(i32, i32)> {
        %0 = llvm.mlir.zero : !llvm.struct<(i32, i32)>
        llvm.return %0 : !llvm.struct<(i32, i32)>
      }
      llvm.func @ternac_model() -> !llvm.ptr {
        %0 = llvm.mlir.addressof @ternac.table : !llvm.ptr
        llvm.return %0 : !llvm.ptr
      }
    }
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def ConvertTernToGPUPass : Pass<"convert-tern-to-gpu", "::mlir::ModuleOp"> {
  let summary = "Lowers tern ops on buffers to kernels";
  let description = [{
    Every op becomes a `gpu.launch` in which each block of threads has rows, or
    numbers of the result, and its threads have columns, a few at a time. A group
    of tern-group-rows becomes one launch, in which barriers separate its ops.
    What lies between the launches is code of the host, which touches no memory.

    Example:

    ```mlir
    // Before.
    func.func @f(%a: memref<?x16xf32>, %env: !tern.environment) {
      tern.add %a, %a into %a : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
      return
    }
    ```

    ```mlir
    // After, in outline.
    func.func @f(%a: memref<?x16xf32>, %env: !tern.environment) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c16 = arith.constant 16 : index
      %c64 = arith.constant 64 : index
      %n = memref.dim %a, %c0 : memref<?x16xf32>
      gpu.launch blocks(%row, %by, %bz) in (%gx = %n, %gy = %c1, %gz = %c1)
                 threads(%t, %ty, %tz) in (%sx = %c64, %sy = %c1, %sz = %c1) {
        scf.for %column = %t to %c16 step %c64 {
          %x = vector.load %a[%row, %column] : memref<?x16xf32>, vector<1xf32>
          %y = arith.addf %x, %x : vector<1xf32>
          vector.store %y, %a[%row, %column] : memref<?x16xf32>, vector<1xf32>
        }
        gpu.terminator
      }
      return
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::gpu::GPUDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def TernOutlineKernelsPass
    : Pass<"tern-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "Moves kernels to a module of their own";
  let description = [{
    Every `gpu.launch` becomes a `gpu.launch_func` of a kernel in the gpu.module
    `kernels`; what it captures becomes arguments, but for constants. Equal
    kernels are there once. Fails where the host would touch the memory of the
    device.

    Constants in memory that kernels read are gathered in one global,
    `ternac.kernels.constants`, and taken from the weights of the function: who
    calls it has them on the device. A model has no such constants.

    Example:

    ```mlir
    // Before.
    func.func @f(%a: memref<?xf32>, %n: index) {
      %c1 = arith.constant 1 : index
      gpu.launch blocks(%i, %by, %bz) in (%gx = %n, %gy = %c1, %gz = %c1)
                 threads(%t, %ty, %tz) in (%sx = %c1, %sy = %c1, %sz = %c1) {
        %zero = arith.constant 0.0 : f32
        memref.store %zero, %a[%i] : memref<?xf32>
        gpu.terminator
      }
      return
    }
    ```

    ```mlir
    // After, in outline.
    module attributes {gpu.container_module} {
      func.func @f(%a: memref<?xf32>, %n: index) {
        %c1 = arith.constant 1 : index
        gpu.launch_func @kernels::@kernel blocks in (%n, %c1, %c1)
          threads in (%c1, %c1, %c1) args(%a : memref<?xf32>)
        return
      }
      gpu.module @kernels {
        gpu.func @kernel(%a: memref<?xf32>) kernel {
          %i = gpu.block_id x
          %zero = arith.constant 0.0 : f32
          memref.store %zero, %a[%i] : memref<?xf32>
          gpu.return
        }
      }
    }
    ```
  }];
  let dependentDialects = ["::mlir::gpu::GPUDialect"];
}

#endif // TERNAC_CONVERSION_PASSES_TD
