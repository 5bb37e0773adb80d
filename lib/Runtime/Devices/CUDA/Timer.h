//===- Timer.h - How long a device works ------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_CUDA_TIMER_H
#define TERNAC_LIB_RUNTIME_DEVICES_CUDA_TIMER_H

#include "Device.h"

#include <vector>

namespace ternac::runtime::cuda {

/// Measures between events before and after what a stream is given, from
/// `start` on. Functions fail as those of Device do.
class Timer {
public:
  explicit Timer(Device &device) : device(device) {}
  ~Timer();
  Timer(const Timer &) = delete;
  Timer &operator=(const Timer &) = delete;

  void start() { isOn = true; }
  bool begin(StreamHandle stream) { return !isOn || record(stream); }
  bool end(StreamHandle stream) { return !isOn || record(stream); }
  /// Waits for all that was measured and gives the sum.
  bool sum(double &seconds);

private:
  bool record(StreamHandle stream);
  bool collect();

  Device &device;
  bool isOn = false;
  std::vector<Event> events; ///< before, after, before, after ...
  size_t used = 0;           ///< events that were recorded
  double seconds = 0;        ///< between those before
};

} // namespace ternac::runtime::cuda

#endif // TERNAC_LIB_RUNTIME_DEVICES_CUDA_TIMER_H
