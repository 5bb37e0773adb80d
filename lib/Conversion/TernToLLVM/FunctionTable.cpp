//===- FunctionTable.cpp - What a library of functions exports ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FunctionTable.h"
#include "TableBuilder.h"

#include "ternac/Conversion/ExportedFunction.h"
#include "ternac/Runtime/ModelABI.h"

#include <cstddef>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

uint32_t elementCode(Type element) {
  if (element.isF16())
    return TERNAC_F16;
  if (element.isBF16())
    return TERNAC_BF16;
  if (element.isF32())
    return TERNAC_F32;
  if (element.isF64())
    return TERNAC_F64;
  switch (element.getIntOrFloatBitWidth()) {
  case 1:
    return TERNAC_I1;
  case 8:
    return TERNAC_I8;
  case 16:
    return TERNAC_I16;
  case 32:
    return TERNAC_I32;
  default:
    return TERNAC_I64;
  }
}

class FunctionTableWriter : TableBuilder {
public:
  FunctionTableWriter(ModuleOp module, TargetAttr target)
      : TableBuilder(module), target(target) {}

  LogicalResult write() {
    SmallVector<LLVM::LLVMFuncOp> functions;
    for (auto func : module.getOps<LLVM::LLVMFuncOp>())
      if (func->hasAttr(TernDialect::kExportedAttr))
        functions.push_back(func);
    if (functions.empty())
      return success();
    for (auto func : module.getOps<LLVM::LLVMFuncOp>())
      if (!func.isExternal())
        func.setLinkage(LLVM::Linkage::Internal);
    writeWeights();
    writeNoBarrier();
    for (LLVM::LLVMFuncOp func : functions)
      if (failed(writeFunction(func)))
        return failure();
    writeStructs(kFunctions, table);
    writeTable();
    return success();
  }

private:
  LogicalResult writeFunction(LLVM::LLVMFuncOp func) {
    FailureOr<ExportedFunction> exported = readExportedFunction(func);
    if (failed(exported))
      return failure();
    std::string name = func.getName().str();
    auto sizes = module.lookupSymbol<LLVM::LLVMFuncOp>(nameOfSizes(name));
    unsigned words = 0;
    for (const ExportedTensor &tensor : llvm::concat<const ExportedTensor>(
             exported->arguments, exported->results))
      words += 3 + 2 * tensor.type.getRank();
    // Workspace and weights, and the frame of the thread.
    words += 5 + 5 + 1;
    if (!sizes || func.getNumArguments() != words ||
        sizes.getNumArguments() != exported->argumentSizes())
      return func.emitError("expected the exported function '")
             << name << "' to be lowered from phase 'bufferized'";
    func.setName(name + ".body");
    func->removeAttr(TernDialect::kExportedAttr);

    current = &*exported;
    writeSizes(name, sizes);
    writeThread(name, func);
    writeCall(name);
    writeEntryPoint(name);
    describe(name);
    return success();
  }

  std::string local(StringRef what, StringRef name) {
    return ("ternac." + what + "." + name).str();
  }
  /// Element `index` of the array `base`.
  Value element(Value base, int64_t index, Type type) {
    return field(base, size_t(index) * 8, type);
  }
  void storeElement(Value value, Value base, int64_t index) {
    Value place = LLVM::GEPOp::create(
        b, pointer(), i8(), base, ArrayRef<LLVM::GEPArg>{int32_t(index * 8)});
    LLVM::StoreOp::create(b, value, place);
  }
  /// Room for `count` words, at least one.
  Value words(size_t count) {
    return LLVM::AllocaOp::create(b, pointer(), i64(),
                                  i64(int64_t(std::max<size_t>(count, 1))));
  }

