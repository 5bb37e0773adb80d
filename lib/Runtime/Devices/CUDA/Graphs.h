//===- Graphs.h - Launches that come again ----------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// To start a kernel takes the host longer than a small kernel runs, and each
// token starts the same kernels with the same arguments. So launches are
// collected in lists; a list that comes again becomes a graph, which the driver
// starts at once.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_CUDA_GRAPHS_H
#define TERNAC_LIB_RUNTIME_DEVICES_CUDA_GRAPHS_H

#include "Device.h"

#include <array>
#include <list>
#include <vector>

namespace ternac::runtime::cuda {

/// Launches in order.
struct LaunchList {
  struct Entry {
    Function function;
    std::array<uint32_t, 3> grid, block;
    uint32_t first, count; ///< of the arguments

    bool operator==(const Entry &) const = default;
  };
  std::vector<Entry> entries;
  std::vector<int64_t> arguments; ///< of all

  bool operator==(const LaunchList &) const = default;
  void clear();
};

/// Functions fail as those of Device do.
class Graphs {
public:
  explicit Graphs(Device &device);
  ~Graphs() { clear(); }
  Graphs(const Graphs &) = delete;
  Graphs &operator=(const Graphs &) = delete;

  /// Makes or changes the graph of the launches, if they were there before.
  bool prepare(LaunchList &launches, StreamHandle stream);
  /// Gives the launches to the stream, as the graph that there is.
  bool run(LaunchList &launches, StreamHandle stream);
  /// Forgets all that was there.
  void clear();

  // What was done so far.
  uint64_t launchCount = 0;      ///< of kernels
  uint64_t graphLaunchCount = 0; ///< of graphs
  uint64_t graphCount = 0;       ///< that were made
  uint64_t changeCount = 0;      ///< of graphs that got other arguments

private:
  /// A list that was there, and its graph from the second time on.
  struct Known {
    LaunchList launches;
    GraphExecutable graph = nullptr;
  };

  bool runOneByOne(LaunchList &launches, StreamHandle stream);
  bool runGraph(Known &known, StreamHandle stream);
  Known *find(const LaunchList &launches);
  Known *findSimilar(const LaunchList &launches);
  void remember(const LaunchList &launches);
  bool capture(LaunchList &launches, StreamHandle stream, Graph &graph);
  bool make(Known &known, StreamHandle stream);
  bool change(Known &known, LaunchList &launches, StreamHandle stream);
  void destroy(Known &known);

  Device &device;
  const bool isOn;
  std::list<Known> all;          ///< the last used first
  Known *ready = nullptr;        ///< the one that was prepared
  std::vector<void *> addresses; ///< of one kernel's arguments
};

} // namespace ternac::runtime::cuda

#endif // TERNAC_LIB_RUNTIME_DEVICES_CUDA_GRAPHS_H
