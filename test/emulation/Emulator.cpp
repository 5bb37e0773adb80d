//===- Emulator.cpp - Instructions that this processor lacks --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emulator.h"
#include "Failure.h"
#include "Instruction.h"
#include "Tiles.h"
#include "Vectors.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

using namespace ternac::emulation;

/// Registers in the order of their numbers in instructions.
static constexpr int generalRegisters[] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static struct sigaction previous;
static std::atomic<uint64_t> performed;

[[noreturn]] void ternac::emulation::fail(const char *name, const char *format,
                                          ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  dprintf(STDERR_FILENO, "emulator: %s: %s\n", name, text);
  abort();
}

/// Performs the instruction at rip if the emulator knows it, and steps over it.
static bool perform(greg_t *general, VectorRegisters &vectors) {
  Instruction instruction;
  if (!decode(reinterpret_cast<const uint8_t *>(general[REG_RIP]), instruction))
    return false;
  bool isVector = instruction.operation >= Operation::Bytes;
  if (isVector && !vectors.hasYmm())
    return false;
  const greg_t next = general[REG_RIP] + instruction.length;
  greg_t address = 0, stride = 0;
  if (instruction.hasMemory) {
    const Memory &memory = instruction.memory;
    if (memory.base == Memory::nextInstruction)
      address = next;
    else if (memory.base != Memory::none)
      address = general[generalRegisters[memory.base]];
    if (memory.index != Memory::none)
      stride =
          static_cast<greg_t>(uint64_t(general[generalRegisters[memory.index]])
                              << memory.scaleLog2);
    address += memory.displacement;
  }
  // The index of a tile's memory is no part of the address of its first row.
  bool strides = instruction.operation == Operation::Load ||
                 instruction.operation == Operation::Store;
  auto *begin =
      reinterpret_cast<uint8_t *>(strides ? address : address + stride);
  if (isVector)
    runVectors(instruction, begin, vectors);
  else
    runTiles(instruction, begin, stride);
  general[REG_RIP] = next;
  performed.fetch_add(1, std::memory_order_relaxed);
  return true;
}

static void handle(int signal, siginfo_t *, void *context) {
  mcontext_t &machine = static_cast<ucontext_t *>(context)->uc_mcontext;
  VectorRegisters vectors(reinterpret_cast<uint8_t *>(machine.fpregs));
  // Instructions often follow one another, and a signal is what costs most.
  if (!perform(machine.gregs, vectors)) {
    // The instruction faults again, for the one who handled it before.
    sigaction(signal, &previous, nullptr);
    return;
  }
  while (perform(machine.gregs, vectors))
    ;
}

int ternac_emulator_install() {
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  struct sigaction old;
  if (sigaction(SIGILL, nullptr, &old) != 0)
    return -1;
  if ((old.sa_flags & SA_SIGINFO) && old.sa_sigaction == handle)
    return 0;
  previous = old;
  return sigaction(SIGILL, &action, nullptr);
}

uint64_t ternac_emulator_count() { return performed; }
