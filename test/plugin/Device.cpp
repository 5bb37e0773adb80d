//===- Device.cpp - A target plug-in that is no CPU -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A device whose last phase is a dialect of its own, of which `emit` prints the
// names of the ops. It has no lowering: tests give it what it would make.
//
//===----------------------------------------------------------------------===//

#include "ternac/Target/Plugin.h"

#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace ternac;

namespace {

/// Any op whose name begins with "device." is one of its ops.
struct DeviceDialect : Dialect {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DeviceDialect)
  explicit DeviceDialect(MLIRContext *context)
      : Dialect(getDialectNamespace(), context, TypeID::get<DeviceDialect>()) {
    allowUnknownOperations();
  }
  static constexpr StringLiteral getDialectNamespace() { return "device"; }
};

class DeviceTarget final : public Target {
public:
  llvm::StringRef name() const override { return "device"; }
  llvm::StringRef description() const override { return "prints its ops"; }
  void registerDialects(DialectRegistry &registry) const override {
    registry.insert<DeviceDialect>();
  }
  llvm::Expected<tern::TargetAttr> resolve(MLIRContext *context,
                                           const TargetSpec &) const override {
    return tern::TargetAttr::get(context, name(), {}, {}, {}, {}, {},
                                 /*vector_bits=*/8, 0, 0, 0);
  }
  llvm::Error check(MLIRContext *, tern::TargetAttr) const override {
    return llvm::Error::success();
  }
  void buildConfigurePipeline(OpPassManager &,
                              const LoweringChoice &) const override {}
  void buildCodegenPipeline(OpPassManager &, Phase) const override {}
  bool mayHold(Phase phase, Operation *op) const override {
    // It adds matrices as a whole.
    return phase == Phase::LLVM ? isa<DeviceDialect>(op->getDialect())
                                : isa<tern::AddOp>(op);
  }
  bool canEmit(EmitKind kind) const override {
    return kind == EmitKind::Assembly;
  }
  llvm::Error emit(ModuleOp module, EmitKind,
                   llvm::raw_pwrite_stream &out) const override {
    for (Operation &op : module.getOps())
      out << op.getName() << '\n';
    return llvm::Error::success();
  }
};

} // namespace

TERNAC_TARGET_PLUGIN("device", DeviceTarget)
