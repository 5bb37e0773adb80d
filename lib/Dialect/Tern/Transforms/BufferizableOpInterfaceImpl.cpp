//===- BufferizableOpInterfaceImpl.cpp - How tern ops become buffers ------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace ternac::tern;

namespace {

/// The operand that result 0 of a value-form op may be computed into, or null:
/// elementwise updates of their own operand.
OpOperand *inPlaceOperand(Operation *op) {
  auto residual = [](auto op) -> OpOperand * {
    return op.getResidual() ? &*op.getResidualMutable().begin() : nullptr;
  };
  if (auto rescale = dyn_cast<RescaleOp>(op))
    return residual(rescale);
  if (auto matmul = dyn_cast<MatmulOp>(op))
    return residual(matmul);
  if (auto add = dyn_cast<AddOp>(op))
    return &add.getAMutable();
  return nullptr;
}

MemRefType identityMemRef(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  return MemRefType::get(type.getShape(), type.getElementType());
}

/// The rows of the result.
Value resultRows(Operation *op, OpBuilder &builder, ArrayRef<Value> buffers) {
  unsigned rows = getRowsOperand(op).getOperandNumber();
  return memref::DimOp::create(builder, op->getLoc(), buffers[rows], 0);
}

/// A memref of `type` whose only dynamic size, if any, is `rows`.
FailureOr<Value> allocate(OpBuilder &builder, Location loc, MemRefType type,
                          Value rows, const BufferizationOptions &options) {
  SmallVector<Value> sizes(type.getNumDynamicDims(), rows);
  return options.createAlloc(builder, loc, type, sizes);
}

template <typename OpTy>
struct ComputeModel
    : BufferizableOpInterface::ExternalModel<ComputeModel<OpTy>, OpTy> {
  bool bufferizesToAllocation(Operation *op, Value value) const {
    return !inPlaceOperand(op);
  }
  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const AnalysisState &) const {
    return true;
  }
  bool bufferizesToMemoryWrite(Operation *op, OpOperand &operand,
                               const AnalysisState &) const {
    return &operand == inPlaceOperand(op);
  }
  AliasingValueList getAliasingValues(Operation *op, OpOperand &operand,
                                      const AnalysisState &) const {
    if (&operand == inPlaceOperand(op))
      return {{op->getResult(0), BufferRelation::Equivalent}};
    return {};
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      if (!isa<TensorType>(operand.getType())) {
        operands.push_back(operand);
        continue;
      }
      FailureOr<Value> buffer = getBuffer(rewriter, operand, options, state);
      if (failed(buffer))
        return failure();
      operands.push_back(*buffer);
    }

    SmallVector<Value> outs;
    if (OpOperand *inPlace = inPlaceOperand(op)) {
      outs.push_back(operands[inPlace->getOperandNumber()]);
    } else {
      Value rows = resultRows(op, rewriter, operands);
      for (Type type : op->getResultTypes()) {
        FailureOr<Value> out = allocate(rewriter, op->getLoc(),
                                        identityMemRef(type), rows, options);
        if (failed(out))
          return failure();
        outs.push_back(*out);
      }
    }
    size_t results = outs.size();
    if (auto attention = dyn_cast<AttentionOp>(op)) {
      MemRefType out = cast<MemRefType>(outs[0].getType());
      Value rows = resultRows(op, rewriter, operands);
      for (MemRefType scratch :
           {MemRefType::get({out.getDimSize(0), attention.getRowScratch()},
                            out.getElementType()),
            MemRefType::get({attention.getSharedScratch()},
                            out.getElementType())}) {
        FailureOr<Value> buffer =
            allocate(rewriter, op->getLoc(), scratch, rows, options);
        if (failed(buffer))
          return failure();
        outs.push_back(*buffer);
      }
    }
    if (auto matmul = dyn_cast<MatmulOp>(op); matmul && matmul.hasTables()) {
      MemRefType tables =
          MemRefType::get({MatmulOp::kTableRows, matmul.getTableColumns()},
                          rewriter.getI16Type());
      FailureOr<Value> buffer =
          allocate(rewriter, op->getLoc(), tables, /*rows=*/Value(), options);
      if (failed(buffer))
        return failure();
      outs.push_back(*buffer);
    }

    createBufferForm(op, rewriter, operands, outs);
    replaceOpWithBufferizedValues(rewriter, op,
                                  ArrayRef(outs).take_front(results));
    return success();
  }

private:
  /// The same op on buffers. All compute ops list their outs last.
  static void createBufferForm(Operation *op, RewriterBase &rewriter,
                               ArrayRef<Value> operands, ArrayRef<Value> outs) {
    OperationState form(op->getLoc(), op->getName());
    form.addOperands(operands);
    form.addOperands(outs);
    NamedAttrList attributes(op->getAttrDictionary());
    StringRef segments =
        OpTrait::AttrSizedOperandSegments<void>::getOperandSegmentSizeAttr();
    if (auto sizes = attributes.get(segments)) {
      SmallVector<int32_t> updated(cast<DenseI32ArrayAttr>(sizes).asArrayRef());
      updated.back() = outs.size();
      attributes.set(segments, rewriter.getDenseI32ArrayAttr(updated));
    }
    form.addAttributes(attributes);
    rewriter.create(form);
  }
};

