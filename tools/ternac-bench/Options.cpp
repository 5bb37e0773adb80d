//===- Options.cpp - The command line of ternac-bench ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "ternac/Runtime/ThreadPool.h"
#include "ternac/Support/Arguments.h"
#include "ternac/Version.h"

#include <algorithm>

using namespace ternac;
using namespace ternac::bench;

std::optional<int> Options::parse(int argc, char **argv) {
  Arguments arguments("ternac-bench", TERNAC_VERSION,
                      "Measures a compiled model against this machine's "
                      "memory and arithmetic.");
  arguments.positional("LIB", library, "the model library");
  arguments.list("p", "N,...", prompts, 0,
                 "prefill N tokens (default 128,512; 0: no prefill)");
  arguments.list("prefill-sequences", "N,...", prefillSequences, 1,
                 "prefill N prompts in one batch (default 1)");
  arguments.list("n", "N,...", decodes, 0,
                 "decode N tokens, one by one (default 32; 0: no decode)");
  arguments.list("c", "N,...", contexts, 0,
                 "decode after N tokens of context (default 0)");
  arguments.alias("context");
  arguments.list("s", "N,...", sequences, 1,
                 "decode N sequences together (default 1)");
  arguments.alias("sequences");
  arguments.list("t", "N,...", threads, 1,
                 "default: 1 and the processors this process may use");
  arguments.alias("threads");
  arguments.option("r", "N", repetitions, 1, 1000,
                   "samples of each measurement (default 3)");
  arguments.alias("repetitions");
  arguments.optionalValue("json", "FILE", json,
                          "print JSON instead of a table, or write it to FILE");
  arguments.flag("no-pinning", noPinning,
                 "let the system move threads between processors");
  arguments.flag("huge-pages", hugePages,
                 "copy the weights into huge pages first");
  arguments.option("device", "DEVICE", device,
                   "that the model was compiled for, as of ternac-run");
  arguments.option("code-version", "NAME", codeVersion,
                   "run this version of the code, a name or a number (default: "
                   "the last that this machine can run)");
  if (std::optional<int> status = arguments.parse(argc, argv))
    return status;
  if (json && !isReplaceable(*json))
    return Arguments::error("cannot write '%s': it is not a regular file",
                            json->c_str());
  return std::nullopt;
}

/// Drops the zeros, which ask for nothing, and what is there twice.
static void normalize(std::vector<int32_t> &values) {
  std::erase(values, 0);
  std::vector<int32_t> unique;
  for (int32_t value : values)
    if (std::find(unique.begin(), unique.end(), value) == unique.end())
      unique.push_back(value);
  values = std::move(unique);
}

std::optional<int> Options::checkSequences(const TernacModel &model) const {
  for (const std::vector<int32_t> *list : {&sequences, &prefillSequences})
    for (int32_t count : *list)
      if (static_cast<uint32_t>(count) > model.max_sequences)
        return Arguments::error(
            "expected at most %u sequences, which the model "
            "was compiled for, but got %d; compile it with "
            "--max-sequences=%d",
            model.max_sequences, count, count);
  return std::nullopt;
}

std::optional<int> Options::resolve(const TernacModel &model) {
  int32_t context = static_cast<int32_t>(model.context_length);
  if (prompts.empty())
    prompts = {std::min(128, context), std::min(512, context)};
  if (decodes.empty())
    decodes = {std::min(32, context)};
  if (threads.empty())
    threads = {1, static_cast<int32_t>(
                      std::min(runtime::processorCount(), model.max_threads))};
  normalize(prompts);
  normalize(decodes);
  normalize(threads);
  normalize(sequences);
  normalize(prefillSequences);
  for (int32_t count : threads)
    if (static_cast<uint32_t>(count) > model.max_threads)
      return Arguments::error("expected at most %u threads, which the model "
                              "was compiled for, but got %d",
                              model.max_threads, count);
  if (std::optional<int> status = checkSequences(model))
    return status;
  for (int32_t prompt : prompts)
    if (prompt > context)
      return Arguments::error(
          "a prefill of %d tokens does not fit the context of %d tokens",
          prompt, context);
  for (int32_t decode : decodes)
    for (int32_t before : contexts)
      if (int64_t(before) + decode > context)
        return Arguments::error("a decode of %d tokens after %d does not fit "
                                "the context of %d tokens; at most %d can "
                                "come before",
                                decode, before, context,
                                std::max(context - decode, 0));
  return std::nullopt;
}
