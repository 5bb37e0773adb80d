//===- HugePagesTest.cpp --------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HugePages.h"
#include "ternac/Runtime/MappedMemory.h"
#include "ternac/Runtime/Session.h"
#include "gtest/gtest.h"

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <unistd.h>

using namespace ternac::runtime;

namespace {

/// A file of `bytes` different bytes, mapped.
class HugePagesTest : public testing::Test {
protected:
  void map(size_t bytes) {
    content.resize(bytes);
    uint32_t state = 1;
    for (char &byte : content)
      byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    std::string path =
        testing::TempDir() + "/huge-pages-test-" + std::to_string(getpid());
    FILE *file = fopen(path.c_str(), "wb");
    ASSERT_TRUE(file);
    ASSERT_EQ(fwrite(content.data(), 1, bytes, file), bytes);
    fclose(file);
    memory = MappedMemory::mapFile(path);
    unlink(path.c_str());
    ASSERT_TRUE(memory.data());
  }

  bool isSame() const {
    return memcmp(memory.data(), content.data(), content.size()) == 0;
  }

  /// How many pages of the mapping are not the file's any more.
  size_t anonymousBytes() const {
    auto begin = reinterpret_cast<uintptr_t>(memory.data());
    uintptr_t end = begin + memory.size();
    size_t bytes = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    while (maps && fgets(line, sizeof(line), maps)) {
      unsigned long from, to, inode;
      if (sscanf(line, "%lx-%lx %*s %*s %*s %lu", &from, &to, &inode) != 3)
        continue;
      if (from >= begin && to <= end && inode == 0)
        bytes += to - from;
    }
    if (maps)
      fclose(maps);
    return bytes;
  }

  std::vector<char> content;
  MappedMemory memory;
};

TEST_F(HugePagesTest, MovesWholePages) {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (uint32_t threads : {1, 3}) {
    // Several pieces, and ends inside of pages.
    map((size_t(37) << 20) + 5 * page + 100);
    auto pool = ThreadPool::create(threads, false);
    auto begin = static_cast<const char *>(memory.data());
    if (!moveToHugePages(begin + 10, memory.size() - 10, *pool))
      GTEST_SKIP() << ternac_last_error();
    EXPECT_TRUE(isSame());
    // Neither the page that begins before nor the one that ends behind.
    EXPECT_EQ(anonymousBytes(), (size_t(37) << 20) + 4 * page);
  }
}

TEST_F(HugePagesTest, LeavesPartsOfAPage) {
  map(1000);
  auto pool = ThreadPool::create(1, false);
  auto begin = static_cast<const char *>(memory.data());
  if (!moveToHugePages(begin + 1, 900, *pool))
    GTEST_SKIP() << ternac_last_error();
  EXPECT_TRUE(isSame());
  EXPECT_EQ(anonymousBytes(), 0u);
}

} // namespace
