//===- ConvertMathToArith.cpp - Functions that processors do not have -----===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/Passes.h"
#include "ternac/Conversion/TernToVector.h"

#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <cmath>

namespace ternac {
#define GEN_PASS_DEF_CONVERTMATHTOARITHPASS
#include "ternac/Conversion/Passes.h.inc"
} // namespace ternac

using namespace mlir;
using namespace ternac;

namespace {

/// Rounds to integers with additions alone, which every machine has. Numbers of
/// at least 2^(digits - 1), and NaN, are left as they are; a zero keeps its
/// sign.
class Rounder {
public:
  Rounder(ImplicitLocOpBuilder &b, Value x)
      : b(b), x(x), magnitude(math::AbsFOp::create(b, x)) {
    auto type = cast<FloatType>(x.getType());
    large = constant(std::ldexp(1.0, int(type.getFPMantissaWidth()) - 1));
  }

  Value roundEven() { return finish(nearest(), x); }
  Value trunc() { return finish(down(nearest()), x); }
  /// Half away from zero.
  Value round() {
    Value whole = down(nearest());
    Value rest = arith::SubFOp::create(b, magnitude, whole);
    Value isUp = compare(arith::CmpFPredicate::OGE, rest, constant(0.5));
    return finish(select(isUp, add(whole, 1.0), whole), x);
  }
  Value floor() {
    Value even = roundEven();
    Value isAbove = compare(arith::CmpFPredicate::OGT, even, x);
    return select(isAbove, add(even, -1.0), even);
  }
  Value ceil() {
    Value even = roundEven();
    Value isBelow = compare(arith::CmpFPredicate::OLT, even, x);
    // -0.5 becomes -0.
    return math::CopySignOp::create(b, select(isBelow, add(even, 1.0), even),
                                    x);
  }

private:
  Value constant(double value) {
    return arith::ConstantOp::create(b, b.getFloatAttr(x.getType(), value));
  }
  Value add(Value a, double value) {
    return arith::AddFOp::create(b, a, constant(value));
  }
  Value select(Value condition, Value a, Value c) {
    return arith::SelectOp::create(b, condition, a, c);
  }
  Value compare(arith::CmpFPredicate predicate, Value a, Value c) {
    return arith::CmpFOp::create(b, predicate, a, c);
  }
  /// The magnitude, rounded half to even: a sum with `large` has no fraction.
  Value nearest() {
    return arith::SubFOp::create(b, arith::AddFOp::create(b, magnitude, large),
                                 large);
  }
  /// The largest integer up to the magnitude.
  Value down(Value even) {
    Value isAbove = compare(arith::CmpFPredicate::OGT, even, magnitude);
    return select(isAbove, add(even, -1.0), even);
  }
  Value finish(Value rounded, Value sign) {
    Value hasFraction = compare(arith::CmpFPredicate::OLT, magnitude, large);
    return select(hasFraction, math::CopySignOp::create(b, rounded, sign), x);
  }

  ImplicitLocOpBuilder &b;
  Value x, magnitude, large;
};

template <typename Op, Value (Rounder::*Method)()>
struct ExpandRounding : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF32() && !op.getType().isF64())
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Rounder rounder(b, op.getOperand());
    rewriter.replaceOp(op, (rounder.*Method)());
    return success();
  }
};

/// The sine or the cosine of an f32. The nearest multiple of pi/2 is subtracted
/// in f64, which leaves an error below 1e-9 for all angles up to a million or
/// so; the rest by the Taylor polynomials to degrees 9 and 10, whose errors are
/// below 3e-8 up to pi/4.
template <typename Op, bool IsCosine>
struct ExpandCircular : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF32())
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto constant = [&](Type type, double value) -> Value {
      return arith::ConstantOp::create(b, b.getFloatAttr(type, value));
    };
    Type f32 = b.getF32Type(), f64 = b.getF64Type(), i64 = b.getI64Type();
    auto integer = [&](int64_t value) -> Value {
      return arith::ConstantOp::create(b, b.getI64IntegerAttr(value));
    };
    Value x = arith::ExtFOp::create(b, f64, op.getOperand());
    // The sum has the number of the quadrant in its lowest bits.
    Value magic = constant(f64, 6755399441055744.0);
    Value turns = arith::MulFOp::create(b, x, constant(f64, 2 / M_PI));
    Value sum = arith::AddFOp::create(b, turns, magic);
    Value whole = arith::SubFOp::create(b, sum, magic);
    Value angle = arith::SubFOp::create(
        b, x, arith::MulFOp::create(b, whole, constant(f64, M_PI / 2)));
    Value r = arith::TruncFOp::create(b, f32, angle);
    Value square = arith::MulFOp::create(b, r, r);
    auto polynomial = [&](ArrayRef<double> coefficients) {
      Value p = constant(f32, coefficients.front());
      for (double coefficient : coefficients.drop_front())
        p = arith::AddFOp::create(b, arith::MulFOp::create(b, p, square),
                                  constant(f32, coefficient));
      return p;
    };
    Value sine = arith::MulFOp::create(
        b, r,
        polynomial({1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1.0}));
    Value cosine = polynomial(
        {-1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24, -0.5, 1.0});
    Value quadrant = arith::BitcastOp::create(b, i64, sum);
    if (IsCosine) // cos x = sin(x + pi/2)
      quadrant = arith::AddIOp::create(b, quadrant, integer(1));
    auto hasBit = [&](int64_t bit) -> Value {
      return arith::CmpIOp::create(
          b, arith::CmpIPredicate::ne,
          arith::AndIOp::create(b, quadrant, integer(bit)), integer(0));
    };
    Value size = arith::SelectOp::create(b, hasBit(1), cosine, sine);
    Value negative = arith::NegFOp::create(b, size);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, hasBit(2), negative, size);
    return success();
  }
};

