//===- DeviceModel.cpp - A model on a device ------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceModel.h"
#include "Error.h"
#include "Library.h"
#include "ModelMemory.h"
#include "ternac/Runtime/DeviceText.h"

#include <map>
#include <string>

using namespace ternac::runtime;

/// The one mutex of a device, as long as any model uses it.
static std::shared_ptr<std::mutex> mutexOf(const TernacDevice *device) {
  static std::mutex guard;
  static std::map<const TernacDevice *, std::weak_ptr<std::mutex>> all;
  std::lock_guard lock(guard);
  std::erase_if(all, [](const auto &entry) { return entry.second.expired(); });
  std::shared_ptr<std::mutex> mutex = all[device].lock();
  if (!mutex)
    all[device] = mutex = std::make_shared<std::mutex>();
  return mutex;
}

DeviceModel::DeviceModel(const TernacDevice *device)
    : device(device), lock(mutexOf(device)) {}

std::shared_ptr<DeviceModel> DeviceModel::get(TernacLibrary &library,
                                              const TernacDevice *device) {
  std::lock_guard lock(library.mutex);
  std::weak_ptr<DeviceModel> &known = library.deviceModels[device];
  std::shared_ptr<DeviceModel> model = known.lock();
  if (model)
    return model;
  model.reset(new DeviceModel(device));
  if (!model->create(library))
    return nullptr;
  known = model;
  return model;
}

bool DeviceModel::create(const TernacLibrary &library) {
  std::lock_guard guard(*lock);
  if (device->load(device->context, library.kernels(), &module)) {
    setDeviceError(device, "it did not take the model's kernels");
    return false;
  }
  isLoaded = true;
  uint64_t bytes = library.model->weights_bytes;
  const void *data = ternac_weights_of(&library);
  if (!bytes)
    return true;
  if (!data) {
    setError("the model keeps its weights to itself, so that they cannot be "
             "brought to the device '%s'",
             device->name);
    return false;
  }
  return allocate("weights need", bytes, weights) &&
         upload(weights, data, bytes);
}

DeviceModel::~DeviceModel() {
  std::lock_guard guard(*lock);
  if (weights)
    device->release(device->context, weights);
  if (isLoaded)
    device->unload(device->context, module);
}

bool DeviceModel::allocate(const char *purpose, uint64_t bytes,
                           uint64_t &address) const {
  if (!device->allocate(device->context, bytes, &address))
    return true;
  address = 0;
  std::string reason = deviceText(device->last_error, device->context);
  if (!reason.empty())
    reason = " (" + reason + ")";
  setError("not enough device memory: the %s %.1f MB%s", purpose, bytes / 1e6,
           reason.c_str());
  return false;
}

bool DeviceModel::upload(uint64_t address, const void *data,
                         uint64_t bytes) const {
  if (!device->upload(device->context, address, data, bytes))
    return true;
  setDeviceError(device, "it did not take data");
  return false;
}
