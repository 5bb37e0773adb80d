//===- EmitModelTable.cpp - The table that a model library exports --------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes, in the LLVM dialect, the code between ModelABI.h and the compiled
// function @forward, and its other versions. Structs of the ABI are read by the
// offsets that the C header has: the compiler is built for a 64-bit machine, as
// its targets are.
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/Kernels.h"
#include "ternac/Conversion/ModelFacts.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Runtime/ModelABI.h"

#include "ThreadFrame.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <cstddef>

namespace ternac {
#define GEN_PASS_DEF_TERNEMITMODELTABLEPASS
#include "ternac/Conversion/Passes.h.inc"
} // namespace ternac

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

static_assert(sizeof(void *) == 8, "the offsets below are those of 64 bits");

namespace {

/// The code for one machine.
struct Version {
  LLVM::LLVMFuncOp forward;
  VersionFacts facts;
};

class TableWriter {
public:
  TableWriter(ModuleOp module, ArrayRef<Version> versions,
              const ModelFacts &facts)
      : module(module), versions(versions), facts(facts),
        b(module.getLoc(), module.getContext()) {
    b.setInsertionPointToEnd(module.getBody());
  }

  void write() {
    writeWeights();
    writeNoBarrier();
    for (version = 0; version < versions.size(); ++version) {
      writeBody();
      writeForward();
      const VersionFacts &own = versions[version].facts;
      // A host asks for it before it has settled on a version.
      writeSize(versioned(kWorkspaceBytes), own.workspaceBytesPerRow,
                own.workspaceBytesFixed, true);
    }
    writeSize("ternac.cache_bytes", facts.cacheBlockBytes, 0, false);
    for (version = 0; version < versions.size(); ++version) {
      const VersionFacts &own = versions[version].facts;
      writeString(versioned(kName), own.name);
      writeString(versioned(kTarget), own.target);
      writeString(versioned(kFeatures), own.cpuFeatures);
    }
    writeString("ternac.facts", facts.json);
    writeString("ternac.device", facts.device);
    if (hasKernels())
      writeKernels();
    writeEndTokens();
    writeVersions();
    writeTable();
  }

  /// For a module without a model: the kernels alone, by the function
  /// `ternac_kernels`.
  void writeKernelsOnly() {
    writeKernels();
    function("ternac_kernels", pointer(), {}, LLVM::Linkage::External);
    LLVM::ReturnOp::create(b, address(kKernels));
  }

private:
  Type pointer() { return LLVM::LLVMPointerType::get(b.getContext()); }
  Type i8() { return b.getI8Type(); }
  Type i32() { return b.getI32Type(); }
  Type i64() { return b.getI64Type(); }
  Value i64(int64_t value) {
    return LLVM::ConstantOp::create(b, i64(), b.getI64IntegerAttr(value));
  }
  Value i32(int32_t value) {
    return LLVM::ConstantOp::create(b, i32(), b.getI32IntegerAttr(value));
  }

  std::string versioned(StringRef name) { return nameOfVersion(name, version); }

  /// Lets `function` be code for the machine of the version.
  void setMachine(LLVM::LLVMFuncOp function) {
    if (Attribute target =
            versions[version].forward->getAttr(TernDialect::kTargetAttr))
      function->setAttr(TernDialect::kTargetAttr, target);
  }

  LLVM::LLVMFuncOp function(StringRef name, Type result, ArrayRef<Type> inputs,
                            LLVM::Linkage linkage = LLVM::Linkage::Internal) {
    b.setInsertionPointToEnd(module.getBody());
    auto type = LLVM::LLVMFunctionType::get(result, inputs);
    auto op = LLVM::LLVMFuncOp::create(b, name, type, linkage);
    b.setInsertionPointToStart(op.addEntryBlock(b));
    return op;
  }

