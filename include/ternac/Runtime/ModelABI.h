/*===- ModelABI.h - The contract between a model library and its host ----===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* A compiled model is a shared library that exports one symbol,
|* `ternac_model`, and needs none. This header is all that the compiler and a
|* host share: it is plain C99, includes nothing but <stdint.h>, and may be
|* copied into any project.
|*
|* Rules of the contract:
|*  - Every struct starts with its own size and version. A reader uses a field
|*    only if it lies inside `struct_size`. A host refuses a library whose
|*    `abi_version` is newer than its own TERNAC_ABI_VERSION.
|*  - The host owns all memory. The library never allocates, never frees and
|*    keeps no state between calls; calls on different workspaces and caches
|*    may run at the same time.
|*  - The library trusts what it is given: token ids, positions, sequence and
|*    block numbers must be in range. `ternac/Runtime/Session.h` checks them.
|*
\*===----------------------------------------------------------------------===*/

#ifndef TERNAC_RUNTIME_MODELABI_H
#define TERNAC_RUNTIME_MODELABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of everything in this header. */
#define TERNAC_ABI_VERSION 1u

/* Name of the one exported symbol; its type is TernacModelFn. */
#define TERNAC_MODEL_SYMBOL "ternac_model"

/* Positions held by one block of the cache pool. */
#define TERNAC_CACHE_BLOCK_POSITIONS 64u

/* Alignment in bytes of workspace, cache and separate weights. */
#define TERNAC_ALIGNMENT 64u

/* What `forward` returns. */
enum {
  TERNAC_OK = 0,
  /* A struct is smaller, or its version other, than the library expects. */
  TERNAC_ERROR_VERSION = 1,
  /* More rows than `max_rows`, more logits than rows, or more threads than
   * `max_threads`. */
  TERNAC_ERROR_LIMIT = 2,
  /* The library was compiled with separate weights and got none. */
  TERNAC_ERROR_WEIGHTS = 3,
  /* The library needs a device and got none, or the device failed. */
  TERNAC_ERROR_DEVICE = 4,
  /* Sizes of arguments that do not fit each other, or are negative. */
  TERNAC_ERROR_SIZES = 5
};

/* Bits of TernacEnvironment.granted_features. */
enum {
  /* The process may use the state of the matrix unit with tiles, which the
   * operating system saves only for processes that asked for it. */
  TERNAC_FEATURE_TILES = 1
};

/* One thread's share of a parallel region. `thread` is in [0, threads). */
typedef void (*TernacBody)(void *argument, uint32_t thread, uint32_t threads);

/* Memory of the host that commands of a device refer to by number. */
typedef struct TernacBuffer {
  void *data;
  uint64_t bytes;
} TernacBuffer;

/* Code of a model for a device that runs kernels. */
typedef struct TernacKernels {
  uint32_t struct_size;
  uint32_t abi_version;
  const char *format; /* of the code: "spirv" or "ptx" */
  const void *code;
  uint64_t bytes;
  const char *const *names; /* [count], of the entry points */
  uint32_t count;
  uint32_t reserved; /* zero */
  /* The same kernels made ready for one kind of processor ("sm_90"), in the
   * object format of its vendor; others take `code`. Null and 0 for none. */
  const char *processor;
  const void *object;
  uint64_t object_bytes;
  /* What the functions of a library that is no model expect as their weights,
   * aligned to TERNAC_ALIGNMENT. Null and 0 for nothing. */
  const void *constants;
  uint64_t constants_bytes;
} TernacKernels;

/* A device beside the processor, as its driver offers it. What commands mean is
 * between the driver and the target that wrote them; a host only passes them
 * on. Later versions add functions at the end; a driver sets to null what its
 * device does not have. Functions that return int32_t return 0, or another
 * number if what was asked is refused or fails. */
