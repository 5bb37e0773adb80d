//===- BuildModule.cpp - A checkpoint as a tern module --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Import/BuildModule.h"

#include "ternac/Packing/Int4.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::import;
using namespace ternac::tern;

namespace {

/// Layers [first, first + count) that one loop can run.
struct Run {
  int64_t first, count;
};

bool alike(const Tensor &a, const Tensor &b) {
  return a.encoding == b.encoding && a.rows == b.rows && a.cols == b.cols &&
         a.interleaved == b.interleaved;
}
bool alike(const std::optional<Tensor> &a, const std::optional<Tensor> &b) {
  return a.has_value() == b.has_value() && (!a || alike(*a, *b));
}
bool alike(const Linear &a, const Linear &b) {
  return a.ternary == b.ternary && alike(a.weight, b.weight) &&
         (!a.ternary ||
          (a.scaleSense == b.scaleSense && a.scaleColumns == b.scaleColumns &&
           alike(a.scale, b.scale)));
}
bool alike(const Layer &a, const Layer &b) {
  return alike(a.inputNorm, b.inputNorm) &&
         alike(a.postAttentionNorm, b.postAttentionNorm) &&
         alike(a.attentionSubNorm, b.attentionSubNorm) &&
         alike(a.feedForwardSubNorm, b.feedForwardSubNorm) && alike(a.q, b.q) &&
         alike(a.k, b.k) && alike(a.v, b.v) && alike(a.o, b.o) &&
         alike(a.gate, b.gate) && alike(a.up, b.up) && alike(a.down, b.down);
}

SmallVector<Run> findRuns(ArrayRef<Layer> layers) {
  SmallVector<Run> runs;
  for (int64_t i = 0, e = layers.size(); i < e; ++i) {
    if (!runs.empty() && alike(layers[runs.back().first], layers[i]))
      ++runs.back().count;
    else
      runs.push_back({i, 1});
  }
  return runs;
}

class ModuleBuilder {
public:
  ModuleBuilder(MLIRContext *context, const Checkpoint &checkpoint,
                const ModelOptions &options, TargetAttr target)
      : checkpoint(checkpoint), options(options),
        b(UnknownLoc::get(context), context),
        module(ModuleOp::create(UnknownLoc::get(context))) {
    module->setAttr(TernDialect::kTargetAttr, target);
  }

  OwningOpRef<ModuleOp> build() {
    b.setInsertionPointToStart(module.getBody());
    setAttributes();
    addSharedGlobals();
    SmallVector<Run> runs = findRuns(checkpoint.layers);
    for (const Run &run : runs)
      layerWeights.push_back(addLayerGlobals(run));
    addForward(runs);
    return OwningOpRef<ModuleOp>(module);
  }

private:
  Type f32() { return b.getF32Type(); }
  Type elementOf(packing::Encoding encoding) {
    switch (encoding) {
    case packing::Encoding::F32:
      return b.getF32Type();
    case packing::Encoding::BF16:
      return b.getBF16Type();
    case packing::Encoding::F16:
    // Rounding to f16 changes far less than the quantisation that made blocks
    // did, and f32 would take twice the memory.
    case packing::Encoding::Q8_0:
    case packing::Encoding::Q6_K:
      return b.getF16Type();
    default:
      return TritType::get(b.getContext());
    }
  }
  RankedTensorType rows(Type element) {
    return RankedTensorType::get({ShapedType::kDynamic}, element);
  }
  RankedTensorType rows(int64_t columns, Type element) {
    return RankedTensorType::get({ShapedType::kDynamic, columns}, element);
  }

  //===--------------------------------------------------------------------===//
  // Attributes
  //===--------------------------------------------------------------------===//

