//===- SessionCreation.cpp - From options to a session --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Devices/BackEnd.h"
#include "Driver.h"
#include "Error.h"
#include "HugePages.h"
#include "SessionState.h"
#include "ternac/Runtime/HostFeatures.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

using namespace ternac::runtime;

TernacSession::TernacSession(TernacLibrary *library, const TernacDevice *device,
                             std::unique_ptr<ThreadPool> pool,
                             std::unique_ptr<ModelMemory> memory,
                             BlockTable blocks)
    : library(library), model(library->model), pool(std::move(pool)),
      environment(this->pool->environment(grantedFeatures())),
      memory(std::move(memory)), blocks(std::move(blocks)),
      histories(this->blocks.rows()) {
  environment.device = device;
}

/// The options with every default filled in; false if they cannot be met.
static bool resolveOptions(const TernacLibrary &library,
                           const TernacSessionOptions *given,
                           TernacSessionOptions &options) {
  const TernacModel *model = library.model;
  options = {};
  if (given) {
    if (given->struct_size < sizeof(given->struct_size)) {
      setError("struct_size of the session options is not set");
      return false;
    }
    memcpy(&options, given,
           std::min<size_t>(given->struct_size, sizeof(options)));
  }
  // One thread is enough to start kernels.
  if (!options.threads)
    options.threads =
        library.kernels() ? 1 : std::min(processorCount(), model->max_threads);
  if (options.threads > model->max_threads) {
    setError("expected at most %u threads, which the model was compiled for, "
             "but got %u",
             model->max_threads, options.threads);
    return false;
  }
  if (!options.sequences)
    options.sequences = 1;
  if (options.sequences > model->max_sequences) {
    setError("expected at most %u sequences, which the model was compiled for, "
             "but got %u; compile it with --max-sequences=%u",
             model->max_sequences, options.sequences, options.sequences);
    return false;
  }
  // More blocks than all sequences together can fill would never be used.
  uint64_t usable = uint64_t(options.sequences) *
                    BlockTable::blocksFor(model->context_length);
  if (!options.cache_blocks || options.cache_blocks > usable)
    options.cache_blocks =
        static_cast<uint32_t>(std::min<uint64_t>(usable, INT32_MAX));
  return true;
}

/// Whether the device, whatever its name, has all that runs kernels.
static bool runsKernels(const TernacDevice &device) {
  return hasKernelFields(device) && device.allocate && device.release &&
         device.upload && device.download && device.copy && device.load &&
         device.unload && device.launch;
}

/// Whether the device of `options`, if any, is the one that the library needs.
static bool checkNeed(const TernacLibrary &library,
                      const TernacSessionOptions &options) {
  const TernacDevice *device = options.device;
  const char *needed = library.device();
  if (!*needed)
    return true;
  if (!device && findBackEnd(needed)) {
    setError("the model needs the device '%s'; bring one (--device=%s:0 "
             "of the tools)",
             needed, needed);
    return false;
  }
  if (!device) {
    setError("the model needs the device '%s'; bring a driver for it "
             "(--device=DRIVER.so of the tools)",
             needed);
    return false;
  }
  if (strcmp(device->name, needed) != 0) {
    setError("the model needs the device '%s', but got a driver for '%s'",
             needed, device->name);
    return false;
  }
  if (!library.kernels()) {
    if (!device->submit)
      setError("the model gives commands to its device, but the driver of the "
               "device '%s' takes none",
               needed);
    return device->submit;
  }
  if (!runsKernels(*device)) {
    setError("the model consists of kernels, but the driver of the device '%s' "
             "does not run any",
             needed);
    return false;
  }
  if (options.huge_pages) {
    setError("the weights of the model go to the memory of the device '%s', "
             "so they cannot be in huge pages",
             needed);
    return false;
  }
  return true;
}

/// Moves the weights, once for all sessions of the library.
static bool useHugePages(TernacLibrary &library, ThreadPool &pool) {
  std::lock_guard lock(library.mutex);
  if (library.usesHugePages)
    return true;
  auto [weights, bytes] = library.weightsReadWhole();
  if (weights && !moveToHugePages(weights, bytes, pool))
    return false;
  library.usesHugePages = true;
  return true;
}

TernacSession *ternac_session_create(TernacLibrary *library,
                                     const TernacSessionOptions *given) {
  if (!library->model->forward) {
    setError("the library has functions but no model, so that it has no "
             "sessions; call its functions");
    return nullptr;
  }
  TernacSessionOptions options;
  if (!resolveOptions(*library, given, options) ||
      (options.device && !checkDevice("the device given", options.device)) ||
      !checkNeed(*library, options))
    return nullptr;
  MemoryNeeds needs = {options.threads, options.sequences,
                       options.cache_blocks};
  std::unique_ptr<ModelMemory> memory =
      library->kernels() ? createDeviceMemory(*library, options.device, needs)
                         : createHostMemory(*library, needs);
  if (!memory)
    return nullptr;
  std::unique_ptr<ThreadPool> pool =
      ThreadPool::create(options.threads, !options.no_pinning);
  if (!pool || (options.huge_pages && !useHugePages(*library, *pool)))
    return nullptr;
  BlockTable blocks(options.sequences,
                    BlockTable::blocksFor(library->model->context_length),
                    options.cache_blocks);
  return new TernacSession(library, options.device, std::move(pool),
                           std::move(memory), std::move(blocks));
}

void ternac_session_destroy(TernacSession *session) { delete session; }

uint32_t ternac_session_threads(const TernacSession *session) {
  return session->pool->size();
}
