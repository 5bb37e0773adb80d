//===- NpyWriter.h - A matrix of floats as a NumPy file ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The logits of a long prompt are a gigabyte, so they are written as they are
// computed. The file gets its name only when it is whole.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_RUN_NPYWRITER_H
#define TERNAC_TOOLS_RUN_NPYWRITER_H

#include <cstddef>
#include <cstdio>
#include <string>

namespace ternac::run {

/// Writes float32 [rows, columns] in NumPy's format 1.0. Unless `commit`
/// succeeds, nothing is left behind.
class NpyWriter {
public:
  ~NpyWriter();

  // Each returns false, with `errno` set, if the file cannot be written.
  bool open(const std::string &path, size_t rows, size_t columns);
  bool append(const float *values, size_t count);
  bool commit();

private:
  std::string path, temporary;
  FILE *file = nullptr;
};

} // namespace ternac::run

#endif // TERNAC_TOOLS_RUN_NPYWRITER_H