  KVCacheType cacheType() {
    Type element;
    switch (options.cache) {
    case ModelOptions::Cache::F16:
      element = b.getF16Type();
      break;
    case ModelOptions::Cache::F32:
      element = b.getF32Type();
      break;
    case ModelOptions::Cache::I8:
      element = b.getI8Type();
      break;
    }
    return KVCacheType::get(b.getContext(), checkpoint.layers.size(),
                            checkpoint.kvHeads, checkpoint.headDim, element);
  }

  bool headIsEmbedding() const {
    return !checkpoint.head && options.head == ModelOptions::Head::AsStored;
  }

  /// Whether ternary layers take activations as they are.
  bool isWeightOnly() const {
    return options.activations == ModelOptions::Activations::F32 ||
           (options.activations == ModelOptions::Activations::Auto &&
            checkpoint.weightOnly);
  }

  static StringRef headWord(ModelOptions::Head head) {
    switch (head) {
    case ModelOptions::Head::Int8:
      return "i8";
    case ModelOptions::Head::Int4:
      return "i4";
    case ModelOptions::Head::AsStored:
      return "as-stored";
    }
    llvm_unreachable("all heads handled");
  }

  void setAttributes() {
    NamedAttrList facts;
    auto text = [&](StringRef key, StringRef value) {
      facts.set(key, b.getStringAttr(value));
    };
    auto number = [&](StringRef key, int64_t value) {
      facts.set(key, b.getI64IntegerAttr(value));
    };
    text("model_type", checkpoint.modelType);
    text("architecture", checkpoint.architecture);
    number("hidden_size", checkpoint.hiddenSize);
    number("intermediate_size", checkpoint.intermediateSize);
    number("layers", checkpoint.layers.size());
    number("heads", checkpoint.heads);
    number("kv_heads", checkpoint.kvHeads);
    number("head_dim", checkpoint.headDim);
    number("vocab_size", checkpoint.vocabSize);
    number("context_length", checkpoint.contextLength);
    number("max_rows", options.maxRows);
    number("max_sequences", options.maxSequences);
    number("begin_token", checkpoint.beginToken);
    number("cache_block_bytes", cacheType().getBlockBytes());
    facts.set("end_tokens", b.getDenseI64ArrayAttr(checkpoint.endTokens));
    text("head", headWord(options.head));
    text("head_weight", headIsEmbedding() ? "embedding" : "head");
    std::string cacheName;
    llvm::raw_string_ostream(cacheName) << cacheType().getElement();
    text("kv_cache", cacheName);
    text("attention",
         options.attention == ModelOptions::Attention::Auto ? "auto" : "f32");
    if (isWeightOnly())
      text("activations", "f32");
    if (checkpoint.rope.scaling != packing::RopeScaling::None)
      text("rope_scaling",
           stringifyRopeScaling(RopeScaling(checkpoint.rope.scaling)));
    if (DenseI64ArrayAttr sizes = windows())
      facts.set("sliding_windows", sizes);
    module->setAttr(TernDialect::kModelAttr,
                    facts.getDictionary(b.getContext()));

    SmallVector<FileAttr> files;
    for (const packing::File &file : checkpoint.files)
      files.push_back(FileAttr::get(b.getContext(), file.path, file.size,
                                    llvm::utohexstr(file.fingerprint,
                                                    /*LowerCase=*/true, 16)));
    IntegerAttr seed;
    if (checkpoint.syntheticSeed)
      seed = b.getI64IntegerAttr(int64_t(*checkpoint.syntheticSeed));
    module->setAttr(TernDialect::kWeightsAttr,
                    WeightsAttr::get(b.getContext(), files, seed, {}));
  }

  //===--------------------------------------------------------------------===//
  // Globals
  //===--------------------------------------------------------------------===//

