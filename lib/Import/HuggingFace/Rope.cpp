//===- Rope.cpp - How a config.json says that positions are encoded -------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An object says how the frequencies are scaled: `rope_scaling`, beside the key
// `rope_theta`, or since version 5 of transformers `rope_parameters`, which has
// the theta, too. The kind of scaling is its `rope_type`, once called `type`.
// Where transformers falls back to something, or only warns, and other programs
// do not agree, this complains.
//
//===----------------------------------------------------------------------===//

#include "Config.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVectorExtras.h"

#include <cmath>

using namespace llvm;
using ternac::packing::Rope;
using ternac::packing::RopeScaling;

namespace ternac::import::hf {

namespace {
struct Type {
  StringLiteral name;
  RopeScaling scaling;
  StringLiteral keys; ///< beside rope_type and rope_theta
};
} // namespace

static constexpr Type types[] = {
    {"default", RopeScaling::None, "only rope_theta"},
    {"linear", RopeScaling::Linear, "factor"},
    {"dynamic", RopeScaling::Dynamic, "factor"},
    {"llama3", RopeScaling::Llama3,
     "factor, original_max_position_embeddings, low_freq_factor and "
     "high_freq_factor"},
    {"yarn", RopeScaling::Yarn,
     "factor, original_max_position_embeddings, beta_fast, beta_slow, "
     "attention_factor, mscale, mscale_all_dim and truncate"},
};

static const Type &readType(ObjectReader &keys) {
  auto names = map_to_vector(
      types, [](const Type &type) { return StringRef(type.name); });
  std::string name = keys.oneOf("rope_type", names, "default");
  std::string older = keys.oneOf("type", names, StringRef(name));
  if (!keys.find("rope_type"))
    name = older;
  if (name != older)
    keys.fail("'type' contradicts 'rope_type': \"" + older + "\" is not \"" +
              name + "\"");
  return *find_if(types, [&](const Type &type) { return type.name == name; });
}

static void requireBelow(ObjectReader &keys, StringRef lower, double low,
                         StringRef upper, double high) {
  if (!keys.failed() && low >= high)
    keys.fail(quoted(lower) + " must be less than " + quoted(upper) + ", but " +
              shown(low) + " is not less than " + shown(high));
}

/// What yarn multiplies cosines and sines by.
static double readAttentionFactor(ObjectReader &keys, double factor) {
  double mscale = keys.atLeast(0, "mscale", 0.0);
  double mscaleAllDim = keys.atLeast(0, "mscale_all_dim", 0.0);
  if (!keys.find("mscale") != !keys.find("mscale_all_dim"))
    keys.fail("'mscale' and 'mscale_all_dim' must be there together or not at "
              "all");
  auto temperature = [&](double scale) {
    return 0.1 * scale * std::log(factor) + 1.0;
  };
  double computed = mscale != 0 && mscaleAllDim != 0
                        ? temperature(mscale) / temperature(mscaleAllDim)
                        : temperature(1);
  return keys.positive("attention_factor", computed);
}

static Rope readObject(ObjectReader &keys, const Checkpoint &facts) {
  const Type &type = readType(keys);
  Rope rope;
  rope.scaling = type.scaling;
  if (rope.scaling != RopeScaling::None)
    rope.factor = keys.atLeast(1, "factor");
  auto readOriginalLength = [&] {
    return keys.integer("original_max_position_embeddings", 1, maxContext);
  };
  switch (rope.scaling) {
  case RopeScaling::None:
  case RopeScaling::Linear:
    break;
  case RopeScaling::Dynamic:
    // Transformers reads max_position_embeddings even if the other is there.
    rope.originalLength = facts.contextLength;
    if (keys.find("original_max_position_embeddings") &&
        readOriginalLength() != rope.originalLength)
      keys.expected("original_max_position_embeddings",
                    "absent or the max_position_embeddings " +
                        Twine(rope.originalLength));
    break;
  case RopeScaling::Llama3:
    rope.originalLength = readOriginalLength();
    rope.low = keys.positive("low_freq_factor");
    rope.high = keys.positive("high_freq_factor");
    requireBelow(keys, "low_freq_factor", rope.low, "high_freq_factor",
                 rope.high);
    break;
  case RopeScaling::Yarn:
    rope.originalLength = readOriginalLength();
    rope.low = keys.positive("beta_slow", 1.0);
    rope.high = keys.positive("beta_fast", 32.0);
    requireBelow(keys, "beta_slow", rope.low, "beta_fast", rope.high);
    rope.attentionFactor = readAttentionFactor(keys, rope.factor);
    rope.truncate = keys.boolean("truncate", true);
    break;
  }
  const json::Value *part = keys.find("partial_rotary_factor");
  if (part && *part != json::Value(1))
    keys.expected("partial_rotary_factor", "1 or absent");
  keys.find("rope_theta");
  for (const std::string &unknown : keys.unknownKeys())
    keys.fail("unknown key " + quoted(unknown) + "; the rope_type \"" +
              type.name + "\" has " + type.keys);
  return rope;
}

void readRope(ObjectReader &reader, double defaultTheta, Checkpoint &facts) {
  std::optional<double> theta;
  if (reader.find("rope_theta"))
    theta = reader.positive("rope_theta");
  std::optional<Rope> found;
  bool isNested = !theta; // found in one of the objects, if at all
  for (StringRef key : {"rope_parameters", "rope_scaling"}) {
    const json::Value *value = reader.find(key);
    if (!value)
      continue;
    const json::Object *object = value->getAsObject();
    if (!object)
      return reader.expected(key, "an object or null");
    ObjectReader keys(*object, (reader.where() + ": " + key).str());
    Rope rope = readObject(keys, facts);
    if (found && theta && isNested && !keys.find("rope_theta"))
      keys.fail("'rope_theta' is missing: transformers reads nothing of "
                "'rope_parameters' beside it");
    if (keys.find("rope_theta")) {
      double nested = keys.positive("rope_theta");
      if (theta && *theta != nested)
        keys.fail("'rope_theta' contradicts another rope_theta of the file");
      theta = nested;
    }
    if (found && *found != rope)
      keys.fail("contradicts 'rope_parameters'");
    found = rope;
    reader.absorb(keys);
  }
  facts.rope = found.value_or(Rope());
  facts.rope.theta = theta.value_or(defaultTheta);
  // What is wrong now is so in combination with theta or the size of heads.
  if (auto reason = facts.rope.invalid(facts.headDim);
      reason && !reader.failed())
    reader.fail("in the rope, " + *reason);
}

} // namespace ternac::import::hf
