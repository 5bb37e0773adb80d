//===- Windows.cpp - Which positions the layers of a config.json see ------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In a sliding layer a row at position p sees the `sliding_window` positions
// that end with p (transformers' masking_utils.py: kv_idx > q_idx - window).
// Which layers slide is up to the code of a model_type. What another
// model_type reads (qwen2: use_sliding_window and max_window_layers, from which
// layer on layers slide) must say the same, or it is not clear what is meant.
//
//===----------------------------------------------------------------------===//

#include "Config.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <limits>

using namespace llvm;

namespace ternac::import::hf {

static constexpr StringLiteral full = "full_attention";
static constexpr StringLiteral sliding = "sliding_attention";

/// The `layer_types`, one for each layer, or none.
static std::vector<std::string> readTypes(ObjectReader &reader,
                                          int64_t layers) {
  std::vector<std::string> types = reader.strings("layer_types");
  if (reader.failed() || !reader.find("layer_types"))
    return {};
  if (int64_t(types.size()) != layers) {
    reader.fail("'layer_types' must have one entry for each of the " +
                Twine(layers) + " layers, but has " + Twine(types.size()));
    return {};
  }
  for (const std::string &type : types)
    if (type != full && type != sliding)
      reader.fail("'layer_types' must hold only \"" + full + "\" and \"" +
                  sliding + "\", but holds " + quoted(type, '"'));
  return types;
}

namespace {
/// What a config says of windows.
struct Windows {
  /// How the code of the model_type reads it: not at all, the same for all
  /// layers, or by `layer_types`.
  enum class Rule { None, Same, ByType } rule;
  std::string ofType; ///< for messages
  std::vector<std::string> types;
  std::optional<int64_t> size;
  std::vector<bool> slides; ///< for each layer

  bool anySlides() const { return is_contained(slides, true); }
};
} // namespace

static Windows readSlidingLayers(ObjectReader &reader, int64_t layers,
                                 StringRef modelType) {
  Windows windows;
  windows.rule = StringSwitch<Windows::Rule>(modelType)
                     .Case("mistral", Windows::Rule::Same)
                     .Case("ministral", Windows::Rule::ByType)
                     .Default(Windows::Rule::None);
  windows.ofType = ("for the model_type \"" + modelType + "\"").str();
  windows.types = readTypes(reader, layers);
  bool hasRule = windows.rule != Windows::Rule::None;
  if (reader.find("sliding_window"))
    windows.size = reader.integer("sliding_window", 1,
                                  std::numeric_limits<int32_t>::max());
  else if (hasRule && !reader.contains("sliding_window"))
    windows.size = 4096; // Only null says that there is none.

  bool isOn = hasRule && windows.size;
  windows.slides.assign(layers, isOn);
  for (size_t i = 0; i < windows.types.size(); ++i) {
    bool slides = windows.types[i] == sliding;
    if (windows.rule == Windows::Rule::ByType)
      windows.slides[i] = slides;
    else if (slides != isOn)
      reader.fail("'layer_types' must hold only \"" + (isOn ? sliding : full) +
                  "\" " + windows.ofType + ", but holds " +
                  quoted(windows.types[i], '"'));
  }
  if (windows.anySlides() && !windows.size)
    reader.expected("sliding_window",
                    "a number where 'layer_types' has \"" + sliding + "\"");
  return windows;
}

/// Complains about keys that say something else to other code.
static void checkOtherReadings(ObjectReader &reader, const Windows &windows) {
  bool anySlides = windows.anySlides();
  bool isOff = !windows.types.empty() && !is_contained(windows.types, sliding);
  if (reader.find("use_sliding_window")) {
    bool use = reader.boolean("use_sliding_window", anySlides);
    isOff |= !use;
    if (use != anySlides)
      reader.expected("use_sliding_window",
                      (anySlides ? "true" : "false") + Twine(" or absent ") +
                          windows.ofType +
                          (anySlides ? ", whose layers slide"
                                     : ", none of whose layers slides"));
  }
  if (windows.rule == Windows::Rule::None && windows.size && !isOff)
    reader.expected("sliding_window", "null or absent " + windows.ofType +
                                          ", which has no windows in "
                                          "transformers");
  if (!reader.find("max_window_layers") || !anySlides)
    return;
  int64_t first = reader.integer("max_window_layers", 0,
                                 std::numeric_limits<int32_t>::max());
  for (int64_t i = 0, e = windows.slides.size(); i < e; ++i)
    if (windows.slides[i] != (i >= first))
      reader.expected("max_window_layers",
                      "absent " + windows.ofType +
                          ", where not just the layers from it on slide");
}

void readWindows(ObjectReader &reader, int64_t layers, Checkpoint &facts) {
  Windows windows = readSlidingLayers(reader, layers, facts.modelType);
  checkOtherReadings(reader, windows);
  // A window as long as the context hides nothing.
  if (reader.failed() || !windows.anySlides() ||
      *windows.size >= facts.contextLength)
    return;
  for (bool slides : windows.slides)
    facts.windows.push_back(slides ? *windows.size : 0);
  if (all_equal(facts.windows))
    facts.windows.resize(1);
}

} // namespace ternac::import::hf