  /// The field of a struct of the ABI at `offset`.
  Value field(Value base, size_t offset, Type type) {
    Value place = LLVM::GEPOp::create(b, pointer(), i8(), base,
                                      ArrayRef<LLVM::GEPArg>{int32_t(offset)});
    return LLVM::LoadOp::create(b, type, place);
  }
  /// The same, a 32-bit count as i64.
  Value count(Value base, size_t offset) {
    return LLVM::ZExtOp::create(b, i64(), field(base, offset, i32()));
  }
  Value address(StringRef symbol) {
    return LLVM::AddressOfOp::create(b, pointer(), symbol);
  }
  Value isNull(Value pointerValue) {
    Value null = LLVM::ZeroOp::create(b, pointer());
    return LLVM::ICmpOp::create(b, LLVM::ICmpPredicate::eq, pointerValue, null);
  }

  /// The weights may lie more than 2 GiB away: their address is read from a
  /// 64-bit slot, which the loader relocates.
  void writeWeights() {
    auto bytes = LLVM::LLVMArrayType::get(i8(), 0);
    auto weights = LLVM::GlobalOp::create(b, bytes, /*isConstant=*/true,
                                          LLVM::Linkage::External,
                                          kWeightsSymbol, Attribute());
    weights.setVisibility_(LLVM::Visibility::Hidden);
    auto slot =
        LLVM::GlobalOp::create(b, pointer(), /*isConstant=*/true,
                               LLVM::Linkage::Internal, kSlot, Attribute());
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(&slot.getInitializerRegion());
    LLVM::ReturnOp::create(b, address(kWeightsSymbol));
  }
  Value embeddedWeights() {
    // Volatile, or the optimiser folds the slot back into an address that must
    // lie within 2 GiB.
    return LLVM::LoadOp::create(b, pointer(), address(kSlot), /*alignment=*/8,
                                /*isVolatile=*/true);
  }

  bool needsDevice() const { return !facts.device.empty(); }
  bool hasKernels() const { return !facts.kernels.names.empty(); }

  /// What the threads of a call share: { environment, call, counter, failed }.
  Type callType() {
    return LLVM::LLVMStructType::getLiteral(
        b.getContext(), {pointer(), pointer(), i64(), i64()});
  }
  Value callField(Value call, int32_t field) {
    return LLVM::GEPOp::create(b, pointer(), callType(), call,
                               ArrayRef<LLVM::GEPArg>{0, field});
  }
  static constexpr int32_t kCounter = 2, kFailed = 3;

  void writeNoBarrier() {
    function(kNoBarrier, LLVM::LLVMVoidType::get(b.getContext()),
             {pointer(), i32()});
    LLVM::ReturnOp::create(b, ValueRange());
  }

  /// The arguments of a memref in the converted signature.
  void appendMemRef(SmallVectorImpl<Value> &arguments, Value base,
                    ArrayRef<Value> sizes, ArrayRef<Value> strides) {
    arguments.append({base, base, i64(0)});
    llvm::append_range(arguments, sizes);
    llvm::append_range(arguments, strides);
  }