  /// The source of one tensor, or of the same tensor of every layer of a run.
  SourceAttr source(ArrayRef<const Tensor *> tensors, int64_t firstLayer) {
    const Tensor &first = *tensors.front();
    SmallVector<int64_t> files, offsets;
    for (const Tensor *tensor : tensors) {
      files.push_back(tensor->file);
      offsets.push_back(tensor->offset);
    }
    if (checkpoint.syntheticSeed) {
      files.clear();
      offsets.clear();
    } else if (llvm::all_equal(files)) {
      files.resize(1);
    }
    return SourceAttr::get(b.getContext(), pattern(first.name, firstLayer),
                           Encoding(first.encoding), first.interleaved,
                           first.rows, first.cols, firstLayer, files, offsets);
  }

  /// "model.layers.3.mlp..." -> "model.layers.{}.mlp..." for layer 3, and so
  /// for "blk.3.ffn..."; names outside of layers stay as they are.
  static std::string pattern(StringRef name, int64_t layer) {
    for (StringRef list : {"layers.", "blk."}) {
      std::string number = (list + Twine(layer) + ".").str();
      size_t place = name.find(number);
      if (place == 0 || (place != StringRef::npos && name[place - 1] == '.'))
        return (name.take_front(place) + list + "{}." +
                name.drop_front(place + number.size()))
            .str();
    }
    return name.str();
  }

  StoredAttr stored(StoredKind kind, ArrayRef<SourceAttr> sources,
                    ScaleSense sense = ScaleSense::Direct, int64_t group = 0) {
    return StoredAttr::get(b.getContext(), kind, PackingAttr(), sense, group,
                           /*theta=*/FloatAttr(), /*scaling=*/RopeScalingAttr(),
                           sources);
  }

  StoredAttr ropeTable() {
    const packing::Rope &rope = checkpoint.rope;
    RopeScalingAttr scaling;
    if (rope.scaling != packing::RopeScaling::None) {
      bool isYarn = rope.scaling == packing::RopeScaling::Yarn;
      bool hasTurns = isYarn || rope.scaling == packing::RopeScaling::Llama3;
      auto number = [&](bool present, double value) {
        return present ? b.getF64FloatAttr(value) : FloatAttr();
      };
      scaling = RopeScalingAttr::get(
          b.getContext(), RopeScaling(rope.scaling),
          b.getF64FloatAttr(rope.factor), rope.originalLength,
          number(hasTurns, rope.low), number(hasTurns, rope.high),
          number(isYarn, rope.attentionFactor), rope.truncate);
    }
    return StoredAttr::get(
        b.getContext(), StoredKind::Rope, PackingAttr(), ScaleSense::Direct,
        /*group=*/0, b.getF64FloatAttr(rope.theta), scaling, /*sources=*/{});
  }

  void addGlobal(StringRef name, RankedTensorType type, StoredAttr stored) {
    GlobalOp::create(b, name, type, stored);
  }

  void addSharedGlobals() {
    const Tensor &embedding = checkpoint.embedding;
    addGlobal("embedding",
              RankedTensorType::get({embedding.rows, embedding.cols},
                                    elementOf(embedding.encoding)),
              stored(StoredKind::Dense, source(&embedding, 0)));
    addGlobal("rope",
              RankedTensorType::get(
                  {checkpoint.contextLength, checkpoint.headDim}, f32()),
              ropeTable());
    addGlobal("final_norm",
              RankedTensorType::get({checkpoint.finalNorm.cols}, f32()),
              stored(StoredKind::Dense, source(&checkpoint.finalNorm, 0)));
    if (headIsEmbedding())
      return;
    const Tensor &head = checkpoint.head ? *checkpoint.head : embedding;
    SmallVector<int64_t> shape = {head.rows, head.cols};
    Type element = b.getI8Type();
    StoredKind kind = StoredKind::RowInt8;
    if (options.head == ModelOptions::Head::Int4) {
      shape = {packing::Int4::bytes(head.rows, head.cols)};
      kind = StoredKind::GroupInt4;
    } else if (options.head == ModelOptions::Head::AsStored) {
      element = elementOf(head.encoding);
      kind = StoredKind::Dense;
    }
    addGlobal("head", RankedTensorType::get(shape, element),
              stored(kind, source(&head, 0)));
  }

