//===- Staging.h - Pinned memory on the way to a device ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// The driver copies while the host goes on only from and to memory that it
// pinned, which all data passes through. The pieces are used in turn: while one
// goes to the device, the next one is filled.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_CUDA_STAGING_H
#define TERNAC_LIB_RUNTIME_DEVICES_CUDA_STAGING_H

#include "Device.h"

#include <array>

namespace ternac::runtime::cuda {

/// Functions fail as those of Device do.
class Staging {
public:
  explicit Staging(Device &device) : device(device) {}
  ~Staging();
  Staging(const Staging &) = delete;
  Staging &operator=(const Staging &) = delete;

  bool create();

  /// The most that can be reserved at a time.
  static constexpr uint64_t mostBytes = 4 << 20;

  /// Gives memory that commands of the stream, which are given to it before the
  /// next call, may use. They may have to be waited for then.
  bool reserve(uint64_t bytes, StreamHandle stream, char *&place);
  /// Tells that the stream has done all.
  void free();

private:
  struct Piece {
    char *memory = nullptr;
    Event done = nullptr;
    bool isRunning = false; ///< `done` is yet to come
  };

  bool next(StreamHandle stream);

  Device &device;
  std::array<Piece, 4> pieces;
  size_t current = 0;
  uint64_t used = 0; ///< of the current piece
};

} // namespace ternac::runtime::cuda

#endif // TERNAC_LIB_RUNTIME_DEVICES_CUDA_STAGING_H