  /// What each thread runs: argument is a pointer to a `callType()`.
  void writeBody() {
    auto body =
        function(versioned(kBody), LLVM::LLVMVoidType::get(b.getContext()),
                 {pointer(), i32(), i32()});
    setMachine(body);
    Value environment = field(body.getArgument(0), 0, pointer());
    Value call = field(body.getArgument(0), 8, pointer());

    Type frameType = ThreadFrame::type(b.getContext());
    Value frame = LLVM::AllocaOp::create(b, pointer(), frameType, i64(1));
    auto place = [&](ThreadFrame::Field at) {
      return LLVM::GEPOp::create(b, pointer(), frameType, frame,
                                 ArrayRef<LLVM::GEPArg>{0, int32_t(at)});
    };
    auto set = [&](ThreadFrame::Field at, Value value) {
      LLVM::StoreOp::create(b, value, place(at));
    };
    set(ThreadFrame::Thread,
        LLVM::ZExtOp::create(b, i64(), body.getArgument(1)));
    set(ThreadFrame::Threads,
        LLVM::ZExtOp::create(b, i64(), body.getArgument(2)));
    set(ThreadFrame::Context, LLVM::ZeroOp::create(b, pointer()));
    set(ThreadFrame::Barrier, address(kNoBarrier));
    set(ThreadFrame::Counter, callField(body.getArgument(0), kCounter));
    set(ThreadFrame::Claimed, i64(0));
    set(ThreadFrame::Granted, i64(0));
    set(ThreadFrame::Device, LLVM::ZeroOp::create(b, pointer()));
    set(ThreadFrame::Failed, i64(0));
    set(ThreadFrame::Module, i64(0));

    Block *entry = b.getInsertionBlock();
    Block *withEnvironment = b.createBlock(&body.getBody());
    Block *run = b.createBlock(&body.getBody());
    b.setInsertionPointToEnd(entry);
    LLVM::CondBrOp::create(b, isNull(environment), run, withEnvironment);
    b.setInsertionPointToEnd(withEnvironment);
    set(ThreadFrame::Context,
        field(environment, offsetof(TernacEnvironment, context), pointer()));
    set(ThreadFrame::Barrier,
        field(environment, offsetof(TernacEnvironment, barrier), pointer()));
    set(ThreadFrame::Granted,
        field(environment, offsetof(TernacEnvironment, granted_features),
              i64()));
    if (needsDevice())
      set(ThreadFrame::Device,
          field(environment, offsetof(TernacEnvironment, device), pointer()));
    if (hasKernels())
      set(ThreadFrame::Module,
          field(environment, offsetof(TernacEnvironment, module), i64()));
    LLVM::BrOp::create(b, ValueRange(), run);

    b.setInsertionPointToEnd(run);
    LLVM::CallOp::create(b, versions[version].forward,
                         forwardArguments(call, frame));
    if (needsDevice())
      LLVM::AtomicRMWOp::create(
          b, LLVM::AtomicBinOp::_or, callField(body.getArgument(0), kFailed),
          LLVM::LoadOp::create(b, i64(), place(ThreadFrame::Failed)),
          LLVM::AtomicOrdering::monotonic);
    LLVM::ReturnOp::create(b, ValueRange());
  }

  /// The arguments of @forward, in the order that bufferisation gives them:
  /// tokens, positions, sequences, logit rows, cache pool, block table, logits,
  /// workspace, weights, environment.
  SmallVector<Value> forwardArguments(Value call, Value frame) {
    SmallVector<Value> arguments;
    Value one = i64(1), many = i64(INT64_MAX);
    Value rows = count(call, offsetof(TernacCall, rows));
    Value logitRows = count(call, offsetof(TernacCall, logit_count));
    auto data = [&](size_t offset) { return field(call, offset, pointer()); };
    for (size_t offset :
         {offsetof(TernacCall, tokens), offsetof(TernacCall, positions),
          offsetof(TernacCall, sequences)})
      appendMemRef(arguments, data(offset), rows, one);
    appendMemRef(arguments, data(offsetof(TernacCall, logit_rows)), logitRows,
                 one);
    appendMemRef(arguments, data(offsetof(TernacCall, cache)), many, one);
    Value tableRows = count(call, offsetof(TernacCall, block_table_rows));
    Value tableColumns = count(call, offsetof(TernacCall, block_table_columns));
    appendMemRef(arguments, data(offsetof(TernacCall, block_table)),
                 {tableRows, tableColumns}, {tableColumns, one});
    Value vocabulary = i64(facts.vocabSize);
    appendMemRef(arguments, data(offsetof(TernacCall, logits)),
                 {logitRows, vocabulary}, {vocabulary, one});
    appendMemRef(arguments, data(offsetof(TernacCall, workspace)), many, one);
    Value given = data(offsetof(TernacCall, weights));
    Value weights =
        LLVM::SelectOp::create(b, isNull(given), embeddedWeights(), given);
    appendMemRef(arguments, weights, many, one);
    arguments.push_back(frame);
    return arguments;
  }

