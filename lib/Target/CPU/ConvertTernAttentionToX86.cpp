//===- ConvertTernAttentionToX86.cpp - Products of bf16 of x86 ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"

#include "ternac/Conversion/NarrowProducts.h"
#include "ternac/Conversion/TernToVector.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNATTENTIONTOX86PASS
#include "CPUPasses.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

constexpr int64_t kLanes = 16;

/// Sums of pairs of products in registers, `vdpbf16ps`.
class PairProducts final : public NarrowProducts {
public:
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

struct ConvertTernAttentionToX86
    : ternac::cpu::impl::ConvertTernAttentionToX86PassBase<
          ConvertTernAttentionToX86> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto target = module->getAttrOfType<TargetAttr>(TernDialect::kTargetAttr);
    if (!target || !target.hasCapability("bf16_dot"))
      return;
    SmallVector<AttentionOp> ops;
    module.walk([&](AttentionOp op) {
      if (op.getNarrow() && op.getNumResults() == 0)
        ops.push_back(op);
    });
    VectorOptions options = vectorOptions(module, kLanes);
    for (AttentionOp op : ops)
      if (failed(replaceAttention(op, options, PairProducts())))
        return signalPassFailure();
  }
};

} // namespace
