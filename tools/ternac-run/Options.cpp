//===- Options.cpp - The command line of ternac-run -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "ternac/Support/Arguments.h"

using namespace ternac;
using namespace ternac::run;

std::optional<int> Options::parse(int argc, char **argv) {
  Arguments arguments("ternac-run", TERNAC_VERSION,
                      "Runs a compiled model: continues a prompt of token ids "
                      "and prints the new ones.");
  arguments.positional("LIB", library, "the model library");
  arguments.list("tokens", "ID,ID,...", tokens, 0, "the prompt");
  arguments.option("max-new-tokens", "N", maxNewTokens, 0, INT32_MAX,
                   "tokens to generate at most (default 0)");
  arguments.flag("ignore-eos", ignoreEndTokens,
                 "go on after an end token of the model");
  arguments.option("logits", "FILE.npy", logitsFile,
                   "write the prompt's logits, float32 [tokens, vocabulary]");
  arguments.option("threads", "N", threads, 1, INT32_MAX,
                   "default: the processors this process may use");
  arguments.flag("no-pinning", noPinning,
                 "let the system move threads between processors");
  arguments.flag("huge-pages", hugePages,
                 "copy the weights into huge pages before the first token");
  arguments.option("temperature", "X", temperature,
                   "0 (default): always the likeliest token");
  arguments.option("top-k", "N", topK, 0, INT32_MAX,
                   "draw from the N likeliest tokens (default 0: all)");
  arguments.option("top-p", "X", topP,
                   "draw from the likeliest of sum X (default 1: all)");
  arguments.option("seed", "N", seed, "of the draws (default 0)");
  arguments.option("chunk", "N", chunk, 1, INT32_MAX,
                   "feed the prompt N tokens at a time");
  if (std::optional<int> status = arguments.parse(argc, argv))
    return status;
  if (tokens.empty())
    return Arguments::error("no prompt: give --tokens=ID,ID,...");
  return std::nullopt;
}

std::optional<int> Options::check(const TernacModel &model) const {
  for (int32_t token : tokens)
    if (static_cast<uint32_t>(token) >= model.vocab_size)
      return Arguments::error("token %d is outside the vocabulary of %u tokens",
                              token, model.vocab_size);
  if (tokens.size() + maxNewTokens > model.context_length)
    return Arguments::error(
        "%zu prompt tokens and %u new ones do not fit the context of %u tokens",
        tokens.size(), maxNewTokens, model.context_length);
  return std::nullopt;
}