  /// Checks the call, then runs the body on every thread.
  void writeForward() {
    auto entryPoint =
        function(versioned(kForward), i32(), {pointer(), pointer()});
    setMachine(entryPoint);
    Region &region = entryPoint.getBody();
    Value environment = entryPoint.getArgument(0);
    Value call = entryPoint.getArgument(1);

    auto failUnless = [&](Value good, int32_t code) {
      Block *current = b.getInsertionBlock();
      Block *bad = b.createBlock(&region);
      LLVM::ReturnOp::create(b, i32(code));
      Block *next = b.createBlock(&region);
      b.setInsertionPointToEnd(current);
      LLVM::CondBrOp::create(b, good, next, bad);
      b.setInsertionPointToEnd(next);
    };
    auto compare = [&](LLVM::ICmpPredicate predicate, Value a, Value c) {
      return LLVM::ICmpOp::create(b, predicate, a, c).getResult();
    };
    auto checkVersion = [&](Value base, size_t size) {
      failUnless(
          compare(LLVM::ICmpPredicate::uge, field(base, 0, i32()), i32(size)),
          TERNAC_ERROR_VERSION);
      failUnless(compare(LLVM::ICmpPredicate::eq, field(base, 4, i32()),
                         i32(TERNAC_ABI_VERSION)),
                 TERNAC_ERROR_VERSION);
    };
    checkVersion(call, sizeof(TernacCall));
    Value rows = field(call, offsetof(TernacCall, rows), i32());
    failUnless(compare(LLVM::ICmpPredicate::ule, rows, i32(facts.maxRows)),
               TERNAC_ERROR_LIMIT);
    Value logitRows = field(call, offsetof(TernacCall, logit_count), i32());
    failUnless(compare(LLVM::ICmpPredicate::ule, logitRows, rows),
               TERNAC_ERROR_LIMIT);

    // The embedded weights are memory of the host.
    if (hasKernels()) {
      Value given = field(call, offsetof(TernacCall, weights), pointer());
      Value null = LLVM::ZeroOp::create(b, pointer());
      failUnless(compare(LLVM::ICmpPredicate::ne, given, null),
                 TERNAC_ERROR_WEIGHTS);
    }

    Value argument = LLVM::AllocaOp::create(b, pointer(), callType(), i64(1));
    SmallVector<Value> shared = {environment, call, i64(0), i64(0)};
    for (auto [i, value] : llvm::enumerate(shared))
      LLVM::StoreOp::create(b, value, callField(argument, i));

    auto isThere = [&](Value pointerValue) {
      Value null = LLVM::ZeroOp::create(b, pointer());
      return compare(LLVM::ICmpPredicate::ne, pointerValue, null);
    };
    if (needsDevice()) {
      // A host without devices, or of a time before there were any, has none.
      failUnless(isThere(environment), TERNAC_ERROR_DEVICE);
      failUnless(
          compare(LLVM::ICmpPredicate::uge, field(environment, 0, i32()),
                  i32(hasKernels() ? sizeof(TernacEnvironment)
                                   : offsetof(TernacEnvironment, module))),
          TERNAC_ERROR_DEVICE);
      Value device =
          field(environment, offsetof(TernacEnvironment, device), pointer());
      failUnless(isThere(device), TERNAC_ERROR_DEVICE);
      checkVersion(device, hasKernels() ? offsetof(TernacDevice, busy)
                                        : offsetof(TernacDevice, last_error));
      size_t needed = hasKernels() ? offsetof(TernacDevice, launch)
                                   : offsetof(TernacDevice, submit);
      failUnless(isThere(field(device, needed, pointer())),
                 TERNAC_ERROR_DEVICE);
    }

    Block *check = b.getInsertionBlock();
    Block *alone = b.createBlock(&region);
    LLVM::CallOp::create(b, TypeRange(), versioned(kBody),
                         ValueRange{argument, i32(0), i32(1)});
    LLVM::ReturnOp::create(b, i32(TERNAC_OK));
    Block *together = b.createBlock(&region);
    b.setInsertionPointToEnd(check);
    LLVM::CondBrOp::create(b, isNull(environment), alone, together);

    b.setInsertionPointToEnd(together);
    // Hosts of a time before devices are as good as others without one.
    checkVersion(environment, offsetof(TernacEnvironment, device));
    Value threads =
        field(environment, offsetof(TernacEnvironment, threads), i32());
    failUnless(compare(LLVM::ICmpPredicate::ule, threads, i32(maxThreads())),
               TERNAC_ERROR_LIMIT);
    Value parallel =
        field(environment, offsetof(TernacEnvironment, parallel), pointer());
    Value context =
        field(environment, offsetof(TernacEnvironment, context), pointer());
    auto type =
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                    {pointer(), pointer(), pointer()});
    LLVM::CallOp::create(
        b, type,
        ValueRange{parallel, context, address(versioned(kBody)), argument});
    if (!needsDevice()) {
      LLVM::ReturnOp::create(b, i32(TERNAC_OK));
      return;
    }
    Value failed = LLVM::LoadOp::create(b, i64(), callField(argument, kFailed));
    Value isGood = compare(LLVM::ICmpPredicate::eq, failed, i64(0));
    LLVM::ReturnOp::create(b, LLVM::SelectOp::create(b, isGood, i32(TERNAC_OK),
                                                     i32(TERNAC_ERROR_DEVICE))
                                  .getResult());
  }

