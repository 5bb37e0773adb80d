/*===- caller.c - Calls functions of a library for another process -------===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* The conformance tests compare what functions compute on the machine that
|* they are compiled for. Where that is not the machine of the tests, this
|* program runs there, or in an emulator of it, and calls for them:
|*
|*     caller LIBRARY
|*
|* It reads requests from its standard input until that ends, and answers each
|* on its standard output. All numbers are u64 of the machine's byte order:
|*
|*     request: length and bytes of the function's name
|*              threads, granted features (TERNAC_FEATURE_*)
|*              number of buffers; each: size, alignment, use, contents
|*              number of words; each: 0 and a number, or 1 + i and an offset
|*              into buffer i, whose address is the word
|*     answer:  0 and the contents of all buffers that are to be returned, or
|*              length and bytes of a sentence that says what went wrong
|*
|* A buffer ends where memory that cannot be touched begins. One to be kept
|* cannot be written; scratch comes without contents and is filled with ones.
|* After a call that went wrong the process ends.
|*
\*===----------------------------------------------------------------------===*/

#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum Use { KEPT, RETURNED, SCRATCH };
enum { MAX_BUFFERS = 64, MAX_WORDS = 192, MAX_THREADS = 64 };

struct Buffer {
  uint64_t size, use;
  unsigned char *start;
  unsigned char *mapped; /* with a page at the end that cannot be touched */
  size_t mapped_size;
};

/* What a thread of compiled code knows of its call: ThreadFrame.h. */
struct Frame {
  int64_t thread, threads;
  void *context;
  void (*barrier)(void *context, uint32_t thread);
  int64_t *counter;
  int64_t claimed, granted;
  const void *device;
  int64_t failed;
};

typedef int64_t Word;
#define WORDS_8 Word, Word, Word, Word, Word, Word, Word, Word
#define WORDS_64                                                               \
  WORDS_8, WORDS_8, WORDS_8, WORDS_8, WORDS_8, WORDS_8, WORDS_8, WORDS_8
/* More words than any function takes: on every machine the caller removes
 * them, and a function reads those that it knows of. */
typedef void Function(WORDS_64, WORDS_64, WORDS_64);
#define PASS_8(w, i)                                                           \
  (w)[i], (w)[(i) + 1], (w)[(i) + 2], (w)[(i) + 3], (w)[(i) + 4],              \
      (w)[(i) + 5], (w)[(i) + 6], (w)[(i) + 7]
#define PASS_64(w, i)                                                          \
  PASS_8(w, i), PASS_8(w, (i) + 8), PASS_8(w, (i) + 16), PASS_8(w, (i) + 24),  \
      PASS_8(w, (i) + 32), PASS_8(w, (i) + 40), PASS_8(w, (i) + 48),           \
      PASS_8(w, (i) + 56)

static struct Buffer buffers[MAX_BUFFERS];
static uint64_t buffer_count;
static size_t page;

/* One call; its threads share it. */
static struct {
  Function *function;
  Word words[MAX_WORDS];
  uint64_t word_count;
  int64_t threads, granted, counter;
  pthread_barrier_t barrier;
} call;

static int read_bytes(void *data, size_t size) {
  unsigned char *at = data;
  while (size) {
    ssize_t count = read(STDIN_FILENO, at, size);
    if (count <= 0)
      return 0;
    at += count;
    size -= (size_t)count;
  }
  return 1;
}

static void write_bytes(const void *data, size_t size) {
  const unsigned char *at = data;
  while (size) {
    ssize_t count = write(STDOUT_FILENO, at, size);
    if (count <= 0)
      _exit(1);
    at += count;
    size -= (size_t)count;
  }
}

static void fail(const char *sentence) {
  uint64_t length = strlen(sentence);
  write_bytes(&length, sizeof(length));
  write_bytes(sentence, length);
  _exit(1);
}

static void expect(int condition, const char *sentence) {
  if (!condition)
    fail(sentence);
}

static uint64_t read_number(void) {
  uint64_t number;
  expect(read_bytes(&number, sizeof(number)), "the request ends too early");
  return number;
}

/* Says which signal the call raised and, if it touched what it may not, where
 * that lies. */
static void on_signal(int number, siginfo_t *info, void *context) {
  (void)context;
  char sentence[200];
  int length =
      snprintf(sentence, sizeof(sentence), "crashed with signal %d (%s)",
               number, strsignal(number));
  const unsigned char *address = info->si_addr;
  if (number == SIGSEGV || number == SIGBUS) {
    for (uint64_t i = 0; i < buffer_count; ++i) {
      const struct Buffer *buffer = &buffers[i];
      if (address < buffer->mapped ||
          address >= buffer->mapped + buffer->mapped_size)
        continue;
      int64_t offset = address - buffer->start;
      snprintf(sentence + length, sizeof(sentence) - (size_t)length,
               ": touched byte %" PRId64 " of memory %" PRIu64
               ", which has %" PRIu64 " bytes%s",
               offset, i, buffer->size,
               buffer->use == KEPT ? " and may only be read" : "");
      break;
    }
  }
  fail(sentence);
}

