//===- ExportFunctions.cpp - What a library of functions exports ----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNEXPORTFUNCTIONSPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

/// Whether `name` can be an identifier of C that nothing else is called.
bool isIdentifier(StringRef name) {
  // Of C and C++, and what the generated header uses.
  static const llvm::StringSet<> keywords = {
      "alignas", "alignof",      "and",      "asm",       "catch",
      "class",   "compl",        "concept",  "constexpr", "decltype",
      "delete",  "explicit",     "export",   "false",     "friend",
      "mutable", "namespace",    "new",      "noexcept",  "not",
      "nullptr", "operator",     "or",       "private",   "protected",
      "public",  "requires",     "template", "this",      "throw",
      "true",    "try",          "typeid",   "typename",  "using",
      "virtual", "xor",          "int8_t",   "int16_t",   "int32_t",
      "int64_t", "uint8_t",      "uint16_t", "uint32_t",  "uint64_t",
      "NULL",    "result_sizes", "auto",     "bool",      "break",
      "case",    "char",         "const",    "continue",  "default",
      "do",      "double",       "else",     "enum",      "environment",
      "extern",  "float",        "for",      "goto",      "if",
      "inline",  "int",          "long",     "register",  "restrict",
      "return",  "short",        "signed",   "sizeof",    "static",
      "struct",  "switch",       "typedef",  "union",     "unsigned",
      "void",    "volatile",     "while",    "workspace"};
  return !name.empty() && !llvm::isDigit(name.front()) &&
         llvm::all_of(name,
                      [](char c) { return llvm::isAlnum(c) || c == '_'; }) &&
         !name.starts_with("_") && !name.starts_with("ternac_") &&
         !name.starts_with("Ternac") && !name.starts_with("TERNAC_") &&
         !keywords.contains(name);
}

struct ExportFunctions
    : ternac::tern::impl::TernExportFunctionsPassBase<ExportFunctions> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (module->hasAttr(TernDialect::kModelAttr))
      return;
    for (func::FuncOp func : module.getOps<func::FuncOp>())
      if (func.isPublic() && !func.isExternal() &&
          !func->hasAttr(TernDialect::kExportedAttr) &&
          failed(exportFunction(func)))
        return signalPassFailure();
  }

private:
  LogicalResult exportFunction(func::FuncOp func) {
    if (!isIdentifier(func.getName()))
      return func.emitOpError("expected the name of an exported function to be "
                              "a C identifier that is no keyword and begins "
                              "with neither '_' nor 'ternac_'");
    if (getOperation().lookupSymbol((func.getName() + "_sizes").str()))
      return func.emitOpError("expected no other symbol '")
             << func.getName() << "_sizes', which a library exports beside '"
             << func.getName() << "'";
    if (func.getNumResults() == 0)
      return func.emitOpError("expected an exported function to have a result; "
                              "make it private, or remove it");
    SmallVector<Attribute> arguments, results;
    llvm::StringSet<> known;
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      if (failed(add(func, func.getArgument(i).getType(),
                     func.getArgAttr(i, TernDialect::kNameAttr),
                     "arg" + Twine(i), arguments, known)))
        return failure();
    for (unsigned i = 0; i < func.getNumResults(); ++i)
      if (failed(add(func, func.getResultTypes()[i],
                     func.getResultAttr(i, TernDialect::kNameAttr),
                     "result" + Twine(i), results, known)))
        return failure();
    Builder b(&getContext());
    func->setAttr(
        TernDialect::kExportedAttr,
        b.getDictionaryAttr(
            {b.getNamedAttr("arguments", b.getArrayAttr(arguments)),
             b.getNamedAttr("results", b.getArrayAttr(results)),
             b.getNamedAttr("type", TypeAttr::get(func.getFunctionType()))}));
    return success();
  }

  /// Appends the name of an argument or a result of type `type` to `names`.
  LogicalResult add(func::FuncOp func, Type type, Attribute given,
                    const Twine &fallback, SmallVectorImpl<Attribute> &names,
                    llvm::StringSet<> &known) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    Type element = tensor ? tensor.getElementType() : Type();
    if (!tensor ||
        !(element.isF16() || element.isBF16() || element.isF32() ||
          element.isF64() || element.isSignlessInteger(1) ||
          element.isSignlessInteger(8) || element.isSignlessInteger(16) ||
          element.isSignlessInteger(32) || element.isSignlessInteger(64)))
      return func.emitOpError(
                 "expected an exported function to take and return "
                 "ranked tensors of i1, i8, i16, i32, i64, f16, "
                 "bf16, f32 or f64, but got ")
             << type;
    auto name = given ? dyn_cast<StringAttr>(given)
                      : StringAttr::get(&getContext(), fallback);
    if (!name || !isIdentifier(name.getValue()))
      return func.emitOpError("expected '")
             << TernDialect::kNameAttr
             << "' to be a string, a C identifier that is no keyword, but got "
             << (name ? Attribute(name) : given);
    if (!known.insert(name.getValue()).second)
      return func.emitOpError("expected arguments and results of different "
                              "names, but two are called ")
             << name;
    // The header calls dynamic sizes so.
    for (int64_t i = 0; i < tensor.getRank(); ++i)
      if (tensor.isDynamicDim(i))
        known.insert((name.getValue() + "_size" + Twine(i)).str());
    names.push_back(name);
    return success();
  }
};

} // namespace
