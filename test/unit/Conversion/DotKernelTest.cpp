//===- DotKernelTest.cpp - Byte dot products that a target brings ---------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/DotKernel.h"
#include "ternac/Conversion/TernToVector.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace ternac;

namespace {

/// Sums that have room for `fit` products.
class NarrowDot final : public ByteDot {
public:
  explicit NarrowDot(int64_t fit) : fit(fit) {}

  int64_t dotsThatFit() const override { return fit; }
  Value zero(VectorBuilder &v) const override { return wideningDot().zero(v); }
  Value dot(VectorBuilder &v, Value sum, Value codes,
            Value bytes) const override {
    return wideningDot().dot(v, sum, codes, bytes);
  }
  Value widen(VectorBuilder &v, Value sums) const override {
    return wideningDot().widen(v, sums);
  }

private:
  int64_t fit;
};

/// All four digits of a byte in one sum.
class OneSum final : public DotBlocks {
public:
  explicit OneSum(const ByteDot &dot) : DotBlocks(dot, /*tokens=*/1) {}

protected:
  int64_t sums(const packing::Layout &) const override { return 1; }
};

constexpr const char *matmul = R"(
  func.func @f(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>,
               %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64,
        config = #tern.lowering_config<strategy = dot>,
        packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  })";

/// What lowering with sums that have room for `fit` products says, or "".
std::string lower(int64_t fit) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<tern::TernDialect, arith::ArithDialect, func::FuncDialect,
                      memref::MemRefDialect, scf::SCFDialect,
                      vector::VectorDialect>();
  std::string message;
  ScopedDiagnosticHandler handler(
      &context, [&](Diagnostic &diagnostic) { message += diagnostic.str(); });
  auto module = parseSourceString<ModuleOp>(matmul, &context);
  if (!module)
    return message;
  NarrowDot dot(fit);
  OneSum blocks(dot);
  tern::MatmulOp op;
  module->walk([&](tern::MatmulOp found) { op = found; });
  LogicalResult result =
      replaceByLoops(op, vectorOptions(op, kBlockLanes), [&](VectorBuilder &v) {
        return lowerToKernel(op, v, blocks);
      });
  EXPECT_EQ(failed(result), !message.empty());
  return message;
}

TEST(DotKernel, SumsThatNeverOverflow) { EXPECT_EQ(lower(0), ""); }

TEST(DotKernel, SumsOfASuperblock) { EXPECT_EQ(lower(4), ""); }

TEST(DotKernel, SumsTooNarrowForASuperblock) {
  EXPECT_EQ(lower(3),
            "'tern.matmul' op strategy 'dot' expected its narrow sums to have "
            "room for the products of a superblock of packing 'tile2', but "
            "they have not; choose another packing");
}

} // namespace
