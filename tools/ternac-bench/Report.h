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

/// `code` is the version of the library's code that was measured.
std::string formatTable(const Measurements &measurements, uint32_t number,
                        const TernacVersion &code);
std::string formatJSON(const Measurements &measurements, const Options &options,
                       uint32_t number, const TernacVersion &code);

/// Writes `text` to `path` whole or not at all; false, with `errno` set, if it
/// cannot be written.
bool writeFile(const std::string &path, const std::string &text);

} // namespace ternac::bench

#endif // TERNAC_TOOLS_BENCH_REPORT_H
