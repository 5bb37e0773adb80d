//===- Driver.cpp - The state of the driver, devices and contexts -------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

using namespace ternac::cuda_emulator;

Driver &Driver::get() {
  // Never destroyed: programs may call the driver while they end.
  static Driver *driver = new Driver;
  return *driver;
}

std::vector<CUcontext> &ternac::cuda_emulator::contextStack() {
  static thread_local std::vector<CUcontext> stack;
  return stack;
}

int Driver::capability() const {
  const char *text = getenv("TERNAC_CUDA_EMULATOR_CC");
  int value = text ? atoi(text) : 0;
  return value ? value : 90;
}

CUresult Driver::fail(const char *call, CUresult error,
                      const std::string &message) {
  if (isStrict())
    fprintf(stderr, "cuda-emulator: %s: %s\n", call, message.c_str());
  return error;
}

CUresult Driver::check(const char *call, bool unsafe) {
  if (!isInitialized)
    return fail(call, CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called");
  if (contextStack().empty() || !contextStack().back() || !retains)
    return fail(call, CUDA_ERROR_INVALID_CONTEXT, "there is no context");
  if (sticky)
    return sticky;
  if (unsafe && capture && capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED) {
    capture->error = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return fail(call, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                "not allowed while a stream is captured");
  }
  return CUDA_SUCCESS;
}

StreamHandle *Driver::stream(CUstream handle) {
  // Null, and the handles of the default streams.
  if (reinterpret_cast<uintptr_t>(handle) <= 2)
    return &defaultStream;
  return streams.count(handle) ? handle : nullptr;
}

void Driver::enqueue(StreamHandle &stream, std::function<void()> run) {
  StreamHandle::Operation operation;
  operation.run = std::move(run);
  // The default stream is ordered with all streams that do not opt out.
  if (&stream == &defaultStream) {
    for (StreamHandle *other : streams)
      if (!(other->flags & CU_STREAM_NON_BLOCKING))
        operation.after.emplace_back(other, other->queued);
  } else if (!(stream.flags & CU_STREAM_NON_BLOCKING)) {
    operation.after.emplace_back(&defaultStream, defaultStream.queued);
  }
  stream.queue.push_back(std::move(operation));
  ++stream.queued;
}

void Driver::runUntil(StreamHandle &stream, uint64_t position) {
  while (stream.done < position && !stream.queue.empty()) {
    StreamHandle::Operation operation = std::move(stream.queue.front());
    stream.queue.pop_front();
    ++stream.done;
    for (auto [other, number] : operation.after)
      if (other == &defaultStream || streams.count(other))
        runUntil(*other, number);
    if (!sticky)
      operation.run();
  }
}

CUresult Driver::drain() {
  runUntil(defaultStream, defaultStream.queued);
  for (StreamHandle *stream : streams)
    runUntil(*stream, stream->queued);
  return sticky;
}

void Driver::runNode(const GraphNodeHandle &node) {
  try {
    if (node.type == CU_GRAPH_NODE_TYPE_KERNEL)
      runLaunch(node.launch);
    else
      node.work();
  } catch (const Fault &fault) {
    sticky = static_cast<CUresult>(fault.code);
    fail("kernel", sticky, fault.what());
  }
}

CUresult Driver::submit(const char *call, StreamHandle &stream,
                        std::shared_ptr<GraphNodeHandle> node) {
  if (stream.capture) {
    Capture &active = *stream.capture;
    if (active.error)
      return fail(call, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
                  "the capture was made invalid before");
    active.graph.nodes.push_back(std::move(node));
    if (&stream != active.origin)
      active.unjoined.insert(&stream);
    return CUDA_SUCCESS;
  }
  if (capture && &stream == &defaultStream &&
      !(capture->origin->flags & CU_STREAM_NON_BLOCKING)) {
    capture->error = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return fail(call, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT,
                "the default stream would wait for a captured one");
  }
  enqueue(stream, [this, node = std::move(node)] { runNode(*node); });
  return CUDA_SUCCESS;
}

#define TERNAC_LOCK                                                            \
  Driver &driver = Driver::get();                                              \
  std::lock_guard lock(driver.mutex)

static const std::pair<CUresult, const char *> errorNames[] = {
#define TERNAC_ERROR(NAME) {NAME, #NAME}
    TERNAC_ERROR(CUDA_SUCCESS),
    TERNAC_ERROR(CUDA_ERROR_INVALID_VALUE),
    TERNAC_ERROR(CUDA_ERROR_OUT_OF_MEMORY),
    TERNAC_ERROR(CUDA_ERROR_NOT_INITIALIZED),
    TERNAC_ERROR(CUDA_ERROR_INVALID_DEVICE),
    TERNAC_ERROR(CUDA_ERROR_INVALID_IMAGE),
    TERNAC_ERROR(CUDA_ERROR_INVALID_CONTEXT),
    TERNAC_ERROR(CUDA_ERROR_NO_BINARY_FOR_GPU),
    TERNAC_ERROR(CUDA_ERROR_INVALID_PTX),
    TERNAC_ERROR(CUDA_ERROR_UNSUPPORTED_PTX_VERSION),
    TERNAC_ERROR(CUDA_ERROR_INVALID_HANDLE),
    TERNAC_ERROR(CUDA_ERROR_ILLEGAL_STATE),
    TERNAC_ERROR(CUDA_ERROR_NOT_FOUND),
    TERNAC_ERROR(CUDA_ERROR_NOT_READY),
    TERNAC_ERROR(CUDA_ERROR_ILLEGAL_ADDRESS),
    TERNAC_ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES),
    TERNAC_ERROR(CUDA_ERROR_LAUNCH_TIMEOUT),
    TERNAC_ERROR(CUDA_ERROR_ASSERT),
    TERNAC_ERROR(CUDA_ERROR_ILLEGAL_INSTRUCTION),
    TERNAC_ERROR(CUDA_ERROR_MISALIGNED_ADDRESS),
    TERNAC_ERROR(CUDA_ERROR_INVALID_ADDRESS_SPACE),
    TERNAC_ERROR(CUDA_ERROR_LAUNCH_FAILED),
    TERNAC_ERROR(CUDA_ERROR_NOT_PERMITTED),
    TERNAC_ERROR(CUDA_ERROR_NOT_SUPPORTED),
    TERNAC_ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
    TERNAC_ERROR(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED),
    TERNAC_ERROR(CUDA_ERROR_STREAM_CAPTURE_MERGE),
    TERNAC_ERROR(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED),
    TERNAC_ERROR(CUDA_ERROR_STREAM_CAPTURE_UNJOINED),
    TERNAC_ERROR(CUDA_ERROR_STREAM_CAPTURE_ISOLATION),
    TERNAC_ERROR(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT),
    TERNAC_ERROR(CUDA_ERROR_CAPTURED_EVENT),
    TERNAC_ERROR(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE),
    TERNAC_ERROR(CUDA_ERROR_UNKNOWN),
#undef TERNAC_ERROR
};

