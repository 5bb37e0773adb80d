/*===- FakeModel.c - A model library whose results can be predicted -------===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* Tests of the runtime need a model that is tiny, exact and sensitive. This
|* one writes (token, position) of each row to the cache, and the logits of a
|* row are a hash of all that the cache holds for its sequence so far, read
|* back through the block table. A wrong block, position, order or length gives
|* other logits.
|*
|* With kernels, its device does all of this in two steps, and the device's
|* memory has what a call points to.
|*
|* Macros make the variants that a host must refuse.
|*
\*===----------------------------------------------------------------------===*/

#include "FakeKernels.h"
#include "ternac/Runtime/ModelABI.h"

#ifndef FAKE_ABI_VERSION
#define FAKE_ABI_VERSION TERNAC_ABI_VERSION
#endif
#ifndef FAKE_STRUCT_SIZE
#define FAKE_STRUCT_SIZE sizeof(TernacModel)
#endif
#ifndef FAKE_FEATURES
#define FAKE_FEATURES ""
#endif
#ifndef FAKE_WEIGHTS_EMBEDDED
#define FAKE_WEIGHTS_EMBEDDED 1
#endif
#ifndef FAKE_CACHE_FACTOR
#define FAKE_CACHE_FACTOR 1
#endif
#ifndef FAKE_DEVICE
#define FAKE_DEVICE ""
#endif
/* 1: the model consists of kernels. */
#ifndef FAKE_KERNELS
#define FAKE_KERNELS 0
#endif
#ifndef FAKE_KERNEL_COUNT
#define FAKE_KERNEL_COUNT 2
#endif
/* The first is the baseline; the second needs what x86-64 processors have, the
 * third what no processor has. */
#ifndef FAKE_VERSION_COUNT
#define FAKE_VERSION_COUNT 1
#endif
#ifndef FAKE_SYMBOL
#define FAKE_SYMBOL ternac_model
#endif

enum {
  VocabSize = 97,
  ContextLength = 256,
  MaxRows = 16,
  MaxSequences = 4,
  MaxThreads = 8,
  /* `forward` refuses a call with two of these in a row, so that tests can see
   * what is undone. */
  FailingToken = 96,
  WeightsBytes = 64
};

typedef struct {
  int32_t token;
  int32_t position;
} Record;

typedef struct {
  const TernacEnvironment *environment;
  const TernacCall *call;
  uint32_t version; /* gives other logits */
} Job;

static Record *recordOf(const TernacCall *call, int32_t sequence,
                        int32_t position) {
  const int32_t *row =
      call->block_table + (uint64_t)sequence * call->block_table_columns;
  int32_t block = row[position / (int32_t)TERNAC_CACHE_BLOCK_POSITIONS];
  return (Record *)call->cache +
         (uint64_t)block * TERNAC_CACHE_BLOCK_POSITIONS +
         position % (int32_t)TERNAC_CACHE_BLOCK_POSITIONS;
}

static uint32_t mix(uint32_t hash, uint32_t value) {
  hash = (hash ^ value) * 0x01000193u;
  return hash ^ hash >> 15;
}

static void computeLogits(const TernacCall *call, uint32_t index,
                          uint32_t version) {
  int32_t row = call->logit_rows[index];
  uint32_t hash = 0x811c9dc5u + version;
  if (call->weights)
    hash = mix(hash, *(const unsigned char *)call->weights);
  for (int32_t position = 0; position <= call->positions[row]; ++position) {
    const Record *record = recordOf(call, call->sequences[row], position);
    hash = mix(mix(hash, (uint32_t)record->token), (uint32_t)record->position);
  }
  float *logits = call->logits + (uint64_t)index * VocabSize;
  for (uint32_t token = 0; token < VocabSize; ++token)
    logits[token] = (float)(mix(hash, token) % 4096u) / 4096.0f;
}

