//===- SimulatorTest.cpp --------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "simulator/Simulator.h"
#include "gtest/gtest.h"

#include <random>

using namespace tarray;

namespace {

using Program = std::vector<uint64_t>;

void add(Program &program, Opcode opcode, uint8_t descriptor = 0,
         uint16_t count = 0, uint32_t place = 0) {
  program.push_back(encode({opcode, descriptor, count, place}));
}

template <typename T> TernacBuffer bufferOf(std::vector<T> &values) {
  return {values.data(), values.size() * sizeof(T)};
}

/// A product of `rows` rows of activations and a matrix of 16 rows, and what
/// it should be.
struct Product {
  Product(uint32_t rows, uint32_t blocks, uint32_t seed)
      : rows(rows), blocks(blocks), activations(rows * blocks * kBlockColumns),
        weights(blocks * kBlockBytes), sums(rows * kLanes, -1),
        expected(rows * kLanes, 0) {
    std::mt19937 random(seed);
    for (int8_t &value : activations)
      value = int8_t(random());
    uint32_t columns = blocks * kBlockColumns;
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      for (uint32_t column = 0; column < columns; ++column) {
        int trit = int(random() % 3) - 1;
        uint32_t inBlock = column % kBlockColumns;
        weights[column / kBlockColumns * kBlockBytes + 4 * lane +
                inBlock % 4] |= (trit + 1) << (inBlock / 4 * 2);
        nonzero += trit != 0;
        for (uint32_t row = 0; row < rows; ++row)
          expected[row * kLanes + lane] +=
              trit * activations[row * columns + column];
      }
    buffers = {bufferOf(activations), bufferOf(weights), bufferOf(sums)};
    add(program, Opcode::Descriptor, 0, 0, columns);
    add(program, Opcode::Descriptor, 1, 1, kBlockBytes);
    add(program, Opcode::Descriptor, 2, 2, kLanes * sizeof(int32_t));
    add(program, Opcode::ClearSums);
    for (uint32_t block = 0; block < blocks; block += kBlocks) {
      uint32_t count = std::min(kBlocks, blocks - block);
      add(program, Opcode::LoadActivations, 0, count, block);
      add(program, Opcode::LoadWeights, 1, count, block);
      add(program, Opcode::Accumulate, 0, count);
    }
    add(program, Opcode::StoreSums, 2, kLanes);
  }

  std::string run(const Program &words) {
    Simulator simulator(buffers.data(), buffers.size());
    std::string error =
        simulator.run(words.data(), words.size() * sizeof(uint64_t));
    counts = simulator.counts();
    return error;
  }
  /// The error of one more instruction behind the program.
  std::string runWith(Opcode opcode, uint8_t descriptor, uint16_t count,
                      uint32_t place) {
    Program more = program;
    add(more, opcode, descriptor, count, place);
    return run(more);
  }

