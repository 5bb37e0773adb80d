//===- Report.h - Measurements for people and programs ----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The same figures as a table and as JSON.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_BENCH_REPORT_H
#define TERNAC_TOOLS_BENCH_REPORT_H

#include "Measure.h"

#include <string>

namespace ternac::bench {

std::string formatTable(const Measurements &measurements);

/// `model` is the table of the library that was measured.
std::string formatJSON(const Measurements &measurements, const Options &options,
                       const TernacModel &model);

/// Writes `text` to `path` whole or not at all; false, with `errno` set, if it
/// cannot be written.
bool writeFile(const std::string &path, const std::string &text);

} // namespace ternac::bench

#endif // TERNAC_TOOLS_BENCH_REPORT_H
