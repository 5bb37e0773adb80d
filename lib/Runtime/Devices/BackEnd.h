//===- BackEnd.h - Devices that the runtime drives itself -------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each folder here is a back end: a way to find devices of one kind and to
// drive them, with no driver library. The list of the folders is made by CMake;
// nothing else names them.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_BACKEND_H
#define TERNAC_LIB_RUNTIME_DEVICES_BACKEND_H

#include "ternac/Runtime/ModelABI.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ternac::runtime {

/// A device in use, until this object dies.
class BuiltInDevice {
public:
  virtual ~BuiltInDevice() = default;
  virtual const TernacDevice *table() const = 0;
};

struct DeviceDescription {
  std::string text;    ///< for people
  std::string problem; ///< why it cannot be used; empty if it can
};

struct BackEnd {
  const char *name; ///< of the devices, as TernacModel.device asks for it

  /// All devices, in the order of their numbers. If there are none, `problem`
  /// says why.
  std::vector<DeviceDescription> (*list)(std::string &problem);

  /// Opens the device of that number, or returns null and says why.
  std::unique_ptr<BuiltInDevice> (*open)(uint32_t number, std::string &problem);
};

const std::vector<BackEnd> &backEnds();

/// Null if there is none of that name.
const BackEnd *findBackEnd(std::string_view name);

/// Whether `path` has the form "name:number" of a built-in device, and so is
/// none. What lies in a file of such a name is found at "./name:number".
bool isBuiltInName(std::string_view path);

/// Opens the device of such a name. Null, with the last error set, if that
/// fails.
std::unique_ptr<BuiltInDevice> openBuiltIn(std::string_view name);

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_DEVICES_BACKEND_H
