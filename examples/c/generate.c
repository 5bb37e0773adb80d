/*===- generate.c - A model library run by nothing but itself -------------===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* A compiled model needs no runtime. This program is linked with one directly,
|* gives it memory and one thread, and always takes the likeliest token:
|*
|*   cc -I include examples/c/generate.c ./model.so -o generate
|*   LD_LIBRARY_PATH=. ./generate 1 5 9        (prints 16 new token ids)
|*
\*===----------------------------------------------------------------------===*/

#include "ternac/Runtime/ModelABI.h"

#include <stdio.h>
#include <stdlib.h>

const TernacModel *ternac_model(void);

enum { NewTokens = 16, Blocks = 4, Context = Blocks * 64 };

static void *allocate(uint64_t bytes) {
  uint64_t mask = TERNAC_ALIGNMENT - 1;
  void *memory = aligned_alloc(TERNAC_ALIGNMENT, (bytes + mask) & ~mask);
  if (!memory) {
    fprintf(stderr, "error: not enough memory\n");
    exit(1);
  }
  return memory;
}

int main(int argc, char **argv) {
  const TernacModel *model = ternac_model();
  int32_t columns = (int32_t)(model->context_length + 63) / 64;
  int32_t *table = allocate((uint64_t)columns * sizeof(int32_t));
  for (int32_t i = 0; i < columns; ++i)
    table[i] = i < Blocks ? i : -1;
  int32_t token = -1, position = 0, zero = 0;
  TernacCall call = {
      .struct_size = sizeof(call),
      .abi_version = TERNAC_ABI_VERSION,
      .rows = 1,
      .logit_count = 1,
      .tokens = &token,
      .positions = &position,
      .sequences = &zero,
      .logit_rows = &zero,
      .logits = allocate(model->vocab_size * sizeof(float)),
      .block_table = table,
      .block_table_rows = 1,
      .block_table_columns = (uint32_t)columns,
      .cache = allocate(model->cache_bytes(Blocks)),
      .cache_blocks = Blocks,
      .workspace = allocate(model->workspace_bytes(1, 1)),
  };
  int prompt = argc - 1, last = prompt + NewTokens - 1;
  if (prompt < 1 || last > Context || last > (int)model->context_length) {
    fprintf(stderr, "usage: generate ID ID ... (a prompt of token ids)\n");
    return 1;
  }
  for (; position < last; ++position) {
    if (position < prompt)
      token = atoi(argv[position + 1]);
    if (token < 0 || token >= (int32_t)model->vocab_size ||
        model->forward(NULL, &call) != TERNAC_OK) {
      fprintf(stderr, "error: the model refused token %d\n", token);
      return 1;
    }
    token = 0;
    for (int32_t i = 1; i < (int32_t)model->vocab_size; ++i)
      if (call.logits[i] > call.logits[token])
        token = i;
    if (position >= prompt - 1)
      printf("%d ", token);
  }
  printf("\n");
  return 0;
}