typedef struct TernacDevice {
  uint32_t struct_size;
  uint32_t abi_version;
  const char *name; /* what TernacModel.device asks for */
  void *context;    /* handed back to all functions */
  /* Runs commands and returns when they are done: their writes to the buffers
   * are visible then, and the buffers may go. Threads may call at the same
   * time. */
  int32_t (*submit)(void *context, const void *commands, uint64_t bytes,
                    const TernacBuffer *buffers, uint32_t buffer_count);
  /* Why a function last failed, one sentence without a full stop. Like snprintf
   * it writes at most `bytes` bytes to `text`, the last of them a null if there
   * are any, and returns the length of the whole text without the null; `text`
   * may be null if `bytes` is 0. May be null. */
  uint64_t (*last_error)(void *context, char *text, uint64_t bytes);
  /* What the device did so far, as lines for a user to read, in the same way.
   * May be null. */
  uint64_t (*report)(void *context, char *text, uint64_t bytes);

  /* Devices that run kernels on memory of their own have all of these. The
   * device does what it is asked in the order of the calls; one thread calls at
   * a time. */

  /* Memory of the device, aligned to 256 bytes; addresses are never 0. */
  int32_t (*allocate)(void *context, uint64_t bytes, uint64_t *address);
  void (*release)(void *context, uint64_t address);
  /* Copies between the host and any place inside of allocated memory. The
   * host's memory may go when `upload` returns, and has what it should when
   * `download` does. */
  int32_t (*upload)(void *context, uint64_t address, const void *data,
                    uint64_t bytes);
  int32_t (*download)(void *context, void *data, uint64_t address,
                      uint64_t bytes);
  /* Copies inside of the device's memory; the places do not overlap. */
  int32_t (*copy)(void *context, uint64_t to, uint64_t from, uint64_t bytes);
  /* Makes kernels ready to run; they are read from now until `unload`. */
  int32_t (*load)(void *context, const TernacKernels *kernels,
                  uint64_t *module);
  void (*unload)(void *context, uint64_t module);
  /* Starts `grid` blocks of `block` threads, each x, y and z, of a kernel,
   * counted as in `names`, whose arguments are words of 64 bits. An empty grid
   * does nothing. Failures that come to light later are those of the next
   * download. */
  int32_t (*launch)(void *context, uint64_t module, uint32_t kernel,
                    const uint32_t grid[3], const uint32_t block[3],
                    const int64_t *arguments, uint32_t count);

  /* For how many seconds the device itself has worked on launches and copies of
   * its memory that were asked for since the first of these calls, which gives
   * 0: what nobody wants to know is not measured. Waits for the device. May be
   * null. */
  int32_t (*busy)(void *context, double *seconds);
} TernacDevice;

/* Name of the symbol that a driver library exports, and its type. The table
 * lives as long as the driver is loaded. */
#define TERNAC_DEVICE_SYMBOL "ternac_device"
typedef const TernacDevice *(*TernacDeviceFn)(void);

/* What a host lends to a call. A null environment means one thread. */
typedef struct TernacEnvironment {
  uint32_t struct_size;
  uint32_t abi_version;
  uint32_t threads;          /* threads that `parallel` runs; at least 1 */
  uint32_t reserved;         /* zero */
  uint64_t granted_features; /* TERNAC_FEATURE_* bits */
  void *context;             /* handed back to both functions */
  /* Runs body(argument, i, threads) for each i, all at the same time, and
   * returns when all have returned. */
  void (*parallel)(void *context, TernacBody body, void *argument);
  /* Called inside `parallel` by every thread; returns when all have called.
   * Writes before it are visible to every thread after it. */
  void (*barrier)(void *context, uint32_t thread);
  /* The device that TernacModel.device names; null if there is none. */
  const TernacDevice *device;
  uint64_t module; /* what the device's `load` made of TernacModel.kernels */
} TernacEnvironment;

/* One forward call over a ragged list of rows. Prefill, decode and batches
 * are the same call: each row is one token of one sequence.
 *
 * Rows of one sequence are in ascending order of position, and every earlier
 * position of that sequence was fed before, or is fed in this call. */
typedef struct TernacCall {
  uint32_t struct_size;
  uint32_t abi_version;
  uint32_t rows;              /* 1 .. max_rows */
  uint32_t logit_count;       /* 0 .. rows */
  const int32_t *tokens;      /* [rows], 0 .. vocab_size-1 */
  const int32_t *positions;   /* [rows], 0 .. context_length-1 */
  const int32_t *sequences;   /* [rows], rows of the block table */
  const int32_t *logit_rows;  /* [logit_count], ascending, 0 .. rows-1 */
  float *logits;              /* [logit_count][vocab_size], written */
  const int32_t *block_table; /* [sequences][block_table_columns]: the
                                 block of the pool that holds positions
                                 64*c .. 64*c+63. Sequences may share blocks
                                 that no row of this call writes */
  uint32_t block_table_rows;
  uint32_t block_table_columns; /* at least context_length/64, rounded up */
  void *cache; /* cache_bytes(cache_blocks), aligned; block b is the
                  cache_bytes(1) bytes from b * cache_bytes(1) on */
  uint32_t cache_blocks;
  uint32_t reserved;   /* zero */
  void *workspace;     /* workspace_bytes(rows, threads), aligned */
  const void *weights; /* null: the embedded weights */
} TernacCall;

/* The code for one kind of processor. Weights, cache and calls are those of the
 * model; one session keeps to one version. */
typedef struct TernacVersion {
  uint32_t struct_size; /* and the distance to the next one */
  uint32_t abi_version;
  const char *name;         /* of the processor, as --target names it */
  const char *target;       /* as TernacModel.target */
  const char *cpu_features; /* as TernacModel.cpu_features */
  uint64_t (*workspace_bytes)(uint32_t rows, uint32_t threads);
  int32_t (*forward)(const TernacEnvironment *environment,
                     const TernacCall *call);
} TernacVersion;