  /// TernacFunction.sizes.
  void writeSizes(StringRef name, LLVM::LLVMFuncOp sizes) {
    auto func = function(local("sizes", name), i64(), {pointer(), pointer()});
    SmallVector<Value> given;
    Value fits =
        LLVM::ConstantOp::create(b, b.getI1Type(), b.getBoolAttr(true));
    for (unsigned i = 0; i < current->argumentSizes(); ++i) {
      given.push_back(element(func.getArgument(0), i, i64()));
      Value isSize = compare(LLVM::ICmpPredicate::sge, given.back(), i64(0));
      fits = LLVM::AndOp::create(b, fits, isSize);
    }
    Block *check = b.getInsertionBlock();
    Block *bad = b.createBlock(&func.getBody());
    LLVM::ReturnOp::create(b, i64(0));
    Block *good = b.createBlock(&func.getBody());
    b.setInsertionPointToEnd(check);
    LLVM::CondBrOp::create(b, fits, good, bad);
    b.setInsertionPointToEnd(good);
    Value values = LLVM::CallOp::create(b, sizes, given).getResult();
    auto part = [&](int64_t i) -> Value {
      return LLVM::ExtractValueOp::create(b, values, i);
    };
    unsigned results = current->resultSizes();
    Block *fitting = b.createBlock(&func.getBody());
    b.setInsertionPointToEnd(good);
    LLVM::CondBrOp::create(b, part(0), fitting, bad);
    b.setInsertionPointToEnd(fitting);
    Block *store = b.createBlock(&func.getBody());
    Block *end = b.createBlock(&func.getBody());
    b.setInsertionPointToEnd(fitting);
    LLVM::CondBrOp::create(b, isThere(func.getArgument(1)), store, end);
    b.setInsertionPointToEnd(store);
    for (unsigned i = 0; i < results; ++i)
      storeElement(part(1 + i), func.getArgument(1), i);
    LLVM::BrOp::create(b, ValueRange(), end);
    b.setInsertionPointToEnd(end);
    LLVM::ReturnOp::create(
        b, LLVM::UMaxOp::create(b, part(1 + results), i64(TERNAC_ALIGNMENT))
               .getRes());
  }

  /// What each thread runs. The sizes of results follow those of arguments
  /// where `argument_sizes` points to.
  void writeThread(StringRef name, LLVM::LLVMFuncOp code) {
    writeBody(local("thread", name), code, /*device=*/false,
              /*kernels=*/false, [&](Value call, Value frame) {
                return codeArguments(call, frame);
              });
  }

  SmallVector<Value> codeArguments(Value call, Value frame) {
    SmallVector<Value> values;
    auto data = [&](size_t offset) { return field(call, offset, pointer()); };
    Value sizes = data(offsetof(TernacFunctionCall, argument_sizes));
    unsigned next = 0;
    auto append = [&](size_t offset, ArrayRef<ExportedTensor> tensors) {
      Value pointers = data(offset);
      for (auto [i, tensor] : llvm::enumerate(tensors)) {
        SmallVector<Value> shape, strides(tensor.type.getRank());
        for (int64_t size : tensor.type.getShape())
          shape.push_back(ShapedType::isDynamic(size)
                              ? element(sizes, next++, i64())
                              : i64(size));
        Value stride = i64(1);
        for (size_t dim = shape.size(); dim-- > 0;) {
          strides[dim] = stride;
          stride = LLVM::MulOp::create(b, stride, shape[dim]);
        }
        appendMemRef(values, element(pointers, i, pointer()), shape, strides);
      }
    };
    append(offsetof(TernacFunctionCall, arguments), current->arguments);
    append(offsetof(TernacFunctionCall, results), current->results);
    Value one = i64(1), many = i64(INT64_MAX);
    appendMemRef(values, data(offsetof(TernacFunctionCall, workspace)), many,
                 one);
    Value given = data(offsetof(TernacFunctionCall, weights));
    Value weights =
        LLVM::SelectOp::create(b, isNull(given), embeddedWeights(), given);
    appendMemRef(values, weights, many, one);
    values.push_back(frame);
    return values;
  }

  /// TernacFunction.call: checks the call and computes the sizes of results,
  /// then runs on all threads.
  void writeCall(StringRef name) {
    auto func = function(local("call", name), i32(), {pointer(), pointer()});
    Value environment = func.getArgument(0), call = func.getArgument(1);
    checkVersion(call, sizeof(TernacFunctionCall));
    unsigned given = current->argumentSizes();
    Value sizes = words(given + current->resultSizes());
    Value argumentSizes =
        field(call, offsetof(TernacFunctionCall, argument_sizes), pointer());
    for (unsigned i = 0; i < given; ++i)
      storeElement(element(argumentSizes, i, i64()), sizes, i);
    Value resultSizes = LLVM::GEPOp::create(
        b, pointer(), i8(), sizes, ArrayRef<LLVM::GEPArg>{int32_t(given * 8)});
    Value bytes =
        LLVM::CallOp::create(b, TypeRange{i64()}, local("sizes", name),
                             ValueRange{sizes, resultSizes})
            .getResult();
    failUnless(compare(LLVM::ICmpPredicate::ne, bytes, i64(0)),
               TERNAC_ERROR_SIZES);
    // The same call, with all sizes.
    constexpr size_t size = sizeof(TernacFunctionCall);
    Value copy = words(size / 8);
    for (size_t i = 0; i < size / 8; ++i)
      storeElement(element(call, int64_t(i), i64()), copy, int64_t(i));
    storeElement(sizes, copy, offsetof(TernacFunctionCall, argument_sizes) / 8);
    Value shared = shareCall(environment, copy);
    runOnThreads(environment, shared, local("thread", name), kMaxThreads,
                 /*device=*/false);
  }

