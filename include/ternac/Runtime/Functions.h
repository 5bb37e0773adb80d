/*===- Functions.h - Calling functions of libraries from C ----------------===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* A library compiled from a module of functions, which need not be a model, is
|* opened as a model is (ternac_open of Session.h); this calls what it exports,
|* on a pool of threads and with a workspace of its own. Functions that can fail
|* return NULL or a negative number and leave one sentence in
|* ternac_last_error().
|*
\*===----------------------------------------------------------------------===*/

#ifndef TERNAC_RUNTIME_FUNCTIONS_H
#define TERNAC_RUNTIME_FUNCTIONS_H

#include "ternac/Runtime/Session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How many functions the library exports; 0 for a model. */
uint32_t ternac_function_count(const TernacLibrary *library);
/* The function of that number; NULL from the number of functions on. Lives as
 * long as the library. */
const TernacFunction *ternac_function_at(const TernacLibrary *library,
                                         uint32_t number);

/* Who calls functions: one thread at a time may use it. */
typedef struct TernacCaller TernacCaller;

/* With `threads` threads, 0 for one on each processor this process may run on;
 * with `no_pinning`, 1 or 0, none is kept on its processor. NULL on error. */
TernacCaller *ternac_caller_create(uint32_t threads, uint32_t no_pinning);
void ternac_caller_destroy(TernacCaller *caller);

/* Writes the sizes of results that are -1 in their shapes, from those of
 * arguments that are, both in order. 0, or -1 if these do not fit each other.
 */
int32_t ternac_result_sizes(const TernacFunction *function,
                            const int64_t *argument_sizes,
                            int64_t *result_sizes);

/* Calls `function` of a library that is open. Arguments, results and sizes are
 * those of TernacFunctionCall. 0, or -1 (sizes that do not fit each other, not
 * enough memory). */
int32_t ternac_call(TernacCaller *caller, const TernacFunction *function,
                    const void *const *arguments, const int64_t *argument_sizes,
                    void *const *results);

#ifdef __cplusplus
}
#endif

#endif /* TERNAC_RUNTIME_FUNCTIONS_H */
