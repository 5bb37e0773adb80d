//===- Memory.cpp - Memory and copies -----------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

using namespace ternac::cuda_emulator;

#define TERNAC_LOCK                                                            \
  Driver &driver = Driver::get();                                              \
  std::lock_guard lock(driver.mutex)
#define TERNAC_CHECK(UNSAFE)                                                   \
  TERNAC_LOCK;                                                                 \
  if (CUresult error = driver.check(__func__, UNSAFE))                         \
  return error

TERNAC_CUDA_API CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
  TERNAC_CHECK(false);
  *available = DeviceMemory::get().available();
  *total = DeviceMemory::get().total();
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t size) {
  TERNAC_CHECK(true);
  if (!pointer || !size)
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE, "no bytes");
  *pointer = DeviceMemory::get().allocate(size);
  // To run out of memory is no misuse.
  return *pointer ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

TERNAC_CUDA_API CUresult cuMemFree_v2(CUdeviceptr pointer) {
  TERNAC_CHECK(true);
  if (!pointer)
    return CUDA_SUCCESS;
  if (CUresult error = driver.drain())
    return error;
  if (!DeviceMemory::get().free(pointer))
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE,
                       DeviceMemory::get().explain(pointer, 0));
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuMemHostAlloc(void **pointer, size_t size, unsigned) {
  TERNAC_CHECK(true);
  if (!pointer || !size)
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE, "no bytes");
  *pointer = DeviceMemory::get().allocateHost(size);
  return *pointer ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

TERNAC_CUDA_API CUresult cuMemAllocHost_v2(void **pointer, size_t size) {
  return cuMemHostAlloc(pointer, size, 0);
}

TERNAC_CUDA_API CUresult cuMemFreeHost(void *pointer) {
  TERNAC_CHECK(true);
  if (CUresult error = driver.drain())
    return error;
  if (!DeviceMemory::get().freeHost(pointer))
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE,
                       "not memory of cuMemAllocHost");
  return CUDA_SUCCESS;
}

/// The host's address of memory of the device, or null.
static uint8_t *hostOf(CUdeviceptr pointer, uint64_t size) {
  DeviceMemory::Allocation found = DeviceMemory::get().find(pointer, size);
  return found.size ? reinterpret_cast<uint8_t *>(pointer + found.toHost)
                    : nullptr;
}

/// Checks that memory is the device's, when a copy is queued.
static CUresult checkRange(Driver &driver, const char *call,
                           CUdeviceptr pointer, uint64_t size) {
  if (size && !hostOf(pointer, size))
    return driver.fail(call, CUDA_ERROR_INVALID_VALUE,
                       DeviceMemory::get().explain(pointer, size));
  return CUDA_SUCCESS;
}

[[noreturn]] static void vanished(CUdeviceptr pointer, uint64_t size) {
  throw Fault(CUDA_ERROR_ILLEGAL_ADDRESS,
              "a copy: " + DeviceMemory::get().explain(pointer, size));
}

static CUresult transfer(Driver &driver, const char *call, StreamHandle &stream,
                         std::function<void()> work,
                         int type = CU_GRAPH_NODE_TYPE_MEMCPY) {
  auto node = std::make_shared<GraphNodeHandle>();
  node->type = type;
  node->work = std::move(work);
  return driver.submit(call, stream, std::move(node));
}

/// What the forms without a stream do.
static CUresult transferNow(Driver &driver, const char *call,
                            std::function<void()> work,
                            int type = CU_GRAPH_NODE_TYPE_MEMCPY) {
  if (CUresult error =
          transfer(driver, call, driver.defaultStream, std::move(work), type))
    return error;
  driver.runUntil(driver.defaultStream, driver.defaultStream.queued);
  return driver.sticky;
}

static std::function<void()> upload(CUdeviceptr to, const void *from,
                                    size_t size) {
  return [=] {
    uint8_t *host = hostOf(to, size);
    if (!host && size)
      vanished(to, size);
    if (size)
      memcpy(host, from, size);
  };
}

static std::function<void()> download(void *to, CUdeviceptr from, size_t size) {
  return [=] {
    uint8_t *host = hostOf(from, size);
    if (!host && size)
      vanished(from, size);
    if (size)
      memcpy(to, host, size);
  };
}

