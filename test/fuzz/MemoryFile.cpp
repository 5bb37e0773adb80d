//===- MemoryFile.cpp - A file that is in memory only ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MemoryFile.h"

#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

MemoryFile::MemoryFile(const uint8_t *data, size_t size)
    : descriptor(::memfd_create("input", MFD_CLOEXEC)) {
  // Without a file there is nothing to fuzz.
  if (descriptor < 0 || ::write(descriptor, data, size) != ssize_t(size))
    std::abort();
}

MemoryFile::~MemoryFile() { ::close(descriptor); }

std::string MemoryFile::path() const {
  return "/proc/self/fd/" + std::to_string(descriptor);
}