static void body(void *argument, uint32_t thread, uint32_t threads) {
  const Job *job = (const Job *)argument;
  const TernacCall *call = job->call;
  for (uint32_t row = thread; row < call->rows; row += threads) {
    Record *record = recordOf(call, call->sequences[row], call->positions[row]);
    record->token = call->tokens[row];
    record->position = call->positions[row];
    ((int32_t *)call->workspace)[row] = call->tokens[row];
  }
  if (job->environment)
    job->environment->barrier(job->environment->context, thread);
  for (uint32_t index = thread; index < call->logit_count; index += threads)
    computeLogits(call, index, job->version);
}

enum { ArgumentCount = 12 };

static int64_t wordOf(const void *pointer) {
  return (int64_t)(uintptr_t)pointer;
}

static void *pointerOf(int64_t word) {
  return (void *)(uintptr_t)((uint64_t)word - FAKE_ADDRESS_OFFSET);
}

static int32_t start(const TernacEnvironment *environment,
                     const TernacCall *call) {
  const TernacDevice *device = environment ? environment->device : 0;
  const int64_t arguments[ArgumentCount] = {
      call->rows,
      call->logit_count,
      wordOf(call->tokens),
      wordOf(call->positions),
      wordOf(call->sequences),
      wordOf(call->logit_rows),
      wordOf(call->logits),
      wordOf(call->block_table),
      call->block_table_columns,
      wordOf(call->cache),
      wordOf(call->workspace),
      wordOf(call->weights),
  };
  if (!device)
    return TERNAC_ERROR_DEVICE;
  for (uint32_t kernel = 0; kernel < 2; ++kernel) {
    uint32_t grid[3] = {kernel ? call->logit_count : call->rows, 1, 1};
    const uint32_t block[3] = {1, 1, 1};
    if (device->launch(device->context, environment->module, kernel, grid,
                       block, arguments, ArgumentCount))
      return TERNAC_ERROR_DEVICE;
  }
  return TERNAC_OK;
}

static TernacCall unpack(const int64_t *arguments) {
  TernacCall call = {0};
  call.rows = (uint32_t)arguments[0];
  call.logit_count = (uint32_t)arguments[1];
  call.tokens = pointerOf(arguments[2]);
  call.positions = pointerOf(arguments[3]);
  call.sequences = pointerOf(arguments[4]);
  call.logit_rows = pointerOf(arguments[5]);
  call.logits = pointerOf(arguments[6]);
  call.block_table = pointerOf(arguments[7]);
  call.block_table_columns = (uint32_t)arguments[8];
  call.cache = pointerOf(arguments[9]);
  call.workspace = pointerOf(arguments[10]);
  call.weights = pointerOf(arguments[11]);
  return call;
}

static void storeKernel(const int64_t *arguments) {
  TernacCall call = unpack(arguments);
  Job job = {0, &call, 0};
  call.logit_count = 0;
  body(&job, 0, 1);
}

static void logitsKernel(const int64_t *arguments) {
  TernacCall call = unpack(arguments);
  Job job = {0, &call, 0};
  call.rows = 0;
  body(&job, 0, 1);
}

static const FakeKernel kernelCode[] = {storeKernel, logitsKernel};
static const char *const kernelNames[] = {"store", "logits"};
static const TernacKernels kernels = {
    .struct_size = sizeof(kernels),
    .abi_version = FAKE_ABI_VERSION,
    .format = FAKE_KERNEL_FORMAT,
    .code = kernelCode,
    .bytes = sizeof(kernelCode),
    .names = kernelNames,
    .count = FAKE_KERNEL_COUNT,
};

