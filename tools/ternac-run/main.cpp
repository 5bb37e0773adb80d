//===- main.cpp - ternac-run, the command line of the runtime -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Token ids in, token ids out: the smallest way to run a compiled model, for
// scripts and tests. Text is the business of the Python package.
//
//===----------------------------------------------------------------------===//

#include "Runner.h"

using namespace ternac::run;

int main(int argc, char **argv) {
  Options options;
  if (std::optional<int> status = options.parse(argc, argv))
    return *status;
  return Runner(options).run() ? 0 : 1;
}
