/* Prints the size of the vocabulary of a model library. */

#include "ternac/Runtime/Session.h"

#include <stdio.h>

int main(int argc, char **argv) {
  TernacLibrary *library = argc == 2 ? ternac_open(argv[1]) : NULL;
  if (!library) {
    fprintf(stderr, "error: %s\n", ternac_last_error());
    return 1;
  }
  printf("%u tokens\n", (unsigned)ternac_model_of(library)->vocab_size);
  ternac_close(library);
  return 0;
}
