//===- DeviceModel.h - A model on a device ----------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Weights are large and code takes long to compile, so all sessions of a
// library on one device share them.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICEMODEL_H
#define TERNAC_LIB_RUNTIME_DEVICEMODEL_H

#include "ternac/Runtime/ModelABI.h"

#include <cstdint>
#include <memory>
#include <mutex>

struct TernacLibrary;

namespace ternac::runtime {

/// Functions return false, or null, with the last error set, if they fail.
class DeviceModel {
public:
  /// That of the sessions there are, or a new one. The device must have all
  /// that runs kernels.
  static std::shared_ptr<DeviceModel> get(TernacLibrary &library,
                                          const TernacDevice *device);
  ~DeviceModel();
  DeviceModel(const DeviceModel &) = delete;
  DeviceModel &operator=(const DeviceModel &) = delete;

  /// What a thread must hold while it calls the device: there may be sessions
  /// on other threads, and of other libraries.
  std::mutex &mutex() const { return *lock; }

  // With the mutex held:
  bool allocate(const char *purpose, uint64_t bytes, uint64_t &address) const;
  bool upload(uint64_t address, const void *data, uint64_t bytes) const;

  const TernacDevice *const device;
  uint64_t weights = 0; ///< 0 if the model has none
  uint64_t module = 0;

private:
  explicit DeviceModel(const TernacDevice *device);
  bool create(const TernacLibrary &library);

  std::shared_ptr<std::mutex> lock;
  bool isLoaded = false; ///< the module
};

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_DEVICEMODEL_H
