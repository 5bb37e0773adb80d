/*===- call.c - Calls a library of functions from C ----------------------===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* Prints silu(x W^T) for three rows, with one thread and nothing but the
|* library that mlp.mlir becomes and its generated header.
|*
\*===----------------------------------------------------------------------===*/

#include "mlp.h"

#include <stdio.h>
#include <stdlib.h>

int main(void) {
  const float x[3][4] = {{1, 2, 3, 4}, {0, 0, 0, 0}, {-1, 0.5f, 0.25f, 8}};
  const float scale[1] = {0.5f};
  float y[3][8];
  int64_t rows;
  uint64_t bytes = mlp_sizes(3, &rows);
  void *workspace = aligned_alloc(TERNAC_ALIGNMENT, (bytes + 63) / 64 * 64);
  if (!workspace || rows != 3 ||
      mlp(&x[0][0], 3, scale, &y[0][0], workspace, NULL) != TERNAC_OK)
    return 1;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 8; ++j)
      printf("%.4f%c", (double)y[i][j], j == 7 ? '\n' : ' ');
  free(workspace);
  return 0;
}
