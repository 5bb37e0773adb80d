//===- ConvertTernAttentionToX86.cpp - Products of bf16 of x86 ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "X86Features.h"

#include "ternac/Conversion/MatmulKernel.h"
#include "ternac/Conversion/NarrowProducts.h"
#include "ternac/Conversion/TernToVector.h"
#include "ternac/Runtime/ModelABI.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include "llvm/Support/FormatVariadic.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNATTENTIONTOX86PASS
#include "X86Passes.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

constexpr int64_t kLanes = 16;

/// Sums of pairs of products in registers, `vdpbf16ps`.
class PairProducts final : public NarrowProducts {
public:
  bool rounds() const override { return true; }
  // 24 of 32 registers are sums, 4 a line, and one the factors of a row.
  int64_t rows() const override { return 6; }
  int64_t vectors() const override { return 4; }

  void multiply(VectorBuilder &v, const NarrowProduct &p) const override {
    auto sumType = VectorType::get({kLanes}, v.b.getF32Type());
    auto pairType = VectorType::get({2 * kLanes}, v.b.getBF16Type());
    auto pairs = [&](Value x) -> Value {
      return vector::BitCastOp::create(v.b, pairType, x);
    };
    SmallVector<Value> zeros(rows() * p.vectors, v.splat(0.0, kLanes));
    SmallVector<Value> sums = v.forRange(
        v.index(0), v.index(p.pairs), 1, zeros,
        [&](Value k, ValueRange carried) {
          SmallVector<Value> line, next(carried);
          Value at = v.add(p.right, v.mul(k, v.index(p.vectors * kLanes)));
          for (int64_t c = 0; c < p.vectors; ++c)
            line.push_back(pairs(
                v.load(p.memref, v.add(at, v.index(c * kLanes)), kLanes)));
          for (int64_t i = 0; i < rows(); ++i) {
            Value place = v.add(v.add(p.left, k), v.index(i * p.leftStride));
            Value x = memref::LoadOp::create(v.b, p.memref, place);
            Value factors = pairs(v.broadcast(x, kLanes));
            for (int64_t c = 0; c < p.vectors; ++c) {
              Value &sum = next[i * p.vectors + c];
              sum = LLVM::CallIntrinsicOp::create(
                        v.b, sumType,
                        v.b.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512"),
                        ValueRange{sum, factors, line[c]})
                        .getResult(0);
            }
          }
          return next;
        });
    for (int64_t i = 0; i < rows(); ++i)
      for (int64_t c = 0; c < p.vectors; ++c)
        v.store(sums[i * p.vectors + c], p.memref,
                v.add(p.sums, v.index(i * p.sumStride + c * kLanes)));
  }
};

/// Sums of pairs of products in tiles, `tdpbf16ps`: a line of sums of 16 rows
/// takes four tiles of eight, and a tile each the factors. Tiles cannot be
/// carried through a loop, so all products of a line of sums are written out.
class TileProducts final : public NarrowProducts {
public:
  explicit TileProducts(bool canRound) : canRound(canRound) {}

  Value usable(VectorBuilder &v) const override {
    return GrantedOp::create(v.b, v.b.getI1Type(), v.environment,
                             uint64_t(TERNAC_FEATURE_TILES));
  }
  bool rounds() const override { return canRound; }
  int64_t rows() const override { return kLanes; }
  int64_t mostRows() const override { return AttentionOp::kTilePairs; }
  int64_t vectors() const override { return 4; }

  /// Calls a function, because tiles are configured where a function that has
  /// any begins, and that may only be where they are granted.
  void multiply(VectorBuilder &v, const NarrowProduct &p) const override {
    auto type = cast<MemRefType>(p.memref.getType());
    type = MemRefType::Builder(type).setShape({ShapedType::kDynamic});
    Type index = v.b.getIndexType();
    std::string name = llvm::formatv(
        "tern_attention_tile_{0}x{1}x{2}_from{3}_to{4}", p.rows,
        p.vectors * kLanes, 2 * p.pairs, p.leftStride, p.sumStride);
    // What is being built is in no module yet.
    Operation *user =
        cast<BlockArgument>(v.environment).getOwner()->getParentOp();
    func::FuncOp kernel = getKernelFunction(
        user, name, {type, index, index, index},
        [&](VectorBuilder &inner, func::FuncOp function) {
          NarrowProduct product = p;
          product.memref = function.getArgument(0);
          product.left = function.getArgument(1);
          product.right = function.getArgument(2);
          product.sums = function.getArgument(3);
          write(inner, product);
        },
        v);
    Value memref = memref::CastOp::create(v.b, type, p.memref);
    func::CallOp::create(v.b, kernel,
                         ValueRange{memref, p.left, p.right, p.sums});
  }

private:
  static void write(VectorBuilder &v, const NarrowProduct &p) {
    auto factors = amx::TileType::get({kLanes, 2 * kLanes}, v.b.getBF16Type());
    auto result = amx::TileType::get({kLanes, kLanes}, v.b.getF32Type());
    int64_t line = p.vectors * kLanes;
    auto load = [&](Value place, int64_t stride) -> Value {
      return amx::TileLoadOp::create(v.b, factors, p.memref, place,
                                     v.index(stride));
    };
    v.forRange(v.index(0), v.index(p.rows), kLanes, [&](Value row) {
      Value left = v.add(p.left, v.mul(row, v.index(p.leftStride)));
      Value to = v.add(p.sums, v.mul(row, v.index(p.sumStride)));
      SmallVector<Value> sums;
      for (int64_t c = 0; c < p.vectors; ++c)
        sums.push_back(amx::TileZeroOp::create(v.b, result));
      for (int64_t k = 0; k < p.pairs; k += kLanes) {
        Value x = load(v.add(left, v.index(k)), p.leftStride);
        for (auto [c, sum] : llvm::enumerate(sums)) {
          int64_t place = k * line + int64_t(c) * kLanes;
          sum = amx::TileMulFOp::create(
              v.b, result, x, load(v.add(p.right, v.index(place)), line), sum);
        }
      }
      for (auto [c, sum] : llvm::enumerate(sums))
        amx::TileStoreOp::create(v.b, p.memref,
                                 v.add(to, v.index(int64_t(c) * kLanes)), sum,
                                 v.index(p.sumStride));
    });
  }

  bool canRound;
};

struct ConvertTernAttentionToX86
    : ternac::cpu::impl::ConvertTernAttentionToX86PassBase<
          ConvertTernAttentionToX86> {
  void runOnOperation() override {
    SmallVector<AttentionOp> ops;
    getOperation().walk([&](AttentionOp op) {
      if (op.getNarrow() && op.getNumResults() == 0)
        ops.push_back(op);
    });
    for (AttentionOp op : ops) {
      TargetAttr target = getTarget(op);
      if (!target || !cpu::isX86(target))
        continue;
      PairProducts pairs;
      TileProducts tiles(target.hasCapability("bf16_dot"));
      SmallVector<const NarrowProducts *> products;
      if (target.hasCapability("x86_amx_bf16"))
        products.push_back(&tiles);
      if (target.hasCapability("bf16_dot"))
        products.push_back(&pairs);
      if (!products.empty() &&
          failed(replaceAttention(op, vectorOptions(op, kLanes), products)))
        return signalPassFailure();
    }
  }
};

} // namespace
