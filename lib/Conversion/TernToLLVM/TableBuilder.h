//===- TableBuilder.h - Writes what a library exports -----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOLLVM_TABLEBUILDER_H
#define TERNAC_LIB_CONVERSION_TERNTOLLVM_TABLEBUILDER_H

#include "ternac/Conversion/ModelFacts.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <functional>

namespace ternac {

/// Writes, in the LLVM dialect, code that reads structs of ModelABI.h and calls
/// compiled functions on all threads, and constants of such structs. Fields are
/// found by the offsets that the C header has: the compiler is built for a
/// 64-bit machine, as its targets are.
class TableBuilder {
public:
  explicit TableBuilder(mlir::ModuleOp module)
      : module(module), b(module.getLoc(), module.getContext()) {
    b.setInsertionPointToEnd(module.getBody());
  }

protected:
  using Value = mlir::Value;

  mlir::Type pointer();
  mlir::Type i8() { return b.getI8Type(); }
  mlir::Type i32() { return b.getI32Type(); }
  mlir::Type i64() { return b.getI64Type(); }
  Value i32(int32_t value);
  Value i64(int64_t value);

  /// A function whose body is written next.
  mlir::LLVM::LLVMFuncOp
  function(llvm::StringRef name, mlir::Type result,
           llvm::ArrayRef<mlir::Type> inputs,
           mlir::LLVM::Linkage linkage = mlir::LLVM::Linkage::Internal);
  /// The field of a struct of the ABI at `offset`.
  Value field(Value base, size_t offset, mlir::Type type);
  Value address(llvm::StringRef symbol);
  Value isNull(Value pointerValue);
  Value isThere(Value pointerValue);
  Value compare(mlir::LLVM::ICmpPredicate predicate, Value a, Value c);
  /// Lets the function that is being written return `code` unless `good`.
  void failUnless(Value good, int32_t code);
  /// The same for a struct that has fewer than `size` bytes, or another version
  /// than ours.
  void checkVersion(Value base, size_t size);

  /// The symbol of the weights, and a slot with its address: the weights may
  /// lie more than 2 GiB away.
  void writeWeights();
  Value embeddedWeights();

  /// What stands for a thread where there is but one.
  void writeNoBarrier();
  /// The function `name`, which each thread runs and which calls `code` with
  /// what `arguments` makes of the call and the thread's frame. Its argument
  /// is what `runOnThreads` gives it. With `device`, or `kernels` as well, the
  /// frame has those of the environment.
  mlir::LLVM::LLVMFuncOp writeBody(
      llvm::StringRef name, mlir::LLVM::LLVMFuncOp code, bool device,
      bool kernels,
      llvm::function_ref<llvm::SmallVector<Value>(Value call, Value frame)>
          arguments);
  /// What threads share of a call.
  Value shareCall(Value environment, Value call);
  /// Runs `body` on all threads of `environment`, one if it is null, and
  /// returns; there are at most `maxThreads`.
  void runOnThreads(Value environment, Value shared, llvm::StringRef body,
                    int32_t maxThreads, bool device);

  /// The arguments of a memref in the converted signature.
  void appendMemRef(llvm::SmallVectorImpl<Value> &arguments, Value base,
                    llvm::ArrayRef<Value> sizes, llvm::ArrayRef<Value> strides);

  void writeString(llvm::StringRef name, llvm::StringRef text);

  /// The fields of a struct of the ABI in order.
  struct Fields {
    llvm::SmallVector<mlir::Type> types;
    llvm::SmallVector<std::function<Value()>> values;
  };
  void addNumber(Fields &fields, mlir::Type type, int64_t value);
  void addNull(Fields &fields);
  void addSymbol(Fields &fields, llvm::StringRef name);
  /// The constant `name`: structs of the same types, one after the other.
  void writeStructs(llvm::StringRef name, llvm::ArrayRef<Fields> structs);

  mlir::ModuleOp module;
  mlir::ImplicitLocOpBuilder b;

private:
  mlir::Type callType();
  Value callField(Value call, int32_t field);
};

} // namespace ternac

#endif // TERNAC_LIB_CONVERSION_TERNTOLLVM_TABLEBUILDER_H
