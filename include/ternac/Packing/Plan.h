//===- Plan.h - What the weight segment of a library holds ------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The IR never holds weight bytes. It holds a plan: an ordered list of entries,
// each saying which slices of which checkpoint files become which bytes at
// which offset of the weight segment. The packer streams the plan into the
// output, tensor by tensor, in bounded memory.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_PACKING_PLAN_H
#define TERNAC_PACKING_PLAN_H

#include "ternac/Packing/Encoding.h"
#include "ternac/Packing/Layout.h"
#include "ternac/Packing/Rope.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ternac::packing {

/// A checkpoint file that the plan reads.
struct File {
  std::string path;         ///< as the IR says it; relative to the root
  uint64_t size = 0;        ///< bytes
  uint64_t fingerprint = 0; ///< see fingerprintFile
};

/// One tensor, or the same tensor of every layer of a run.
struct Source {
  /// Name in the checkpoint; "{}" stands for the layer's number. For messages
  /// and for the seeds of synthetic weights.
  std::string name;
  int64_t firstLayer = 0;
  Encoding encoding = Encoding::F32;
  int64_t rows = 1; ///< logical rows M
  int64_t cols = 1; ///< logical columns K
  /// 0, or the even number D of rows in the heads of a projection whose rows
  /// are stored for a rotary embedding of neighbouring elements: row i and row
  /// D/2 + i of a head are the stored rows 2i and 2i + 1.
  int64_t interleaved = 0;
  /// Per layer: index into Plan::files and the offset of the first byte.
  /// Both empty when the weights are synthetic.
  std::vector<int64_t> files;
  std::vector<int64_t> offsets;

  /// The checkpoint name of layer `layer` (0-based within the run).
  std::string nameOf(int64_t layer) const;
  /// Where row `row` of the matrix is stored.
  int64_t storedRow(int64_t row) const;
};

/// What the bytes of an entry are.
enum class EntryKind : uint32_t {
  /// Trits of the sources, stacked along M, in `layout`. Sources that are not
  /// ternary are master weights: quantised by the absmean rule.
  Trits = 0,
  /// One f32 per source, or as `group` says: the factors that products are
  /// multiplied with. See `scaleSense`. Of an encoding with scales the source
  /// is
  /// the whole matrix, whose scales must be equal.
  Scales = 1,
  /// The sources stacked along M, row major, converted to `element`.
  Dense = 2,
  /// The sources stacked along M as int8 with one scale per row: rows x cols
  /// signed bytes q = round(127 * w / absmax(row)), computed in f64 and rounded
  /// half to even, then, at the next multiple of 64 bytes, `rows` f32 values
  /// absmax / 127. A row of zeros has the scale 0.
  RowInt8 = 3,
  /// Rotary tables: `rows` positions x `cols` = head size; the first half of
  /// a row is cos, the second sin, of the angles of `rope`, computed in f64 and
  /// rounded to f32.
  Rope = 4,
  /// The sources stacked along M as 4-bit integers in groups of 32 columns that
  /// share a scale; see ternac/Packing/Int4.h.
  GroupInt4 = 5,
};

/// What a stored scale means; see docs/Formats.md.
enum class ScaleSense : uint32_t {
  Direct = 0,     ///< the factor is the stored value
  Reciprocal = 1, ///< the factor is 1 / stored value
  /// The source is master weights W, and the factor is 1/s where the trits are
  /// made with s = 1 / max(mean|W|, 1e-5), all in f32.
  Absmean = 2,
  /// The source is weights that are -s, 0 or +s where the same s holds, and the
  /// factor is s (0 where all are 0). See `Entry::group`.
  Magnitude = 3,
};

struct Entry {
  std::string name;
  EntryKind kind = EntryKind::Dense;
  int64_t layers = 1;
  uint64_t offset = 0;     ///< of layer 0 in the weight segment
  uint64_t layerBytes = 0; ///< distance between two layers; multiple of 64
  Layout layout;           ///< Trits
  Encoding element = Encoding::F32; ///< Dense: F32, F16 or BF16
  /// Scales. Of Trits, `Magnitude` says that the trits are the signs of the
  /// sources' weights.
  ScaleSense scaleSense = ScaleSense::Direct;
  /// Scales of the sense `Magnitude`: 0, or the columns that share a scale. The
  /// entry then has, for each group of as many columns, a scale for each row of
  /// the sources.
  int64_t group = 0;
  Rope rope;        ///< Rope
  int64_t rows = 0; ///< total rows (Scales without group: the sources)
  int64_t cols = 0;
  std::vector<Source> sources; ///< Rope has none

  /// Groups of columns that have scales: 1 without `group`.
  int64_t groups() const { return group ? (cols - 1) / group + 1 : 1; }
  /// Bytes that one layer of the entry writes, before padding to 64.
  uint64_t payloadBytes() const;
};

struct Plan {
  std::vector<File> files;
  std::vector<Entry> entries; ///< ascending offsets, no overlap
  /// When present no file is read: elements are made from the seed, the
  /// tensor's name and their place. The scale "X_scale" suits the ternary
  /// matrix "X" of the plan; tensors named "norm" or "_ln" are near 1.
  std::optional<uint64_t> syntheticSeed;
  uint64_t totalBytes() const; ///< multiple of 64
};

/// The reason why `plan` makes no sense (shapes that do not add up, offsets
/// that overlap), which can be when its text was edited.
llvm::Error checkPlan(const Plan &plan);

/// A 64-bit value that tells checkpoints apart: xxh3 over the size (u64,
/// little-endian), the first 64 KiB and 4 KiB at each of 256 evenly spaced
/// places, of which the last ends the file. Not a cryptographic digest: its
/// cost is bounded however large the file.
llvm::Expected<uint64_t> fingerprintFile(const std::string &path);

struct PackOptions {
  /// Folder that relative paths of Plan::files start from.
  std::string root;
  unsigned threads = 2;
  /// Called with bytes written so far and in all, from one thread at a time.
  std::function<void(uint64_t, uint64_t)> progress;
};

/// Checks `plan` and its files (presence, size, fingerprint) and writes its
/// bytes to the open file descriptor `fd`, entry e at `base + e.offset`. The
/// file is extended to hold all of it; gaps between entries are left alone.
/// Memory is bounded (a few MiB per thread) whatever the size of the model, and
/// the bytes do not depend on the number of threads; nor does the error.
///
/// Errors, each one sentence naming file and tensor: a file that is missing,
/// or not the one the plan was made from; a read beyond its end; code 3 in
/// packed weights; a scale that is NaN, infinite, zero or negative; NaN or
/// infinity in any other weight, or a number too large for its element type;
/// weights of several magnitudes under one scale that is their magnitude;
/// different scales within one matrix; a failed write.
llvm::Error writePlan(const Plan &plan, int fd, uint64_t base,
                      const PackOptions &options);

} // namespace ternac::packing

#endif // TERNAC_PACKING_PLAN_H