/// Where there is no instruction: the product is rounded, as it is everywhere
/// else on such a machine.
struct ExpandFma : OpRewritePattern<math::FmaOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FmaOp op,
                                PatternRewriter &rewriter) const override {
    Value product =
        arith::MulFOp::create(rewriter, op.getLoc(), op.getA(), op.getB());
    rewriter.replaceOpWithNewOp<arith::AddFOp>(op, product, op.getC());
    return success();
  }
};

struct ExpandRsqrt : OpRewritePattern<math::RsqrtOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::RsqrtOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF32() && !op.getType().isF64())
      return failure();
    Value one = arith::ConstantOp::create(
        rewriter, op.getLoc(), rewriter.getFloatAttr(op.getType(), 1.0));
    Value root = math::SqrtOp::create(rewriter, op.getLoc(), op.getOperand());
    rewriter.replaceOpWithNewOp<arith::DivFOp>(op, one, root);
    return success();
  }
};

struct ExpandLog10 : OpRewritePattern<math::Log10Op> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::Log10Op op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF32())
      return failure();
    Value factor = arith::ConstantOp::create(
        rewriter, op.getLoc(), rewriter.getF32FloatAttr(float(M_LOG10E)));
    Value log = math::LogOp::create(rewriter, op.getLoc(), op.getOperand());
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, log, factor);
    return success();
  }
};

/// What LLVM would call a library for, functions aside.
bool needsLibrary(Operation *op) {
  if (isa<arith::RemFOp>(op))
    return true;
  return isa<arith::TruncFOp>(op) &&
         getElementTypeOrSelf(op->getOperand(0).getType()).isF64() &&
         !getElementTypeOrSelf(op->getResult(0).getType()).isF32();
}

/// What every machine computes, or LLVM writes without a call.
bool isNative(Operation *op) {
  return isa<math::AbsFOp, math::AbsIOp, math::CopySignOp, math::SqrtOp,
             math::FmaOp, math::CtPopOp, math::CountLeadingZerosOp,
             math::CountTrailingZerosOp, math::IsFiniteOp, math::IsInfOp,
             math::IsNaNOp, math::IsNormalOp>(op);
}

/// Whether there is something to do for `op`.
bool isConcerned(Operation *op) {
  if (!op->getDialect())
    return false;
  if (isa<math::MathDialect>(op->getDialect()) || needsLibrary(op) ||
      isa<arith::CeilDivSIOp, arith::CeilDivUIOp, arith::FloorDivSIOp>(op))
    return true;
  return isa<arith::ArithDialect>(op->getDialect()) &&
         llvm::any_of(llvm::concat<const Type>(op->getOperandTypes(),
                                               op->getResultTypes()),
                      [](Type type) {
                        Type element = getElementTypeOrSelf(type);
                        return element.isF16() || element.isBF16();
                      });
}

struct ConvertMathToArith
    : ternac::impl::ConvertMathToArithPassBase<ConvertMathToArith> {
  void runOnOperation() override {
    if (!getOperation()
             .walk([](Operation *op) {
               return isConcerned(op) ? WalkResult::interrupt()
                                      : WalkResult::advance();
             })
             .wasInterrupted())
      return;
    if (failed(widen()))
      return signalPassFailure();
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>())
      if (failed(expand(func)))
        return signalPassFailure();
  }

private:
  /// Arithmetic on f16 and bf16 is done in f32.
  LogicalResult widen() {
    OpPassManager pm(ModuleOp::getOperationName());
    arith::ArithEmulateUnsupportedFloatsOptions floats;
    floats.sourceTypeStrs = {"f16", "bf16"};
    floats.targetTypeStr = "f32";
    pm.addPass(arith::createArithEmulateUnsupportedFloats(floats));
    pm.addNestedPass<func::FuncOp>(math::createMathExtendToSupportedTypes());
    return runPipeline(pm, getOperation());
  }

  LogicalResult expand(func::FuncOp func) {
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpandRounding<math::FloorOp, &Rounder::floor>,
                 ExpandRounding<math::CeilOp, &Rounder::ceil>,
                 ExpandRounding<math::TruncOp, &Rounder::trunc>,
                 ExpandRounding<math::RoundOp, &Rounder::round>,
                 ExpandRounding<math::RoundEvenOp, &Rounder::roundEven>,
                 ExpandCircular<math::SinOp, /*IsCosine=*/false>,
                 ExpandCircular<math::CosOp, /*IsCosine=*/true>, ExpandLog10,
                 ExpandRsqrt>(&getContext());
    tern::TargetAttr target = tern::getTarget(func);
    if (!target || !target.hasCapability("fma"))
      patterns.add<ExpandFma>(&getContext());
    math::populateExpansionPatterns(
        patterns,
        {"sinh", "cosh", "tan", "atanh", "exp2", "fpowi", "ipowi", "clampf"});
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
      // Ours are better, and upstream's are wrong at some infinities and zeros.
      return name != math::SinOp::getOperationName() &&
             name != math::CosOp::getOperationName() &&
             name != math::Atan2Op::getOperationName() &&
             name != math::CbrtOp::getOperationName();
    });
    arith::populateExpandBFloat16Patterns(patterns);
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    if (failed(applyPatternsGreedily(func, std::move(patterns))))
      return failure();
    WalkResult result = func.walk([&](Operation *op) {
      bool isFunction =
          isa_and_present<math::MathDialect>(op->getDialect()) && !isNative(op);
      if (!isFunction && !needsLibrary(op))
        return WalkResult::advance();
      op->emitOpError("of ")
          << getElementTypeOrSelf(op->getOperand(0).getType())
          << " needs a math library, which a compiled library does not have; "
             "write it with other ops, or use f32";
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }
};

} // namespace
