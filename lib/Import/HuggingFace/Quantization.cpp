//===- Quantization.cpp - Which modules are ternary, and how --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Quantization.h"

using namespace llvm;

namespace ternac::import::hf {

static constexpr StringLiteral keptKey = "modules_to_not_convert";

/// Entries are regular expressions to some versions of transformers and plain
/// text to others. Those without operators mean nearly the same to both.
static void checkKept(ArrayRef<std::string> kept, ObjectReader &reader) {
  for (StringRef entry : kept) {
    if (entry.empty() || entry.find_first_of("\\^$*+?{}[]|()") != entry.npos)
      return reader.fail("'" + keptKey + "' must list names of modules, but " +
                         "holds " + quoted(entry, '"') +
                         "; patterns are not supported");
    if (entry.ends_with(".weight") || entry.ends_with(".bias"))
      return reader.fail("'" + keptKey + "' must list names of modules, but " +
                         "holds " + quoted(entry, '"') +
                         ", the name of a tensor");
  }
}

Quantization Quantization::read(ObjectReader &reader) {
  Quantization result;
  reader.oneOf("quant_method", {"bitnet"});
  std::string linearClass =
      reader.oneOf("linear_class", {"bitlinear", "autobitlinear"}, "bitlinear");
  std::string mode =
      reader.oneOf("quantization_mode", {"offline", "online"}, "offline");
  // The scale of `bitlinear` divides, that of `autobitlinear` multiplies. The
  // former ignores the mode.
  bool online = false;
  if (linearClass == "bitlinear") {
    result.sense = packing::ScaleSense::Reciprocal;
    result.why = "linear_class is bitlinear";
  } else {
    online = mode == "online";
    result.sense =
        online ? packing::ScaleSense::Absmean : packing::ScaleSense::Direct;
    result.why = "linear_class is autobitlinear, quantization_mode " + mode;
  }
  if (reader.boolean("use_rms_norm", false))
    reader.expected("use_rms_norm",
                    "false (a norm inside of linear modules is not supported)");
  reader.find("rms_norm_eps"); // of the norm that use_rms_norm turns on

  if (reader.find(keptKey)) {
    result.kept = reader.strings(keptKey);
    checkKept(*result.kept, reader);
  }
  for (const std::string &key : reader.unknownKeys())
    reader.fail("unknown key " + quoted(key) +
                ", which may change the result; expected only quant_method, "
                "linear_class, quantization_mode, modules_to_not_convert, "
                "use_rms_norm and rms_norm_eps");
  return result;
}

bool Quantization::isTernary(StringRef module) const {
  if (module == "lm_head")
    return false;
  if (!kept)
    return true;
  // An entry stands for the modules in whose dotted names it is a run of
  // parts: "down_proj" for that of every layer, "model.layers.1" for all of
  // layer 1 and nothing of layer 10.
  std::string name = ("." + module + ".").str();
  return none_of(*kept, [&](StringRef entry) {
    return StringRef(name).contains(("." + entry + ".").str());
  });
}

} // namespace ternac::import::hf
