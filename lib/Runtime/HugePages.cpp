//===- HugePages.cpp - Weights in huge pages ------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HugePages.h"
#include "Error.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

using namespace ternac::runtime;

#if defined(__linux__) && defined(MADV_HUGEPAGE)

/// The size of a huge page on most machines. Where theirs is another, this is
/// only the unit of the copying.
static constexpr uintptr_t hugeBytes = uintptr_t(2) << 20;

/// What is copied before the file's pages are given up.
static constexpr uintptr_t pieceBytes = 8 * hugeBytes;

/// Whether the system gives huge pages to those who ask.
static bool hasHugePages() {
  char setting[64] = "";
  FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
  if (!file)
    return false;
  bool read = fgets(setting, sizeof(setting), file);
  fclose(file);
  return read && !strstr(setting, "[never]");
}

/// Copies [begin, end) to `target` with all threads.
static void copy(char *target, uintptr_t begin, uintptr_t end,
                 ThreadPool &pool) {
  struct Job {
    char *target;
    uintptr_t begin, end;
  } job = {target, begin, end};
  pool.parallel(
      [](void *argument, uint32_t thread, uint32_t threads) {
        const Job &job = *static_cast<const Job *>(argument);
        // Whole huge pages, so that each is cleared by who fills it.
        uintptr_t first = job.begin / hugeBytes;
        uintptr_t count = (job.end + hugeBytes - 1) / hugeBytes - first;
        auto bound = [&](uintptr_t index) {
          uintptr_t page = first + count * index / threads;
          return std::clamp(page * hugeBytes, job.begin, job.end);
        };
        uintptr_t from = bound(thread), to = bound(thread + 1);
        memcpy(job.target + (from - job.begin),
               reinterpret_cast<const void *>(from), to - from);
      },
      &job);
}

/// Replaces the pages [begin, end). False, with errno set, on failure.
static bool movePiece(uintptr_t begin, uintptr_t end, ThreadPool &pool) {
  size_t bytes = end - begin;
  size_t reserved = bytes + hugeBytes;
  void *start = mmap(nullptr, reserved, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED)
    return false;
  // Only what lies as in the end, relative to huge pages, can move as such.
  char *base = static_cast<char *>(start);
  char *target = base + (begin - reinterpret_cast<uintptr_t>(base)) % hugeBytes;
  madvise(target, bytes, MADV_HUGEPAGE);
  copy(target, begin, end, pool);
  bool moved = mprotect(target, bytes, PROT_READ) == 0 &&
               mremap(target, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
                      reinterpret_cast<void *>(begin)) != MAP_FAILED;
  int error = errno;
  if (!moved) {
    munmap(base, reserved);
  } else {
    if (target != base)
      munmap(base, static_cast<size_t>(target - base));
    munmap(target + bytes,
           static_cast<size_t>(base + reserved - target) - bytes);
  }
  errno = error;
  return moved;
}

bool ternac::runtime::moveToHugePages(const char *begin, uint64_t bytes,
                                      ThreadPool &pool) {
  if (!hasHugePages()) {
    setError("huge pages are turned off on this system (see "
             "/sys/kernel/mm/transparent_hugepage/enabled); turn them on, or "
             "do without");
    return false;
  }
  uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  uintptr_t address = reinterpret_cast<uintptr_t>(begin);
  uintptr_t at = (address + page - 1) / page * page;
  uintptr_t end = (address + static_cast<uintptr_t>(bytes)) / page * page;
  while (at < end) {
    uintptr_t next = std::min(at / hugeBytes * hugeBytes + pieceBytes, end);
    if (!movePiece(at, next, pool)) {
      setError("cannot move the weights into huge pages: %s", strerror(errno));
      return false;
    }
    at = next;
  }
  return true;
}

#else

bool ternac::runtime::moveToHugePages(const char *, uint64_t, ThreadPool &) {
  setError("huge pages for weights are not supported on this system");
  return false;
}

#endif