static std::function<void()> copyWithin(CUdeviceptr to, CUdeviceptr from,
                                        size_t size) {
  return [=] {
    uint8_t *hostTo = hostOf(to, size), *hostFrom = hostOf(from, size);
    if (size && (!hostTo || !hostFrom))
      vanished(hostTo ? from : to, size);
    if (size)
      memmove(hostTo, hostFrom, size);
  };
}

static std::function<void()> fill(CUdeviceptr to, unsigned value, size_t width,
                                  size_t count) {
  return [=] {
    uint8_t *host = hostOf(to, width * count);
    if (!host && count)
      vanished(to, width * count);
    for (size_t k = 0; k < count; ++k)
      memcpy(host + k * width, &value, width);
  };
}

#define TERNAC_STREAM(HANDLE)                                                  \
  StreamHandle *stream = driver.stream(HANDLE);                                \
  if (!stream)                                                                 \
  return driver.fail(__func__, CUDA_ERROR_INVALID_HANDLE, "no such stream")
#define TERNAC_RANGE(POINTER, SIZE)                                            \
  if (CUresult error = checkRange(driver, __func__, POINTER, SIZE))            \
  return error

TERNAC_CUDA_API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from,
                                         size_t size) {
  TERNAC_CHECK(true);
  TERNAC_RANGE(to, size);
  return transferNow(driver, __func__, upload(to, from, size));
}

TERNAC_CUDA_API CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from,
                                         size_t size) {
  TERNAC_CHECK(true);
  TERNAC_RANGE(from, size);
  return transferNow(driver, __func__, download(to, from, size));
}

TERNAC_CUDA_API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from,
                                         size_t size) {
  TERNAC_CHECK(true);
  TERNAC_RANGE(to, size);
  TERNAC_RANGE(from, size);
  return transferNow(driver, __func__, copyWithin(to, from, size));
}

TERNAC_CUDA_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from,
                                              size_t size, CUstream handle) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  TERNAC_RANGE(to, size);
  // Memory that is not pinned is staged before the call returns.
  if (stream->capture || DeviceMemory::get().isHostMemory(from, size))
    return transfer(driver, __func__, *stream, upload(to, from, size));
  auto staged = std::make_shared<std::vector<uint8_t>>(
      static_cast<const uint8_t *>(from),
      static_cast<const uint8_t *>(from) + size);
  return transfer(driver, __func__, *stream, [to, staged] {
    upload(to, staged->data(), staged->size())();
  });
}

TERNAC_CUDA_API CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from,
                                              size_t size, CUstream handle) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  TERNAC_RANGE(from, size);
  if (CUresult error =
          transfer(driver, __func__, *stream, download(to, from, size)))
    return error;
  // Into memory that is not pinned, the copy is done before the call returns.
  if (!stream->capture && !DeviceMemory::get().isHostMemory(to, size))
    driver.runUntil(*stream, stream->queued);
  return driver.sticky;
}

TERNAC_CUDA_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from,
                                              size_t size, CUstream handle) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  TERNAC_RANGE(to, size);
  TERNAC_RANGE(from, size);
  return transfer(driver, __func__, *stream, copyWithin(to, from, size));
}

TERNAC_CUDA_API CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value,
                                       size_t count) {
  TERNAC_CHECK(true);
  TERNAC_RANGE(to, count);
  return transferNow(driver, __func__, fill(to, value, 1, count),
                     CU_GRAPH_NODE_TYPE_MEMSET);
}

TERNAC_CUDA_API CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value,
                                        size_t count) {
  TERNAC_CHECK(true);
  TERNAC_RANGE(to, 4 * count);
  return transferNow(driver, __func__, fill(to, value, 4, count),
                     CU_GRAPH_NODE_TYPE_MEMSET);
}

TERNAC_CUDA_API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value,
                                         size_t count, CUstream handle) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  TERNAC_RANGE(to, count);
  return transfer(driver, __func__, *stream, fill(to, value, 1, count),
                  CU_GRAPH_NODE_TYPE_MEMSET);
}

TERNAC_CUDA_API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value,
                                          size_t count, CUstream handle) {
  TERNAC_CHECK(false);
  TERNAC_STREAM(handle);
  TERNAC_RANGE(to, 4 * count);
  return transfer(driver, __func__, *stream, fill(to, value, 4, count),
                  CU_GRAPH_NODE_TYPE_MEMSET);
}
