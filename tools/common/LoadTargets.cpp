//===- LoadTargets.cpp - --load-target of the MLIR tools ------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LoadTargets.h"

#include "ternac/Target/Target.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/WithColor.h"

using namespace ternac;

// For --help, and so that upstream's parser takes what is read here.
static llvm::cl::list<std::string>
    option("load-target", llvm::cl::value_desc("file"),
           llvm::cl::desc("Load a target plug-in"));

bool tool::loadTargets(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef word(argv[i]);
    if (!word.consume_front("-"))
      continue;
    word.consume_front("-");
    if (!word.consume_front(option.ArgStr))
      continue;
    llvm::StringRef path = word;
    if (word.empty() && i + 1 < argc)
      path = argv[++i];
    else if (!path.consume_front("="))
      continue; // another option, or one that the parser refuses
    if (llvm::Error error = loadTargetPlugin(path)) {
      llvm::WithColor::error() << llvm::toString(std::move(error)) << '\n';
      return false;
    }
  }
  return true;
}
