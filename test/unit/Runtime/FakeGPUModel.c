/*===- FakeGPUModel.c - A model that consists of kernels
-------------------===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* What a session brings to a device and back, with the two kernels of
|* Kernels.spvasm or Kernels.ptx. The first logits of the first line are
integers: for each row
|* the sum of its token, its position and a weight. The first one of all is
|* higher by the calls so far, which are counted in the cache. A call of
|* FailingRows rows goes where there is no memory.
|*
\*===----------------------------------------------------------------------===*/

#include "ternac/Runtime/ModelABI.h"

__asm__(".pushsection .rodata\n"
        ".balign 4\n"
        "kernelsBegin: .incbin \"" FAKE_KERNELS_FILE "\"\n"
        "kernelsEnd:\n"
        ".popsection\n");
__attribute__((visibility("hidden"))) extern const char kernelsBegin[],
    kernelsEnd[];

enum { VocabSize = 8, ContextLength = 128, MaxRows = 8, FailingRows = 7 };
enum { Add, Shift };

static int32_t launch(const TernacEnvironment *environment, uint32_t kernel,
                      const int64_t *arguments, uint32_t count) {
  const TernacDevice *device = environment->device;
  const uint32_t grid[] = {1, 1, 1}, block[] = {64, 1, 1};
  return device->launch(device->context, environment->module, kernel, grid,
                        block, arguments, count);
}

static int32_t add(const TernacEnvironment *environment, const void *a,
                   const void *b, void *sum, uint32_t count) {
  const int64_t arguments[] = {(int64_t)(uintptr_t)a, (int64_t)(uintptr_t)b,
                               (int64_t)(uintptr_t)sum, count};
  return launch(environment, Add, arguments, 4);
}

static int32_t forward(const TernacEnvironment *environment,
                       const TernacCall *call) {
  const int64_t nowhere[] = {8, 1, 1};
  if (call->rows == FailingRows && launch(environment, Shift, nowhere, 3))
    return TERNAC_ERROR_DEVICE;
  const int64_t counter[] = {(int64_t)(uintptr_t)call->cache, 1, 1};
  int32_t failed =
      add(environment, call->tokens, call->positions, call->workspace,
          call->rows) ||
      add(environment, call->workspace, call->weights, call->workspace,
          call->rows) ||
      launch(environment, Shift, counter, 3) ||
      (call->logit_count && add(environment, call->workspace, call->cache,
                                call->logits, call->rows));
  return failed ? TERNAC_ERROR_DEVICE : TERNAC_OK;
}

static uint64_t workspaceBytes(uint32_t rows, uint32_t threads) {
  (void)threads;
  return rows * sizeof(int32_t);
}

static uint64_t cacheBytes(uint32_t blocks) { return blocks * UINT64_C(64); }

static const int32_t weights[VocabSize] = {100, 200, 300, 400,
                                           500, 600, 700, 800};
static const char *const names[] = {"add", "shift"};
static TernacKernels kernels = {
    .struct_size = sizeof(kernels),
    .abi_version = TERNAC_ABI_VERSION,
    .format = FAKE_FORMAT,
    .code = kernelsBegin,
    .names = names,
    .count = 2,
};
static const TernacVersion version = {
    .struct_size = sizeof(version),
    .abi_version = TERNAC_ABI_VERSION,
    .name = "fake",
    .target = "fake",
    .cpu_features = "",
    .workspace_bytes = workspaceBytes,
    .forward = forward,
};
static const TernacModel model = {
    .struct_size = sizeof(model),
    .abi_version = TERNAC_ABI_VERSION,
    .vocab_size = VocabSize,
    .hidden_size = 1,
    .layers = 1,
    .context_length = ContextLength,
    .max_rows = MaxRows,
    .max_sequences = 1,
    .max_threads = 1,
    .begin_token = -1,
    .weights_embedded = 1,
    .weights_bytes = sizeof(weights),
    .target = "fake",
    .cpu_features = "",
    .facts = "{}",
    .weights = weights,
    .workspace_bytes = workspaceBytes,
    .cache_bytes = cacheBytes,
    .forward = forward,
    .device = FAKE_DEVICE,
    .versions = &version,
    .version_count = 1,
    .kernels = &kernels,
};

const TernacModel *ternac_model(void);
const TernacModel *ternac_model(void) {
  kernels.bytes = (uint64_t)(kernelsEnd - kernelsBegin);
  return &model;
}
