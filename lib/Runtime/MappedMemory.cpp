//===- MappedMemory.cpp - Large memory from the kernel --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Runtime/MappedMemory.h"

#include <cerrno>
#include <cstddef>
#include <limits>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace ternac::runtime;

MappedMemory::MappedMemory(MappedMemory &&other) noexcept
    : start(std::exchange(other.start, nullptr)),
      bytes(std::exchange(other.bytes, 0)) {}

MappedMemory &MappedMemory::operator=(MappedMemory &&other) noexcept {
  std::swap(start, other.start);
  std::swap(bytes, other.bytes);
  return *this;
}

MappedMemory::~MappedMemory() {
  if (start)
    munmap(start, static_cast<size_t>(bytes));
}

MappedMemory MappedMemory::allocate(uint64_t bytes) {
  MappedMemory memory;
  // The kernel refuses an empty mapping, but a model may need no workspace.
  if (bytes == 0)
    bytes = 1;
  if (bytes > std::numeric_limits<size_t>::max())
    return memory;
  void *start =
      mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED)
    return memory;
#ifdef MADV_HUGEPAGE
  // A hint: with 4 KiB pages, streaming reads lose a tenth of their speed.
  madvise(start, static_cast<size_t>(bytes), MADV_HUGEPAGE);
#endif
  memory.start = start;
  memory.bytes = bytes;
  return memory;
}

MappedMemory MappedMemory::mapFile(const std::string &path) {
  MappedMemory memory;
  // Without the flag, a FIFO would be waited for.
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0)
    return memory;
  struct stat status;
  void *start = MAP_FAILED;
  if (fstat(file, &status) == 0) {
    if (S_ISREG(status.st_mode))
      start = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ,
                   MAP_PRIVATE, file, 0);
    else
      errno = ENODEV;
  }
  int error = errno;
  close(file);
  if (start == MAP_FAILED) {
    errno = error;
    return memory;
  }
  memory.start = start;
  memory.bytes = static_cast<uint64_t>(status.st_size);
  return memory;
}
