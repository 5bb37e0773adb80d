//===- Plan.cpp - What the weight segment of a library holds --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Names and sizes of plans, and the check that a plan, which a user may have
// edited in the IR, makes sense.
//
//===----------------------------------------------------------------------===//

#include "ternac/Packing/Plan.h"

#include "ternac/Packing/Int4.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>

using llvm::Error;
using llvm::Twine;

namespace ternac::packing {

/// Of entries, layers and the row scales within an entry.
static constexpr uint64_t alignment = 64;

/// Far beyond any model, and together they keep every sum and product of sizes
/// below overflow.
static constexpr int64_t maxExtent = int64_t(1) << 32;
static constexpr int64_t maxElements = int64_t(1) << 48;
static constexpr uint64_t maxBytes = uint64_t(1) << 48;
static constexpr int64_t maxLayers = 1 << 14;

std::string Source::nameOf(int64_t layer) const {
  std::string result = name;
  if (size_t hole = result.find("{}"); hole != std::string::npos)
    result.replace(hole, 2, std::to_string(firstLayer + layer));
  return result;
}

int64_t Source::storedRow(int64_t row) const {
  if (interleaved == 0)
    return row;
  const int64_t half = interleaved / 2, within = row % interleaved;
  return row - within + within % half * 2 + within / half;
}

uint64_t Entry::payloadBytes() const {
  uint64_t elements = static_cast<uint64_t>(rows) * cols;
  switch (kind) {
  case EntryKind::Trits:
    return layout.bytes(rows, cols);
  case EntryKind::Scales:
    return rows * groups() * sizeof(float);
  case EntryKind::Dense:
    return rows * rowBytes(element, cols);
  case EntryKind::RowInt8:
    return llvm::alignTo(elements, alignment) + rows * sizeof(float);
  case EntryKind::GroupInt4:
    return Int4::bytes(rows, cols);
  case EntryKind::Rope:
    return elements * sizeof(float);
  }
  llvm_unreachable("unknown kind of entry");
}

/// The first byte behind the entry.
static uint64_t endOf(const Entry &entry) {
  return entry.offset + (entry.layers - 1) * entry.layerBytes +
         entry.payloadBytes();
}

uint64_t Plan::totalBytes() const {
  uint64_t end = 0;
  for (const Entry &entry : entries)
    end = std::max(end, endOf(entry));
  return llvm::alignTo(end, alignment);
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

static Error invalid(const Entry &entry, const Twine &message) {
  return llvm::createStringError("weight entry '" + entry.name +
                                 "': " + message);
}

static Error expected(const Entry &entry, const Twine &what, int64_t wanted,
                      int64_t got) {
  return invalid(entry, "expected " + what + " " + Twine(wanted) +
                            ", but got " + Twine(got));
}

static Error checkShape(const Entry &entry, const Twine &where, int64_t rows,
                        int64_t cols) {
  if (rows >= 1 && cols >= 1 && rows <= maxExtent && cols <= maxExtent &&
      rows <= maxElements / cols)
    return Error::success();
  return invalid(entry, where + "expected a shape between 1 x 1 and " +
                            Twine(maxElements) + " elements, but got " +
                            Twine(rows) + " x " + Twine(cols));
}

static Error checkFiles(const Plan &plan, const Entry &entry,
                        const Source &source) {
  // A synthetic tensor lies in no file.
  const size_t places = plan.syntheticSeed ? 0 : entry.layers;
  std::string count = "count of files and offsets of '" + source.name + "'";
  if (source.files.size() != places)
    return expected(entry, count, places, source.files.size());
  if (source.offsets.size() != places)
    return expected(entry, count, places, source.offsets.size());
  for (int64_t file : source.files)
    if (file < 0 || static_cast<size_t>(file) >= plan.files.size())
      return expected(entry,
                      "file of '" + source.name + "' below " +
                          Twine(plan.files.size()) + " and at least",
                      0, file);
  for (int64_t offset : source.offsets)
    if (offset < 0)
      return expected(entry, "offset of '" + source.name + "' of at least", 0,
                      offset);
  return Error::success();
}

/// The reason why the rows of `source` cannot be in that order, or nullopt.
static std::optional<std::string> invalidOrder(const Source &source) {
  const int64_t head = source.interleaved;
  if (head == 0 || (head > 0 && head % 2 == 0 && source.rows % head == 0))
    return std::nullopt;
  return "expected interleaved heads of an even number of rows that divides " +
         std::to_string(source.rows) + ", but got " + std::to_string(head);
}

static Error checkScaleSource(const Entry &entry, const Source &source) {
  if (hasScales(source.encoding)) {
    if (entry.scaleSense == ScaleSense::Direct ||
        entry.scaleSense == ScaleSense::Magnitude)
      return Error::success();
    return invalid(entry, "expected scales in the sense 'direct' or "
                          "'magnitude', since they lie in '" +
                              source.name + "'");
  }
  if (isTernary(source.encoding))
    return invalid(entry, "expected floating-point values in '" + source.name +
                              "', but got packed ternary ones");
  const bool isOfMatrix = entry.scaleSense == ScaleSense::Absmean ||
                          entry.scaleSense == ScaleSense::Magnitude;
  if (!isOfMatrix && (source.rows != 1 || source.cols != 1))
    return invalid(entry, "expected one value in '" + source.name +
                              "', but got " + Twine(source.rows) + " x " +
                              Twine(source.cols));
  return Error::success();
}

static Error checkSource(const Plan &plan, const Entry &entry,
                         const Source &source) {
  if (Error error = checkShape(entry, "in '" + source.name + "', ", source.rows,
                               source.cols))
    return error;
  if (auto reason = invalidShape(source.encoding, source.rows, source.cols))
    return invalid(entry, "in '" + source.name + "', " + *reason);
  if (auto reason = invalidOrder(source))
    return invalid(entry, "in '" + source.name + "', " + *reason);
  // What a seed gives is rounded to numbers or trits, not to blocks.
  if (plan.syntheticSeed && !isFloat(source.encoding) &&
      source.encoding != Encoding::PackedRows)
    return invalid(entry, "expected '" + source.name +
                              "' to be stored without blocks, since the "
                              "weights are synthetic");
  if (entry.kind == EntryKind::Scales) {
    if (Error error = checkScaleSource(entry, source))
      return error;
  } else if (entry.kind != EntryKind::Trits && hasScales(source.encoding)) {
    return invalid(entry, "expected numbers in '" + source.name +
                              "', but got trits with scales");
  }
  if ((entry.kind != EntryKind::Scales || entry.group > 0) &&
      source.cols != entry.cols)
    return expected(entry, "columns of '" + source.name + "' to be", entry.cols,
                    source.cols);
  return checkFiles(plan, entry, source);
}

static Error checkRows(const Entry &entry) {
  int64_t rows = 0;
  if (entry.kind == EntryKind::Scales && entry.group == 0)
    rows = entry.sources.size();
  else
    for (const Source &source : entry.sources)
      rows += source.rows;
  if (rows == entry.rows)
    return Error::success();
  return expected(entry, "rows to be", rows, entry.rows);
}

static Error checkEntry(const Plan &plan, const Entry &entry) {
  if (entry.layers < 1 || entry.layers > maxLayers)
    return invalid(entry, "expected 1 to " + Twine(maxLayers) +
                              " layers, but got " + Twine(entry.layers));
  const bool isScales = entry.kind == EntryKind::Scales;
  const bool isMagnitude = entry.scaleSense == ScaleSense::Magnitude;
  if (entry.group < 0 || (entry.group > 0 && !(isScales && isMagnitude)))
    return invalid(entry, "expected a group of columns only of scales that are "
                          "magnitudes, but got " +
                              Twine(entry.group));
  const bool isOneEach = isScales && entry.group == 0;
  if (Error error =
          checkShape(entry, "", entry.rows, isOneEach ? 1 : entry.cols))
    return error;
  if (entry.kind == EntryKind::Trits)
    if (auto reason = entry.layout.invalid())
      return invalid(entry, "in its layout, " + *reason);
  if (entry.kind == EntryKind::Dense && !isFloat(entry.element))
    return invalid(entry, "expected a floating-point element type");
  if (entry.kind == EntryKind::Rope) {
    if (entry.cols % 2 != 0)
      return invalid(entry, "expected an even head size, but got " +
                                Twine(entry.cols));
    if (auto reason = entry.rope.invalid(entry.cols))
      return invalid(entry, *reason);
    if (!entry.sources.empty())
      return expected(entry, "sources to be", 0, entry.sources.size());
  } else {
    for (const Source &source : entry.sources)
      if (Error error = checkSource(plan, entry, source))
        return error;
    if (Error error = checkRows(entry))
      return error;
  }
  for (uint64_t bytes : {entry.offset, entry.layerBytes})
    if (bytes % alignment != 0 || bytes > maxBytes)
      return invalid(
          entry, "expected offset and layer distance to be multiples of " +
                     Twine(alignment) + " and sane, but got " + Twine(bytes));
  if (entry.payloadBytes() > maxBytes)
    return invalid(entry, "expected at most " + Twine(maxBytes) +
                              " bytes, but got " + Twine(entry.payloadBytes()));
  if (entry.layers > 1 && entry.layerBytes < entry.payloadBytes())
    return expected(entry, "layer distance of at least", entry.payloadBytes(),
                    entry.layerBytes);
  return Error::success();
}

Error checkPlan(const Plan &plan) {
  uint64_t end = 0;
  for (const Entry &entry : plan.entries) {
    if (Error error = checkEntry(plan, entry))
      return error;
    if (entry.offset < end)
      return expected(entry, "offset of at least", end, entry.offset);
    end = endOf(entry);
  }
  return Error::success();
}

} // namespace ternac::packing
