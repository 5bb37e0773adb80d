//===- MappedMemory.h - Large memory from the kernel ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Workspaces, caches and weights are large enough that running out of memory
// must be an error the user can read. They come straight from the kernel: page
// aligned, zeroed, in huge pages where it has them, and paid for when touched.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_RUNTIME_MAPPEDMEMORY_H
#define TERNAC_RUNTIME_MAPPEDMEMORY_H

#include <cstdint>
#include <string>

namespace ternac::runtime {

/// A mapping that is undone when this object dies.
class MappedMemory {
public:
  MappedMemory() = default;
  MappedMemory(MappedMemory &&other) noexcept;
  MappedMemory &operator=(MappedMemory &&other) noexcept;
  ~MappedMemory();

  /// `bytes` of zeroed memory; `data()` is null if there is not enough.
  static MappedMemory allocate(uint64_t bytes);
  /// The contents of a regular file, read only. On failure `data()` is null and
  /// errno says why.
  static MappedMemory mapFile(const std::string &path);

  void *data() const { return start; }
  uint64_t size() const { return bytes; }

private:
  void *start = nullptr;
  uint64_t bytes = 0;
};

} // namespace ternac::runtime

#endif // TERNAC_RUNTIME_MAPPEDMEMORY_H