  /// Adds the globals of a run and returns the `weights` of its layer op.
  DictionaryAttr addLayerGlobals(const Run &run) {
    NamedAttrList names;
    names.set("rope", FlatSymbolRefAttr::get(b.getContext(), "rope"));
    auto layers = ArrayRef(checkpoint.layers).slice(run.first, run.count);
    std::string prefix = "layers" + std::to_string(run.first) + ".";
    auto add = [&](StringRef part, SmallVector<int64_t> shape, Type element,
                   StoredAttr value) {
      shape.insert(shape.begin(), run.count);
      addGlobal(prefix + part.str(), RankedTensorType::get(shape, element),
                value);
      names.set(part,
                FlatSymbolRefAttr::get(b.getContext(), prefix + part.str()));
    };
    auto collect = [&](auto member) {
      return llvm::map_to_vector(layers, member);
    };
    auto norm = [&](StringRef part, auto member) {
      auto tensors = collect(member);
      add(part, {tensors.front()->cols}, f32(),
          stored(StoredKind::Dense, source(tensors, run.first)));
    };
    norm("input_norm", [](const Layer &l) { return &l.inputNorm; });
    norm("post_attention_norm",
         [](const Layer &l) { return &l.postAttentionNorm; });
    if (layers.front().attentionSubNorm)
      norm("attention_sub_norm",
           [](const Layer &l) { return &*l.attentionSubNorm; });
    if (layers.front().feedForwardSubNorm)
      norm("ffn_sub_norm",
           [](const Layer &l) { return &*l.feedForwardSubNorm; });

    const std::pair<StringRef, Linear Layer::*> projections[] = {
        {"q_proj", &Layer::q},       {"k_proj", &Layer::k},
        {"v_proj", &Layer::v},       {"o_proj", &Layer::o},
        {"gate_proj", &Layer::gate}, {"up_proj", &Layer::up},
        {"down_proj", &Layer::down}};
    for (auto [part, member] : projections) {
      auto weights = collect([m = member](const Layer &l) -> const Tensor * {
        return &(l.*m).weight;
      });
      const Linear &first = layers.front().*member;
      SmallVector<int64_t> shape = {first.weight.rows, first.weight.cols};
      SourceAttr weightSource = source(weights, run.first);
      if (!first.ternary) {
        add(part, shape, elementOf(first.weight.encoding),
            stored(StoredKind::Dense, weightSource));
        continue;
      }
      bool areValues = first.scaleSense == packing::ScaleSense::Magnitude;
      add(part, shape, TritType::get(b.getContext()),
          stored(StoredKind::Trits, weightSource,
                 areValues ? ScaleSense::Magnitude : ScaleSense::Direct));
      auto scales = collect([m = member](const Layer &l) -> const Tensor * {
        return &(l.*m).scale;
      });
      int64_t group = first.scaleColumns;
      SmallVector<int64_t> scaleShape = {1};
      if (group != 0)
        scaleShape = {llvm::divideCeilSigned(shape[1], group), shape[0]};
      add((part + "_scale").str(), scaleShape, f32(),
          stored(StoredKind::Scales, source(scales, run.first),
                 ScaleSense(first.scaleSense), group));
    }
    return names.getDictionary(b.getContext());
  }

  //===--------------------------------------------------------------------===//
  // The function
  //===--------------------------------------------------------------------===//

  Value load(StringRef name) {
    auto global = module.lookupSymbol<GlobalOp>(name);
    return LoadGlobalOp::create(b, TypeRange{global.getType()}, name, Value())
        .getResult(0);
  }

