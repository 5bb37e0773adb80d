//===- Stream.h - Work given to a Vulkan device in order --------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// To give a device one command takes about as long as to give it a hundred. So
// they are collected in batches, and a batch goes when it is full or when the
// host waits. While some run, another is filled. Each batch has memory of the
// host for what its commands read: arguments of kernels and data on its way.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_VULKAN_STREAM_H
#define TERNAC_LIB_RUNTIME_DEVICES_VULKAN_STREAM_H

#include "Device.h"

#include <array>

namespace ternac::runtime::vulkan {

/// A place in a buffer.
struct Place {
  const Buffer *buffer;
  uint64_t offset;
};

/// Functions return false, and say why in the device's error, if they fail. A
/// device that failed once fails them all.
class Stream {
public:
  explicit Stream(Device &device) : device(device) {}
  ~Stream();
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;

  bool create();

  bool upload(Place to, const char *data, uint64_t bytes);
  bool download(char *data, Place from, uint64_t bytes);
  bool copy(Place to, Place from, uint64_t bytes);
  bool launch(VkPipeline pipeline, const uint32_t grid[3],
              const int64_t *arguments, uint32_t count);
  /// Returns when all is done.
  bool finish();

  /// Of what kernels get: the address of their arguments.
  VkPipelineLayout layout = VK_NULL_HANDLE;

private:
  struct Batch {
    VkCommandBuffer commands = nullptr;
    VkFence fence = VK_NULL_HANDLE;
    Buffer memory;
    uint64_t used = 0;     ///< of the memory
    uint32_t recorded = 0; ///< commands
    bool isOpen = false, isRunning = false;
  };

  bool createLayout();
  bool createBatch(Batch &batch);
  bool open();
  bool submit();
  bool wait(Batch &batch);
  bool checkWork(VkResult result, const char *what);
  bool reserve(uint64_t bytes, Place &place);
  bool isIdle() const;
  void order(VkPipelineStageFlags stages, VkAccessFlags reads);
  bool close();

  Device &device;
  VkCommandPool pool = VK_NULL_HANDLE;
  std::array<Batch, 4> batches;
  size_t current = 0;  ///< the batch that is filled
  std::string failure; ///< why work that was recorded is lost
};

} // namespace ternac::runtime::vulkan

#endif // TERNAC_LIB_RUNTIME_DEVICES_VULKAN_STREAM_H
