//===- Samples.cpp - A look at weights before the work --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Packing/Samples.h"

#include "Files.h"
#include "TensorReader.h"

#include <cmath>

using llvm::Error;

namespace ternac::packing {

Error checkSamples(const std::string &path, llvm::ArrayRef<Source> sources) {
  constexpr int64_t samples = 8;
  llvm::Expected<InputFile> file = InputFile::open(path);
  if (!file)
    return file.takeError();
  const Plan plan;
  TensorReader reader(plan, *file);
  std::vector<int8_t> row;
  for (const Source &source : sources) {
    llvm::Expected<float> scale = reader.readScale(source, 0);
    if (!scale)
      return scale.takeError();
    if (!std::isfinite(*scale) || *scale <= 0.0f)
      return reader.error(source, 0,
                          "expected a positive, finite scale, but found " +
                              shown(*scale));
    row.resize(source.cols);
    // The last sample is the last row.
    for (int64_t i = 0; i < samples; ++i)
      if (Error error = reader.readTrits(
              source, 0, (source.rows - 1) * i / (samples - 1), 1, row.data()))
        return error;
  }
  return Error::success();
}

} // namespace ternac::packing