  void addForward(ArrayRef<Run> runs) {
    RankedTensorType numbers = rows(b.getI32Type());
    RankedTensorType hidden = rows(checkpoint.hiddenSize, f32());
    RankedTensorType logits = rows(checkpoint.vocabSize, f32());
    KVCacheType cache = cacheType();
    auto forward = func::FuncOp::create(
        b, "forward",
        b.getFunctionType({numbers, numbers, numbers, numbers, cache},
                          {logits, cache}));
    b.setInsertionPointToStart(forward.addEntryBlock());
    Value positions = forward.getArgument(1),
          sequences = forward.getArgument(2);

    Value x = EmbeddingOp::create(b, TypeRange{hidden}, forward.getArgument(0),
                                  load("embedding"), ValueRange())
                  .getResult(0);
    Value kv = forward.getArgument(4);
    for (auto [run, weights] : llvm::zip_equal(runs, layerWeights)) {
      Value zero = arith::ConstantIndexOp::create(b, 0);
      Value one = arith::ConstantIndexOp::create(b, 1);
      Value count = arith::ConstantIndexOp::create(b, run.count);
      auto loop = scf::ForOp::create(b, zero, count, one, ValueRange{x, kv});
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      auto layer = DecoderLayerOp::create(
          b, TypeRange{hidden, cache}, loop.getRegionIterArg(0),
          loop.getRegionIterArg(1), loop.getInductionVar(), positions,
          sequences, weights, b.getI64IntegerAttr(checkpoint.heads),
          b.getI64IntegerAttr(run.first),
          ActivationAttr::get(b.getContext(),
                              checkpoint.activation == import::Activation::Relu2
                                  ? tern::Activation::Relu2
                                  : tern::Activation::Silu),
          b.getF32FloatAttr(checkpoint.normEps), windows(),
          isWeightOnly() ? b.getUnitAttr() : UnitAttr());
      scf::YieldOp::create(b, layer.getResults());
      x = loop.getResult(0);
      kv = loop.getResult(1);
    }

    // Only the rows that want logits go through the last norm and the head.
    Value last = GatherRowsOp::create(b, TypeRange{hidden}, x,
                                      forward.getArgument(3), ValueRange())
                     .getResult(0);
    last =
        RMSNormOp::create(b, TypeRange{hidden}, last, load("final_norm"),
                          ValueRange(), b.getF32FloatAttr(checkpoint.normEps))
            .getResult(0);
    Value result = LinearOp::create(b, TypeRange{logits}, last, headWeight(),
                                    /*step=*/Value(), rowScale, ValueRange())
                       .getResult(0);
    func::ReturnOp::create(b, ValueRange{result, kv});
  }

  DenseI64ArrayAttr windows() {
    return checkpoint.windows.empty()
               ? DenseI64ArrayAttr()
               : b.getDenseI64ArrayAttr(checkpoint.windows);
  }

  /// The head's weight; sets `rowScale` when it is int8.
  Value headWeight() {
    if (headIsEmbedding())
      return load("embedding");
    auto global = module.lookupSymbol<GlobalOp>("head");
    if (global.getStored().getKind() != StoredKind::RowInt8)
      return load("head");
    auto scales = RankedTensorType::get({checkpoint.vocabSize}, f32());
    auto loadHead = LoadGlobalOp::create(b, TypeRange{global.getType(), scales},
                                         "head", Value());
    rowScale = loadHead.getResult(1);
    return loadHead.getResult(0);
  }

  const Checkpoint &checkpoint;
  const ModelOptions &options;
  ImplicitLocOpBuilder b;
  ModuleOp module;
  SmallVector<DictionaryAttr> layerWeights;
  Value rowScale;
};

} // namespace

OwningOpRef<ModuleOp> import::buildModule(MLIRContext *context,
                                          const Checkpoint &checkpoint,
                                          const ModelOptions &options,
                                          TargetAttr target) {
  context->loadDialect<TernDialect, func::FuncDialect, scf::SCFDialect>();
  OwningOpRef<ModuleOp> module =
      ModuleBuilder(context, checkpoint, options, target).build();
  assert(succeeded(verify(*module)) && "a checked checkpoint gives valid IR");
  return module;
}