/* Elements of tensors. TERNAC_I1 is one byte, 0 or 1; TERNAC_BF16 the upper
 * half of a float. */
enum {
  TERNAC_I1 = 1,
  TERNAC_I8 = 2,
  TERNAC_I16 = 3,
  TERNAC_I32 = 4,
  TERNAC_I64 = 5,
  TERNAC_F16 = 6,
  TERNAC_BF16 = 7,
  TERNAC_F32 = 8,
  TERNAC_F64 = 9
};

/* An argument or a result of a function: elements in row-major order, without
 * gaps. */
typedef struct TernacTensor {
  uint32_t struct_size; /* and the distance to the next one */
  uint32_t abi_version;
  const char *name;
  uint32_t element; /* TERNAC_F32 and so on */
  uint32_t rank;
  const int64_t *shape; /* [rank]; -1: known when the function is called */
} TernacTensor;

/* One call of a function. Sizes that are -1 in the shapes of arguments are
 * given in the order of arguments and dimensions. */
typedef struct TernacFunctionCall {
  uint32_t struct_size;
  uint32_t abi_version;
  const void *const
      *arguments; /* [argument_count], aligned to their elements */
  const int64_t *argument_sizes;
  void *const *results; /* [result_count], written; none overlaps another, nor
                           an argument */
  void *workspace;      /* aligned; as many bytes as `sizes` says */
  const void *weights;  /* null: the embedded weights */
} TernacFunctionCall;

/* A function of a library. */
typedef struct TernacFunction {
  uint32_t struct_size; /* and the distance to the next one */
  uint32_t abi_version;
  const char *name;
  uint32_t argument_count;
  uint32_t result_count;
  const TernacTensor *arguments; /* [argument_count] */
  const TernacTensor *results;   /* [result_count] */
  /* Writes the sizes that are -1 in the shapes of results, in the order of
   * results and dimensions, unless `result_sizes` is null. Returns the bytes of
   * the workspace, at least 64, or 0 if the sizes do not fit each other. */
  uint64_t (*sizes)(const int64_t *argument_sizes, int64_t *result_sizes);
  int32_t (*call)(const TernacEnvironment *environment,
                  const TernacFunctionCall *call);
} TernacFunction;

/* The table behind TERNAC_MODEL_SYMBOL. Pointers live as long as the library
 * is loaded. In a library of functions that is no model, the facts of a model
 * are 0, and `workspace_bytes`, `cache_bytes` and `forward` null. */
typedef struct TernacModel {
  uint32_t struct_size;
  uint32_t abi_version;
  uint32_t vocab_size;
  uint32_t hidden_size;
  uint32_t layers;
  uint32_t context_length; /* positions per sequence */
  uint32_t max_rows;       /* rows per call */
  uint32_t max_sequences;  /* sequences the host should plan for */
  uint32_t max_threads;
  uint32_t end_token_count;
  const int32_t *end_tokens; /* [end_token_count]; generation stops */
  int32_t begin_token;       /* -1: none */
  uint32_t weights_embedded; /* 1, or 0: pass TernacCall.weights */
  uint64_t weights_bytes;
  const char *target;       /* as printed by --print-target */
  const char *cpu_features; /* LLVM names, comma separated, that the
                               code needs; "" for none */
  const char *facts;        /* JSON object, UTF-8 */
  const void *weights;      /* the embedded weights, or null */
  uint64_t (*workspace_bytes)(uint32_t rows, uint32_t threads);
  uint64_t (*cache_bytes)(uint32_t blocks);
  int32_t (*forward)(const TernacEnvironment *environment,
                     const TernacCall *call);
  const char *device; /* name of the device that the code needs; "" for none */
  /* A table that ends before these has but one version. The first
   * is the baseline, which the fields above are of and which every host must
   * be able to run. Those after it need more of the processor: use the last
   * that the host can run, or the baseline. */
  const TernacVersion *versions;
  uint32_t version_count; /* at least 1 */
  uint32_t reserved;      /* zero */
  /* Where there are kernels, `forward` only starts them: the pointers in a
   * TernacCall, the weights among them, are addresses of the device, and the
   * logits are there when it has done all it was asked. Else null. */
  const TernacKernels *kernels;
  /* [function_count] functions besides `forward`. Each is exported by its name
   * as well, with a C signature of its own. */
  const TernacFunction *functions;
  uint32_t function_count;
  uint32_t reserved2; /* zero */
} TernacModel;

typedef const TernacModel *(*TernacModelFn)(void);

#ifdef __cplusplus
}
#endif

#endif /* TERNAC_RUNTIME_MODELABI_H */