TERNAC_CUDA_API CUresult cuGetErrorName(CUresult error, const char **name) {
  *name = nullptr;
  for (auto [value, text] : errorNames)
    if (value == error)
      *name = text;
  return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

TERNAC_CUDA_API CUresult cuGetErrorString(CUresult error, const char **text) {
  return cuGetErrorName(error, text);
}

TERNAC_CUDA_API CUresult cuInit(unsigned flags) {
  TERNAC_LOCK;
  if (flags)
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE, "flags are not 0");
  driver.isInitialized = true;
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuDriverGetVersion(int *version) {
  if (!version)
    return CUDA_ERROR_INVALID_VALUE;
  *version = 13000;
  return CUDA_SUCCESS;
}

static CUresult checkDevice(Driver &driver, const char *call, int device) {
  if (!driver.isInitialized)
    return driver.fail(call, CUDA_ERROR_NOT_INITIALIZED,
                       "cuInit was not called");
  if (device != 0)
    return driver.fail(call, CUDA_ERROR_INVALID_DEVICE, "only device 0 exists");
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuDeviceGetCount(int *count) {
  TERNAC_LOCK;
  *count = 1;
  return checkDevice(driver, __func__, 0);
}

TERNAC_CUDA_API CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  TERNAC_LOCK;
  *device = ordinal;
  return checkDevice(driver, __func__, ordinal);
}

TERNAC_CUDA_API CUresult cuDeviceGetName(char *name, int size,
                                         CUdevice device) {
  TERNAC_LOCK;
  snprintf(name, static_cast<size_t>(size), "Ternac's CUDA emulator");
  return checkDevice(driver, __func__, device);
}

TERNAC_CUDA_API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  TERNAC_LOCK;
  *bytes = DeviceMemory::get().total();
  return checkDevice(driver, __func__, device);
}

