//===- Staging.cpp - Pinned memory on the way to a device -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Staging.h"

using namespace ternac::runtime::cuda;

/// Of what is in a piece.
static constexpr uint64_t alignment = 256;

bool Staging::create() {
  for (Piece &piece : pieces) {
    void *memory = nullptr;
    if (!device.check(device.cu.MemHostAlloc(&memory, mostBytes, 0),
                      "cannot allocate pinned memory"))
      return false;
    piece.memory = static_cast<char *>(memory);
    if (!device.check(device.cu.EventCreate(&piece.done, eventNoTiming),
                      "cannot create an event"))
      return false;
  }
  return true;
}

Staging::~Staging() {
  for (Piece &piece : pieces) {
    if (piece.done)
      device.cu.EventDestroy(piece.done);
    if (piece.memory)
      device.cu.MemFreeHost(piece.memory);
  }
}

bool Staging::next(StreamHandle stream) {
  Piece &full = pieces[current];
  if (!device.checkWork(device.cu.EventRecord(full.done, stream),
                        "cannot record an event"))
    return false;
  full.isRunning = true;
  current = (current + 1) % pieces.size();
  used = 0;
  Piece &piece = pieces[current];
  if (piece.isRunning &&
      !device.checkWork(device.cu.EventSynchronize(piece.done),
                        "a command failed"))
    return false;
  piece.isRunning = false;
  return true;
}

bool Staging::reserve(uint64_t bytes, StreamHandle stream, char *&place) {
  uint64_t size = (bytes + alignment - 1) / alignment * alignment;
  if (size > mostBytes - used && !next(stream))
    return false;
  place = pieces[current].memory + used;
  used += size;
  return true;
}

void Staging::free() {
  for (Piece &piece : pieces)
    piece.isRunning = false;
  used = 0;
}
