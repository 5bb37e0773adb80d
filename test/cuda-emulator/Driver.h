//===- Driver.h - The state of the driver -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_CUDAEMULATOR_DRIVER_H
#define TERNAC_TEST_CUDAEMULATOR_DRIVER_H

#include "CudaTypes.h"
#include "Machine.h"

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#define TERNAC_CUDA_API extern "C" __attribute__((visibility("default")))

struct FunctionHandle {
  ternac::cuda_emulator::Function *function;
  ModuleHandle *module;
  uint64_t maxDynamicShared = 48 * 1024;
};

struct ModuleHandle {
  std::unique_ptr<ternac::cuda_emulator::Module> module;
  std::vector<std::unique_ptr<FunctionHandle>> functions;
};

struct GraphNodeHandle {
  int type = CU_GRAPH_NODE_TYPE_KERNEL;
  // Of a kernel.
  FunctionHandle *function = nullptr;
  ternac::cuda_emulator::Launch launch;
  std::vector<void *> parameterPointers;
  // Of a copy or a fill.
  std::function<void()> work;
};

struct GraphHandle {
  std::vector<std::shared_ptr<GraphNodeHandle>> nodes;
};

struct GraphExecHandle {
  std::vector<std::shared_ptr<GraphNodeHandle>> nodes;
  /// The nodes of the graph that it was made from.
  std::vector<GraphNodeHandle *> sources;
};

struct Capture {
  GraphHandle graph;
  StreamHandle *origin = nullptr;
  int mode = 0;
  CUresult error = CUDA_SUCCESS;
  /// Streams with work that the first stream does not wait for yet.
  std::set<StreamHandle *> unjoined, members;
};

struct StreamHandle {
  unsigned flags = 0;
  struct Operation {
    std::function<void()> run;
    std::vector<std::pair<StreamHandle *, uint64_t>> after;
  };
  std::deque<Operation> queue;
  /// The numbers of operations that were queued and done.
  uint64_t queued = 0, done = 0;
  std::shared_ptr<Capture> capture;
};

struct EventHandle {
  unsigned flags = 0;
  StreamHandle *stream = nullptr;
  uint64_t position = 0;
  bool isRecorded = false, isDone = false;
  std::chrono::steady_clock::time_point time;
  std::shared_ptr<Capture> capture;
  StreamHandle *capturedIn = nullptr;
};

namespace ternac::cuda_emulator {

/// Work is queued when the driver is called and done when something waits for
/// it, so that a program that does not wait sees that it is not done.
struct Driver {
  static Driver &get();

  std::recursive_mutex mutex;
  bool isInitialized = false;
  unsigned retains = 0;
  /// The error that ended the context.
  CUresult sticky = CUDA_SUCCESS;
  std::set<ModuleHandle *> modules;
  std::set<FunctionHandle *> functions;
  std::set<StreamHandle *> streams;
  std::set<EventHandle *> events;
  std::set<GraphHandle *> graphs;
  std::set<GraphExecHandle *> execs;
  StreamHandle defaultStream;
  std::shared_ptr<Capture> capture;

  CUcontext context() { return reinterpret_cast<CUcontext>(&context_); }
  int capability() const;

  /// What most calls check first. `unsafe` are calls that captures forbid.
  CUresult check(const char *call, bool unsafe = false);
  /// Reports a misuse.
  CUresult fail(const char *call, CUresult error, const std::string &message);

  /// The stream of a handle, or null.
  StreamHandle *stream(CUstream handle);
  /// Queues work, or adds a node if the stream is being captured.
  CUresult submit(const char *call, StreamHandle &stream,
                  std::shared_ptr<GraphNodeHandle> node);
  void enqueue(StreamHandle &stream, std::function<void()> run);
  void runUntil(StreamHandle &stream, uint64_t position);
  /// Runs everything and returns the error of the context.
  CUresult drain();
  void runNode(const GraphNodeHandle &node);

private:
  int context_ = 0;
};

inline bool isStrict() {
  const char *text = getenv("TERNAC_CUDA_EMULATOR_STRICT");
  return !text || *text != '0';
}

/// The contexts that a thread of the host pushed.
std::vector<CUcontext> &contextStack();

} // namespace ternac::cuda_emulator

#endif // TERNAC_TEST_CUDAEMULATOR_DRIVER_H
