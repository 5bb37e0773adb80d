//===- Compiler.cpp - From a model on disk to the output asked for --------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Driver/Compiler.h"

#include "ternac/Codegen/ModelLibrary.h"
#include "ternac/Conversion/ExportedFunction.h"
#include "ternac/Pipeline/Pipeline.h"
#include "ternac/Runtime/ModelABI.h"
#include "ternac/Support/MakeError.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

#include <unistd.h>

using namespace mlir;
using namespace ternac;
using llvm::Error;
using llvm::Expected;
using llvm::Twine;

Expected<Output> Output::parse(llvm::StringRef word) {
  if (word == "lib")
    return Output{Kind::Library, Phase::LLVM};
  if (word == "obj")
    return Output{Kind::Object, Phase::LLVM};
  if (word == "asm")
    return Output{Kind::Assembly, Phase::LLVM};
  if (word == "kernels")
    return Output{Kind::Kernels, Phase::LLVM};
  if (word == "header")
    return Output{Kind::Header, Phase::Normalized};
  // The word means LLVM IR; the phase of that name is the dialect before it.
  if (word == "llvm")
    return Output{Kind::LLVMIR, Phase::LLVM};
  if (std::optional<Phase> phase = phaseByName(word))
    return Output{Kind::PhaseIR, *phase};
  return makeError(
      "unknown --emit=" + word +
      "; expected lib, obj, asm, llvm, kernels, header or a phase: " +
      phaseNames());
}

namespace {

/// The kinds of code that targets write, by their words after --emit=, and the
/// names of their files in a dump.
struct CodeKind {
  EmitKind kind;
  llvm::StringLiteral word;
  llvm::StringLiteral dumpName;
};
constexpr CodeKind codeKinds[] = {{EmitKind::LLVMIR, "llvm", "model.ll"},
                                  {EmitKind::Assembly, "asm", "model.s"},
                                  {EmitKind::Kernels, "kernels", "kernels"},
                                  {EmitKind::Object, "obj", ""}};

/// What a target emits for `kind`, which is neither PhaseIR nor Header.
EmitKind emitKind(Output::Kind kind) {
  return kind == Output::Kind::LLVMIR     ? EmitKind::LLVMIR
         : kind == Output::Kind::Assembly ? EmitKind::Assembly
         : kind == Output::Kind::Kernels  ? EmitKind::Kernels
                                          : EmitKind::Object;
}

/// Keeps the first error, as "[file:line:column: ]message", for the one line in
/// which a compilation ends, and prints warnings and, if wanted, remarks.
class DiagnosticCollector : public ScopedDiagnosticHandler {
public:
  DiagnosticCollector(MLIRContext *context, bool remarks)
      : ScopedDiagnosticHandler(context) {
    setHandler([this, remarks](Diagnostic &diagnostic) {
      std::string text = describe(diagnostic);
      if (diagnostic.getSeverity() == DiagnosticSeverity::Warning)
        llvm::errs() << "warning: " << text << '\n';
      else if (diagnostic.getSeverity() == DiagnosticSeverity::Remark) {
        if (remarks)
          llvm::errs() << "remark: " << text << '\n';
      } else if (firstError.empty())
        firstError = text;
      return success();
    });
  }

  /// `error`, which says what failed, with the diagnostic that says why.
  Error explain(Error error) const {
    if (!error || firstError.empty())
      return error;
    return makeError(firstError + " (" + llvm::toString(std::move(error)) +
                     ")");
  }

private:
  static std::string describe(Diagnostic &diagnostic) {
    std::string text = diagnostic.str();
    if (auto place = dyn_cast<FileLineColLoc>(diagnostic.getLocation()))
      return (place.getFilename().getValue() + ":" + Twine(place.getLine()) +
              ":" + Twine(place.getColumn()) + ": " + text)
          .str();
    return text;
  }

