//===- main.cpp - The compiler --------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"

#include "ternac/Pipeline/Phases.h"
#include "ternac/Support/Arguments.h"
#include "ternac/Target/Target.h"

#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

#include <unistd.h>

using namespace ternac;

/// A bar on stderr, for people only.
static void showProgress(uint64_t done, uint64_t total) {
  constexpr int width = 40;
  int filled = total ? int(width * done / total) : width;
  fprintf(stderr, "\rweights [%.*s%.*s] %3d%%%s", filled,
          "########################################", width - filled,
          "........................................",
          total ? int(100 * done / total) : 100, done == total ? "\n" : "");
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  tool::Options options;
  if (std::optional<int> status = options.parse(argc, argv))
    return *status;

  for (const std::string &path : options.loadTargets)
    if (llvm::Error error = loadTargetPlugin(path))
      return Arguments::error("%s", llvm::toString(std::move(error)).c_str());

  if (options.listPhases)
    for (const PhaseInfo &info : phases())
      llvm::outs() << llvm::left_justify(info.name, 12) << info.summary << '\n';
  if (options.listTargets)
    listTargets(llvm::outs());
  if (options.printTarget) {
    llvm::Expected<std::string> text = describeTarget(
        options.compile.target.value_or(allTargets().front()->name().str()));
    if (!text)
      return Arguments::error("%s", llvm::toString(text.takeError()).c_str());
    llvm::outs() << *text << '\n';
  }
  if (options.listPhases || options.listTargets || options.printTarget)
    return 0;

  if (::isatty(STDERR_FILENO))
    options.compile.progress = showProgress;
  if (llvm::Error error = compile(options.compile))
    return Arguments::error("%s", llvm::toString(std::move(error)).c_str());
  return 0;
}
