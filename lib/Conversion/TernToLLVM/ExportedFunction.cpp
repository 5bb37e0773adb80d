//===- ExportedFunction.cpp - The signature of an exported function -------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/ExportedFunction.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

static unsigned countSizes(ArrayRef<ExportedTensor> tensors) {
  unsigned count = 0;
  for (const ExportedTensor &tensor : tensors)
    count += unsigned(tensor.type.getNumDynamicDims());
  return count;
}

unsigned ExportedFunction::argumentSizes() const {
  return countSizes(arguments);
}
unsigned ExportedFunction::resultSizes() const { return countSizes(results); }

FailureOr<ExportedFunction> ternac::readExportedFunction(Operation *function) {
  auto attribute =
      function->getAttrOfType<DictionaryAttr>(TernDialect::kExportedAttr);
  auto type = attribute ? attribute.getAs<TypeAttr>("type") : TypeAttr();
  auto signature =
      type ? dyn_cast<FunctionType>(type.getValue()) : FunctionType();
  ExportedFunction exported;
  exported.name = SymbolTable::getSymbolName(function).str();
  auto read = [&](StringRef key, TypeRange types,
                  SmallVectorImpl<ExportedTensor> &tensors) {
    auto names = attribute.getAs<ArrayAttr>(key);
    if (!names || names.size() != types.size() ||
        !llvm::all_of(names, llvm::IsaPred<StringAttr>) ||
        !llvm::all_of(types, llvm::IsaPred<RankedTensorType>))
      return false;
    for (auto [name, tensor] : llvm::zip(names.getAsRange<StringAttr>(), types))
      tensors.push_back({name.str(), cast<RankedTensorType>(tensor)});
    return true;
  };
  if (!signature ||
      !read("arguments", signature.getInputs(), exported.arguments) ||
      !read("results", signature.getResults(), exported.results))
    return function->emitError("expected '")
           << TernDialect::kExportedAttr << "' of '" << exported.name
           << "' to be what tern-export-functions writes";
  return exported;
}

/// What C calls an element: bits of f16 and bf16 are those of uint16_t.
static StringRef cTypeOf(Type element) {
  if (element.isF32())
    return "float";
  if (element.isF64())
    return "double";
  if (element.isF16() || element.isBF16())
    return "uint16_t";
  switch (element.getIntOrFloatBitWidth()) {
  case 1:
    return "uint8_t";
  case 8:
    return "int8_t";
  case 16:
    return "int16_t";
  case 32:
    return "int32_t";
  default:
    return "int64_t";
  }
}

/// "x: f32 [x_size0, 16]".
static void describe(llvm::raw_ostream &out, const ExportedTensor &tensor) {
  out << " *   " << tensor.name << ": " << tensor.type.getElementType() << " [";
  llvm::interleave(
      llvm::enumerate(tensor.type.getShape()),
      [&](auto dim) {
        if (ShapedType::isDynamic(dim.value()))
          out << tensor.name << "_size" << dim.index();
        else
          out << dim.value();
      },
      [&] { out << ", "; });
  out << "]\n";
}

static std::vector<std::string> sizesOf(const ExportedTensor &tensor) {
  std::vector<std::string> names;
  for (auto [i, size] : llvm::enumerate(tensor.type.getShape()))
    if (ShapedType::isDynamic(size))
      names.push_back("int64_t " + tensor.name + "_size" + std::to_string(i));
  return names;
}

static void declare(llvm::raw_ostream &out, const ExportedFunction &function) {
  std::vector<std::string> parameters, sizes;
  for (const ExportedTensor &tensor : function.arguments) {
    parameters.push_back(
        ("const " + cTypeOf(tensor.type.getElementType()) + " *" + tensor.name)
            .str());
    llvm::append_range(parameters, sizesOf(tensor));
    llvm::append_range(sizes, sizesOf(tensor));
  }
  for (const ExportedTensor &tensor : function.results)
    parameters.push_back(
        (cTypeOf(tensor.type.getElementType()) + " *" + tensor.name).str());
  parameters.push_back("void *workspace");
  parameters.push_back("const TernacEnvironment *environment");
  sizes.push_back("int64_t *result_sizes");
  out << "\n/* Arguments:\n";
  for (const ExportedTensor &tensor : function.arguments)
    describe(out, tensor);
  out << " * Results:\n";
  for (const ExportedTensor &tensor : function.results)
    describe(out, tensor);
  out << " * Returns TERNAC_OK, or TERNAC_ERROR_SIZES if sizes do not fit each "
         "other. */\n"
      << "int32_t " << function.name << "(" << llvm::join(parameters, ",\n    ")
      << ");\n"
      << "/* The bytes of the workspace of " << function.name
      << ", or 0 if sizes do not fit each other. Writes the "
      << function.resultSizes()
      << "\n * sizes of results that are not constants, unless result_sizes is "
         "NULL. */\n"
      << "uint64_t " << function.name << "_sizes(" << llvm::join(sizes, ", ")
      << ");\n";
}

std::string ternac::headerOf(ArrayRef<ExportedFunction> functions,
                             StringRef name) {
  std::string guard = "TERNAC_LIBRARY_";
  for (char c : name)
    guard += llvm::isAlnum(c) ? llvm::toUpper(c) : '_';
  guard += "_H";
  std::string text;
  llvm::raw_string_ostream out(text);
  out << "/* Functions of " << name
      << ". Tensors are row-major, without gaps. The workspace is aligned to\n"
         " * TERNAC_ALIGNMENT bytes; environment may be NULL, for one thread. "
         "Results\n"
         " * overlap neither each other nor arguments. */\n\n"
      << "#ifndef " << guard << "\n#define " << guard << "\n\n"
      << "#include \"ternac/Runtime/ModelABI.h\"\n\n#include <stdint.h>\n\n"
      << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n";
  for (const ExportedFunction &function : functions)
    declare(out, function);
  out << "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
  return text;
}
