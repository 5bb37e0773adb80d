//===- Device.h - A CUDA device and its memory ------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_CUDA_DEVICE_H
#define TERNAC_LIB_RUNTIME_DEVICES_CUDA_DEVICE_H

#include "Driver.h"

#include <memory>

namespace ternac::runtime::cuda {

/// Calls that fail say why in `error`. All but those that set it need the
/// context: an object of `Current`.
class Device {
public:
  /// Null, and why, if the device cannot be used.
  static std::unique_ptr<Device> create(uint32_t number, std::string &problem);
  ~Device();
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  bool allocate(uint64_t bytes, Address &address);

  /// Sets `error` and returns false.
  bool fail(std::string why);
  /// Whether `result` is success; if not, `what` ("cannot ...") failed.
  bool check(Result result, const char *what);
  /// As `check`, of work: once some is lost, all that follows fails like it.
  bool checkWork(Result result, const char *what);
  /// Whether no work was lost; if some was, sets `error`.
  bool isWorking();

  const Driver &driver;
  const Functions &cu;
  const Ordinal ordinal;
  const Capability capability;
  const std::string description;
  std::string error;

private:
  friend class Current;
  Device(const Driver &driver, Ordinal ordinal);

  Context context = nullptr;
  std::string failure; ///< why work is lost
};

/// Makes a device's context that of this thread while it lives: threads take
/// turns, and other parts of the process may have contexts of their own.
class Current {
public:
  explicit Current(const Device &device) : cu(device.cu) {
    isPushed = cu.CtxPushCurrent(device.context) == Result::Success;
  }
  ~Current() {
    Context context;
    if (isPushed)
      cu.CtxPopCurrent(&context);
  }
  Current(const Current &) = delete;
  Current &operator=(const Current &) = delete;

private:
  const Functions &cu;
  bool isPushed;
};

} // namespace ternac::runtime::cuda

#endif // TERNAC_LIB_RUNTIME_DEVICES_CUDA_DEVICE_H
