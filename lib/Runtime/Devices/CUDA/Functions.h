//===- Functions.h - The CUDA driver's functions in use ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// CUDA without its headers and without linking to it: these few declarations
// follow the documentation of the driver API, and the functions are asked for
// by name, from a driver that is opened at run time. They are called without
// their prefix and version.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_CUDA_FUNCTIONS_H
#define TERNAC_LIB_RUNTIME_DEVICES_CUDA_FUNCTIONS_H

#include <cstddef>
#include <cstdint>

namespace ternac::runtime::cuda {

using Ordinal = int; ///< of a device
using Address = uint64_t;
using Context = struct ContextType *;
using Module = struct ModuleType *;
using Function = struct FunctionType *;
using StreamHandle = struct StreamType *;
using Event = struct EventType *;
using Graph = struct GraphType *;
using GraphNode = struct GraphNodeType *;
using GraphExecutable = struct GraphExecutableType *;

/// Any other is an error too, of which the driver has a description.
enum class Result : int {
  Success = 0,
  OutOfMemory = 2,
  NoDevice = 100,
  NotFound = 500,
};

enum class Attribute : int {
  MaxThreadsPerBlock = 1,
  MaxGridX = 5, ///< y and z follow
  ComputeMode = 20,
  CapabilityMajor = 75,
  CapabilityMinor = 76,
};
constexpr int computeModeProhibited = 2;

enum class JITOption : int { ErrorLog = 5, ErrorLogBytes = 6 };

constexpr unsigned streamNonBlocking = 1;
constexpr unsigned eventNoTiming = 2;

/// Other threads may do what they like meanwhile.
constexpr int captureThreadLocal = 1;

/// Why a graph cannot be changed.
struct GraphDifference {
  int result;
  GraphNode node, fromNode;
};

// X(name, symbol, parameters)
#define TERNAC_CUDA_FUNCTIONS(X)                                               \
  X(Init, "cuInit", (unsigned flags))                                          \
  X(DriverGetVersion, "cuDriverGetVersion", (int *version))                    \
  X(GetErrorString, "cuGetErrorString", (Result result, const char **text))    \
  X(DeviceGetCount, "cuDeviceGetCount", (int *count))                          \
  X(DeviceGet, "cuDeviceGet", (Ordinal * device, int number))                  \
  X(DeviceGetName, "cuDeviceGetName", (char *name, int bytes, Ordinal device)) \
  X(DeviceTotalMem, "cuDeviceTotalMem_v2", (size_t *bytes, Ordinal device))    \
  X(DeviceGetAttribute, "cuDeviceGetAttribute",                                \
    (int *value, Attribute attribute, Ordinal device))                         \
  X(DevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain",                        \
    (Context * context, Ordinal device))                                       \
  X(DevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2", (Ordinal device)) \
  X(CtxPushCurrent, "cuCtxPushCurrent_v2", (Context context))                  \
  X(CtxPopCurrent, "cuCtxPopCurrent_v2", (Context * context))                  \
  X(MemGetInfo, "cuMemGetInfo_v2", (size_t *free, size_t *total))              \
  X(MemAlloc, "cuMemAlloc_v2", (Address * address, size_t bytes))              \
  X(MemFree, "cuMemFree_v2", (Address address))                                \
  X(MemHostAlloc, "cuMemHostAlloc",                                            \
    (void **memory, size_t bytes, unsigned flags))                             \
  X(MemFreeHost, "cuMemFreeHost", (void *memory))                              \
  X(MemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2",                                   \
    (Address to, const void *from, size_t bytes, StreamHandle stream))         \
  X(MemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2",                                   \
    (void *to, Address from, size_t bytes, StreamHandle stream))               \
  X(MemcpyDtoDAsync, "cuMemcpyDtoDAsync_v2",                                   \
    (Address to, Address from, size_t bytes, StreamHandle stream))             \
  X(ModuleLoadDataEx, "cuModuleLoadDataEx",                                    \
    (Module * module, const void *image, unsigned count, JITOption *options,   \
     void **values))                                                           \
  X(ModuleUnload, "cuModuleUnload", (Module module))                           \
  X(ModuleGetFunction, "cuModuleGetFunction",                                  \
    (Function * function, Module module, const char *name))                    \
  X(LaunchKernel, "cuLaunchKernel",                                            \
    (Function function, unsigned gridX, unsigned gridY, unsigned gridZ,        \
     unsigned blockX, unsigned blockY, unsigned blockZ, unsigned sharedBytes,  \
     StreamHandle stream, void **arguments, void **extra))                     \
  X(StreamCreate, "cuStreamCreate", (StreamHandle * stream, unsigned flags))   \
  X(StreamDestroy, "cuStreamDestroy_v2", (StreamHandle stream))                \
  X(StreamSynchronize, "cuStreamSynchronize", (StreamHandle stream))           \
  X(EventCreate, "cuEventCreate", (Event * event, unsigned flags))             \
  X(EventDestroy, "cuEventDestroy_v2", (Event event))                          \
  X(EventRecord, "cuEventRecord", (Event event, StreamHandle stream))          \
  X(EventSynchronize, "cuEventSynchronize", (Event event))                     \
  X(EventElapsedTime, "cuEventElapsedTime",                                    \
    (float *milliseconds, Event start, Event end))                             \
  X(StreamBeginCapture, "cuStreamBeginCapture_v2",                             \
    (StreamHandle stream, int mode))                                           \
  X(StreamEndCapture, "cuStreamEndCapture",                                    \
    (StreamHandle stream, Graph * graph))                                      \
  X(GraphInstantiate, "cuGraphInstantiateWithFlags",                           \
    (GraphExecutable * executable, Graph graph, unsigned long long flags))     \
  X(GraphDestroy, "cuGraphDestroy", (Graph graph))                             \
  X(GraphLaunch, "cuGraphLaunch",                                              \
    (GraphExecutable executable, StreamHandle stream))                         \
  X(GraphExecUpdate, "cuGraphExecUpdate_v2",                                   \
    (GraphExecutable executable, Graph graph, GraphDifference * difference))   \
  X(GraphExecDestroy, "cuGraphExecDestroy", (GraphExecutable executable))

#define TERNAC_CUDA_MEMBER(NAME, SYMBOL, PARAMETERS)                           \
  Result(*NAME) PARAMETERS = nullptr;
struct Functions {
  TERNAC_CUDA_FUNCTIONS(TERNAC_CUDA_MEMBER)
};
#undef TERNAC_CUDA_MEMBER

} // namespace ternac::runtime::cuda

#endif // TERNAC_LIB_RUNTIME_DEVICES_CUDA_FUNCTIONS_H
