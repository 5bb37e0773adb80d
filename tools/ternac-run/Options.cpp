//===- Options.cpp - The command line of ternac-run -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "DeviceList.h"
#include "PromptFile.h"
#include "ternac/Support/Arguments.h"
#include "ternac/Version.h"

using namespace ternac;
using namespace ternac::run;

std::optional<int> Options::parse(int argc, char **argv) {
  Arguments arguments("ternac-run", TERNAC_VERSION,
                      "Runs a compiled model: continues prompts of token ids "
                      "and prints the new ones.");
  std::string promptFile;
  bool listsDevices = false;
  arguments.positional("LIB", library, "the model library",
                       /*required=*/false);
  arguments.list("tokens", "ID,ID,...", prompts, 0,
                 "a prompt; may be given several times");
  arguments.option("prompts", "FILE", promptFile,
                   "more prompts, one on each line");
  arguments.option("max-new-tokens", "N", maxNewTokens, 0, INT32_MAX,
                   "tokens to generate at most, of each (default 0)");
  arguments.option("sequences", "N", sequences, 1, INT32_MAX,
                   "prompts at a time (default: all that the model takes)");
  arguments.flag("ignore-eos", ignoreEndTokens,
                 "go on after an end token of the model");
  arguments.option("logits", "FILE.npy", logitsFile,
                   "write the prompts' logits, float32 [tokens, vocabulary]");
  arguments.option("threads", "N", threads, 1, INT32_MAX,
                   "default: the processors this process may use; 1 if a "
                   "device computes");
  arguments.flag("no-pinning", noPinning,
                 "let the system move threads between processors");
  arguments.flag("huge-pages", hugePages,
                 "copy the weights into huge pages before the first token");
  arguments.option("device", "DEVICE", device,
                   "that the model was compiled for: one of --list-devices, or "
                   "a driver library");
  arguments.flag("list-devices", listsDevices,
                 "print the devices that need no driver library, and exit");
  arguments.option("code-version", "NAME", codeVersion,
                   "run this version of the code, a name or a number (default: "
                   "the last that this machine can run)");
  arguments.option("temperature", "X", temperature,
                   "0 (default): always the likeliest token");
  arguments.option("top-k", "N", topK, 0, INT32_MAX,
                   "draw from the N likeliest tokens (default 0: all)");
  arguments.option("top-p", "X", topP,
                   "draw from the likeliest of sum X (default 1: all)");
  arguments.option("seed", "N", seed, "of the draws (default 0)");
  arguments.option("chunk", "N", chunk, 1, INT32_MAX,
                   "feed a prompt N tokens at a time");
  if (std::optional<int> status = arguments.parse(argc, argv))
    return status;
  if (listsDevices)
    return printDevices();
  if (library.empty())
    return Arguments::error(
        "expected LIB, the model library (see ternac-run --help)");
  if (!isReplaceable(logitsFile))
    return Arguments::error("cannot write '%s': it is not a regular file",
                            logitsFile.c_str());
  if (!promptFile.empty() && !readPrompts(promptFile, prompts))
    return 1;
  if (prompts.empty())
    return Arguments::error(
        "no prompt: give --tokens=ID,ID,... or --prompts=FILE");
  return std::nullopt;
}

std::string Options::nameOf(size_t prompt) const {
  return prompts.size() == 1 ? ""
                             : "prompt " + std::to_string(prompt + 1) + ": ";
}

std::optional<int> Options::check(const TernacModel &model) const {
  for (size_t i = 0; i < prompts.size(); ++i) {
    for (int32_t token : prompts[i])
      if (static_cast<uint32_t>(token) >= model.vocab_size)
        return Arguments::error(
            "%stoken %d is outside the vocabulary of %u tokens",
            nameOf(i).c_str(), token, model.vocab_size);
    if (prompts[i].size() + maxNewTokens > model.context_length)
      return Arguments::error("%s%zu prompt tokens and %u new ones do not fit "
                              "the context of %u tokens",
                              nameOf(i).c_str(), prompts[i].size(),
                              maxNewTokens, model.context_length);
  }
  return std::nullopt;
}
