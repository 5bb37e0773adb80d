/*===- Session.h - Running model libraries from C ------------------------===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* The host side of ModelABI.h: opens a model library, owns its workspace and
|* cache, runs it on a pinned thread pool and draws tokens from logits. Plain C
|* so that any language can bind it (python/ternac does, with ctypes).
|*
|* Functions that can fail return NULL or a negative number and leave one
|* sentence in ternac_last_error(), which is per thread. Then nothing has
|* changed, whatever the function.
|*
|* A session has a fixed number of sequences, numbered from 0 and empty at
|* first. Their keys and values lie in a pool of cache blocks of
|* TERNAC_CACHE_BLOCK_POSITIONS tokens. Sequences that begin alike share blocks
|* if one was made from the other (ternac_fork, ternac_prefix); no sequence
|* ever sees what is done to another.
|*
\*===----------------------------------------------------------------------===*/

#ifndef TERNAC_RUNTIME_SESSION_H
#define TERNAC_RUNTIME_SESSION_H

#include "ternac/Runtime/ModelABI.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TernacLibrary TernacLibrary;
typedef struct TernacDriver TernacDriver;
typedef struct TernacSession TernacSession;
typedef struct TernacSampler TernacSampler;

/* The last error of this thread; "" if there was none. */
const char *ternac_last_error(void);

/* Opens a model library and checks it: that it is one, that its ABI version
 * is one this host knows, that the CPU has the features it needs. Of several
 * versions of its code, sessions run the last that this machine can run. NULL
 * on error. A library may have any number of sessions. */
TernacLibrary *ternac_open(const char *path);
/* The same with the version of the code that `version` says, its number or its
 * name; NULL: as ternac_open. An error if this machine cannot run it. */
TernacLibrary *ternac_open_version(const char *path, const char *version);
void ternac_close(TernacLibrary *library);

/* The library's own table; never NULL. */
const TernacModel *ternac_model_of(const TernacLibrary *library);

/* The number of the version of the code that the library's sessions run. */
uint32_t ternac_version_of(const TernacLibrary *library);
/* The version of that number; NULL from the number of versions on. Lives as
 * long as the library. Its name is "baseline" if the library is older than
 * versions. */
const TernacVersion *ternac_version_at(const TernacLibrary *library,
                                       uint32_t number);

/* Where the weights of the library lie, embedded or not; NULL if it has none
 * that a host can see. */
const void *ternac_weights_of(const TernacLibrary *library);

/* Opens a device that a model needs. `path` is the name of a built-in one, as
 * ternac_list_devices gives it ("kind:number"), or else the path of a driver
 * library, which is checked: that it is one, that its ABI version is one this
 * host knows. NULL on error. */
TernacDriver *ternac_driver_open(const char *path);
void ternac_driver_close(TernacDriver *driver);

/* The driver's own table; never NULL. */
const TernacDevice *ternac_device_of(const TernacDriver *driver);

/* A device that this runtime drives itself. Where it finds none of a kind,
 * `name` is that of the kind alone and `problem` says why. */
typedef struct TernacDeviceInfo {
  uint32_t struct_size;
  uint32_t reserved;       /* zero */
  const char *name;        /* for ternac_driver_open */
  const char *description; /* for people; may be "" */
  const char *problem;     /* why it cannot be used; NULL if it can */
} TernacDeviceInfo;

/* Looks for such devices. Returns how many `*devices` has, which lives until
 * this thread looks again. */
uint32_t ternac_list_devices(const TernacDeviceInfo **devices);

/* Options of a session; zero means the default. */
typedef struct TernacSessionOptions {
  uint32_t struct_size;
  uint32_t threads;      /* default: processors this process may run on; 1 if
                            the model consists of kernels for a device */
  uint32_t no_pinning;   /* 1: do not set thread affinity */
  uint32_t sequences;    /* default: 1; sequences that can be live at once */
  uint32_t cache_blocks; /* of the pool; default: enough for `sequences` full
                            contexts */
  uint32_t huge_pages;   /* 1: move the library's weights into huge pages,
                            for all its sessions, unless they are there; an
                            error if they go to the memory of a device */
  const TernacDevice *device; /* the one that the model needs, if it does; a
                                 host's own, or of ternac_device_of */
} TernacSessionOptions;

