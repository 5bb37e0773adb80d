//===- Library.h - An opened model library ----------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What stands behind the C API's handle: the loaded library, its table and,
// if the weights lie in a file of their own, that file.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_LIBRARY_H
#define TERNAC_LIB_RUNTIME_LIBRARY_H

#include "SharedLibrary.h"
#include "ternac/Runtime/MappedMemory.h"
#include "ternac/Runtime/Session.h"

#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace ternac::runtime {
class DeviceModel;
} // namespace ternac::runtime

struct TernacLibrary {
  /// The name of the device that the code needs, "" for none.
  const char *device() const;

  /// The kernels that the code starts, null if it does all itself.
  const TernacKernels *kernels() const;

  /// The part of the weights that every token reads whole. Of the rest, tables,
  /// it reads rows. Null if there are no weights.
  std::pair<const char *, uint64_t> weightsReadWhole() const;

  /// What sessions run.
  const TernacVersion &code() const { return versions[version]; }

  ternac::runtime::SharedLibrary shared;
  const TernacModel *model = nullptr;
  std::vector<TernacVersion> versions; ///< at least one
  uint32_t version = 0;                ///< that sessions run
  /// The weights of a library that does not embed them.
  ternac::runtime::MappedMemory weights;

  std::mutex mutex;           ///< guards what follows
  bool usesHugePages = false; ///< the weights were moved
  std::map<const TernacDevice *, std::weak_ptr<ternac::runtime::DeviceModel>>
      deviceModels; ///< those that sessions use
};

#endif // TERNAC_LIB_RUNTIME_LIBRARY_H
