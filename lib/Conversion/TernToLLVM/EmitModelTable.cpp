//===- EmitModelTable.cpp - The table that a model library exports --------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes, in the LLVM dialect, the code between ModelABI.h and the compiled
// function @forward, and its other versions.
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/Kernels.h"
#include "ternac/Conversion/ModelFacts.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Runtime/ModelABI.h"

#include "FunctionTable.h"
#include "TableBuilder.h"

#include <cstddef>

namespace ternac {
#define GEN_PASS_DEF_TERNEMITMODELTABLEPASS
#include "ternac/Conversion/Passes.h.inc"
} // namespace ternac

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// The code for one machine.
struct Version {
  LLVM::LLVMFuncOp forward;
  VersionFacts facts;
};

class TableWriter : TableBuilder {
public:
  TableWriter(ModuleOp module, ArrayRef<Version> versions,
              const ModelFacts &facts)
      : TableBuilder(module), versions(versions), facts(facts) {}

  void write() {
    writeWeights();
    writeNoBarrier();
    for (version = 0; version < versions.size(); ++version) {
      writeForwardBody();
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
  std::string versioned(StringRef name) { return nameOfVersion(name, version); }

  /// Lets `function` be code for the machine of the version.
  void setMachine(LLVM::LLVMFuncOp function) {
    if (Attribute target =
            versions[version].forward->getAttr(TernDialect::kTargetAttr))
      function->setAttr(TernDialect::kTargetAttr, target);
  }

  /// The field of a struct of the ABI at `offset`, a 32-bit count as i64.
  Value count(Value base, size_t offset) {
    return LLVM::ZExtOp::create(b, i64(), field(base, offset, i32()));
  }
  bool needsDevice() const { return !facts.device.empty(); }
  bool hasKernels() const { return !facts.kernels.names.empty(); }

  /// What each thread runs.
  void writeForwardBody() {
    setMachine(writeBody(versioned(kBody), versions[version].forward,
                         needsDevice(), hasKernels(),
                         [&](Value call, Value frame) {
                           return forwardArguments(call, frame);
                         }));
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
    Value environment = entryPoint.getArgument(0);
    Value call = entryPoint.getArgument(1);

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
      failUnless(isThere(given), TERNAC_ERROR_WEIGHTS);
    }

    Value shared = shareCall(environment, call);
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

    runOnThreads(environment, shared, versioned(kBody), maxThreads(),
                 needsDevice());
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

  void writeEndTokens() {
    b.setInsertionPointToEnd(module.getBody());
    SmallVector<int32_t> ends(facts.endTokens);
    auto endsType = RankedTensorType::get({int64_t(ends.size())}, i32());
    LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(i32(), ends.size()),
                           /*isConstant=*/true, LLVM::Linkage::Internal,
                           "ternac.end_tokens",
                           DenseElementsAttr::get(endsType, ArrayRef(ends)));
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
    addNull(table); // functions
    addNumber(table, i32(), /*function_count=*/0);
    addNumber(table, i32(), /*reserved2=*/0);
    static_assert(offsetof(TernacModel, end_tokens) == 40 &&
                  offsetof(TernacModel, weights_bytes) == 56 &&
                  offsetof(TernacModel, weights) == 88 &&
                  offsetof(TernacModel, device) == 120 &&
                  offsetof(TernacModel, versions) == 128 &&
                  offsetof(TernacModel, kernels) == 144 &&
                  sizeof(TernacModel) == 168);
    writeStructs(kTable, table);
    function(TERNAC_MODEL_SYMBOL, pointer(), {}, LLVM::Linkage::External);
    LLVM::ReturnOp::create(b, address(kTable));
  }

  static constexpr StringLiteral kBody = "ternac.body";
  static constexpr StringLiteral kForward = "ternac.forward";
  static constexpr StringLiteral kWorkspaceBytes = "ternac.workspace_bytes";
  static constexpr StringLiteral kName = "ternac.name";
  static constexpr StringLiteral kTarget = "ternac.target";
  static constexpr StringLiteral kFeatures = "ternac.cpu_features";
  static constexpr StringLiteral kTable = "ternac.table";
  static constexpr StringLiteral kKernels = "ternac.kernels";
  int32_t maxThreads() const { return hasKernels() ? 1 : 1024; }

  ArrayRef<Version> versions;
  unsigned version = 0; ///< that is being written
  const ModelFacts &facts;
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
      else if (TargetAttr target = getTarget(module);
               target && !target.getVersions() &&
               failed(writeFunctionTable(module)))
        signalPassFailure();
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
