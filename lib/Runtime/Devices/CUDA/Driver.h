//===- Driver.h - The CUDA driver and its devices ---------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What there is before a device is chosen.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_CUDA_DRIVER_H
#define TERNAC_LIB_RUNTIME_DEVICES_CUDA_DRIVER_H

#include "Functions.h"

#include <compare>
#include <string>

namespace ternac::runtime::cuda {

/// A compute capability, as 9.0 of sm_90.
struct Capability {
  int major = 0, minor = 0;

  auto operator<=>(const Capability &) const = default;
  std::string text() const;
};

class Driver {
public:
  /// That of the process, with at least one device, or null and why. It stays,
  /// as drivers cannot be unloaded.
  static const Driver *get(std::string &problem);

  /// "name, capability, memory", for people.
  std::string describe(Ordinal device) const;
  /// Why the device cannot be used; empty if it can.
  std::string problemOf(Ordinal device) const;
  Capability capabilityOf(Ordinal device) const;
  int attribute(Attribute attribute, Ordinal device) const;

  /// What a result means, for a sentence.
  std::string textOf(Result result) const;

  Functions cu;
  int count = 0; ///< of devices, from 0 on

private:
  bool load(std::string &problem);
  bool start(std::string &problem);
};

/// "1.5 GiB".
std::string sizeText(uint64_t bytes);

} // namespace ternac::runtime::cuda

#endif // TERNAC_LIB_RUNTIME_DEVICES_CUDA_DRIVER_H
