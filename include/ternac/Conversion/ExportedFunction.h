//===- ExportedFunction.h - The signature of an exported function -*- C++
//-*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_EXPORTEDFUNCTION_H
#define TERNAC_CONVERSION_EXPORTEDFUNCTION_H

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace ternac {

/// An argument or a result.
struct ExportedTensor {
  std::string name;
  mlir::RankedTensorType type;
};

/// What `tern.exported` says of a function.
struct ExportedFunction {
  std::string name;
  llvm::SmallVector<ExportedTensor> arguments, results;

  /// The numbers of dynamic sizes.
  unsigned argumentSizes() const;
  unsigned resultSizes() const;
};

/// Reads `tern.exported` of `function`, at whatever phase. Emits an error if it
/// is not what tern-export-functions writes.
llvm::FailureOr<ExportedFunction>
readExportedFunction(mlir::Operation *function);

/// The C header of a library of `functions`, to be included beside
/// `ternac/Runtime/ModelABI.h`; `name` is the library's.
std::string headerOf(llvm::ArrayRef<ExportedFunction> functions,
                     llvm::StringRef name);

} // namespace ternac

#endif // TERNAC_CONVERSION_EXPORTEDFUNCTION_H