  std::string firstError;
};

/// Writes through a temporary file that is renamed at the end, or to stdout.
Error writeFile(llvm::StringRef path,
                llvm::function_ref<Error(llvm::raw_pwrite_stream &)> write) {
  // Object files need seeking and stdout cannot; all contents are code, small.
  llvm::SmallString<0> contents;
  llvm::raw_svector_ostream stream(contents);
  if (Error error = write(stream))
    return error;
  if (path.empty() || path == "-") {
    llvm::outs() << contents;
    llvm::outs().flush();
    if (std::error_code code = llvm::outs().error()) {
      llvm::outs().clear_error();
      return makeError("cannot write to stdout: " + code.message());
    }
    return Error::success();
  }
  auto temporary = llvm::sys::fs::TempFile::create(path + ".%%%%%%.tmp");
  if (!temporary)
    return makeError(
        path + ": cannot write: " + llvm::toString(temporary.takeError()));
  llvm::raw_fd_ostream file(temporary->FD, /*shouldClose=*/false);
  file << contents;
  file.flush();
  if (std::error_code code = file.error()) {
    file.clear_error();
    llvm::consumeError(temporary->discard());
    return makeError(path + ": cannot write: " + code.message());
  }
  if (Error error = temporary->keep(path))
    return makeError(path +
                     ": cannot write: " + llvm::toString(std::move(error)));
  return Error::success();
}

/// Without links, as far as the path exists.
std::string absolute(llvm::StringRef path) {
  llvm::SmallString<256> full(path);
  llvm::SmallString<256> real;
  if (!llvm::sys::fs::real_path(full, real))
    return real.str().str();
  (void)llvm::sys::fs::make_absolute(full);
  llvm::sys::path::remove_dots(full, /*remove_dot_dot=*/true);
  return full.str().str();
}

/// `path` as seen from the folder `base`; both absolute and without dots.
std::string relativeTo(llvm::StringRef path, llvm::StringRef base) {
  auto p = llvm::sys::path::begin(path), pe = llvm::sys::path::end(path);
  auto q = llvm::sys::path::begin(base), qe = llvm::sys::path::end(base);
  while (p != pe && q != qe && *p == *q)
    ++p, ++q;
  llvm::SmallString<256> result;
  for (; q != qe; ++q)
    llvm::sys::path::append(result, "..");
  for (; p != pe; ++p)
    llvm::sys::path::append(result, *p);
  return result.str().str();
}

/// One compilation.
class Compilation {
public:
  explicit Compilation(const CompileOptions &options)
      : options(options), context(MLIRContext::Threading::DISABLED) {
    DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  Error run() {
    DiagnosticCollector diagnostics(&context, options.remarks);
    return diagnostics.explain(runSteps());
  }

private:
  using Kind = Output::Kind;

  Error runSteps() {
    if (Error error = load())
      return error;
    if (Error error = checkOutput())
      return error;
    if (Error error = lower())
      return error;
    return write();
  }

  //===--------------------------------------------------------------------===//
  // Loading
  //===--------------------------------------------------------------------===//

  Error load() {
    llvm::StringRef model = options.model;
    if (!llvm::sys::fs::exists(model))
      return makeError(model + ": no such file or directory");
    if (llvm::sys::fs::is_directory(model))
      return importCheckpoint();
    llvm::StringRef extension = llvm::sys::path::extension(model);
    if (extension == ".mlir" || extension == ".mlirbc")
      return parseModule();
    if (extension == ".gguf")
      return importCheckpoint();
    return makeError(model + ": expected a Hugging Face directory, or a file "
                             "that ends in .gguf, .mlir or .mlirbc");
  }

  std::string targetText() const {
    return options.target.value_or(allTargets().front()->name().str());
  }

  Error resolveTarget(llvm::StringRef text) {
    auto resolved = ternac::resolveTarget(&context, text);
    if (!resolved)
      return resolved.takeError();
    std::tie(target, targetAttr) = *resolved;
    return Error::success();
  }

  Expected<import::Checkpoint> readDirectory() {
    if (options.i2sLayout)
      return makeError(options.model + ": --i2s-layout belongs to GGUF files, "
                                       "but this is a directory");
    return import::readHuggingFace(options.model, options.syntheticSeed,
                                   options.contextLength);
  }

  Expected<import::Checkpoint> readGGUF() {
    if (options.syntheticSeed)
      return makeError(options.model +
                       ": --synthetic-weights needs a directory with a "
                       "config.json; a GGUF file has weights");
    return import::readGGUF(
        options.model, options.i2sLayout.value_or(import::I2SLayout::Blocks128),
        options.contextLength);
  }

  Error importCheckpoint() {
    if (options.compileFrom != Phase::Imported)
      return makeError("--compile-from=" + phaseName(options.compileFrom) +
                       " needs an .mlir file, but " + options.model +
                       " is a checkpoint");
    if (Error error = resolveTarget(targetText()))
      return error;
    bool isDirectory = llvm::sys::fs::is_directory(options.model);
    Expected<import::Checkpoint> checkpoint =
        isDirectory ? readDirectory() : readGGUF();
    if (!checkpoint)
      return checkpoint.takeError();
    constexpr int64_t maxColumns = tern::QuantizeOp::kMaxWideColumns;
    if (options.modelOptions.head != import::ModelOptions::Head::AsStored &&
        checkpoint->hiddenSize > maxColumns)
      return makeError(options.model + ": heads of integers have at most " +
                       Twine(maxColumns) + " columns, but the model's has " +
                       Twine(checkpoint->hiddenSize) +
                       "; use --head=as-stored");
    if (!checkpoint->finding.empty())
      llvm::errs() << "note: " << options.model << ": " << checkpoint->finding
                   << '\n';
    weightsRoot =
        absolute(isDirectory ? llvm::StringRef(options.model)
                             : llvm::sys::path::parent_path(options.model));
    module = import::buildModule(&context, *checkpoint, options.modelOptions,
                                 targetAttr);
    return Error::success();
  }

  Error parseModule() {
    if (!options.importOptions.empty())
      return makeError(options.model + ": --" + options.importOptions.front() +
                       " belongs to the import of a checkpoint; an .mlir file "
                       "has it settled already");
    if (options.compileFrom >= Phase::Packed &&
        (options.lowering.strategy != "auto" ||
         options.lowering.packing != "auto"))
      return makeError(options.model +
                       ": --strategy and --packing are settled from phase "
                       "'packed' on; leave them out");
    module = parseSourceFile<ModuleOp>(options.model, &context);
    if (!module)
      return makeError(options.model + ": is no valid module");
    weightsRoot = absolute(llvm::sys::path::parent_path(options.model));
    if (!options.weightsRoot.empty())
      moveFilesTo(absolute(options.weightsRoot));
    auto given = (*module)->getAttrOfType<tern::TargetAttr>(
        tern::TernDialect::kTargetAttr);
    if (given && !options.target) {
      Expected<const Target *> known = requireTarget(given.getName());
      if (!known)
        return known.takeError();
      target = *known;
      targetAttr = given;
      if (Error error = target->check(&context, given))
        return makeError(options.model + ": " +
                         llvm::toString(std::move(error)));
      return Error::success();
    }
    if (given && options.compileFrom >= Phase::Packed)
      return makeError(options.model + ": is lowered for its target from phase "
                                       "'packed' on; leave --target out");
    if ((*module)->hasAttr(tern::TernDialect::kTargetAttr) && !given)
      return makeError(options.model + ": expected the attribute '" +
                       tern::TernDialect::kTargetAttr +
                       "' to be a #tern.target");
    if (!options.target && options.compileFrom >= Phase::Packed)
      return makeError(options.model + ": has no '" +
                       tern::TernDialect::kTargetAttr +
                       "', the target that it is lowered for from phase "
                       "'packed' on; name it with --target");
    if (Error error = resolveTarget(targetText()))
      return error;
    (*module)->setAttr(tern::TernDialect::kTargetAttr, targetAttr);
    return Error::success();
  }

  /// --weights-root: the files are there, by their names.
  void moveFilesTo(const std::string &folder) {
    weightsRoot = folder;
    renameFiles(*module, [](llvm::StringRef path) {
      return llvm::sys::path::filename(path).str();
    });
  }

  static void renameFiles(ModuleOp module,
                          llvm::function_ref<std::string(llvm::StringRef)> to) {
    auto weights = module->getAttrOfType<tern::WeightsAttr>(
        tern::TernDialect::kWeightsAttr);
    if (!weights)
      return;
    SmallVector<tern::FileAttr> files;
    for (tern::FileAttr file : weights.getFiles())
      files.push_back(tern::FileAttr::get(module.getContext(),
                                          to(file.getPath()), file.getSize(),
                                          file.getFingerprint()));
    module->setAttr(tern::TernDialect::kWeightsAttr,
                    tern::WeightsAttr::get(module.getContext(), files,
                                           weights.getSyntheticSeed(),
                                           weights.getEntries()));
  }

  //===--------------------------------------------------------------------===//
  // Lowering
  //===--------------------------------------------------------------------===//

  /// Fails early: before minutes of work, not after them.
  Error checkOutput() {
    if (options.emit.kind == Kind::PhaseIR &&
        options.emit.phase < options.compileFrom)
      return makeError(
          "--emit=" + phaseName(options.emit.phase) +
          " lies before --compile-from=" + phaseName(options.compileFrom));
    if (Error error = checkEmitKind())
      return error;
    if (options.emit.kind == Kind::Library || options.emit.kind == Kind::Header)
      if (Error error = checkExports())
        return error;
    if (!options.dumpPhasesTo.empty())
      if (std::error_code code =
              llvm::sys::fs::create_directories(options.dumpPhasesTo))
        return makeError(options.dumpPhasesTo +
                         ": cannot create: " + code.message());
    if (!outputPath().empty() && llvm::sys::fs::is_directory(outputPath()))
      return makeError(outputPath() + ": cannot write: is a directory");
    // Output is renamed to its place, and what is not a file would be gone.
    if (!outputPath().empty() && llvm::sys::fs::exists(outputPath()) &&
        !llvm::sys::fs::is_regular_file(outputPath()))
      return makeError(outputPath() + ": cannot write: is not a regular file");
    return Error::success();
  }

  /// Whether there is something that a library can export.
  Error checkExports() {
    bool isHeader = options.emit.kind == Kind::Header;
    if ((*module)->hasAttr(tern::TernDialect::kModelAttr)) {
      if (isHeader)
        return makeError(options.model +
                         ": is a model, whose header is "
                         "ternac/Runtime/ModelABI.h; --emit=header is for "
                         "modules of functions");
      return Error::success();
    }
    // The last phase has the table.
    if (!isHeader && (*module).lookupSymbol(TERNAC_MODEL_SYMBOL))
      return Error::success();
    bool isImported = options.compileFrom == Phase::Imported;
    if (llvm::none_of((*module).getOps<func::FuncOp>(), [&](func::FuncOp func) {
          return !func.isExternal() &&
                 (isImported ? func.isPublic()
                             : func->hasAttr(tern::TernDialect::kExportedAttr));
        }))
      return makeError(options.model +
                       ": has neither the attribute 'tern.model' nor functions "
                       "to export, which are public at phase 'imported'; use "
                       "--emit=obj");
    if (!isHeader &&
        (target->canEmit(EmitKind::Kernels) || targetAttr.getVersions()))
      return makeError(options.model +
                       ": functions become a library for one processor that "
                       "runs all of the code, but the target is " +
                       targetText() + "; choose another, or use --emit=obj");
    return Error::success();
  }

  Error checkEmitKind() {
    if (options.emit.kind == Kind::PhaseIR ||
        options.emit.kind == Kind::Header ||
        target->canEmit(emitKind(options.emit.kind)))
      return Error::success();
    llvm::StringRef word = "lib";
    std::string known;
    for (const CodeKind &code : codeKinds) {
      if (target->canEmit(code.kind))
        known += (code.word + ", ").str();
      if (options.emit.kind != Kind::Library &&
          code.kind == emitKind(options.emit.kind))
        word = code.word;
    }
    return makeError("target '" + target->name() + "' cannot --emit=" + word +
                     "; expected one of: " + known + "a phase");
  }

  std::string outputPath() const {
    if (!options.output.empty() || options.emit.kind != Kind::Library)
      return options.output;
    std::string path = absolute(options.model);
    return (llvm::sys::fs::is_directory(path) ? llvm::sys::path::filename(path)
                                              : llvm::sys::path::stem(path))
               .str() +
           ".so";
  }

  Error lower() {
    bool isWhole =
        options.emit.kind != Kind::PhaseIR && options.emit.kind != Kind::Header;
    Phase last = isWhole ? Phase::LLVM : options.emit.phase;
    if (failed(verifyPhase(*module, options.compileFrom)))
      return makeError(options.model + ": is not at phase '" +
                       phaseName(options.compileFrom) +
                       "'; name its phase with --compile-from");
    for (const PhaseInfo &info : phases()) {
      if (info.phase > last)
        break;
      if (info.phase < options.compileFrom)
        continue;
      if (info.phase != options.compileFrom) {
        PassManager pm(&context);
        buildPhasePipeline(pm, info.phase, *target, options.lowering);
        if (failed(pm.run(*module)))
          return makeError("compilation failed on the way to phase '" +
                           info.name + "'");
      }
      if (Error error = dump(info.phase))
        return error;
    }
    return Error::success();
  }

  /// Prints the module, its files named from `folder`.
  void print(llvm::raw_ostream &out, llvm::StringRef folder) {
    OwningOpRef<ModuleOp> copy(module->clone());
    std::string base = absolute(folder.empty() ? "." : folder);
    renameFiles(*copy, [&](llvm::StringRef path) {
      llvm::SmallString<256> full(weightsRoot);
      llvm::sys::path::append(full, path);
      return relativeTo(absolute(full), base);
    });
    copy->print(out);
    out << '\n';
  }

  std::string dumpPath(size_t number, llvm::StringRef name) {
    llvm::SmallString<256> path(options.dumpPhasesTo);
    llvm::sys::path::append(path, "0" + Twine(number) + "-" + name);
    return path.str().str();
  }

  Error dump(Phase phase) {
    if (options.dumpPhasesTo.empty())
      return Error::success();
    return writeFile(
        dumpPath(size_t(phase), (phaseName(phase) + ".mlir").str()),
        [&](llvm::raw_pwrite_stream &out) {
          print(out, options.dumpPhasesTo);
          return Error::success();
        });
  }

  //===--------------------------------------------------------------------===//
  // Writing
  //===--------------------------------------------------------------------===//

  Error emit(EmitKind kind, llvm::raw_pwrite_stream &out) {
    return target->emit(*module, kind, out);
  }

  Error writeHeader(llvm::StringRef path) {
    std::vector<ExportedFunction> functions;
    for (func::FuncOp func : (*module).getOps<func::FuncOp>())
      if (func->hasAttr(tern::TernDialect::kExportedAttr)) {
        FailureOr<ExportedFunction> exported = readExportedFunction(func);
        if (failed(exported))
          return makeError(options.model + ": has no sound 'tern.exported'");
        functions.push_back(std::move(*exported));
      }
    return writeFile(path, [&](llvm::raw_pwrite_stream &out) {
      out << headerOf(functions, llvm::sys::path::stem(options.model));
      return Error::success();
    });
  }

  Error write() {
    std::string path = outputPath();
    if (options.emit.kind == Kind::PhaseIR)
      return writeFile(path, [&](llvm::raw_pwrite_stream &out) {
        print(out, llvm::sys::path::parent_path(path));
        return Error::success();
      });
    if (options.emit.kind == Kind::Header)
      return writeHeader(path);
    if (!options.dumpPhasesTo.empty()) {
      size_t number = phases().size();
      for (const CodeKind &code : codeKinds) {
        if (code.dumpName.empty() || !target->canEmit(code.kind))
          continue;
        if (Error error = writeFile(dumpPath(number++, code.dumpName),
                                    [&](llvm::raw_pwrite_stream &out) {
                                      return emit(code.kind, out);
                                    }))
          return error;
      }
    }
    EmitKind kind = emitKind(options.emit.kind);
    if (options.emit.kind != Kind::Library) {
      if (kind == EmitKind::Object && path.empty() && ::isatty(STDOUT_FILENO))
        return makeError("an object file does not go to a terminal; name it "
                         "with -o");
      return writeFile(
          path, [&](llvm::raw_pwrite_stream &out) { return emit(kind, out); });
    }

    if (!(*module).lookupSymbol(TERNAC_MODEL_SYMBOL))
      return makeError(options.model + ": has no function '" +
                       TERNAC_MODEL_SYMBOL +
                       "', so it cannot become a library");
    llvm::SmallString<0> object;
    llvm::raw_svector_ostream stream(object);
    if (Error error = emit(EmitKind::Object, stream))
      return error;
    auto weights = (*module)->getAttrOfType<tern::WeightsAttr>(
        tern::TernDialect::kWeightsAttr);
    packing::PackOptions pack;
    pack.root = weightsRoot;
    pack.progress = options.progress;
    return writeModelLibrary(
        path, object, target->hostTriple(targetAttr),
        weights ? tern::toPackingPlan(weights) : packing::Plan(), pack);
  }

  const CompileOptions &options;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  const Target *target = nullptr;
  tern::TargetAttr targetAttr;
  std::string weightsRoot; ///< absolute
};

} // namespace

Error ternac::compile(const CompileOptions &options) {
  return Compilation(options).run();
}

Expected<std::string> ternac::describeTarget(llvm::StringRef text) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<tern::TernDialect>();
  auto resolved = resolveTarget(&context, text);
  if (!resolved)
    return resolved.takeError();
  std::string result;
  llvm::raw_string_ostream(result) << resolved->second;
  return result;
}