  /// The function of C: each argument is followed by its dynamic sizes, then
  /// come the results, the workspace and the environment. And the function
  /// `NAME_sizes` of the sizes and a pointer for those of the results.
  void writeEntryPoint(StringRef name) {
    SmallVector<Type> inputs, sizeInputs(current->argumentSizes(), i64());
    for (const ExportedTensor &tensor : current->arguments) {
      inputs.push_back(pointer());
      inputs.append(size_t(tensor.type.getNumDynamicDims()), i64());
    }
    inputs.append(current->results.size() + 2, pointer());
    auto func = function(name, i32(), inputs, LLVM::Linkage::External);
    Value arguments = words(current->arguments.size());
    Value sizes = words(current->argumentSizes());
    Value results = words(current->results.size());
    unsigned next = 0, size = 0;
    for (auto [i, tensor] : llvm::enumerate(current->arguments)) {
      storeElement(func.getArgument(next++), arguments, int64_t(i));
      for (int64_t n = tensor.type.getNumDynamicDims(); n-- > 0;)
        storeElement(func.getArgument(next++), sizes, size++);
    }
    for (size_t i = 0; i < current->results.size(); ++i)
      storeElement(func.getArgument(next++), results, int64_t(i));
    Value workspace = func.getArgument(next++);
    Value environment = func.getArgument(next++);
    Value call = words(sizeof(TernacFunctionCall) / 8);
    Value header = i64(int64_t(sizeof(TernacFunctionCall)) |
                       int64_t(TERNAC_ABI_VERSION) << 32);
    Value null = LLVM::ZeroOp::create(b, pointer());
    SmallVector<Value> fields = {header,  arguments, sizes,
                                 results, workspace, null};
    for (auto [i, value] : llvm::enumerate(fields))
      storeElement(value, call, int64_t(i));
    LLVM::ReturnOp::create(
        b, LLVM::CallOp::create(b, TypeRange{i32()}, local("call", name),
                                ValueRange{environment, call})
               .getResult());

    sizeInputs.push_back(pointer());
    auto sizesOf = function((name + "_sizes").str(), i64(), sizeInputs,
                            LLVM::Linkage::External);
    Value given = words(current->argumentSizes());
    for (unsigned i = 0; i < current->argumentSizes(); ++i)
      storeElement(sizesOf.getArgument(i), given, i);
    Value out = sizesOf.getArgument(current->argumentSizes());
    LLVM::ReturnOp::create(b, LLVM::CallOp::create(b, TypeRange{i64()},
                                                   local("sizes", name),
                                                   ValueRange{given, out})
                                  .getResult());
  }

  /// Adds the function to the list.
  void describe(StringRef name) {
    writeString(local("name", name), name);
    writeTensors(local("arguments", name), current->arguments);
    writeTensors(local("results", name), current->results);
    Fields &fields = table.emplace_back();
    addNumber(fields, i32(), sizeof(TernacFunction));
    addNumber(fields, i32(), TERNAC_ABI_VERSION);
    addSymbol(fields, local("name", name));
    addNumber(fields, i32(), int64_t(current->arguments.size()));
    addNumber(fields, i32(), int64_t(current->results.size()));
    if (current->arguments.empty())
      addNull(fields);
    else
      addSymbol(fields, local("arguments", name));
    addSymbol(fields, local("results", name));
    addSymbol(fields, local("sizes", name));
    addSymbol(fields, local("call", name));
    static_assert(offsetof(TernacFunction, arguments) == 24 &&
                  offsetof(TernacFunction, call) == 48 &&
                  sizeof(TernacFunction) == 56);
  }

