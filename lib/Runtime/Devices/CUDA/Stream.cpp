//===- Stream.cpp - Work given to a CUDA device in order ------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Stream.h"

#include <algorithm>
#include <cstring>

using namespace ternac::runtime;
using namespace ternac::runtime::cuda;

/// More are given to the driver before the host waits.
static constexpr size_t mostLaunches = 4096;

Stream::Stream(Device &device)
    : device(device), staging(device), timer(device), graphs(device) {}

bool Stream::create() {
  return device.check(device.cu.StreamCreate(&handle, streamNonBlocking),
                      "cannot create a stream") &&
         staging.create();
}

Stream::~Stream() {
  if (handle)
    device.cu.StreamDestroy(handle);
}

bool Stream::flush() {
  if (!device.isWorking())
    return false;
  if (launches.entries.empty())
    return true;
  // What the host does to make a graph is no time of the device.
  bool isDone = graphs.prepare(launches, handle) && timer.begin(handle) &&
                graphs.run(launches, handle) && timer.end(handle);
  launches.clear();
  return isDone;
}

bool Stream::finish() {
  if (!flush() || !device.checkWork(device.cu.StreamSynchronize(handle),
                                    "a command failed"))
    return false;
  staging.free();
  return true;
}

bool Stream::upload(Address to, const char *data, uint64_t bytes) {
  if (!flush())
    return false;
  for (uint64_t done = 0, size; done < bytes; done += size) {
    size = std::min(bytes - done, Staging::mostBytes);
    char *place = nullptr;
    if (!staging.reserve(size, handle, place))
      return false;
    memcpy(place, data + done, size);
    if (!device.checkWork(
            device.cu.MemcpyHtoDAsync(to + done, place, size, handle),
            "cannot copy to the device"))
      return false;
  }
  return true;
}

bool Stream::download(char *data, Address from, uint64_t bytes) {
  if (!flush())
    return false;
  for (uint64_t done = 0, size; done < bytes; done += size) {
    size = std::min(bytes - done, Staging::mostBytes);
    char *place = nullptr;
    if (!staging.reserve(size, handle, place) ||
        !device.checkWork(
            device.cu.MemcpyDtoHAsync(place, from + done, size, handle),
            "cannot copy from the device") ||
        !finish())
      return false;
    memcpy(data + done, place, size);
  }
  return true;
}

bool Stream::copy(Address to, Address from, uint64_t bytes) {
  return flush() && timer.begin(handle) &&
         device.checkWork(device.cu.MemcpyDtoDAsync(to, from, bytes, handle),
                          "cannot copy on the device") &&
         timer.end(handle);
}

bool Stream::launch(Function function, const Launch &launch) {
  if (!device.isWorking())
    return false;
  uint32_t first = static_cast<uint32_t>(launches.arguments.size());
  launches.arguments.insert(launches.arguments.end(), launch.arguments,
                            launch.arguments + launch.count);
  launches.entries.push_back(
      {function, launch.grid, launch.block, first, launch.count});
  if (launches.entries.size() < mostLaunches)
    return true;
  Current current(device);
  return flush();
}

bool Stream::busy(double &seconds) {
  if (!flush() || !timer.sum(seconds))
    return false;
  timer.start();
  return true;
}

std::string Stream::report() const {
  auto text = [](uint64_t count, const char *what) {
    return std::to_string(count) + " " + what;
  };
  return text(graphs.launchCount, "kernels run, ") +
         text(graphs.graphLaunchCount, "graph launches of ") +
         text(graphs.graphCount, "graphs, ") +
         text(graphs.changeCount, "changes of graphs\n");
}
