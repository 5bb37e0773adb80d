//===- CostModel.cpp - What a ternary matmul costs on a target ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CostModel.h"

using namespace ternac;
using namespace ternac::tern;

//===----------------------------------------------------------------------===//
// The kernels
//===----------------------------------------------------------------------===//

template <packing::Layout (*layout)()>
static packing::Layout anyColumns(int64_t) {
  return layout();
}

// Operations are counted in the loops as they are lowered, one for each byte of
// a register, and divided by the weights of a byte. benchmarks/kernels.py has
// the speeds that they are held against.
static constexpr KernelForm formsOfMatmul[] = {
    // For each two-bit digit: a mask, a product.
    {Strategy::Dot, "tile2", "int8_dot", anyColumns<packing::tileTwoBit>, 1, 1,
     0},
    // Five ops for the remainder, one look-up, four masks: ten for five digits.
    {Strategy::Dot, "base3", "base3_unpack", packing::bestTileBase3, 2, 1, 0},
    // Sixteen ops for four remainders, as many compares and selections.
    {Strategy::Dot, "base3", "int8_dot", packing::bestTileBase3, 6.4, 1, 0},
    // As tile2, with shifts, and a sum across the register for each row.
    {Strategy::Dot, "row2", "int8_dot", anyColumns<packing::rowTwoBit>, 2.2, 1,
     0},
    // The same where a product of bytes is two of halves of a register, to
    // words.
    {Strategy::Dot, "tile2", "int8_products", anyColumns<packing::tileTwoBit>,
     1.5, 2, 0},
    {Strategy::Dot, "base3", "int8_products", packing::bestTileBase3, 6.4, 2,
     0},
    {Strategy::Dot, "row2", "int8_products", anyColumns<packing::rowTwoBit>,
     2.2, 2, 0},
    // As dot, with digits moved to their lowest bits and stored.
    {Strategy::Tile, "base3", "tile_matmul", packing::bestTileBase3, 3.8, 1, 0},
    {Strategy::Tile, "tile2", "tile_matmul", anyColumns<packing::tileTwoBit>,
     2.8, 1, 0},
    // Two look-ups, mirroring, two sums, and the loads of tables: 19 for five
    // digits.
    {Strategy::Lut, "base3", "byte_permute", anyColumns<packing::columnBase3>,
     3.8, 0, 0},
    // For each nibble: a mask or shift, two look-ups, two or three sums.
    {Strategy::Lut, "tile2", "byte_shuffle", anyColumns<packing::columnTwoBit>,
     3, 0, 0},
    // Two loads and a sum for five digits, or for four.
    {Strategy::Lut, "base3", "", anyColumns<packing::columnBase3>, 0, 0, 0.6},
    {Strategy::Lut, "tile2", "", anyColumns<packing::columnTwoBit>, 0, 0, 0.75},
    // For 512 weights and each bit of their activations: a selection of bits,
    // their count and its sum; without counting, adders of bits.
    {Strategy::AddSub, "planes", "vector_popcount",
     anyColumns<packing::tilePlanes>, 3.3, 0, 0},
    {Strategy::AddSub, "planes", "byte_popcount",
     anyColumns<packing::tilePlanes>, 4.5, 0, 0},
    {Strategy::AddSub, "planes", "", anyColumns<packing::tilePlanes>, 5.5, 0,
     0},
    // For each digit: two masks and compares, two halves widened, added and
    // subtracted; without predicates also selected.
    {Strategy::AddSub, "tile2", "mask_registers",
     anyColumns<packing::tileTwoBit>, 10, 0, 0},
    {Strategy::AddSub, "tile2", "", anyColumns<packing::tileTwoBit>, 18, 0, 0},
    {Strategy::AddSub, "base3", "mask_registers", packing::bestTileBase3, 13, 0,
     0},
    {Strategy::AddSub, "base3", "", packing::bestTileBase3, 22, 0, 0},
    {Strategy::AddSub, "row2", "mask_registers", anyColumns<packing::rowTwoBit>,
     10.2, 0, 0},
    {Strategy::AddSub, "row2", "", anyColumns<packing::rowTwoBit>, 18.2, 0, 0},
    {Strategy::Reference, "i8", "", anyColumns<packing::unpacked>, 0, 0, 4},
};

// Lanes are f32, four bytes for each weight: of each plane a test of bits, and
// an addition or subtraction of the lanes that passed; without predicates a
// test is two operations, and lanes are selected first.
static constexpr KernelForm formsOfLinear[] = {
    {Strategy::AddSub, "planes", "mask_registers",
     anyColumns<packing::tilePlanes>, 16, 0, 0},
    {Strategy::AddSub, "planes", "", anyColumns<packing::tilePlanes>, 32, 0, 0},
    {Strategy::Reference, "i8", "", anyColumns<packing::unpacked>, 0, 0, 4},
};