struct KVAppendModel
    : BufferizableOpInterface::ExternalModel<KVAppendModel, KVAppendOp> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const AnalysisState &) const {
    return true;
  }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &,
                               const AnalysisState &) const {
    return false;
  }
  AliasingValueList getAliasingValues(Operation *, OpOperand &,
                                      const AnalysisState &) const {
    return {};
  }
  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    auto append = cast<KVAppendOp>(op);
    SmallVector<Value> buffers;
    for (Value tensor : {append.getK(), append.getV(), append.getPositions(),
                         append.getSequences()}) {
      FailureOr<Value> buffer = getBuffer(rewriter, tensor, options, state);
      if (failed(buffer))
        return failure();
      buffers.push_back(*buffer);
    }
    KVAppendOp::create(rewriter, op->getLoc(), TypeRange(), buffers[0],
                       buffers[1], append.getCache(), append.getLayer(),
                       buffers[2], buffers[3]);
    // The cache is one object; what comes after the append sees it changed.
    rewriter.replaceOp(op, append.getCache());
    return success();
  }
};

struct LoadGlobalModel
    : BufferizableOpInterface::ExternalModel<LoadGlobalModel, LoadGlobalOp> {
  bool isWritable(Operation *, Value, const AnalysisState &) const {
    return false;
  }
  FailureOr<BufferLikeType> getBufferType(Operation *, Value value,
                                          const BufferizationOptions &,
                                          const BufferizationState &,
                                          SmallVector<Value> &) const {
    return cast<BufferLikeType>(identityMemRef(value.getType()));
  }
  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &,
                          BufferizationState &) const {
    auto load = cast<LoadGlobalOp>(op);
    Location loc = op->getLoc();
    auto module = op->getParentOfType<ModuleOp>();
    auto weights =
        module->getAttrOfType<WeightsAttr>(TernDialect::kWeightsAttr);
    EntryAttr entry = weights ? weights.lookup(load.getGlobal()) : EntryAttr();
    if (!entry)
      return op->emitOpError("expected an entry for '")
             << load.getGlobal() << "' in '" << TernDialect::kWeightsAttr
             << "'; run tern-pack-weights first";
    Value segment = weightSegment(op->getParentOfType<FunctionOpInterface>());
    if (!segment)
      return op->emitOpError("expected a function argument 'tern.weights'");

    Value shift =
        arith::ConstantIndexOp::create(rewriter, loc, entry.getOffset());
    if (load.getLayer()) {
      Value distance =
          arith::ConstantIndexOp::create(rewriter, loc, entry.getLayerBytes());
      Value layer =
          arith::MulIOp::create(rewriter, loc, load.getLayer(), distance);
      shift = arith::AddIOp::create(rewriter, loc, shift, layer);
    }
    SmallVector<Value> views;
    for (Type type : op->getResultTypes()) {
      // Row scales follow the int8 rows at the next multiple of 64 bytes.
      if (!views.empty()) {
        auto rows = cast<MemRefType>(views.front().getType());
        Value bytes = arith::ConstantIndexOp::create(
            rewriter, loc, llvm::alignTo(rows.getNumElements(), 64));
        shift = arith::AddIOp::create(rewriter, loc, shift, bytes);
      }
      views.push_back(memref::ViewOp::create(
          rewriter, loc, identityMemRef(type), segment, shift, ValueRange()));
    }
    replaceOpWithBufferizedValues(rewriter, op, views);
    return success();
  }

private:
  static Value weightSegment(FunctionOpInterface function) {
    for (unsigned i = 0, e = function.getNumArguments(); i != e; ++i)
      if (function.getArgAttr(i, "tern.weights"))
        return function.getArgument(i);
    return {};
  }
};

} // namespace

void ternac::tern::registerBufferizableOpInterfaceExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, TernDialect *) {
    EmbeddingOp::attachInterface<ComputeModel<EmbeddingOp>>(*context);
    GatherRowsOp::attachInterface<ComputeModel<GatherRowsOp>>(*context);
    AddOp::attachInterface<ComputeModel<AddOp>>(*context);
    RMSNormOp::attachInterface<ComputeModel<RMSNormOp>>(*context);
    RopeOp::attachInterface<ComputeModel<RopeOp>>(*context);
    AttentionOp::attachInterface<ComputeModel<AttentionOp>>(*context);
    GateOp::attachInterface<ComputeModel<GateOp>>(*context);
    LinearOp::attachInterface<ComputeModel<LinearOp>>(*context);
    QuantizeOp::attachInterface<ComputeModel<QuantizeOp>>(*context);
    MatmulOp::attachInterface<ComputeModel<MatmulOp>>(*context);
    RescaleOp::attachInterface<ComputeModel<RescaleOp>>(*context);
    TernaryLinearOp::attachInterface<ComputeModel<TernaryLinearOp>>(*context);
    KVAppendOp::attachInterface<KVAppendModel>(*context);
    LoadGlobalOp::attachInterface<LoadGlobalModel>(*context);
  });
}
