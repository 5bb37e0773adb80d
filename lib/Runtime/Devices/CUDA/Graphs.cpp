//===- Graphs.cpp - Launches that come again ------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Graphs.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

using namespace ternac::runtime::cuda;

/// That are remembered.
static constexpr size_t mostLists = 8;
/// Below this a graph gains nothing.
static constexpr size_t fewestLaunches = 4;
/// If no more than one launch in so many differs, something has moved, and the
/// list as it was will not come again. If more do, they are of another session,
/// and both lists will.
static constexpr size_t launchesPerChange = 4;

void LaunchList::clear() {
  entries.clear();
  arguments.clear();
}

/// The variable lets drivers and their tools see each launch.
static bool wantsGraphs() {
  const char *value = getenv("TERNAC_CUDA_GRAPHS");
  return !value || std::string_view(value) != "0";
}

Graphs::Graphs(Device &device) : device(device), isOn(wantsGraphs()) {}

void Graphs::clear() {
  for (Known &known : all)
    destroy(known);
  all.clear();
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

bool Graphs::prepare(LaunchList &launches, StreamHandle stream) {
  ready = nullptr;
  if (!isOn || launches.entries.size() < fewestLaunches)
    return true;
  if (Known *known = find(launches)) {
    ready = known;
    return known->graph || make(*known, stream);
  }
  if (Known *known = findSimilar(launches)) {
    ready = known;
    return change(*known, launches, stream);
  }
  remember(launches);
  return true;
}

bool Graphs::run(LaunchList &launches, StreamHandle stream) {
  launchCount += launches.entries.size();
  return ready ? runGraph(*ready, stream) : runOneByOne(launches, stream);
}

bool Graphs::runOneByOne(LaunchList &launches, StreamHandle stream) {
  for (const auto &[function, grid, block, first, count] : launches.entries) {
    addresses.resize(count);
    for (uint32_t i = 0; i < count; ++i)
      addresses[i] = &launches.arguments[first + i];
    if (!device.checkWork(device.cu.LaunchKernel(function, grid[0], grid[1],
                                                 grid[2], block[0], block[1],
                                                 block[2], 0, stream,
                                                 addresses.data(), nullptr),
                          "cannot start a kernel"))
      return false;
  }
  return true;
}

bool Graphs::runGraph(Known &known, StreamHandle stream) {
  ++graphLaunchCount;
  return device.checkWork(device.cu.GraphLaunch(known.graph, stream),
                          "cannot start a graph");
}

//===----------------------------------------------------------------------===//
// Lists that were there
//===----------------------------------------------------------------------===//

Graphs::Known *Graphs::find(const LaunchList &launches) {
  auto place = std::find_if(all.begin(), all.end(), [&](const Known &known) {
    return known.launches == launches;
  });
  if (place == all.end())
    return nullptr;
  all.splice(all.begin(), all, place);
  return &all.front();
}

/// Finds a graph of the same kernels of which few arguments differ.
Graphs::Known *Graphs::findSimilar(const LaunchList &launches) {
  const std::vector<LaunchList::Entry> &entries = launches.entries;
  auto isSimilar = [&](const Known &known) {
    if (!known.graph || known.launches.entries != entries)
      return false;
    size_t differences = 0;
    for (const LaunchList::Entry &entry : entries) {
      auto begin = launches.arguments.begin() + entry.first;
      differences +=
          !std::equal(begin, begin + entry.count,
                      known.launches.arguments.begin() + entry.first);
    }
    return differences * launchesPerChange <= entries.size();
  };
  auto place = std::find_if(all.begin(), all.end(), isSimilar);
  if (place == all.end())
    return nullptr;
  all.splice(all.begin(), all, place);
  return &all.front();
}

void Graphs::remember(const LaunchList &launches) {
  if (all.size() == mostLists) {
    destroy(all.back());
    all.pop_back();
  }
  all.emplace_front().launches = launches;
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

/// Makes a graph of what would be given to the stream.
bool Graphs::capture(LaunchList &launches, StreamHandle stream, Graph &graph) {
  if (!device.checkWork(
          device.cu.StreamBeginCapture(stream, captureThreadLocal),
          "cannot capture launches"))
    return false;
  bool isGiven = runOneByOne(launches, stream);
  // Whatever happened: a stream that stays in capture is of no use.
  Result result = device.cu.StreamEndCapture(stream, &graph);
  if (isGiven)
    return device.checkWork(result, "cannot capture launches");
  if (graph)
    device.cu.GraphDestroy(graph);
  return false;
}

bool Graphs::make(Known &known, StreamHandle stream) {
  Graph graph = nullptr;
  if (!capture(known.launches, stream, graph))
    return false;
  ++graphCount;
  Result result = device.cu.GraphInstantiate(&known.graph, graph, 0);
  device.cu.GraphDestroy(graph);
  return device.checkWork(result, "cannot make a graph");
}

bool Graphs::change(Known &known, LaunchList &launches, StreamHandle stream) {
  Graph graph = nullptr;
  if (!capture(launches, stream, graph))
    return false;
  ++changeCount;
  known.launches.arguments = launches.arguments;
  GraphDifference difference = {};
  Result result = device.cu.GraphExecUpdate(known.graph, graph, &difference);
  device.cu.GraphDestroy(graph);
  return device.checkWork(result, "cannot change a graph");
}

void Graphs::destroy(Known &known) {
  // One that runs goes when it is done.
  if (known.graph)
    device.cu.GraphExecDestroy(known.graph);
}
