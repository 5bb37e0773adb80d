//===- Graphs.cpp - Launches that come again ------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Graphs.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>

using namespace ternac::runtime::cuda;

/// That are remembered.
static constexpr size_t mostLists = 8;
/// Below this a graph gains nothing.
static constexpr size_t fewestLaunches = 4;
/// To change one launch of a graph takes as long as to start one kernel: worth
/// it if no more than one in so many differs.
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

bool Graphs::run(LaunchList &launches, StreamHandle stream) {
  launchCount += launches.entries.size();
  if (!isOn || launches.entries.size() < fewestLaunches)
    return runOneByOne(launches, stream);
  if (Known *known = find(launches))
    return (known->executable || make(*known)) && runGraph(*known, stream);
  std::vector<size_t> differences;
  if (Known *known = findSimilar(launches, differences))
    return change(*known, launches, differences) && runGraph(*known, stream);
  remember(launches);
  return runOneByOne(launches, stream);
}

bool Graphs::runOneByOne(LaunchList &launches, StreamHandle stream) {
  for (const LaunchList::Entry &entry : launches.entries) {
    const auto &[function, grid, block, first, count] = entry;
    if (!device.checkWork(
            device.cu.LaunchKernel(function, grid[0], grid[1], grid[2],
                                   block[0], block[1], block[2], 0, stream,
                                   addressesOf(launches, entry), nullptr),
            "cannot start a kernel"))
      return false;
  }
  return true;
}

bool Graphs::runGraph(Known &known, StreamHandle stream) {
  ++graphLaunchCount;
  return device.checkWork(device.cu.GraphLaunch(known.executable, stream),
                          "cannot start a graph");
}

/// Where each argument lies, until the next call.
void **Graphs::addressesOf(LaunchList &launches,
                           const LaunchList::Entry &entry) {
  addresses.resize(entry.count);
  for (uint32_t i = 0; i < entry.count; ++i)
    addresses[i] = &launches.arguments[entry.first + i];
  return addresses.data();
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

/// Finds a graph of the same kernels of which few arguments differ: those of
/// the launches with the numbers `differences`.
Graphs::Known *Graphs::findSimilar(const LaunchList &launches,
                                   std::vector<size_t> &differences) {
  const std::vector<LaunchList::Entry> &entries = launches.entries;
  for (auto place = all.begin(); place != all.end(); ++place) {
    if (!place->executable || place->launches.entries != entries)
      continue;
    differences.clear();
    for (size_t i = 0; i < entries.size(); ++i) {
      auto begin = launches.arguments.begin() + entries[i].first;
      if (!std::equal(begin, begin + entries[i].count,
                      place->launches.arguments.begin() + entries[i].first))
        differences.push_back(i);
    }
    if (differences.size() * launchesPerChange > entries.size())
      continue;
    all.splice(all.begin(), all, place);
    return &all.front();
  }
  return nullptr;
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

KernelNode Graphs::nodeOf(LaunchList &launches,
                          const LaunchList::Entry &entry) {
  KernelNode node = {};
  node.function = entry.function;
  std::copy(entry.grid.begin(), entry.grid.end(), node.grid);
  std::copy(entry.block.begin(), entry.block.end(), node.block);
  node.arguments = addressesOf(launches, entry);
  return node;
}

/// Each launch comes after the one before it.
bool Graphs::make(Known &known) {
  if (!device.checkWork(device.cu.GraphCreate(&known.graph, 0),
                        "cannot create a graph"))
    return false;
  for (const LaunchList::Entry &entry : known.launches.entries) {
    KernelNode kernel = nodeOf(known.launches, entry);
    const GraphNode *before =
        known.nodes.empty() ? nullptr : &known.nodes.back();
    GraphNode node = nullptr;
    if (!device.checkWork(device.cu.GraphAddKernelNode(&node, known.graph,
                                                       before, before ? 1 : 0,
                                                       &kernel),
                          "cannot add a kernel to a graph"))
      return false;
    known.nodes.push_back(node);
  }
  ++graphCount;
  return device.checkWork(
      device.cu.GraphInstantiate(&known.executable, known.graph, 0),
      "cannot make a graph ready");
}

bool Graphs::change(Known &known, const LaunchList &launches,
                    const std::vector<size_t> &differences) {
  known.launches.arguments = launches.arguments;
  for (size_t i : differences) {
    KernelNode kernel = nodeOf(known.launches, known.launches.entries[i]);
    if (!device.checkWork(device.cu.GraphExecKernelNodeSetParams(
                              known.executable, known.nodes[i], &kernel),
                          "cannot change a graph"))
      return false;
    ++changeCount;
  }
  return true;
}

void Graphs::destroy(Known &known) {
  // One that runs goes when it is done.
  if (known.executable)
    device.cu.GraphExecDestroy(known.executable);
  if (known.graph)
    device.cu.GraphDestroy(known.graph);
}
