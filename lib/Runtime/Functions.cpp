//===- Functions.cpp - Calling functions of libraries ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Runtime/Functions.h"

#include "Error.h"
#include "FunctionTable.h"
#include "Library.h"
#include "ternac/Runtime/HostFeatures.h"
#include "ternac/Runtime/MappedMemory.h"
#include "ternac/Runtime/ThreadPool.h"

#include <cstddef>
#include <memory>
#include <utility>

using namespace ternac::runtime;

struct TernacCaller {
  std::unique_ptr<ThreadPool> pool;
  TernacEnvironment environment;
  MappedMemory workspace; ///< the largest that was needed
};

/// Element `number` of an array whose elements may be larger than ours.
template <typename T> static const T *at(const T *first, uint32_t number) {
  const char *bytes = reinterpret_cast<const char *>(first);
  return reinterpret_cast<const T *>(bytes +
                                     size_t(number) * first->struct_size);
}

/// Whether `count` structs from `first` on are of one sound size, and ours or
/// older.
template <typename T> static bool areWhole(const T *first, uint32_t count) {
  constexpr uint32_t mostBytes = 4096, mostStructs = 1u << 20;
  if (count == 0)
    return true;
  if (!first || count > mostStructs || first->struct_size < sizeof(T) ||
      first->struct_size > mostBytes || first->struct_size % alignof(T) != 0)
    return false;
  for (uint32_t i = 0; i < count; ++i) {
    const T *item = at(first, i);
    if (item->struct_size != first->struct_size || item->abi_version < 1 ||
        item->abi_version > TERNAC_ABI_VERSION || !item->name)
      return false;
  }
  return true;
}

static bool areTensors(const TernacTensor *first, uint32_t count) {
  if (!areWhole(first, count))
    return false;
  for (uint32_t i = 0; i < count; ++i) {
    const TernacTensor *tensor = at(first, i);
    if (tensor->element < TERNAC_I1 || tensor->element > TERNAC_F64 ||
        (tensor->rank && !tensor->shape))
      return false;
  }
  return true;
}

/// Whether the table is new enough to have functions.
static bool canHaveFunctions(const TernacModel *model) {
  return model->struct_size >= offsetof(TernacModel, reserved2);
}

bool ternac::runtime::hasFunctions(const TernacModel *model) {
  return canHaveFunctions(model) && model->function_count;
}

bool ternac::runtime::hasWholeFunctions(const TernacModel *model) {
  if (!hasFunctions(model))
    return true;
  if (!areWhole(model->functions, model->function_count))
    return false;
  for (uint32_t i = 0; i < model->function_count; ++i) {
    const TernacFunction *function = at(model->functions, i);
    if (!function->sizes || !function->call ||
        !areTensors(function->arguments, function->argument_count) ||
        !areTensors(function->results, function->result_count))
      return false;
  }
  return true;
}

uint32_t ternac_function_count(const TernacLibrary *library) {
  return canHaveFunctions(library->model) ? library->model->function_count : 0;
}

const TernacFunction *ternac_function_at(const TernacLibrary *library,
                                         uint32_t number) {
  return number < ternac_function_count(library)
             ? at(library->model->functions, number)
             : nullptr;
}

TernacCaller *ternac_caller_create(uint32_t threads, uint32_t no_pinning) {
  auto caller = std::make_unique<TernacCaller>();
  caller->pool =
      ThreadPool::create(threads ? threads : processorCount(), !no_pinning);
  if (!caller->pool)
    return nullptr;
  caller->environment = caller->pool->environment(grantedFeatures());
  return caller.release();
}

void ternac_caller_destroy(TernacCaller *caller) { delete caller; }

/// The bytes of the workspace; 0, and an error, if sizes do not fit.
static uint64_t sizesOf(const TernacFunction *function,
                        const int64_t *argument_sizes, int64_t *result_sizes) {
  uint64_t bytes = function->sizes(argument_sizes, result_sizes);
  if (!bytes)
    setError("the sizes of the arguments of '%s' do not fit each other",
             function->name);
  return bytes;
}

int32_t ternac_result_sizes(const TernacFunction *function,
                            const int64_t *argument_sizes,
                            int64_t *result_sizes) {
  return sizesOf(function, argument_sizes, result_sizes) ? 0 : -1;
}

int32_t ternac_call(TernacCaller *caller, const TernacFunction *function,
                    const void *const *arguments, const int64_t *argument_sizes,
                    void *const *results) {
  uint64_t bytes = sizesOf(function, argument_sizes, nullptr);
  if (!bytes)
    return -1;
  if (caller->workspace.size() < bytes) {
    MappedMemory memory = MappedMemory::allocate(bytes);
    if (!memory.data()) {
      setError("not enough memory: the workspace of '%s' needs %.1f MB",
               function->name, double(bytes) / 1e6);
      return -1;
    }
    caller->workspace = std::move(memory);
  }
  TernacFunctionCall call = {};
  call.struct_size = sizeof(call);
  call.abi_version = TERNAC_ABI_VERSION;
  call.arguments = arguments;
  call.argument_sizes = argument_sizes;
  call.results = results;
  call.workspace = caller->workspace.data();
  int32_t code = function->call(&caller->environment, &call);
  if (code == TERNAC_OK)
    return 0;
  setError("the function '%s' refused a call with code %d", function->name,
           code);
  return -1;
}
