//===- Simulator.cpp - The ternary array in software ----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Simulator.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace tarray;

//===----------------------------------------------------------------------===//
// Counts
//===----------------------------------------------------------------------===//

// Picojoules of an addition, and of a byte of each memory; see Simulator.h.
static constexpr double kByteAddition = 0.03, kSumAddition = 0.1;
static constexpr double kActivationByte = 20.0 / 8, kWeightByte = 10.0 / 8;
static constexpr double kMemoryByte = 1300.0 / 8;

void Counts::add(const Counts &other) {
  programs += other.programs;
  cycles += other.cycles;
  memoryCycles += other.memoryCycles;
  arrayCycles += other.arrayCycles;
  byteAdditions += other.byteAdditions;
  sumAdditions += other.sumAdditions;
  memoryBytes += other.memoryBytes;
  activationBytes += other.activationBytes;
  weightBytes += other.weightBytes;
}

double Counts::additionEnergy() const {
  return byteAdditions * kByteAddition + sumAdditions * kSumAddition;
}
double Counts::onChipEnergy() const {
  return activationBytes * kActivationByte + weightBytes * kWeightByte;
}
double Counts::memoryEnergy() const { return memoryBytes * kMemoryByte; }

std::string tarray::describe(const Counts &counts) {
  auto number = [](uint64_t value) {
    return static_cast<unsigned long long>(value);
  };
  char text[512];
  double additions = counts.additionEnergy() / 1e6;
  double onChip = counts.onChipEnergy() / 1e6;
  double memory = counts.memoryEnergy() / 1e6;
  snprintf(text, sizeof(text),
           "%s: %llu programs, %llu cycles (memory busy in %llu, array in "
           "%llu)\n"
           "  additions: %llu of 8 bits, %llu of 32 bits\n"
           "  bytes: memory %llu, activations %llu, weights %llu\n"
           "  energy: %.2f uJ (memory %.2f, on chip %.2f, additions %.2f)\n",
           kDeviceName, number(counts.programs), number(counts.cycles),
           number(counts.memoryCycles), number(counts.arrayCycles),
           number(counts.byteAdditions), number(counts.sumAdditions),
           number(counts.memoryBytes), number(counts.activationBytes),
           number(counts.weightBytes), additions + onChip + memory, memory,
           onChip, additions);
  return text;
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

std::string Simulator::run(const void *commands, uint64_t bytes) {
  if (bytes % sizeof(uint64_t) != 0)
    return "expected whole words of 8 bytes, but got " + std::to_string(bytes) +
           " bytes";
  total.programs = 1;
  auto *words = static_cast<const uint8_t *>(commands);
  for (uint64_t i = 0; i < bytes / sizeof(uint64_t); ++i) {
    uint64_t word = 0;
    for (unsigned byte = 0; byte < sizeof(word); ++byte)
      word |= uint64_t(words[i * sizeof(word) + byte]) << (8 * byte);
    std::string error = execute(decode(word));
    if (!error.empty())
      return "instruction " + std::to_string(i) + ": " + error;
  }
  total.cycles = std::max(memoryDone, arrayDone);
  return "";
}

std::string Simulator::execute(Instruction instruction) {
  switch (instruction.opcode) {
  case Opcode::Descriptor:
    return describeBuffer(instruction);
  case Opcode::LoadActivations:
    return loadActivations(instruction);
  case Opcode::ClearSums:
    memset(sums, 0, sizeof(sums));
    return "";
  case Opcode::LoadWeights:
    return loadWeights(instruction);
  case Opcode::Accumulate:
    return accumulate(instruction);
  case Opcode::StoreSums:
    return storeSums(instruction);
  }
  return "unknown opcode " + std::to_string(unsigned(instruction.opcode));
}

/// "expected WHAT from LOW to HIGH, but got VALUE", or "".
static std::string checkRange(const char *what, uint64_t value, uint64_t low,
                              uint64_t high) {
  if (value >= low && value <= high)
    return "";
  return std::string("expected ") + what + " from " + std::to_string(low) +
         " to " + std::to_string(high) + ", but got " + std::to_string(value);
}

/// Whether [first, first + count) is inside [0, all).
static std::string checkInside(const char *what, uint64_t first, uint64_t count,
                               uint64_t all) {
  if (first + count <= all)
    return "";
  return std::string(what) + " " + std::to_string(first) + " to " +
         std::to_string(first + count) + " are not all among the " +
         std::to_string(all) + " there are";
}

void Simulator::move(uint64_t start, uint64_t bytes) {
  uint64_t cycles = kLatency + (bytes + kBytesPerCycle - 1) / kBytesPerCycle;
  memoryDone = std::max(memoryDone, start) + cycles;
  total.memoryCycles += cycles;
  total.memoryBytes += bytes;
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

std::string Simulator::describeBuffer(Instruction instruction) {
  std::string error =
      checkRange("a descriptor", instruction.descriptor, 0, kDescriptors - 1);
  if (!error.empty())
    return error;
  if (instruction.count >= bufferCount)
    return "there is no buffer " + std::to_string(instruction.count);
  const TernacBuffer &buffer = buffers[instruction.count];
  if (instruction.place == 0 || buffer.bytes % instruction.place != 0)
    return "a buffer of " + std::to_string(buffer.bytes) +
           " bytes has no whole rows of " + std::to_string(instruction.place);
  descriptors[instruction.descriptor] = {static_cast<uint8_t *>(buffer.data),
                                         instruction.place,
                                         buffer.bytes / instruction.place};
  return "";
}

const Simulator::Descriptor *Simulator::find(uint8_t number,
                                             std::string &error) const {
  if (number < kDescriptors && descriptors[number].data)
    return &descriptors[number];
  error = "descriptor " + std::to_string(number) + " is not set";
  return nullptr;
}

std::string Simulator::loadActivations(Instruction instruction) {
  std::string error = checkRange("blocks", instruction.count, 1, kBlocks);
  const Descriptor *from = find(instruction.descriptor, error);
  if (!error.empty())
    return error;
  error = checkRange("rows", from->rows, 1, kRows);
  if (error.empty())
    error = checkInside("blocks", instruction.place, instruction.count,
                        from->rowBytes / kBlockColumns);
  if (!error.empty())
    return error;
  rows = from->rows;
  activationBlocks = instruction.count;
  uint64_t first = uint64_t(instruction.place) * kBlockColumns;
  uint64_t columns = uint64_t(instruction.count) * kBlockColumns;
  for (uint32_t row = 0; row < rows; ++row)
    memcpy(activations[row], from->data + row * from->rowBytes + first,
           columns);

  move(arrayDone, rows * columns);
  activationsLoaded = memoryDone;
  total.activationBytes += rows * columns;
  return "";
}

std::string Simulator::loadWeights(Instruction instruction) {
  std::string error = checkRange("blocks", instruction.count, 1, kBlocks);
  const Descriptor *from = find(instruction.descriptor, error);
  if (!error.empty())
    return error;
  error = checkInside("blocks", instruction.place, instruction.count,
                      from->rows * from->rowBytes / kBlockBytes);
  if (!error.empty())
    return error;
  current = 1 - current;
  Bank &bank = banks[current];
  bank.blocks.resize(instruction.count);
  const uint8_t *bytes = from->data + uint64_t(instruction.place) * kBlockBytes;
  for (Block &block : bank.blocks) {
    block.nonzero = 0;
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      for (uint32_t column = 0; column < kBlockColumns; ++column) {
        unsigned code = bytes[4 * lane + column % 4] >> (column / 4 * 2) & 3;
        // The fourth code means nothing, and adds nothing.
        int8_t trit = code == 0 ? -1 : code == 2 ? 1 : 0;
        block.trits[lane][column] = trit;
        block.nonzero += trit != 0;
      }
    bytes += kBlockBytes;
  }

  move(bank.free, uint64_t(instruction.count) * kBlockBytes);
  bank.loaded = memoryDone;
  total.weightBytes += uint64_t(instruction.count) * kBlockBytes;
  return "";
}

std::string Simulator::accumulate(Instruction instruction) {
  Bank &bank = banks[current];
  std::string error =
      checkRange("loaded blocks", instruction.count, 1,
                 std::min<uint64_t>(activationBlocks, bank.blocks.size()));
  if (!error.empty())
    return error;
  for (uint32_t i = 0; i < instruction.count; ++i) {
    const Block &block = bank.blocks[i];
    for (uint32_t row = 0; row < rows; ++row) {
      const int8_t *q = activations[row] + i * kBlockColumns;
      for (uint32_t lane = 0; lane < kLanes; ++lane) {
        int32_t sum = 0;
        for (uint32_t column = 0; column < kBlockColumns; ++column)
          sum += block.trits[lane][column] * q[column];
        sums[row][lane] += uint32_t(sum); // wraps, as the machine's do
      }
    }
    total.byteAdditions += uint64_t(block.nonzero) * rows;
  }

  uint64_t steps = uint64_t(instruction.count) * rows;
  uint64_t start = std::max({arrayDone, activationsLoaded, bank.loaded});
  arrayDone = bank.free = start + steps;
  total.arrayCycles += steps;
  total.sumAdditions += steps * kLanes;
  total.activationBytes += steps * kBlockColumns;
  // The lanes keep a block for all rows.
  total.weightBytes += uint64_t(instruction.count) * kBlockBytes;
  return "";
}

std::string Simulator::storeSums(Instruction instruction) {
  std::string error = checkRange("lanes", instruction.count, 1, kLanes);
  const Descriptor *to = find(instruction.descriptor, error);
  if (!error.empty())
    return error;
  error = checkRange("rows, as were loaded,", to->rows, rows, rows);
  if (error.empty())
    error = checkInside("columns", instruction.place, instruction.count,
                        to->rowBytes / sizeof(int32_t));
  if (!error.empty())
    return error;
  for (uint32_t row = 0; row < rows; ++row)
    memcpy(to->data + row * to->rowBytes +
               uint64_t(instruction.place) * sizeof(int32_t),
           sums[row], instruction.count * sizeof(int32_t));

  move(arrayDone, uint64_t(rows) * instruction.count * sizeof(int32_t));
  arrayDone = memoryDone; // the next sums need the place of these
  return "";
}
