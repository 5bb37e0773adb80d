//===- Streams.cpp - Streams, events and graphs -------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

#include <algorithm>

using namespace ternac::cuda_emulator;

namespace ternac::cuda_emulator {
CUresult makeKernelNode(Driver &driver, const char *call,
                        const CUDA_KERNEL_NODE_PARAMS &params,
                        GraphNodeHandle &node);
} // namespace ternac::cuda_emulator

#define TERNAC_CHECK(UNSAFE)                                                   \
  Driver &driver = Driver::get();                                              \
  std::lock_guard lock(driver.mutex);                                          \
  if (CUresult error = driver.check(__func__, UNSAFE))                         \
  return error
#define TERNAC_STREAM(HANDLE)                                                  \
  StreamHandle *stream = driver.stream(HANDLE);                                \
  if (!stream)                                                                 \
  return driver.fail(__func__, CUDA_ERROR_INVALID_HANDLE, "no such stream")
#define TERNAC_EVENT(EVENT)                                                    \
  if (!driver.events.count(EVENT))                                             \
  return driver.fail(__func__, CUDA_ERROR_INVALID_HANDLE, "no such event")

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

TERNAC_CUDA_API CUresult cuStreamCreate(CUstream *result, unsigned flags) {
  TERNAC_CHECK(false);
  if (flags & ~unsigned(CU_STREAM_NON_BLOCKING))
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE, "unknown flags");
  *result = new StreamHandle;
  (*result)->flags = flags;
  driver.streams.insert(*result);
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuStreamCreateWithPriority(CUstream *result,
                                                    unsigned flags, int) {
  return cuStreamCreate(result, flags);
}

TERNAC_CUDA_API CUresult cuStreamDestroy_v2(CUstream handle) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  if (stream == &driver.defaultStream)
    return driver.fail(__func__, CUDA_ERROR_INVALID_HANDLE,
                       "the default stream cannot be destroyed");
  if (stream->capture)
    return driver.fail(__func__, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                       "the stream is being captured");
  driver.runUntil(*stream, stream->queued);
  for (EventHandle *event : driver.events)
    if (event->stream == stream)
      event->stream = nullptr;
  driver.streams.erase(stream);
  delete stream;
  return driver.sticky;
}

/// What waits for or asks about a stream is not allowed in a capture.
static CUresult refuseCapture(Driver &driver, const char *call,
                              StreamHandle &stream) {
  if (!stream.capture)
    return CUDA_SUCCESS;
  stream.capture->error = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  return driver.fail(call, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                     "the stream is being captured");
}

TERNAC_CUDA_API CUresult cuStreamSynchronize(CUstream handle) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  if (CUresult error = refuseCapture(driver, __func__, *stream))
    return error;
  driver.runUntil(*stream, stream->queued);
  return driver.sticky;
}

TERNAC_CUDA_API CUresult cuStreamQuery(CUstream handle) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  if (CUresult error = refuseCapture(driver, __func__, *stream))
    return error;
  if (stream->done == stream->queued)
    return CUDA_SUCCESS;
  // A loop of queries comes to an end.
  driver.runUntil(*stream, stream->done + 1);
  return driver.sticky ? driver.sticky : CUDA_ERROR_NOT_READY;
}

//===----------------------------------------------------------------------===//
// Events
//===----------------------------------------------------------------------===//

