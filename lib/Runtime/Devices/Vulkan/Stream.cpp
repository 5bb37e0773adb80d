//===- Stream.cpp - Work given to a Vulkan device in order ----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Stream.h"

#include <algorithm>
#include <cstring>

using namespace ternac::runtime::vulkan;

/// Of a batch.
static constexpr uint64_t memoryBytes = 1 << 20;
static constexpr uint32_t mostCommands = 64;
/// Of what is in a batch's memory; arguments need 8.
static constexpr uint64_t alignment = 64;

static constexpr VkPipelineStageFlags workStages =
    VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
static constexpr VkAccessFlags workWrites =
    VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
static constexpr VkAccessFlags workAccesses =
    workWrites | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;

//===----------------------------------------------------------------------===//
// Creation
//===----------------------------------------------------------------------===//

bool Stream::create() {
  auto info = makeStruct<VkCommandPoolCreateInfo>(
      VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
  info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  info.queueFamilyIndex = device.queueFamily;
  if (!device.check(
          device.vk.CreateCommandPool(device.handle, &info, nullptr, &pool),
          "cannot create a command pool") ||
      !createLayout())
    return false;
  return std::all_of(batches.begin(), batches.end(),
                     [&](Batch &batch) { return createBatch(batch); });
}

bool Stream::createLayout() {
  VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0,
                               sizeof(uint64_t)};
  auto info = makeStruct<VkPipelineLayoutCreateInfo>(
      VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
  info.pushConstantRangeCount = 1;
  info.pPushConstantRanges = &range;
  return device.check(
      device.vk.CreatePipelineLayout(device.handle, &info, nullptr, &layout),
      "cannot create a pipeline layout");
}

bool Stream::createBatch(Batch &batch) {
  auto info = makeStruct<VkCommandBufferAllocateInfo>(
      VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
  info.commandPool = pool;
  info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  info.commandBufferCount = 1;
  auto fence =
      makeStruct<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
  return device.check(device.vk.AllocateCommandBuffers(device.handle, &info,
                                                       &batch.commands),
                      "cannot create a command buffer") &&
         device.check(device.vk.CreateFence(device.handle, &fence, nullptr,
                                            &batch.fence),
                      "cannot create a fence") &&
         device.createHostBuffer(memoryBytes, batch.memory);
}

Stream::~Stream() {
  // A batch that was not submitted goes with the pool.
  for (Batch &batch : batches) {
    wait(batch);
    device.vk.DestroyFence(device.handle, batch.fence, nullptr);
    device.destroyBuffer(batch.memory);
  }
  device.vk.DestroyPipelineLayout(device.handle, layout, nullptr);
  device.vk.DestroyCommandPool(device.handle, pool, nullptr);
}

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

/// As Device::check, of what makes all that follows meaningless.
bool Stream::checkWork(VkResult result, const char *what) {
  if (device.check(result, what))
    return true;
  failure = device.error;
  return false;
}

/// Makes the current batch ready to record commands.
bool Stream::open() {
  Batch &batch = batches[current];
  if (!failure.empty())
    return device.fail(failure);
  if (batch.isOpen)
    return true;
  if (!wait(batch))
    return false;
  auto info = makeStruct<VkCommandBufferBeginInfo>(
      VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
  info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  if (!device.check(device.vk.BeginCommandBuffer(batch.commands, &info),
                    "cannot begin commands"))
    return false;
  batch.isOpen = true;
  batch.used = 0;
  batch.recorded = 0;
  return true;
}

/// Lets what was recorded come before what follows in `stages`.
void Stream::order(VkPipelineStageFlags stages, VkAccessFlags accesses) {
  auto barrier = makeStruct<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
  barrier.srcAccessMask = workWrites;
  barrier.dstAccessMask = accesses;
  device.vk.CmdPipelineBarrier(batches[current].commands, workStages, stages, 0,
                               1, &barrier, 0, nullptr, 0, nullptr);
}

/// Ends a command.
bool Stream::close() {
  order(workStages, workAccesses);
  return ++batches[current].recorded < mostCommands || submit();
}

bool Stream::submit() {
  Batch &batch = batches[current];
  if (!batch.isOpen)
    return true;
  order(VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
  batch.isOpen = false;
  auto info = makeStruct<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
  info.commandBufferCount = 1;
  info.pCommandBuffers = &batch.commands;
  if (!checkWork(device.vk.EndCommandBuffer(batch.commands),
                 "cannot end commands") ||
      !checkWork(device.vk.QueueSubmit(device.queue, 1, &info, batch.fence),
                 "cannot submit commands"))
    return false;
  batch.isRunning = true;
  current = (current + 1) % batches.size();
  return true;
}

bool Stream::wait(Batch &batch) {
  if (!batch.isRunning)
    return true;
  if (!checkWork(device.vk.WaitForFences(device.handle, 1, &batch.fence,
                                         VK_TRUE, UINT64_MAX),
                 "a command failed") ||
      !checkWork(device.vk.ResetFences(device.handle, 1, &batch.fence),
                 "cannot reset a fence"))
    return false;
  batch.isRunning = false;
  return true;
}

bool Stream::finish() {
  if (!failure.empty())
    return device.fail(failure);
  return submit() && std::all_of(batches.begin(), batches.end(),
                                 [&](Batch &batch) { return wait(batch); });
}

bool Stream::isIdle() const {
  return std::none_of(batches.begin(), batches.end(), [](const Batch &batch) {
    return batch.isOpen || batch.isRunning;
  });
}

/// Finds memory for the next command of the current batch, which may be
/// another one then.
bool Stream::reserve(uint64_t bytes, Place &place) {
  uint64_t size = (bytes + alignment - 1) / alignment * alignment;
  if (!open())
    return false;
  if (size > memoryBytes - batches[current].used && (!submit() || !open()))
    return false;
  Batch &batch = batches[current];
  place = {&batch.memory, batch.used};
  batch.used += size;
  return true;
}

//===----------------------------------------------------------------------===//
// Commands
//===----------------------------------------------------------------------===//

bool Stream::copy(Place to, Place from, uint64_t bytes) {
  if (!open())
    return false;
  VkBufferCopy region = {from.offset, to.offset, bytes};
  device.vk.CmdCopyBuffer(batches[current].commands, from.buffer->handle,
                          to.buffer->handle, 1, &region);
  return close();
}

bool Stream::upload(Place to, const char *data, uint64_t bytes) {
  if (to.buffer->host && isIdle()) {
    memcpy(to.buffer->host + to.offset, data, bytes);
    return true;
  }
  for (uint64_t done = 0, size; done < bytes; done += size) {
    size = std::min(bytes - done, memoryBytes);
    Place place;
    if (!reserve(size, place))
      return false;
    memcpy(place.buffer->host + place.offset, data + done, size);
    if (!copy({to.buffer, to.offset + done}, place, size))
      return false;
  }
  return true;
}

bool Stream::download(char *data, Place from, uint64_t bytes) {
  if (from.buffer->host) {
    if (!finish())
      return false;
    memcpy(data, from.buffer->host + from.offset, bytes);
    return true;
  }
  for (uint64_t done = 0, size; done < bytes; done += size) {
    size = std::min(bytes - done, memoryBytes);
    Place place;
    if (!reserve(size, place) ||
        !copy(place, {from.buffer, from.offset + done}, size) || !finish())
      return false;
    memcpy(data + done, place.buffer->host + place.offset, size);
  }
  return true;
}

bool Stream::launch(VkPipeline pipeline, const uint32_t grid[3],
                    const int64_t *arguments, uint32_t count) {
  Place place;
  uint64_t bytes = count * sizeof(int64_t);
  if (bytes > memoryBytes)
    return device.fail("a kernel cannot have " + std::to_string(count) +
                       " arguments");
  if (!reserve(bytes, place))
    return false;
  if (bytes)
    memcpy(place.buffer->host + place.offset, arguments, bytes);
  VkCommandBuffer commands = batches[current].commands;
  uint64_t address = place.buffer->address + place.offset;
  device.vk.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  device.vk.CmdPushConstants(commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                             sizeof(address), &address);
  device.vk.CmdDispatch(commands, grid[0], grid[1], grid[2]);
  return close();
}
