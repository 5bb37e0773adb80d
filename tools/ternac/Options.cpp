//===- Options.cpp - The command line of ternac ---------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"

#include "ternac/Support/Arguments.h"
#include "ternac/Version.h"

#include "llvm/ADT/StringExtras.h"

using namespace ternac;
using namespace ternac::tool;

namespace {

/// A word that an option may have, and what it means; words that the command
/// line will have, but that nothing does yet, have no meaning.
template <typename T> struct Choice {
  llvm::StringLiteral word;
  std::optional<T> meaning;
};

/// Sets `variable` to the meaning of `word`; false after printing an error.
template <typename T>
bool choose(const char *option, llvm::StringRef word,
            llvm::ArrayRef<Choice<T>> choices, T &variable) {
  std::string known;
  for (const Choice<T> &choice : choices) {
    if (choice.meaning && choice.word == word) {
      variable = *choice.meaning;
      return true;
    }
    if (choice.meaning)
      known += (known.empty() ? "" : ", ") + choice.word.str();
  }
  bool planned = llvm::any_of(
      choices, [&](const Choice<T> &choice) { return choice.word == word; });
  Arguments::error("--%s=%s is %s; expected one of: %s", option,
                   word.str().c_str(),
                   planned ? "not supported yet" : "not known", known.c_str());
  return false;
}

using Head = import::ModelOptions::Head;
using Cache = import::ModelOptions::Cache;
using Attention = import::ModelOptions::Attention;
constexpr Choice<Head> heads[] = {
    {"i8", Head::Int8}, {"i4", Head::Int4}, {"as-stored", Head::AsStored}};
constexpr Choice<Cache> caches[] = {
    {"f16", Cache::F16}, {"f32", Cache::F32}, {"i8", Cache::I8}};
constexpr Choice<Attention> attentions[] = {{"auto", Attention::Auto},
                                            {"f32", Attention::F32}};
using Activations = import::ModelOptions::Activations;
constexpr Choice<Activations> activationTypes[] = {{"auto", Activations::Auto},
                                                   {"i8", Activations::Int8},
                                                   {"f32", Activations::F32}};
using import::I2SLayout;
constexpr Choice<I2SLayout> i2sLayouts[] = {{"blocks128", I2SLayout::Blocks128},
                                            {"blocks64", I2SLayout::Blocks64},
                                            {"rows4", I2SLayout::Rows4}};
constexpr Choice<bool> weightPlaces[] = {{"embedded", true},
                                         {"separate", std::nullopt}};
constexpr Choice<bool> strategies[] = {{"auto", true},      {"add_sub", true},
                                       {"dot", true},       {"lut", true},
                                       {"reference", true}, {"tile", true}};

constexpr Choice<bool> packings[] = {{"auto", true},   {"row2", true},
                                     {"tile2", true},  {"base3", true},
                                     {"planes", true}, {"i8", true}};

} // namespace

