//===- KernelConstants.cpp - Constants where kernels can read them --------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OutlineKernels.h"

#include "ternac/Conversion/Kernels.h"
#include "ternac/Dialect/Tern/IR/Tern.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;
using gpulowering::kConstantAlignment;

namespace {

/// All constants of a module, one after the other.
class Constants {
public:
  explicit Constants(ModuleOp module) : module(module) {}

  /// Makes `get`, an operand of launches, a part of the weights.
  LogicalResult replace(memref::GetGlobalOp get);
  void write();

private:
  FailureOr<int64_t> placeOf(memref::GetGlobalOp get);

  ModuleOp module;
  llvm::DenseMap<StringAttr, int64_t> places; ///< by the name of the global
  std::vector<char> bytes;
};

} // namespace

/// Where the contents of a global lie.
FailureOr<int64_t> Constants::placeOf(memref::GetGlobalOp get) {
  auto global = module.lookupSymbol<memref::GlobalOp>(get.getNameAttr());
  auto [place, isNew] =
      places.try_emplace(get.getNameAttr().getAttr(), bytes.size());
  if (!isNew)
    return place->second;
  ArrayRef<char> data;
  Attribute value = global.getInitialValueAttr();
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(value))
    data = dense.getRawData();
  else if (auto resource = dyn_cast_or_null<DenseResourceElementsAttr>(value))
    data = resource.getData();
  int64_t size = global.getType().getNumElements() *
                 global.getType().getElementTypeBitWidth() / 8;
  bool isSplat = isa_and_present<SplatElementsAttr>(value);
  if (data.empty() || (!isSplat && int64_t(data.size()) != size))
    return get.emitOpError("expected a constant of whole bytes for kernels");
  while (int64_t(bytes.size()) < place->second + size)
    bytes.insert(bytes.end(), data.begin(), data.end());
  bytes.resize(llvm::alignTo(bytes.size(), kConstantAlignment));
  return place->second;
}

LogicalResult Constants::replace(memref::GetGlobalOp get) {
  auto func = get->getParentOfType<func::FuncOp>();
  BlockArgument weights;
  for (BlockArgument argument : func.getArguments())
    if (func.getArgAttr(argument.getArgNumber(), TernDialect::kWeightsAttr))
      weights = argument;
  if (!weights || module->hasAttr(TernDialect::kModelAttr))
    return get.emitOpError("expected what kernels read to be weights");
  FailureOr<int64_t> place = placeOf(get);
  if (failed(place))
    return failure();
  OpBuilder b(get);
  Value at = arith::ConstantIndexOp::create(b, get.getLoc(), *place);
  auto view = memref::ViewOp::create(b, get.getLoc(), get.getType(), weights,
                                     at, ValueRange());
  get.replaceAllUsesWith(view.getResult());
  get.erase();
  return success();
}

void Constants::write() {
  if (bytes.empty())
    return;
  for (const auto &[name, place] : places) {
    auto global = module.lookupSymbol<memref::GlobalOp>(name);
    if (SymbolTable::symbolKnownUseEmpty(global, module))
      global.erase();
  }
  auto b = OpBuilder::atBlockBegin(module.getBody());
  auto type = MemRefType::get({int64_t(bytes.size())}, b.getI8Type());
  auto value = DenseElementsAttr::getFromRawBuffer(
      RankedTensorType::get(type.getShape(), b.getI8Type()), bytes);
  memref::GlobalOp::create(b, module.getLoc(), kKernelConstants,
                           b.getStringAttr("private"), type, value,
                           /*constant=*/true,
                           b.getI64IntegerAttr(kConstantAlignment));
}

LogicalResult ternac::gpulowering::moveConstants(ModuleOp module) {
  llvm::SetVector<Operation *> gets;
  module.walk([&](gpu::LaunchFuncOp launch) {
    for (Value operand : launch.getKernelOperands())
      if (auto get = operand.getDefiningOp<memref::GetGlobalOp>())
        gets.insert(get);
  });
  Constants constants(module);
  for (Operation *get : gets)
    if (failed(constants.replace(cast<memref::GetGlobalOp>(get))))
      return failure();
  constants.write();
  return success();
}