  void writeTensors(const std::string &name, ArrayRef<ExportedTensor> tensors) {
    if (tensors.empty())
      return;
    SmallVector<Fields> structs;
    for (auto [i, tensor] : llvm::enumerate(tensors)) {
      std::string own = name + "." + std::to_string(i);
      writeString(own, tensor.name);
      int64_t rank = tensor.type.getRank();
      if (rank != 0) {
        b.setInsertionPointToEnd(module.getBody());
        SmallVector<int64_t> shape;
        for (int64_t size : tensor.type.getShape())
          shape.push_back(ShapedType::isDynamic(size) ? -1 : size);
        LLVM::GlobalOp::create(
            b, LLVM::LLVMArrayType::get(i64(), rank), /*isConstant=*/true,
            LLVM::Linkage::Internal, own + ".shape",
            DenseElementsAttr::get(RankedTensorType::get({rank}, i64()),
                                   ArrayRef(shape)));
      }
      Fields &fields = structs.emplace_back();
      addNumber(fields, i32(), sizeof(TernacTensor));
      addNumber(fields, i32(), TERNAC_ABI_VERSION);
      addSymbol(fields, own);
      addNumber(fields, i32(), elementCode(tensor.type.getElementType()));
      addNumber(fields, i32(), rank);
      if (rank != 0)
        addSymbol(fields, own + ".shape");
      else
        addNull(fields);
      static_assert(offsetof(TernacTensor, shape) == 24 &&
                    sizeof(TernacTensor) == 32);
    }
    writeStructs(name, structs);
  }

  void writeTable() {
    std::string text;
    llvm::raw_string_ostream(text) << target;
    writeString("ternac.target", text);
    writeString("ternac.cpu_features", target.getRequiredFeaturesOrEmpty());
    writeString("ternac.facts", "{}");
    writeString("ternac.device", "");
    auto weights =
        module->getAttrOfType<WeightsAttr>(TernDialect::kWeightsAttr);
    Fields fields;
    addNumber(fields, i32(), sizeof(TernacModel));
    addNumber(fields, i32(), TERNAC_ABI_VERSION);
    for (int i = 0; i < 6; ++i) // the facts of a model
      addNumber(fields, i32(), 0);
    addNumber(fields, i32(), kMaxThreads);
    addNumber(fields, i32(), /*end_token_count=*/0);
    addNull(fields);
    addNumber(fields, i32(), /*begin_token=*/-1);
    addNumber(fields, i32(), /*weights_embedded=*/1);
    addNumber(fields, i64(), weights ? int64_t(weights.getTotalBytes()) : 0);
    addSymbol(fields, "ternac.target");
    addSymbol(fields, "ternac.cpu_features");
    addSymbol(fields, "ternac.facts");
    addSymbol(fields, kWeightsSymbol);
    for (int i = 0; i < 3; ++i) // workspace_bytes, cache_bytes, forward
      addNull(fields);
    addSymbol(fields, "ternac.device");
    addNull(fields); // versions
    addNumber(fields, i32(), 0);
    addNumber(fields, i32(), /*reserved=*/0);
    addNull(fields); // kernels
    addSymbol(fields, kFunctions);
    addNumber(fields, i32(), int64_t(table.size()));
    addNumber(fields, i32(), /*reserved2=*/0);
    static_assert(offsetof(TernacModel, max_threads) == 32 &&
                  offsetof(TernacModel, target) == 64 &&
                  offsetof(TernacModel, device) == 120 &&
                  offsetof(TernacModel, functions) == 152 &&
                  sizeof(TernacModel) == 168);
    writeStructs("ternac.table", fields);
    function(TERNAC_MODEL_SYMBOL, pointer(), {}, LLVM::Linkage::External);
    LLVM::ReturnOp::create(b, address("ternac.table"));
  }

  static constexpr StringLiteral kFunctions = "ternac.functions";
  static constexpr int32_t kMaxThreads = 1024;

  TargetAttr target;
  const ExportedFunction *current = nullptr; ///< that is being written
  SmallVector<Fields> table;
};

} // namespace

LogicalResult ternac::writeFunctionTable(ModuleOp module) {
  TargetAttr target = getTarget(module);
  if (!target)
    return module.emitError("expected the attribute '")
           << TernDialect::kTargetAttr << "' of a module of functions";
  return FunctionTableWriter(module, target).write();
}
