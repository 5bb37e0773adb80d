//===- DeviceMemory.cpp - Bandwidth of a device's own memory --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include <algorithm>
#include <chrono>

using namespace ternac::bench;

/// Of one copy: more than the caches of any device hold.
static constexpr uint64_t copyBytes = uint64_t(256) << 20;
/// A sample is the best of some rounds, unless those take long. A round has
/// some copies, so that the time to ask for them does not count.
static constexpr uint32_t roundsOfSample = 3, copiesOfRound = 8;
static constexpr double longRound = 0.05;

bool DeviceCopier::allocate(const TernacDevice *on) {
  device = on;
  void *context = device->context;
  if (device->allocate(context, copyBytes, &from) ||
      device->allocate(context, copyBytes, &to))
    return false;
  // The first one touches pages for the first time.
  return copy(1) && copy(1);
}

DeviceCopier::~DeviceCopier() {
  for (uint64_t address : {from, to})
    if (address)
      device->release(device->context, address);
}

/// Nothing after an error, or the seconds that so many copies took.
std::optional<double> DeviceCopier::copy(uint32_t count) {
  auto start = std::chrono::steady_clock::now();
  for (uint32_t i = 0; i < count; ++i)
    if (device->copy(device->context, to, from, copyBytes))
      return std::nullopt;
  char last;
  if (device->download(device->context, &last, to, 1))
    return std::nullopt;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

std::optional<double> DeviceCopier::sample() {
  double best = 0;
  uint32_t count = 1;
  for (uint32_t round = 0; round < roundsOfSample; ++round) {
    std::optional<double> seconds = copy(count);
    if (!seconds)
      return std::nullopt;
    // Each byte is read and written.
    best = std::max(best, 2.0 * double(copyBytes) * count / *seconds);
    if (*seconds > longRound)
      break;
    count = copiesOfRound;
  }
  return best;
}