std::optional<int> Options::parse(int argc, char **argv) {
  Arguments arguments("ternac", TERNAC_VERSION,
                      "Compiles a ternary language model to a native shared "
                      "library.");
  std::string emit = "lib", from = "imported", target, seed, context;
  std::string head, cache, attention, activations, i2s, weights = "embedded";
  uint32_t maxRows = 0, maxSequences = 0;
  arguments.positional("MODEL", compile.model,
                       "a Hugging Face directory, or a .gguf, .mlir or .mlirbc "
                       "file",
                       /*required=*/false);
  arguments.option(
      "o", "FILE", compile.output,
      "where to write (default: MODEL.so; stdout for IR and code)");
  arguments.option("target", "NAME[,KEY=VALUE...]", target,
                   "what to compile for (default: this host)");
  arguments.option("load-target", "FILE", loadTargets,
                   "a target plug-in to load; may be given several times");
  arguments.option(
      "emit", "KIND", emit,
      "lib (default), obj, asm, llvm, kernels, header, or a phase");
  arguments.option("compile-from", "PHASE", from,
                   "the phase that an .mlir file is at (default: imported)");
  arguments.option("dump-phases-to", "DIR", compile.dumpPhasesTo,
                   "write the IR of every phase, LLVM IR and assembly to DIR");
  arguments.option("weights-root", "DIR", compile.weightsRoot,
                   "where the weight files of an .mlir file lie");
  arguments.option("context-length", "N", context,
                   "positions per sequence (default: the model's)");
  arguments.option("max-tokens-per-call", "N", maxRows, 1, 1 << 20,
                   "rows of a call at most (default 512)");
  arguments.option("max-sequences", "N", maxSequences, 1, 1 << 20,
                   "sequences that can be live at once (default 64)");
  arguments.option("head", "TYPE", head,
                   "of the weights: i8 (default), i4 or as-stored");
  arguments.option("kv-cache", "TYPE", cache, "f16 (default), f32 or i8");
  arguments.option("attention", "TYPE", attention, "auto (default) or f32");
  arguments.option("activations", "TYPE", activations,
                   "of ternary layers: auto (default), i8 or f32");
  arguments.option("strategy", "NAME", compile.lowering.strategy,
                   "of ternary matmuls: auto (default), add_sub, dot, lut, "
                   "tile");
  arguments.option("packing", "NAME", compile.lowering.packing,
                   "of ternary weights: auto (default), row2, tile2, base3, "
                   "planes");
  arguments.flag("remarks", compile.remarks,
                 "say why each matmul has its strategy and packing");
  arguments.option("weights", "PLACE", weights, "embedded (default)");
  arguments.option("synthetic-weights", "SEED", seed,
                   "make weights from SEED; config.json is enough");
  arguments.option("i2s-layout", "NAME", i2s,
                   "of the I2_S weights of a .gguf file: blocks128 (default), "
                   "blocks64 or rows4");
  arguments.flag("list-phases", listPhases, "print the phases and end");
  arguments.flag("list-targets", listTargets, "print the targets and end");
  arguments.flag("print-target", printTarget,
                 "print the description of --target and end");
  if (std::optional<int> status = arguments.parse(argc, argv))
    return status;
  if (!target.empty())
    compile.target = target;
  if (listPhases || listTargets || printTarget)
    return std::nullopt;
  if (compile.model.empty())
    return Arguments::error("expected MODEL, a Hugging Face directory or a "
                            ".gguf, .mlir or .mlirbc file (see ternac --help)");

  llvm::Expected<Output> output = Output::parse(emit);
  if (!output)
    return Arguments::error("%s", llvm::toString(output.takeError()).c_str());
  compile.emit = *output;
  std::optional<Phase> phase = phaseByName(from);
  if (!phase)
    return Arguments::error("unknown --compile-from=%s; expected one of: %s",
                            from.c_str(), phaseNames().c_str());
  compile.compileFrom = *phase;

  bool ignored;
  import::ModelOptions &model = compile.modelOptions;
  auto given = [&](const char *name, bool isGiven) {
    if (isGiven)
      compile.importOptions.push_back(name);
    return isGiven;
  };
  if ((given("head", !head.empty()) &&
       !choose<Head>("head", head, heads, model.head)) ||
      (given("kv-cache", !cache.empty()) &&
       !choose<Cache>("kv-cache", cache, caches, model.cache)) ||
      (given("attention", !attention.empty()) &&
       !choose<Attention>("attention", attention, attentions,
                          model.attention)) ||
      (given("activations", !activations.empty()) &&
       !choose<Activations>("activations", activations, activationTypes,
                            model.activations)) ||
      !choose<bool>("weights", weights, weightPlaces, ignored) ||
      !choose<bool>("strategy", compile.lowering.strategy, strategies,
                    ignored) ||
      !choose<bool>("packing", compile.lowering.packing, packings, ignored))
    return 1;
  if (given("max-tokens-per-call", maxRows != 0))
    model.maxRows = maxRows;
  if (given("max-sequences", maxSequences != 0))
    model.maxSequences = maxSequences;
  given("synthetic-weights", !seed.empty());
  given("context-length", !context.empty());
  if (given("i2s-layout", !i2s.empty())) {
    I2SLayout layout;
    if (!choose<I2SLayout>("i2s-layout", i2s, i2sLayouts, layout))
      return 1;
    compile.i2sLayout = layout;
  }
  if (!seed.empty()) {
    uint64_t number;
    if (llvm::StringRef(seed).getAsInteger(10, number) || number > INT64_MAX)
      return Arguments::error("option '--synthetic-weights': expected a number "
                              "from 0 to 2^63-1, but got '%s'",
                              seed.c_str());
    compile.syntheticSeed = number;
  }
  if (!context.empty()) {
    int64_t number;
    if (llvm::StringRef(context).getAsInteger(10, number) || number < 1)
      return Arguments::error("option '--context-length': expected a positive "
                              "number, but got '%s'",
                              context.c_str());
    compile.contextLength = number;
  }
  return std::nullopt;
}
