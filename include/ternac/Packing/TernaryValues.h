//===- TernaryValues.h - Floats that are ternary already --------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Some checkpoints have ternary weights as floats: -s, 0 or +s where one scale
// s holds. Nothing but the values says so, nor for which weights a scale holds.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_PACKING_TERNARYVALUES_H
#define TERNAC_PACKING_TERNARYVALUES_H

#include "ternac/Packing/Plan.h"

namespace ternac::packing {

/// Which weights of a matrix share a scale. Each kind can stand for those
/// before it.
enum class ScaleSpan { Matrix, Row, Columns128, Columns64, Columns32 };

/// The columns that share a scale in a row of `cols` columns; 0 for `Matrix`.
int64_t columnsOf(ScaleSpan span, int64_t cols);

/// Weights that are not ternary; the message says where the first of them is,
/// or that all are 0, which says nothing.
class NotTernaryError : public llvm::ErrorInfo<NotTernaryError> {
public:
  static char ID;
  explicit NotTernaryError(std::string message) : text(std::move(message)) {}
  void log(llvm::raw_ostream &out) const override { out << text; }
  std::error_code convertToErrorCode() const override {
    return llvm::inconvertibleErrorCode();
  }

private:
  std::string text;
};

/// Reads all sources of the plan's entries, floats in files below `root`, and
/// finds the first kind of span that fits all of them. Memory is bounded, and
/// reading stops at the first tensor that is not ternary, which is a
/// NotTernaryError.
llvm::Expected<ScaleSpan>
findScaleSpan(const Plan &plan, const std::string &root, unsigned threads = 2);

} // namespace ternac::packing

#endif // TERNAC_PACKING_TERNARYVALUES_H
