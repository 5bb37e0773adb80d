//===- HostMemory.cpp - Models in the host's memory -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "ModelMemory.h"
#include "ternac/Runtime/DeviceText.h"

#include <algorithm>
#include <cstring>
#include <string>

using namespace ternac::runtime;

uint64_t MemoryNeeds::workspaceBytes(const TernacLibrary &library) const {
  uint64_t bytes = 0;
  for (uint32_t rows = 1; rows <= library.model->max_rows; ++rows)
    bytes = std::max(bytes, library.code().workspace_bytes(rows, threads));
  return bytes;
}

static const char *describe(int32_t code) {
  switch (code) {
  case TERNAC_ERROR_VERSION:
    return "it was built for another version of the model ABI";
  case TERNAC_ERROR_LIMIT:
    return "a call had more rows or threads than it was compiled for";
  case TERNAC_ERROR_WEIGHTS:
    return "its weights are missing";
  case TERNAC_ERROR_DEVICE:
    return "its device is missing or failed";
  default:
    return "it gave an unknown error code";
  }
}

void ternac::runtime::setDeviceError(const TernacDevice *device,
                                     const char *what) {
  std::string reason = deviceText(device->last_error, device->context);
  setError("the device '%s' failed: %s", device->name,
           reason.empty() ? what : reason.c_str());
}

bool ternac::runtime::callForward(const TernacLibrary &library,
                                  const TernacEnvironment &environment,
                                  const TernacCall &call) {
  int32_t code = library.code().forward(&environment, &call);
  if (code == TERNAC_OK)
    return true;
  const TernacDevice *device = environment.device;
  if (code == TERNAC_ERROR_DEVICE && device)
    setDeviceError(device, "it did not do what the model gave it");
  else
    setError("the model library refused a call: %s (code %d)", describe(code),
             code);
  return false;
}

namespace {
class HostMemory : public ModelMemory {
public:
  explicit HostMemory(const TernacLibrary &library)
      : library(library), blockBytes(library.model->cache_bytes(1)) {}

  bool allocate(const MemoryNeeds &needs) {
    return allocate(workspace, "workspace", needs.workspaceBytes(library)) &&
           allocate(cache, "cache",
                    library.model->cache_bytes(needs.cacheBlocks));
  }

  bool call(TernacEnvironment environment, TernacCall call) override {
    call.cache = cache.data();
    call.workspace = workspace.data();
    call.weights = library.weights.data();
    return callForward(library, environment, call);
  }

  bool copyBlock(int32_t from, int32_t to) override {
    memcpy(block(to), block(from), blockBytes);
    return true;
  }

  bool fillBlock(int32_t number, unsigned char byte) override {
    memset(block(number), byte, blockBytes);
    return true;
  }

private:
  static bool allocate(MappedMemory &memory, const char *purpose,
                       uint64_t bytes) {
    memory = MappedMemory::allocate(bytes);
    if (!memory.data())
      setError("not enough memory: the %s needs %.1f MB", purpose, bytes / 1e6);
    return memory.data();
  }

  char *block(int32_t number) {
    return static_cast<char *>(cache.data()) +
           static_cast<uint32_t>(number) * blockBytes;
  }

  const TernacLibrary &library;
  const uint64_t blockBytes;
  MappedMemory workspace, cache;
};
} // namespace

std::unique_ptr<ModelMemory>
ternac::runtime::createHostMemory(const TernacLibrary &library,
                                  const MemoryNeeds &needs) {
  auto memory = std::make_unique<HostMemory>(library);
  return memory->allocate(needs) ? std::move(memory) : nullptr;
}
