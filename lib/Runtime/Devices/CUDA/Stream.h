//===- Stream.h - Work given to a CUDA device in order ----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_CUDA_STREAM_H
#define TERNAC_LIB_RUNTIME_DEVICES_CUDA_STREAM_H

#include "Devices/KernelDevice.h"
#include "Graphs.h"
#include "Staging.h"
#include "Timer.h"

namespace ternac::runtime::cuda {

/// Launches are collected until something else is wanted, or there are many.
/// Functions fail as those of Device do.
class Stream {
public:
  explicit Stream(Device &device);
  ~Stream();
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;

  bool create();

  bool upload(Address to, const char *data, uint64_t bytes);
  bool download(char *data, Address from, uint64_t bytes);
  bool copy(Address to, Address from, uint64_t bytes);
  /// Needs no context.
  bool launch(Function function, const Launch &launch);
  /// Returns when all is done.
  bool finish();

  /// For how long the device has worked since this was asked first.
  bool busy(double &seconds);
  /// Forgets what was launched, before it is unloaded.
  void forgetLaunches() { graphs.clear(); }
  /// What was done so far, for people.
  std::string report() const;

private:
  bool flush();

  Device &device;
  StreamHandle handle = nullptr;
  Staging staging;
  Timer timer;
  Graphs graphs;
  LaunchList launches; ///< not yet given to the driver
};

} // namespace ternac::runtime::cuda

#endif // TERNAC_LIB_RUNTIME_DEVICES_CUDA_STREAM_H