  /// A function of (u32 count[, u32 threads]) -> count * bytes + fixed, at
  /// least 64.
  void writeSize(StringRef name, int64_t bytes, int64_t fixed,
                 bool takesThreads) {
    SmallVector<Type> inputs(takesThreads ? 2 : 1, i32());
    auto size = function(name, i64(), inputs);
    Value number = LLVM::ZExtOp::create(b, i64(), size.getArgument(0));
    Value product = LLVM::MulOp::create(b, number, i64(bytes));
    Value sum = LLVM::AddOp::create(b, product, i64(fixed));
    LLVM::ReturnOp::create(
        b, LLVM::UMaxOp::create(b, sum, i64(TERNAC_ALIGNMENT)).getRes());
  }

  void writeString(StringRef name, StringRef text) {
    b.setInsertionPointToEnd(module.getBody());
    std::string terminated = (text + StringRef("\0", 1)).str();
    auto type = LLVM::LLVMArrayType::get(i8(), terminated.size());
    LLVM::GlobalOp::create(b, type, /*isConstant=*/true,
                           LLVM::Linkage::Internal, name,
                           b.getStringAttr(terminated));
  }

  void writeEndTokens() {
    b.setInsertionPointToEnd(module.getBody());
    SmallVector<int32_t> ends(facts.endTokens);
    auto endsType = RankedTensorType::get({int64_t(ends.size())}, i32());
    LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(i32(), ends.size()),
                           /*isConstant=*/true, LLVM::Linkage::Internal,
                           "ternac.end_tokens",
                           DenseElementsAttr::get(endsType, ArrayRef(ends)));
  }

  /// The fields of a struct of the ABI in order.
  struct Fields {
    SmallVector<Type> types;
    SmallVector<std::function<Value()>> values;
  };
  void addNumber(Fields &fields, Type type, int64_t value) {
    fields.types.push_back(type);
    fields.values.push_back([this, type, value] {
      return LLVM::ConstantOp::create(b, type, IntegerAttr::get(type, value))
          .getResult();
    });
  }
  void addNull(Fields &fields) {
    fields.types.push_back(pointer());
    fields.values.push_back(
        [this] { return LLVM::ZeroOp::create(b, pointer()).getResult(); });
  }
  void addSymbol(Fields &fields, StringRef name) {
    fields.types.push_back(pointer());
    fields.values.push_back(
        [this, name = name.str()] { return address(name); });
  }

  /// The constant `name`: structs of the same types, one after the other.
  void writeStructs(StringRef name, ArrayRef<Fields> structs) {
    b.setInsertionPointToEnd(module.getBody());
    auto type =
        LLVM::LLVMStructType::getLiteral(b.getContext(), structs.front().types);
    auto array = LLVM::LLVMArrayType::get(type, structs.size());
    auto global =
        LLVM::GlobalOp::create(b, array, /*isConstant=*/true,
                               LLVM::Linkage::Internal, name, Attribute());
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(&global.getInitializerRegion());
    Value aggregate = LLVM::UndefOp::create(b, array);
    for (auto [place, fields] : llvm::enumerate(structs))
      for (auto [i, value] : llvm::enumerate(fields.values))
        aggregate = LLVM::InsertValueOp::create(
            b, aggregate, value(),
            ArrayRef<int64_t>{int64_t(place), int64_t(i)});
    LLVM::ReturnOp::create(b, aggregate);
  }

  void writeVersions() {
    SmallVector<Fields> structs;
    for (version = 0; version < versions.size(); ++version) {
      Fields &fields = structs.emplace_back();
      addNumber(fields, i32(), sizeof(TernacVersion));
      addNumber(fields, i32(), TERNAC_ABI_VERSION);
      for (StringRef name :
           {kName, kTarget, kFeatures, kWorkspaceBytes, kForward})
        addSymbol(fields, versioned(name));
    }
    static_assert(offsetof(TernacVersion, name) == 8 &&
                  offsetof(TernacVersion, forward) == 40 &&
                  sizeof(TernacVersion) == 48);
    writeStructs("ternac.versions", structs);
  }

  void writeKernels() {
    Fields names, kernels;
    for (auto [i, name] : llvm::enumerate(facts.kernels.names)) {
      std::string symbol = ("ternac.kernels.name" + Twine(i)).str();
      writeString(symbol, name);
      addSymbol(names, symbol);
    }
    writeStructs("ternac.kernels.names", names);
    writeString("ternac.kernels.format", facts.kernels.format);
    addNumber(kernels, i32(), sizeof(TernacKernels));
    addNumber(kernels, i32(), TERNAC_ABI_VERSION);
    addSymbol(kernels, "ternac.kernels.format");
    addSymbol(kernels, kKernelCode);
    addNumber(kernels, i64(), facts.kernels.bytes);
    addSymbol(kernels, "ternac.kernels.names");
    addNumber(kernels, i32(), facts.kernels.names.size());
    addNumber(kernels, i32(), /*reserved=*/0);
    if (facts.kernels.processor.empty()) {
      addNull(kernels);
      addNull(kernels);
    } else {
      writeString("ternac.kernels.processor", facts.kernels.processor);
      addSymbol(kernels, "ternac.kernels.processor");
      addSymbol(kernels, kKernelObject);
    }
    addNumber(kernels, i64(), facts.kernels.objectBytes);
    if (facts.kernels.constantsBytes)
      addSymbol(kernels, kKernelConstants);
    else
      addNull(kernels);
    addNumber(kernels, i64(), facts.kernels.constantsBytes);
    static_assert(offsetof(TernacKernels, code) == 16 &&
                  offsetof(TernacKernels, names) == 32 &&
                  offsetof(TernacKernels, processor) == 48 &&
                  offsetof(TernacKernels, constants) == 72 &&
                  sizeof(TernacKernels) == 88);
    writeStructs(kKernels, kernels);
  }

  void writeTable() {
    Fields table;
    addNumber(table, i32(), sizeof(TernacModel));
    addNumber(table, i32(), TERNAC_ABI_VERSION);
    addNumber(table, i32(), facts.vocabSize);
    addNumber(table, i32(), facts.hiddenSize);
    addNumber(table, i32(), facts.layers);
    addNumber(table, i32(), facts.contextLength);
    addNumber(table, i32(), facts.maxRows);
    addNumber(table, i32(), facts.maxSequences);
    // One thread does all the launching.
    addNumber(table, i32(), maxThreads());
    addNumber(table, i32(), facts.endTokens.size());
    addSymbol(table, "ternac.end_tokens");
    addNumber(table, i32(), facts.beginToken);
    addNumber(table, i32(), /*weights_embedded=*/1);
    addNumber(table, i64(), facts.weightsBytes);
    // Those of the code are the baseline's.
    addSymbol(table, kTarget);
    addSymbol(table, kFeatures);
    addSymbol(table, "ternac.facts");
    addSymbol(table, kWeightsSymbol);
    addSymbol(table, kWorkspaceBytes);
    addSymbol(table, "ternac.cache_bytes");
    addSymbol(table, kForward);
    addSymbol(table, "ternac.device");
    addSymbol(table, "ternac.versions");
    addNumber(table, i32(), versions.size());
    addNumber(table, i32(), /*reserved=*/0);
    if (hasKernels())
      addSymbol(table, kKernels);
    else
      addNull(table);
    static_assert(offsetof(TernacModel, end_tokens) == 40 &&
                  offsetof(TernacModel, weights_bytes) == 56 &&
                  offsetof(TernacModel, weights) == 88 &&
                  offsetof(TernacModel, device) == 120 &&
                  offsetof(TernacModel, versions) == 128 &&
                  offsetof(TernacModel, kernels) == 144 &&
                  sizeof(TernacModel) == 152);
    writeStructs(kTable, table);
    function(TERNAC_MODEL_SYMBOL, pointer(), {}, LLVM::Linkage::External);
    LLVM::ReturnOp::create(b, address(kTable));
  }

  static constexpr StringLiteral kSlot = "ternac.weights_address";
  static constexpr StringLiteral kNoBarrier = "ternac.no_barrier";
  static constexpr StringLiteral kBody = "ternac.body";
  static constexpr StringLiteral kForward = "ternac.forward";
  static constexpr StringLiteral kWorkspaceBytes = "ternac.workspace_bytes";
  static constexpr StringLiteral kName = "ternac.name";
  static constexpr StringLiteral kTarget = "ternac.target";
  static constexpr StringLiteral kFeatures = "ternac.cpu_features";
  static constexpr StringLiteral kTable = "ternac.table";
  static constexpr StringLiteral kKernels = "ternac.kernels";
  int32_t maxThreads() const { return hasKernels() ? 1 : 1024; }

  ModuleOp module;
  ArrayRef<Version> versions;
  unsigned version = 0; ///< that is being written
  const ModelFacts &facts;
  ImplicitLocOpBuilder b;
};