static void read_buffer(struct Buffer *buffer) {
  buffer->size = read_number();
  uint64_t alignment = read_number();
  buffer->use = read_number();
  size_t room = (buffer->size + page - 1) / page * page;
  buffer->mapped_size = room + page;
  buffer->mapped = mmap(NULL, buffer->mapped_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  expect(buffer->mapped != MAP_FAILED, "no memory");
  buffer->start =
      buffer->mapped + (room - buffer->size) / alignment * alignment;
  if (buffer->use == SCRATCH)
    memset(buffer->start, 0xff, buffer->size);
  else
    expect(read_bytes(buffer->start, buffer->size), "a buffer ends too early");
  expect(!mprotect(buffer->mapped + room, page, PROT_NONE), "mprotect failed");
  if (buffer->use == KEPT && room)
    expect(!mprotect(buffer->mapped, room, PROT_READ), "mprotect failed");
}

static int read_request(void *library) {
  uint64_t length;
  if (!read_bytes(&length, sizeof(length)))
    return 0;
  char name[256];
  expect(length < sizeof(name), "the function's name is too long");
  expect(read_bytes(name, length), "the function's name ends too early");
  name[length] = 0;
  void *symbol = dlsym(library, name);
  expect(symbol != NULL, "the library has no such function");
  memcpy(&call.function, &symbol, sizeof(symbol));

  call.threads = (int64_t)read_number();
  call.granted = (int64_t)read_number();
  call.counter = 0;
  expect(call.threads >= 1 && call.threads <= MAX_THREADS, "too many threads");

  uint64_t count = read_number();
  expect(count <= MAX_BUFFERS, "too many buffers");
  for (buffer_count = 0; buffer_count < count; ++buffer_count)
    read_buffer(&buffers[buffer_count]);

  call.word_count = read_number();
  /* The frame follows. */
  expect(call.word_count < MAX_WORDS, "too many words");
  for (uint64_t i = 0; i < call.word_count; ++i) {
    uint64_t kind = read_number(), value = read_number();
    expect(kind <= buffer_count, "a word is in no buffer");
    call.words[i] =
        (Word)(kind ? (uint64_t)(uintptr_t)buffers[kind - 1].start + value
                    : value);
  }
  return 1;
}

static void wait_for_all(void *context, uint32_t thread) {
  (void)context, (void)thread;
  pthread_barrier_wait(&call.barrier);
}

static void *run(void *argument) {
  struct Frame frame = {(int64_t)(intptr_t)argument,
                        call.threads,
                        NULL,
                        wait_for_all,
                        &call.counter,
                        0,
                        call.granted,
                        NULL,
                        0};
  Word words[MAX_WORDS] = {0};
  memcpy(words, call.words, call.word_count * sizeof(Word));
  words[call.word_count] = (Word)(intptr_t)&frame;
  call.function(PASS_64(words, 0), PASS_64(words, 64), PASS_64(words, 128));
  return NULL;
}

static void run_all(void) {
  pthread_t others[MAX_THREADS];
  pthread_barrier_init(&call.barrier, NULL, (unsigned)call.threads);
  for (int64_t i = 1; i < call.threads; ++i)
    expect(!pthread_create(&others[i], NULL, run, (void *)(intptr_t)i),
           "cannot start a thread");
  run((void *)0);
  for (int64_t i = 1; i < call.threads; ++i)
    pthread_join(others[i], NULL);
  pthread_barrier_destroy(&call.barrier);
}

static void answer(void) {
  uint64_t fine = 0;
  write_bytes(&fine, sizeof(fine));
  for (uint64_t i = 0; i < buffer_count; ++i) {
    if (buffers[i].use == RETURNED)
      write_bytes(buffers[i].start, buffers[i].size);
    munmap(buffers[i].mapped, buffers[i].mapped_size);
  }
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: caller LIBRARY\n");
    return 2;
  }
  void *library = dlopen(argv[1], RTLD_NOW);
  if (!library) {
    fprintf(stderr, "error: %s\n", dlerror());
    return 2;
  }
  page = (size_t)sysconf(_SC_PAGESIZE);
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO;
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
  for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); ++i)
    sigaction(signals[i], &action, NULL);

  while (read_request(library)) {
    run_all();
    answer();
  }
  return 0;
}