TERNAC_CUDA_API CUresult cuEventCreate(CUevent *result, unsigned flags) {
  TERNAC_CHECK(false);
  *result = new EventHandle;
  (*result)->flags = flags;
  driver.events.insert(*result);
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuEventDestroy_v2(CUevent event) {
  TERNAC_CHECK(false);
  TERNAC_EVENT(event);
  driver.events.erase(event);
  delete event;
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuEventRecord(CUevent event, CUstream handle) {
  TERNAC_CHECK(false);
  TERNAC_EVENT(event);
  TERNAC_STREAM(handle);
  event->isRecorded = true;
  event->capture = stream->capture;
  event->capturedIn = stream->capture ? stream : nullptr;
  if (stream->capture)
    return CUDA_SUCCESS;
  event->isDone = false;
  event->stream = stream;
  event->position = stream->queued + 1;
  uint64_t position = event->position;
  driver.enqueue(*stream, [&driver, event, stream, position] {
    if (!driver.events.count(event) || event->stream != stream ||
        event->position != position)
      return;
    event->isDone = true;
    event->time = std::chrono::steady_clock::now();
  });
  return CUDA_SUCCESS;
}

static CUresult refuseCaptured(Driver &driver, const char *call,
                               CUevent event) {
  if (event->capture && event->capture == driver.capture)
    return driver.fail(call, CUDA_ERROR_CAPTURED_EVENT,
                       "the event was recorded in a capture");
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuEventSynchronize(CUevent event) {
  TERNAC_CHECK(true);
  TERNAC_EVENT(event);
  if (CUresult error = refuseCaptured(driver, __func__, event))
    return error;
  if (event->stream)
    driver.runUntil(*event->stream, event->position);
  return driver.sticky;
}

TERNAC_CUDA_API CUresult cuEventQuery(CUevent event) {
  TERNAC_CHECK(true);
  TERNAC_EVENT(event);
  if (CUresult error = refuseCaptured(driver, __func__, event))
    return error;
  if (!event->isRecorded || event->isDone || !event->stream)
    return CUDA_SUCCESS;
  driver.runUntil(*event->stream, event->stream->done + 1);
  return driver.sticky ? driver.sticky : CUDA_ERROR_NOT_READY;
}

TERNAC_CUDA_API CUresult cuEventElapsedTime(float *milliseconds, CUevent start,
                                            CUevent end) {
  TERNAC_CHECK(true);
  TERNAC_EVENT(start);
  TERNAC_EVENT(end);
  for (CUevent event : {start, end}) {
    if (!event->isRecorded || event->flags & CU_EVENT_DISABLE_TIMING)
      return driver.fail(__func__, CUDA_ERROR_INVALID_HANDLE,
                         "an event that was not recorded or has no time");
    if (!event->isDone)
      return CUDA_ERROR_NOT_READY;
  }
  *milliseconds =
      std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuEventElapsedTime_v2(float *milliseconds,
                                               CUevent start, CUevent end) {
  return cuEventElapsedTime(milliseconds, start, end);
}

TERNAC_CUDA_API CUresult cuStreamWaitEvent(CUstream handle, CUevent event,
                                           unsigned) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  TERNAC_EVENT(event);
  if (event->capture && event->capture == driver.capture) {
    // The stream joins the capture, or a part of it ends here.
    if (stream->capture && stream->capture != event->capture)
      return driver.fail(__func__, CUDA_ERROR_STREAM_CAPTURE_MERGE,
                         "two captures would become one");
    if (!stream->capture) {
      stream->capture = event->capture;
      stream->capture->members.insert(stream);
      stream->capture->unjoined.insert(stream);
    }
    if (event->capturedIn != stream)
      event->capture->unjoined.erase(event->capturedIn);
    return CUDA_SUCCESS;
  }
  if (stream->capture) {
    stream->capture->error = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return driver.fail(__func__, CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
                       "a captured stream waits for one that is not");
  }
  if (!event->isRecorded || !event->stream)
    return CUDA_SUCCESS;
  driver.enqueue(*stream, [] {});
  stream->queue.back().after.emplace_back(event->stream, event->position);
  return CUDA_SUCCESS;
}

//===----------------------------------------------------------------------===//
// Captures
//===----------------------------------------------------------------------===//

TERNAC_CUDA_API CUresult cuStreamBeginCapture_v2(CUstream handle, int mode) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  if (stream == &driver.defaultStream)
    return driver.fail(__func__, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                       "the default stream cannot be captured");
  if (driver.capture)
    return driver.fail(__func__, CUDA_ERROR_ILLEGAL_STATE,
                       "another capture is not finished");
  stream->capture = std::make_shared<Capture>();
  stream->capture->origin = stream;
  stream->capture->mode = mode;
  stream->capture->members.insert(stream);
  driver.capture = stream->capture;
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  if (graph)
    *graph = nullptr;
  std::shared_ptr<Capture> capture = stream->capture;
  if (!capture)
    return driver.fail(__func__, CUDA_ERROR_ILLEGAL_STATE,
                       "the stream is not being captured");
  if (capture->origin != stream)
    return driver.fail(__func__, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED,
                       "the capture began in another stream");
  for (StreamHandle *member : capture->members)
    member->capture = nullptr;
  driver.capture = nullptr;
  if (capture->error)
    return driver.fail(__func__, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
                       "the capture was made invalid before");
  if (!capture->unjoined.empty())
    return driver.fail(__func__, CUDA_ERROR_STREAM_CAPTURE_UNJOINED,
                       "work in another stream is not waited for");
  if (!graph)
    return CUDA_ERROR_INVALID_VALUE;
  *graph = new GraphHandle(std::move(capture->graph));
  driver.graphs.insert(*graph);
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuStreamIsCapturing(CUstream handle, int *status) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  *status = !stream->capture         ? CU_STREAM_CAPTURE_STATUS_NONE
            : stream->capture->error ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                     : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  return CUDA_SUCCESS;
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

#define TERNAC_GRAPH(GRAPH)                                                    \
  if (!driver.graphs.count(GRAPH))                                             \
  return driver.fail(__func__, CUDA_ERROR_INVALID_HANDLE, "no such graph")
#define TERNAC_EXEC(EXEC)                                                      \
  if (!driver.execs.count(EXEC))                                               \
  return driver.fail(__func__, CUDA_ERROR_INVALID_HANDLE,                      \
                     "no such executable graph")

static std::shared_ptr<GraphNodeHandle> copyNode(const GraphNodeHandle &node) {
  auto copy = std::make_shared<GraphNodeHandle>(node);
  copy->parameterPointers.clear();
  if (node.type == CU_GRAPH_NODE_TYPE_KERNEL)
    for (const Parameter &parameter : node.launch.kernel->parameters)
      copy->parameterPointers.push_back(
          &copy->launch.parameters[parameter.offset]);
  return copy;
}

TERNAC_CUDA_API CUresult cuGraphInstantiateWithFlags(CUgraphExec *result,
                                                     CUgraph graph,
                                                     unsigned long long) {
  TERNAC_CHECK(false);
  TERNAC_GRAPH(graph);
  *result = new GraphExecHandle;
  for (const auto &node : graph->nodes) {
    (*result)->nodes.push_back(copyNode(*node));
    (*result)->sources.push_back(node.get());
  }
  driver.execs.insert(*result);
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuGraphExecKernelNodeSetParams_v2(
    CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS *params) {
  TERNAC_CHECK(false);
  TERNAC_EXEC(exec);
  auto found = std::find(exec->sources.begin(), exec->sources.end(), node);
  if (found == exec->sources.end() || node->type != CU_GRAPH_NODE_TYPE_KERNEL)
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE,
                       "no such node of a kernel in the graph");
  auto changed = std::make_shared<GraphNodeHandle>();
  if (CUresult error = makeKernelNode(driver, __func__, *params, *changed))
    return error;
  exec->nodes[static_cast<size_t>(found - exec->sources.begin())] = changed;
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuGraphExecUpdate_v2(
    CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo *info) {
  TERNAC_CHECK(false);
  TERNAC_EXEC(exec);
  TERNAC_GRAPH(graph);
  bool isSame = exec->nodes.size() == graph->nodes.size();
  for (size_t k = 0; isSame && k < graph->nodes.size(); ++k)
    isSame = exec->nodes[k]->type == graph->nodes[k]->type;
  if (info)
    *info = {isSame ? 0 : 2, nullptr, nullptr};
  if (!isSame)
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  for (size_t k = 0; k < graph->nodes.size(); ++k)
    exec->nodes[k] = copyNode(*graph->nodes[k]);
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuGraphLaunch(CUgraphExec exec, CUstream handle) {
  TERNAC_CHECK(false);
  TERNAC_EXEC(exec);
  TERNAC_STREAM(handle);
  if (CUresult error = refuseCapture(driver, __func__, *stream))
    return error;
  // With the parameters of now.
  for (const auto &node : exec->nodes)
    if (CUresult error = driver.submit(__func__, *stream, node))
      return error;
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuGraphDestroy(CUgraph graph) {
  TERNAC_CHECK(false);
  TERNAC_GRAPH(graph);
  driver.graphs.erase(graph);
  // The nodes name those of executable graphs, so their addresses stay taken.
  static std::vector<std::shared_ptr<GraphNodeHandle>> &gone =
      *new std::vector<std::shared_ptr<GraphNodeHandle>>;
  gone.insert(gone.end(), graph->nodes.begin(), graph->nodes.end());
  delete graph;
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuGraphExecDestroy(CUgraphExec exec) {
  TERNAC_CHECK(false);
  TERNAC_EXEC(exec);
  driver.execs.erase(exec);
  delete exec;
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes,
                                         size_t *count) {
  TERNAC_CHECK(false);
  TERNAC_GRAPH(graph);
  size_t room = nodes ? *count : 0;
  for (size_t k = 0; k < room; ++k)
    nodes[k] = k < graph->nodes.size() ? graph->nodes[k].get() : nullptr;
  if (!nodes || room > graph->nodes.size())
    *count = graph->nodes.size();
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuGraphNodeGetType(CUgraphNode node, int *type) {
  TERNAC_CHECK(false);
  *type = node->type;
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuGraphKernelNodeGetParams_v2(
    CUgraphNode node, CUDA_KERNEL_NODE_PARAMS *params) {
  TERNAC_CHECK(false);
  bool isKnown = false;
  for (GraphHandle *graph : driver.graphs)
    for (const auto &candidate : graph->nodes)
      isKnown |= candidate.get() == node;
  if (!isKnown || node->type != CU_GRAPH_NODE_TYPE_KERNEL)
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE,
                       "no such node of a kernel");
  const Launch &launch = node->launch;
  *params = {node->function,
             launch.grid.x,
             launch.grid.y,
             launch.grid.z,
             launch.block.x,
             launch.block.y,
             launch.block.z,
             static_cast<unsigned>(launch.dynamicShared),
             node->parameterPointers.data(),
             nullptr,
             nullptr,
             nullptr};
  return CUDA_SUCCESS;
}