TERNAC_CUDA_API CUresult cuDeviceGetAttribute(int *value, int attribute,
                                              CUdevice device) {
  TERNAC_LOCK;
  if (CUresult error = checkDevice(driver, __func__, device))
    return error;
  int capability = driver.capability();
  const std::pair<int, int> values[] = {{1, 1024},
                                        {2, 1024},
                                        {3, 1024},
                                        {4, 64},
                                        {5, 0x7FFFFFFF},
                                        {6, 65535},
                                        {7, 65535},
                                        {8, 49152},
                                        {9, 65536},
                                        {10, 32},
                                        {12, 65536},
                                        {13, 1000000},
                                        {16, 4},
                                        {17, 0},
                                        {18, 0},
                                        {19, 1},
                                        {20, 0},
                                        {31, 1},
                                        {32, 0},
                                        {33, 0},
                                        {36, 1000000},
                                        {37, 256},
                                        {38, 1 << 22},
                                        {39, 2048},
                                        {40, 2},
                                        {41, 1},
                                        {75, capability / 10},
                                        {76, capability % 10},
                                        {81, 233472},
                                        {82, 65536},
                                        {83, 0},
                                        {95, 0},
                                        {97, 232448},
                                        {106, 32},
                                        {111, 1024},
                                        {115, 0}};
  for (auto [key, known] : values) {
    if (key != attribute)
      continue;
    *value = known;
    return CUDA_SUCCESS;
  }
  return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE,
                     "attribute " + std::to_string(attribute) +
                         " is not known here");
}

TERNAC_CUDA_API CUresult cuDevicePrimaryCtxRetain(CUcontext *context,
                                                  CUdevice device) {
  TERNAC_LOCK;
  if (CUresult error = checkDevice(driver, __func__, device))
    return error;
  ++driver.retains;
  *context = driver.context();
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  TERNAC_LOCK;
  if (CUresult error = checkDevice(driver, __func__, device))
    return error;
  if (!driver.retains)
    return driver.fail(__func__, CUDA_ERROR_INVALID_CONTEXT,
                       "released more often than retained");
  if (driver.retains == 1) {
    driver.drain();
    driver.sticky = CUDA_SUCCESS;
  }
  --driver.retains;
  return CUDA_SUCCESS;
}

static CUresult checkContext(Driver &driver, const char *call,
                             CUcontext context) {
  if (!driver.isInitialized)
    return driver.fail(call, CUDA_ERROR_NOT_INITIALIZED,
                       "cuInit was not called");
  if (context && (context != driver.context() || !driver.retains))
    return driver.fail(call, CUDA_ERROR_INVALID_CONTEXT, "no such context");
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuCtxSetCurrent(CUcontext context) {
  TERNAC_LOCK;
  if (CUresult error = checkContext(driver, __func__, context))
    return error;
  if (contextStack().empty())
    contextStack().push_back(context);
  else
    contextStack().back() = context;
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuCtxPushCurrent_v2(CUcontext context) {
  TERNAC_LOCK;
  if (CUresult error = checkContext(driver, __func__, context))
    return error;
  contextStack().push_back(context);
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  TERNAC_LOCK;
  if (CUresult error = checkContext(driver, __func__, nullptr))
    return error;
  if (contextStack().empty())
    return driver.fail(__func__, CUDA_ERROR_INVALID_CONTEXT,
                       "no context was pushed");
  if (context)
    *context = contextStack().back();
  contextStack().pop_back();
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuCtxGetCurrent(CUcontext *context) {
  TERNAC_LOCK;
  if (CUresult error = checkContext(driver, __func__, nullptr))
    return error;
  *context = contextStack().empty() ? nullptr : contextStack().back();
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuCtxGetDevice(CUdevice *device) {
  TERNAC_LOCK;
  *device = 0;
  return driver.check(__func__);
}

TERNAC_CUDA_API CUresult cuCtxSynchronize() {
  TERNAC_LOCK;
  if (CUresult error = driver.check(__func__, true))
    return error;
  return driver.drain();
}

TERNAC_CUDA_API CUresult cuGetProcAddress_v2(const char *name, void **function,
                                             int, uint64_t, int *status) {
  // The newest version of a function comes first.
  for (const char *suffix : {"_v2", ""}) {
    Dl_info self;
    if (!dladdr(reinterpret_cast<void *>(&cuInit), &self))
      return CUDA_ERROR_UNKNOWN;
    void *library = dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    *function = library ? dlsym(library, (std::string(name) + suffix).c_str())
                        : nullptr;
    if (library)
      dlclose(library);
    if (*function)
      break;
  }
  if (status)
    *status = *function ? 0 : 1;
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
