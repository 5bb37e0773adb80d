//===- DeviceMemory.cpp - Models in a device's memory ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BlockTable.h"
#include "DeviceModel.h"
#include "Error.h"
#include "ModelMemory.h"

#include <algorithm>
#include <cstring>
#include <vector>

using namespace ternac::runtime;

/// An address of the device, as calls have it.
template <typename T> static T *pointerTo(uint64_t address) {
  return reinterpret_cast<T *>(static_cast<uintptr_t>(address));
}

static uint64_t align(uint64_t bytes) {
  return (bytes + TERNAC_ALIGNMENT - 1) / TERNAC_ALIGNMENT * TERNAC_ALIGNMENT;
}

namespace {
class DeviceMemory : public ModelMemory {
public:
  DeviceMemory(const TernacLibrary &library, std::shared_ptr<DeviceModel> on)
      : library(library), on(std::move(on)), device(this->on->device),
        blockBytes(library.model->cache_bytes(1)) {}
  ~DeviceMemory() override;

  bool allocate(const MemoryNeeds &needs);

  bool call(TernacEnvironment environment, TernacCall call) override;
  bool copyBlock(int32_t from, int32_t to) override;
  bool fillBlock(int32_t block, unsigned char byte) override;

private:
  bool fill(uint64_t address, uint64_t bytes, unsigned char byte);
  bool uploadTable(TernacCall &call);
  bool uploadRows(TernacCall &call);
  bool reserveLogits(uint32_t count);
  bool download(float *target, uint32_t count);

  uint64_t block(int32_t number) const {
    return cache + static_cast<uint32_t>(number) * blockBytes;
  }

  const TernacLibrary &library;
  const std::shared_ptr<DeviceModel> on;
  const TernacDevice *const device;
  const uint64_t blockBytes;

  // Addresses; 0 where there is nothing yet.
  uint64_t cache = 0, workspace = 0, table = 0, rows = 0, logits = 0;
  uint32_t mostLogits = 0;        ///< rows that there is room for
  std::vector<int32_t> lastTable; ///< what the device has
  std::vector<char> packedRows;   ///< on their way
};
} // namespace

//===----------------------------------------------------------------------===//
// Creation
//===----------------------------------------------------------------------===//

bool DeviceMemory::allocate(const MemoryNeeds &needs) {
  std::lock_guard lock(on->mutex());
  const TernacModel &model = *library.model;
  uint64_t tableBytes = uint64_t(needs.sequences) *
                        BlockTable::blocksFor(model.context_length) *
                        sizeof(int32_t);
  uint64_t rowsBytes = 4 * align(model.max_rows * sizeof(int32_t));
  uint64_t cacheBytes = model.cache_bytes(needs.cacheBlocks);
  // Code may read slots that nobody wrote, if only to multiply them by zero:
  // they must be numbers, as in the host's memory.
  return on->allocate("workspace needs", needs.workspaceBytes(library),
                      workspace) &&
         on->allocate("block table needs", tableBytes, table) &&
         on->allocate("rows of a call need", rowsBytes, rows) &&
         reserveLogits(needs.sequences) &&
         on->allocate("cache needs", cacheBytes, cache) &&
         fill(cache, cacheBytes, 0);
}

DeviceMemory::~DeviceMemory() {
  std::lock_guard lock(on->mutex());
  for (uint64_t address : {cache, workspace, table, rows, logits})
    if (address)
      device->release(device->context, address);
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

bool DeviceMemory::call(TernacEnvironment environment, TernacCall call) {
  std::lock_guard lock(on->mutex());
  float *target = call.logits;
  if (!uploadTable(call) || !uploadRows(call) ||
      !reserveLogits(call.logit_count))
    return false;
  call.logits = pointerTo<float>(logits);
  call.cache = pointerTo<void>(cache);
  call.workspace = pointerTo<void>(workspace);
  call.weights = pointerTo<void>(on->weights);
  environment.module = on->module;
  return callForward(library, environment, call) &&
         download(target, call.logit_count);
}

/// Few calls change the table.
bool DeviceMemory::uploadTable(TernacCall &call) {
  size_t size = size_t(call.block_table_rows) * call.block_table_columns;
  const int32_t *begin = call.block_table;
  call.block_table = pointerTo<int32_t>(table);
  if (std::equal(begin, begin + size, lastTable.begin(), lastTable.end()))
    return true;
  lastTable.clear();
  if (!on->upload(table, begin, size * sizeof(int32_t)))
    return false;
  lastTable.assign(begin, begin + size);
  return true;
}

/// All that there is of each row goes together.
bool DeviceMemory::uploadRows(TernacCall &call) {
  packedRows.clear();
  auto pack = [&](const int32_t *&values, uint32_t count) {
    size_t offset = packedRows.size();
    packedRows.resize(offset + align(count * sizeof(int32_t)));
    if (count)
      memcpy(packedRows.data() + offset, values, count * sizeof(int32_t));
    values = pointerTo<int32_t>(rows + offset);
  };
  pack(call.tokens, call.rows);
  pack(call.positions, call.rows);
  pack(call.sequences, call.rows);
  pack(call.logit_rows, call.logit_count);
  return on->upload(rows, packedRows.data(), packedRows.size());
}

/// Most calls want few logits, and a line of them is long.
bool DeviceMemory::reserveLogits(uint32_t count) {
  if (count <= mostLogits)
    return true;
  if (logits)
    device->release(device->context, logits);
  logits = 0;
  mostLogits = 0;
  uint64_t bytes = uint64_t(count) * library.model->vocab_size * sizeof(float);
  if (!on->allocate("logits need", bytes, logits))
    return false;
  mostLogits = count;
  return true;
}

/// Where no logits are wanted this waits nevertheless: if something failed, the
/// session has to know before it takes the tokens for fed.
bool DeviceMemory::download(float *target, uint32_t count) {
  uint64_t bytes = uint64_t(count) * library.model->vocab_size * sizeof(float);
  float unused;
  if (!device->download(device->context, count ? target : &unused, logits,
                        count ? bytes : sizeof(unused)))
    return true;
  setDeviceError(device, "it did not give the logits");
  return false;
}

//===----------------------------------------------------------------------===//
// Cache blocks
//===----------------------------------------------------------------------===//

bool DeviceMemory::copyBlock(int32_t from, int32_t to) {
  std::lock_guard lock(on->mutex());
  if (!device->copy(device->context, block(to), block(from), blockBytes))
    return true;
  setDeviceError(device, "it did not copy a block of the cache");
  return false;
}

bool DeviceMemory::fillBlock(int32_t number, unsigned char byte) {
  std::lock_guard lock(on->mutex());
  return fill(block(number), blockBytes, byte);
}

bool DeviceMemory::fill(uint64_t address, uint64_t bytes, unsigned char byte) {
  constexpr uint64_t most = 1 << 20;
  const std::vector<unsigned char> piece(std::min(bytes, most), byte);
  for (uint64_t done = 0; done < bytes; done += piece.size())
    if (!on->upload(address + done, piece.data(),
                    std::min<uint64_t>(piece.size(), bytes - done)))
      return false;
  return true;
}

std::unique_ptr<ModelMemory>
ternac::runtime::createDeviceMemory(TernacLibrary &library,
                                    const TernacDevice *device,
                                    const MemoryNeeds &needs) {
  std::shared_ptr<DeviceModel> model = DeviceModel::get(library, device);
  if (!model)
    return nullptr;
  auto memory = std::make_unique<DeviceMemory>(library, std::move(model));
  return memory->allocate(needs) ? std::move(memory) : nullptr;
}