static int32_t run(const TernacEnvironment *environment, const TernacCall *call,
                   uint32_t version) {
  Job job = {environment, call, version};
  if (call->struct_size < sizeof(*call) ||
      call->abi_version != TERNAC_ABI_VERSION)
    return TERNAC_ERROR_VERSION;
  if (call->rows > MaxRows ||
      (environment && environment->threads > MaxThreads))
    return TERNAC_ERROR_LIMIT;
  if (!FAKE_WEIGHTS_EMBEDDED && !call->weights)
    return TERNAC_ERROR_WEIGHTS;
  if (FAKE_KERNELS)
    return start(environment, call);
  const TernacDevice *device = environment ? environment->device : 0;
  if (FAKE_DEVICE[0] && !device)
    return TERNAC_ERROR_DEVICE;
  for (uint32_t row = 1; row < call->rows; ++row)
    if (call->tokens[row - 1] == FailingToken &&
        call->tokens[row] == FailingToken)
      return TERNAC_ERROR_LIMIT;
  if (environment)
    environment->parallel(environment->context, body, &job);
  else
    body(&job, 0, 1);
  if (!FAKE_DEVICE[0])
    return TERNAC_OK;
  /* The device gets the tokens and refuses some, when the cache has them. */
  TernacBuffer buffer = {(void *)call->tokens, call->rows * sizeof(int32_t)};
  return device->submit(device->context, "look", 4, &buffer, 1)
             ? TERNAC_ERROR_DEVICE
             : TERNAC_OK;
}

static int32_t forward(const TernacEnvironment *environment,
                       const TernacCall *call) {
  return run(environment, call, 0);
}

static int32_t forwardVersion1(const TernacEnvironment *environment,
                               const TernacCall *call) {
  /* The host must have asked this version for its workspace. */
  ((int32_t *)call->workspace)[4 * MaxRows - 1] = 0;
  return run(environment, call, 1);
}

static uint64_t workspaceBytes(uint32_t rows, uint32_t threads) {
  (void)threads;
  return rows * sizeof(int32_t);
}

static uint64_t workspaceBytesVersion1(uint32_t rows, uint32_t threads) {
  (void)threads;
  return rows * 4 * sizeof(int32_t);
}

static uint64_t cacheBytes(uint32_t blocks) {
  return (uint64_t)blocks * TERNAC_CACHE_BLOCK_POSITIONS * sizeof(Record) *
         FAKE_CACHE_FACTOR;
}

static const unsigned char weights[WeightsBytes] = {42, 17};

static const int32_t endTokens[] = {2, 5, 7, 11};

#define FAKE_VERSION(NAME, TARGET, FEATURES, SUFFIX)                           \
  {.struct_size = sizeof(TernacVersion),                                       \
   .abi_version = FAKE_ABI_VERSION,                                            \
   .name = NAME,                                                               \
   .target = TARGET,                                                           \
   .cpu_features = FEATURES,                                                   \
   .workspace_bytes = workspaceBytes##SUFFIX,                                  \
   .forward = forward##SUFFIX}

static const TernacVersion versions[] = {
    FAKE_VERSION("base", "fake", FAKE_FEATURES, ),
    FAKE_VERSION("some", "fake some", "+sse2,-xop,cmov", Version1),
    FAKE_VERSION("all", "fake all", "sse2,warp-drive", Version1),
};

static const TernacModel model = {
    .struct_size = FAKE_STRUCT_SIZE,
    .abi_version = FAKE_ABI_VERSION,
    .vocab_size = VocabSize,
    .hidden_size = 8,
    .layers = 1,
    .context_length = ContextLength,
    .max_rows = MaxRows,
    .max_sequences = MaxSequences,
    .max_threads = MaxThreads,
    .end_token_count = sizeof(endTokens) / sizeof(endTokens[0]),
    .end_tokens = endTokens,
    .begin_token = 1,
    .weights_embedded = FAKE_WEIGHTS_EMBEDDED,
    .weights_bytes = WeightsBytes,
    .target = "fake",
    .cpu_features = FAKE_FEATURES,
    .facts = "{\"name\": \"fake\", \"bytes_per_token\": {\"body\": 64, "
             "\"head\": 16}, \"cache_bytes_per_position\": 8, "
             "\"macs_per_token\": {\"body\": 256, \"head\": 97}}",
    .weights = FAKE_KERNELS ? weights : 0,
    .workspace_bytes = workspaceBytes,
    .cache_bytes = cacheBytes,
    .forward = forward,
    .device = FAKE_DEVICE,
    .versions = versions,
    .version_count = FAKE_VERSION_COUNT,
    .kernels = FAKE_KERNELS ? &kernels : 0,
};

const TernacModel *FAKE_SYMBOL(void);
const TernacModel *FAKE_SYMBOL(void) { return &model; }
