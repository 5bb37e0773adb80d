//===- Affinity.cpp - Which processors a thread may use -------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Affinity.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <utility>

using namespace ternac::runtime;

#ifdef __linux__

/// The first line of the file that lists the hardware threads of the core of
/// `processor`; equal for the threads of one core.
static std::string coreOf(uint32_t processor) {
  std::string path = "/sys/devices/system/cpu/cpu" + std::to_string(processor) +
                     "/topology/thread_siblings_list";
  char line[256] = "";
  if (FILE *file = fopen(path.c_str(), "re")) {
    if (!fgets(line, sizeof(line), file))
      line[0] = '\0';
    fclose(file);
  }
  // Without the file, every processor counts as a core.
  return line[0] ? line : std::to_string(processor);
}

std::vector<uint32_t> ternac::runtime::allowedProcessors() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0)
    return {};
  std::map<std::string, uint32_t> threadsOfCore;
  std::vector<std::pair<uint32_t, uint32_t>> ranked;
  for (uint32_t processor = 0; processor < CPU_SETSIZE; ++processor)
    if (CPU_ISSET(processor, &mask))
      ranked.emplace_back(threadsOfCore[coreOf(processor)]++, processor);
  std::sort(ranked.begin(), ranked.end());
  std::vector<uint32_t> processors;
  for (auto [rank, processor] : ranked)
    processors.push_back(processor);
  return processors;
}

void ternac::runtime::pinThread(uint32_t processor) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(processor, &mask);
  sched_setaffinity(0, sizeof(mask), &mask);
}

PinnedScope::PinnedScope(uint32_t processor)
    : restore(sched_getaffinity(0, sizeof(previous), &previous) == 0) {
  if (restore)
    pinThread(processor);
}

PinnedScope::~PinnedScope() {
  if (restore)
    sched_setaffinity(0, sizeof(previous), &previous);
}

#else

std::vector<uint32_t> ternac::runtime::allowedProcessors() { return {}; }
void ternac::runtime::pinThread(uint32_t) {}
PinnedScope::PinnedScope(uint32_t) {}
PinnedScope::~PinnedScope() = default;

#endif
