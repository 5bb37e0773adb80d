//===- TestCheckpoint.h - Checkpoints and what they pack to -----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A checkpoint of random tensors on disk, plans over it, and a second, naive
// packer that works on whole tensors in memory and shares no code with the
// first.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_UNIT_PACKING_TESTCHECKPOINT_H
#define TERNAC_TEST_UNIT_PACKING_TESTCHECKPOINT_H

#include "ternac/Packing/Plan.h"

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace ternac::packing {

/// A folder that is removed with its contents.
class ScratchFolder {
public:
  ScratchFolder();
  ~ScratchFolder();
  std::string file(const std::string &name) const {
    return folder + "/" + name;
  }
  const std::string &path() const { return folder; }

private:
  std::string folder;
};

/// The bits of `value` rounded to F16 or BF16, or its own.
uint32_t bitsOf(Encoding encoding, float value);
/// The value that such bits stand for.
float valueOf(Encoding encoding, uint32_t bits);

class TestCheckpoint {
public:
  explicit TestCheckpoint(unsigned seed = 1) : random(seed) {}

  /// Random tensors, one for each layer; "{}" in the name counts from 5.
  Source add(const std::string &name, Encoding encoding, int64_t rows,
             int64_t cols, int64_t layers = 1);
  /// A tensor of the given values.
  Source addValues(const std::string &name, Encoding encoding, int64_t rows,
                   int64_t cols, const std::vector<float> &values);
  /// A tensor of the given bytes, of which the naive packer knows nothing.
  Source addBytes(const std::string &name, Encoding encoding, int64_t rows,
                  int64_t cols, const std::vector<uint8_t> &bytes);

  /// Writes the file and puts it into `plan`.
  void save(const ScratchFolder &folder, Plan &plan) const;

  /// The bytes of the whole weight segment; gaps are zero.
  std::vector<uint8_t> packNaively(const Plan &plan) const;

private:
  std::vector<float> stack(const Entry &entry, int64_t layer) const;
  void packEntry(const Entry &entry, int64_t layer, uint8_t *out) const;
  const std::vector<float> &valuesOf(const Source &source,
                                     int64_t layer) const {
    return tensors.at(source.nameOf(layer));
  }

  std::mt19937 random;
  std::vector<uint8_t> bytes = {1, 2, 3}; ///< tensors need not be aligned
  std::map<std::string, std::vector<float>> tensors;
};

/// An entry over `sources`; rows and columns are theirs.
Entry makeEntry(const std::string &name, EntryKind kind,
                std::vector<Source> sources, int64_t layers = 1);

/// Adds `entry` behind the entries of `plan`, after a gap.
void append(Plan &plan, Entry entry);

/// Runs writePlan into a file at `base` and returns what lies from there on,
/// or sets `message`.
std::vector<uint8_t> writeToBytes(const Plan &plan, const ScratchFolder &folder,
                                  unsigned threads, std::string &message,
                                  uint64_t base = 0);

/// The message of the error that writePlan returns, or "".
std::string messageOf(const Plan &plan, const ScratchFolder &folder,
                      unsigned threads = 1);

} // namespace ternac::packing

#endif // TERNAC_TEST_UNIT_PACKING_TESTCHECKPOINT_H