/* `options` may be NULL. The library, and the driver of the device, must
 * outlive the session. */
TernacSession *ternac_session_create(TernacLibrary *library,
                                     const TernacSessionOptions *options);
void ternac_session_destroy(TernacSession *session);
uint32_t ternac_session_threads(const TernacSession *session);

/* Tokens fed to `sequence` so far, or -1. */
int64_t ternac_length(const TernacSession *session, uint32_t sequence);

/* Blocks of the pool that no sequence has. */
uint32_t ternac_free_blocks(const TernacSession *session);

/* Appends `count` tokens to `sequence`. With `logits` non-null, writes one row
 * of vocab_size floats for each of the last `logit_rows` tokens (0 .. count).
 * Splits the tokens into calls of at most max_rows. 0, or -1 (a token outside
 * the vocabulary, more tokens than the context or the cache hold). */
int32_t ternac_feed(TernacSession *session, uint32_t sequence,
                    const int32_t *tokens, size_t count, float *logits,
                    size_t logit_rows);

/* Appends one chunk to each of several sequences together: `tokens` holds the
 * chunks one after the other, `counts[i]` of them for `sequences[i]` (no
 * sequence twice, all counts at least 1). `logits`, if not null, receives the
 * row of the last token of each chunk. One call of the model, or as many as
 * max_rows asks for, cut such that what a sequence gets does not depend on the
 * other chunks, to the bit. With --attention=auto it may depend a little on
 * how the sequence itself is cut into feeds, with f32 never. 0, or -1. */
int32_t ternac_feed_batch(TernacSession *session, size_t chunks,
                          const uint32_t *sequences, const size_t *counts,
                          const int32_t *tokens, float *logits);

/* Appends `count` positions to `sequence` without running the model, to time a
 * long context: their keys and values are small numbers that mean nothing. 0,
 * or -1. */
int32_t ternac_fill(TernacSession *session, uint32_t sequence, uint32_t count);

/* Forgets all of `sequence` after its first `length` tokens, and gives back
 * the blocks that only it had. 0, or -1. */
int32_t ternac_truncate(TernacSession *session, uint32_t sequence,
                        uint32_t length);

/* Forgets all of `sequence`. 0, or -1. */
int32_t ternac_free(TernacSession *session, uint32_t sequence);

/* Makes `to`, which must be empty, a copy of `from`. Takes no block: the two
 * share all they have. Who first appends to a partly filled block that others
 * have too gets its own copy of it, which takes one. Truncate `to` to fork at a
 * shorter length. 0, or -1. */
int32_t ternac_fork(TernacSession *session, uint32_t from, uint32_t to);

/* Gives `sequence`, which must be empty, as much of the beginning of `tokens`
 * as any other sequence begins with, short of the last token, whose logits are
 * yet to be computed; shares as ternac_fork does. Returns the number of tokens
 * it has now (0 .. count-1), or -1. Feed the rest. Logits are those of the
 * whole prompt fed at once, to the bit with --attention=f32; with auto the last
 * bits may differ, as after any other feeds. */
int64_t ternac_prefix(TernacSession *session, uint32_t sequence,
                      const int32_t *tokens, size_t count);

/* Draws tokens. Temperature 0 is greedy (the lowest id among equals). top_k 0
 * and top_p 1 keep everything. The same seed gives the same tokens. */
TernacSampler *ternac_sampler_create(float temperature, uint32_t top_k,
                                     float top_p, uint64_t seed);
void ternac_sampler_destroy(TernacSampler *sampler);
int32_t ternac_sample(TernacSampler *sampler, const float *logits,
                      uint32_t vocab_size);

/* 1 if the model lists `token` as an end token. */
int32_t ternac_is_end_token(const TernacLibrary *library, int32_t token);

#ifdef __cplusplus
}
#endif

#endif /* TERNAC_RUNTIME_SESSION_H */