struct EmitModelTable
    : ternac::impl::TernEmitModelTablePassBase<EmitModelTable> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (!module->hasAttr(TernDialect::kModelAttr)) {
      FailureOr<KernelFacts> kernels = readKernelFacts(module);
      if (failed(kernels))
        return signalPassFailure();
      ModelFacts facts = {};
      facts.kernels = *kernels;
      if (!facts.kernels.names.empty())
        TableWriter(module, {}, facts).writeKernelsOnly();
      return;
    }
    TargetAttr target = getTarget(module);
    if (!target) {
      module.emitError("expected the attribute '")
          << TernDialect::kTargetAttr << "' of a model";
      return signalPassFailure();
    }
    SmallVector<Version> versions;
    for (auto [version, machine] : llvm::enumerate(target.getMachines())) {
      std::string name = nameOfVersion("forward", version);
      auto forward = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
      if (!forward || forward.getNumArguments() != kForwardArguments) {
        module.emitError("expected a function '")
            << name << "' with the " << kForwardArguments
            << " arguments of a lowered model";
        return signalPassFailure();
      }
      FailureOr<VersionFacts> facts = readVersionFacts(forward, machine);
      if (failed(facts))
        return signalPassFailure();
      versions.push_back({forward, *facts});
    }
    FailureOr<ModelFacts> facts = readModelFacts(module);
    if (failed(facts))
      return signalPassFailure();
    for (auto func : module.getOps<LLVM::LLVMFuncOp>())
      if (!func.isExternal())
        func.setLinkage(LLVM::Linkage::Internal);
    TableWriter(module, versions, *facts).write();
  }

private:
  /// Seven memrefs of rank 1, two of rank 2, and the environment.
  static constexpr unsigned kForwardArguments = 7 * 5 + 2 * 7 + 1;
};

} // namespace