  uint32_t rows, blocks;
  std::vector<int8_t> activations;
  std::vector<uint8_t> weights;
  std::vector<int32_t> sums, expected;
  uint64_t nonzero = 0;
  std::vector<TernacBuffer> buffers;
  Program program;
  Counts counts;
};

TEST(Simulator, Multiplies) {
  for (uint32_t rows : {1, 2, 15, 16})
    for (uint32_t blocks : {1, 2, 127, 128, 129, 300}) {
      Product product(rows, blocks, rows * 1000 + blocks);
      EXPECT_EQ(product.run(product.program), "");
      EXPECT_EQ(product.sums, product.expected) << rows << " x " << blocks;
      EXPECT_EQ(product.counts.byteAdditions, product.nonzero * rows);
    }
}

TEST(Simulator, StoresSomeLanes) {
  Product product(2, 1, 1);
  product.program.back() = encode({Opcode::StoreSums, 2, 3, 5});
  EXPECT_EQ(product.run(product.program), "");
  for (uint32_t row = 0; row < 2; ++row)
    for (uint32_t column = 0; column < kLanes; ++column)
      EXPECT_EQ(product.sums[row * kLanes + column],
                column >= 5 && column < 8
                    ? product.expected[row * kLanes + column - 5]
                    : -1);
}

TEST(Simulator, CountsBytesAndCycles) {
  Product product(4, 8, 1);
  ASSERT_EQ(product.run(product.program), "");
  const Counts &counts = product.counts;
  EXPECT_EQ(counts.programs, 1u);
  EXPECT_EQ(counts.sumAdditions, 4 * 8 * kLanes);
  // Activations, weights, sums.
  EXPECT_EQ(counts.memoryBytes, 4 * 128 + 8 * 64 + 4 * 64);
  // Each byte is written once; one of weights is read once, of activations
  // once, too, since there is one tile.
  EXPECT_EQ(counts.activationBytes, 2 * 4 * 128);
  EXPECT_EQ(counts.weightBytes, 2 * 8 * 64);
  // Two loads of 512 bytes, 4 x 8 steps, a store of 256.
  EXPECT_EQ(counts.memoryCycles, 2 * (64 + 32) + (64 + 16));
  EXPECT_EQ(counts.arrayCycles, 4 * 8u);
  EXPECT_EQ(counts.cycles, counts.memoryCycles + counts.arrayCycles);
}

TEST(Simulator, LoadsWeightsWhileTheArrayWorks) {
  Product product(16, 128, 1);
  ASSERT_EQ(product.run(product.program), "");
  uint64_t once = product.counts.cycles;
  Program twice = product.program;
  twice.pop_back();
  add(twice, Opcode::LoadWeights, 1, 128);
  add(twice, Opcode::Accumulate, 0, 128);
  twice.push_back(product.program.back());
  ASSERT_EQ(product.run(twice), "");
  // The second load, of 64 + 512 cycles, is hidden behind 16 x 128 steps.
  EXPECT_EQ(product.counts.cycles, once + 16 * 128);
}

TEST(Simulator, Energy) {
  Counts counts;
  counts.byteAdditions = 100;
  counts.sumAdditions = 10;
  counts.memoryBytes = counts.activationBytes = counts.weightBytes = 8;
  EXPECT_DOUBLE_EQ(counts.additionEnergy(), 100 * 0.03 + 10 * 0.1);
  EXPECT_DOUBLE_EQ(counts.onChipEnergy(), 20 + 10);
  EXPECT_DOUBLE_EQ(counts.memoryEnergy(), 1300);
}

TEST(Simulator, Refuses) {
  Product product(3, 2, 1);
  auto expectError = [&](Opcode opcode, uint8_t descriptor, uint16_t count,
                         uint32_t place, const std::string &error) {
    EXPECT_EQ(product.runWith(opcode, descriptor, count, place),
              "instruction 8: " + error);
  };
  expectError(Opcode(0), 0, 0, 0, "unknown opcode 0");
  expectError(Opcode(7), 0, 0, 0, "unknown opcode 7");
  expectError(Opcode::Descriptor, 4, 0, 32,
              "expected a descriptor from 0 to 3, but got 4");
  expectError(Opcode::Descriptor, 0, 3, 32, "there is no buffer 3");
  expectError(Opcode::Descriptor, 0, 0, 0,
              "a buffer of 96 bytes has no whole rows of 0");
  expectError(Opcode::Descriptor, 0, 0, 36,
              "a buffer of 96 bytes has no whole rows of 36");
  expectError(Opcode::LoadActivations, 3, 1, 0, "descriptor 3 is not set");
  expectError(Opcode::LoadActivations, 0, 129, 0,
              "expected blocks from 1 to 128, but got 129");
  expectError(Opcode::LoadActivations, 0, 1, 2,
              "blocks 2 to 3 are not all among the 2 there are");
  expectError(Opcode::LoadWeights, 1, 2, 0xffffffff,
              "blocks 4294967295 to 4294967297 are not all among the 2 there "
              "are");
  expectError(Opcode::Accumulate, 0, 3, 0,
              "expected loaded blocks from 1 to 2, but got 3");
  expectError(Opcode::StoreSums, 2, 17, 0,
              "expected lanes from 1 to 16, but got 17");
  expectError(Opcode::StoreSums, 2, 2, 15,
              "columns 15 to 17 are not all among the 16 there are");
  expectError(Opcode::StoreSums, 1, 1, 0,
              "expected rows, as were loaded, from 3 to 3, but got 2");
  Simulator simulator(product.buffers.data(), product.buffers.size());
  EXPECT_EQ(simulator.run(product.program.data(), 9),
            "expected whole words of 8 bytes, but got 9 bytes");
}

TEST(Simulator, RefusesMoreRowsThanItHas) {
  Product product(17, 1, 1);
  EXPECT_EQ(product.run(product.program),
            "instruction 4: expected rows from 1 to 16, but got 17");
}

/// Whatever the words are, nothing outside the buffers is written, and what is
/// refused has a reason.
TEST(Simulator, SurvivesRandomPrograms) {
  std::mt19937 random(1);
  constexpr uint32_t border = 64, inside = 4096;
  uint32_t refused = 0, ran = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> memory(inside + 2 * border, 0xa5);
    TernacBuffer buffers[2] = {{memory.data() + border, inside},
                               {memory.data() + border, random() % inside}};
    Program program;
    for (uint32_t i = random() % 12; i > 0; --i) {
      // Mostly what may be right: else hardly a program would get far.
      uint32_t place = 1u << random() % 12, count = random() % 18;
      if (random() % 16 == 0)
        place = random();
      if (random() % 16 == 0)
        count = random();
      if (random() % 64 == 0)
        program.push_back(uint64_t(random()) << 32 | random());
      else
        add(program, Opcode(1 + random() % 6), random() % 2,
            random() % 3 ? count : random() % 3, random() % 3 ? place : 0);
    }
    Simulator simulator(buffers, 2);
    std::string error =
        simulator.run(program.data(), program.size() * sizeof(uint64_t));
    ++(error.empty() ? ran : refused);
    for (uint32_t i = 0; i < border; ++i) {
      ASSERT_EQ(memory[i], 0xa5);
      ASSERT_EQ(memory[border + inside + i], 0xa5);
    }
  }
  EXPECT_GT(ran, 1000u);
  EXPECT_GT(refused, 1000u);
}

} // namespace