llvm::ArrayRef<KernelForm> tern::matmulForms() { return formsOfMatmul; }
llvm::ArrayRef<KernelForm> tern::linearForms() { return formsOfLinear; }

bool tern::isPossible(const KernelForm &form, TargetAttr target) {
  return form.capability.empty() || target.hasCapability(form.capability);
}

//===----------------------------------------------------------------------===//
// The estimate
//===----------------------------------------------------------------------===//

// What is taken where a description says nothing (0): a server's share of
// memory for one core, and 3.5 GHz with one product, one and a half other
// vector operations and two on general registers in a cycle.
static constexpr double defaultBandwidth = 16e9;
static constexpr double cyclesPerSecond = 3.5e9;
static constexpr double vectorOpsPerCycle = 1.5;
static constexpr double scalarOpsPerCycle = 2;
static constexpr int64_t defaultL2 = 1 << 20;

/// Matrix units: rows of activations that are computed together, and the speed
/// in units of the vector unit's `peak`. Tiles in vector registers are small.
struct MatrixUnit {
  int64_t rows;
  double speed;
};
static constexpr MatrixUnit tileRegisters = {16, 8}, vectorRegisters = {4, 2},
                            subgroups = {64, 8};
/// Rows of activations that share the codes of a kernel of a device.
static constexpr int64_t subgroupRows = 8;

/// Operations on general registers of `lut` for each weight and each of many
/// rows, as measured: 18 instructions, half of them on vectors, for 4 bytes of
/// 5 weights and 16 rows.
static constexpr double sideBySideOps = 0.03;

/// The part of the shorter time that does not overlap with the longer; measured
/// as 0.15 to 0.25 on kernels whose two times are about equal.
static constexpr double notOverlapped = 0.2;

double Cost::total() const {
  return std::max(memory, arithmetic) +
         notOverlapped * std::min(memory, arithmetic);
}

/// How often a matrix is taken apart for `tokens` rows, and how many products
/// each weight then has.
static std::pair<double, double> passes(const KernelForm &form,
                                        TargetAttr target, int64_t tokens) {
  switch (form.strategy) {
  case Strategy::Reference:
  case Strategy::AddSub:
    break;
  case Strategy::Lut:
    // Many rows lie side by side in the tables.
    if (tokens > MatmulOp::kFewRows)
      return {0, 0};
    break;
  case Strategy::Dot: {
    // Few rows share what their accumulators leave registers for; for many the
    // codes are kept.
    int64_t together = std::clamp<int64_t>(target.getVectorBits() / 128, 1, 4);
    if (target.hasCapability("subgroup_32"))
      together = subgroupRows;
    return {tokens > MatmulOp::kFewRows ? 1
                                        : llvm::divideCeil(tokens, together),
            tokens};
  }
  case Strategy::Tile: {
    MatrixUnit unit = target.hasCapability("subgroup_32")      ? subgroups
                      : target.hasCapability("register_tiles") ? vectorRegisters
                                                               : tileRegisters;
    return {1, double(llvm::alignTo(tokens, unit.rows)) / unit.speed};
  }
  }
  return {tokens, tokens};
}

Cost tern::estimate(const KernelForm &form, TargetAttr target, int64_t rows,
                    int64_t cols, int64_t tokens) {
  packing::Layout layout = form.layout(cols);
  double vectorBytes = std::max<int64_t>(target.getVectorBits() / 8, 1);
  double bandwidth =
      target.getBandwidth() ? target.getBandwidth() : defaultBandwidth;
  double peak =
      target.getPeak() ? target.getPeak() : vectorBytes * cyclesPerSecond;
  double byteRate = vectorBytes * vectorOpsPerCycle * cyclesPerSecond;
  double scalarRate = scalarOpsPerCycle * cyclesPerSecond;

  double weights =
      double(layout.paddedRows(rows)) * double(layout.paddedCols(cols));
  Cost cost;
  cost.bytes = layout.bytes(rows, cols);
  cost.memory = double(cost.bytes) / bandwidth;
  auto [unpacked, products] = passes(form, target, tokens);
  cost.arithmetic = weights * (form.byteOps * unpacked / byteRate +
                               form.products * products / peak +
                               form.scalarOps * unpacked / scalarRate);
  if (form.strategy == Strategy::Lut && tokens > MatmulOp::kFewRows) {
    cost.arithmetic = weights * tokens * sideBySideOps / scalarRate;
  } else if (form.strategy == Strategy::Lut) {
    // 256 sums of two bytes for each group of columns, each written once; those
    // that leave the second-level cache come back from memory for every tile.
    double tables = double(layout.paddedCols(cols) / layout.digits()) * 512;
    cost.arithmetic += double(tokens) * tables / byteRate;
    double l2 = target.getL2() ? target.getL2() : defaultL2;
    if (tables > l2)
      cost.memory += double(tokens) * tables *
                     double(layout.paddedRows(rows) / layout.rows) / bandwidth;
  }
  return cost;
}
