//===- main.cpp - ternac-bench, speeds next to what is possible -----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A speed says little without the speed of the machine it was measured on. This
// tool measures both in one run and reports the fraction.
//
//===----------------------------------------------------------------------===//

#include "../common/Device.h"
#include "../common/Model.h"
#include "Measure.h"
#include "Options.h"
#include "Report.h"
#include "ternac/Support/Arguments.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

using namespace ternac;
using namespace ternac::bench;

static int run(TernacLibrary *library, Options &options,
               std::chrono::steady_clock::time_point started) {
  const TernacModel &model = *ternac_model_of(library);
  if (std::optional<int> status = options.resolve(model))
    return *status;
  tool::Device device;
  if (!device.open(options.device, model, options.library))
    return 1;
  std::optional<Measurements> measurements =
      measure(library, device.table(), options, started);
  if (!measurements)
    return 1;
  uint32_t number = ternac_version_of(library);
  const TernacVersion &code = *ternac_version_at(library, number);
  std::string json = formatJSON(*measurements, options, number, code);
  bool replacesTable = options.json && options.json->empty();
  std::string text =
      replacesTable ? json : formatTable(*measurements, number, code);
  if (fputs(text.c_str(), stdout) < 0 || fflush(stdout) != 0)
    return Arguments::error("cannot write the results: %s", strerror(errno));
  if (options.json && !replacesTable && !writeFile(*options.json, json))
    return Arguments::error("cannot write '%s': %s", options.json->c_str(),
                            strerror(errno));
  return 0;
}

int main(int argc, char **argv) {
  Options options;
  if (std::optional<int> status = options.parse(argc, argv))
    return *status;
  auto started = std::chrono::steady_clock::now();
  TernacLibrary *library =
      tool::openModel(options.library, options.codeVersion);
  if (!library)
    return 1;
  int status = run(library, options, started);
  ternac_close(library);
  return status;
}
