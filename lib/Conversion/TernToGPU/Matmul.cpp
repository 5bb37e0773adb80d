//===- Matmul.cpp - Kernels of the ternary matmul -------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Strategy `add_sub`: a block computes one number of the result. Its threads
// take the bytes of the row of W in turn, neighbours neighbouring bytes, and
// add and subtract what the trits of a byte select. Any layout will do.
//
//===----------------------------------------------------------------------===//

#include "MatmulKernel.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::gpulowering;
using namespace ternac::tern;
using packing::Layout;

namespace {

class AddSubKernel : public MatmulKernel {
public:
  using MatmulKernel::MatmulKernel;

  void write() {
    Value out = op.getOuts().front();
    Value rows = memref::DimOp::create(v.b, out, 0);
    Value count = v.mul(rows, v.index(outputs));
    v.forThreadRows(count, [&](Value pair) {
      Value row = arith::DivUIOp::create(v.b, pair, v.index(outputs));
      Value output = arith::RemUIOp::create(v.b, pair, v.index(outputs));
      Value sum = v.reduceAdd(sumOfThread(row, output));
      v.ifThen(v.isFirstThread(),
               [&] { store(sum, row, output, stepOf(row), scaleOf(output)); });
    });
  }

private:
  /// vector<1xi32> of what this thread's bytes of the row select.
  Value sumOfThread(Value row, Value output) {
    int64_t superblocks = layout.paddedCols(cols) / layout.span();
    int64_t perRow = superblocks * layout.blocks * layout.group;
    Value tile = div(output, layout.rows), inTile = rem(output, layout.rows);
    Value zero = v.splatI32(0, 1);
    return v
        .forColumns(
            perRow, zero,
            [&](Value number, int64_t, ValueRange carried) {
              Value byte = rem(number, layout.group);
              Value block = div(number, layout.group);
              Value superblock = div(block, layout.blocks);
              block = rem(block, layout.blocks);
              Value place =
                  v.add(v.mul(tile, v.index(superblocks)), superblock);
              place = v.add(v.mul(place, v.index(layout.blocks)), block);
              place = v.mul(place, v.index(layout.tileBytes()));
              place = v.add(place,
                            v.add(v.mul(inTile, v.index(layout.group)), byte));
              Value column =
                  v.add(v.mul(superblock, v.index(layout.span())),
                        v.add(v.mul(block, v.index(layout.group)), byte));
              Value sum = vector::ExtractOp::create(v.b, carried.front(),
                                                    ArrayRef<int64_t>{0});
              for (int64_t digit = 0; digit < layout.digits(); ++digit)
                sum = addSelected(sum, place, digit, row, column);
              return SmallVector<Value>{v.broadcast(sum, 1)};
            })
        .front();
  }

  /// `sum` + q, or - q, or as it is, by the trit `digit` of the byte at
  /// `place`.
  Value addSelected(Value sum, Value place, int64_t digit, Value row,
                    Value column) {
    Value at = v.add(column, v.index(digit * layout.digitStride()));
    Value q = memref::LoadOp::create(v.b, op.getQ(), ValueRange{row, at});
    q = arith::ExtSIOp::create(v.b, v.b.getI32Type(), q);
    auto [plus, minus] = signs(place, digit);
    Value zero = i32(0);
    sum = v.add(sum, arith::SelectOp::create(v.b, plus, q, zero));
    return arith::SubIOp::create(v.b, sum,
                                 arith::SelectOp::create(v.b, minus, q, zero));
  }

  Value loadByte(Value place) {
    Value byte = memref::LoadOp::create(v.b, op.getWeight(), place);
    return arith::ExtUIOp::create(v.b, v.b.getI32Type(), byte);
  }
  Value isEqual(Value a, int64_t c) {
    return arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq, a, i32(c));
  }

  /// Whether the trit is +1, and whether it is -1.
  std::pair<Value, Value> signs(Value place, int64_t digit) {
    Value byte = loadByte(place);
    auto bitsFrom = [&](Value bits, int64_t first, int64_t mask) -> Value {
      Value moved = arith::ShRUIOp::create(v.b, bits, i32(first));
      return arith::AndIOp::create(v.b, moved, i32(mask));
    };
    switch (op.getPacking()->getCode()) {
    case tern::Code::Signed8:
      return {isEqual(byte, 1), isEqual(byte, 255)};
    case tern::Code::TwoBit: {
      Value code = bitsFrom(byte, 2 * digit, 3);
      return {isEqual(code, 2), isEqual(code, 0)};
    }
    case tern::Code::Base3: {
      int64_t power = 1;
      for (int64_t d = 0; d < digit; ++d)
        power *= 3;
      Value code = arith::DivUIOp::create(v.b, byte, i32(power));
      code = arith::RemUIOp::create(v.b, code, i32(3));
      return {isEqual(code, 2), isEqual(code, 0)};
    }
    case tern::Code::Planes: {
      Value second =
          loadByte(v.add(place, v.index(layout.rows * layout.group)));
      return {isEqual(bitsFrom(byte, digit, 1), 1),
              isEqual(bitsFrom(second, digit, 1), 1)};
    }
    }
    llvm_unreachable("all codes handled");
  }
};

} // namespace

LogicalResult gpulowering::lowerMatmul(MatmulOp op, GpuBuilder &v) {
  Strategy strategy = op.getConfig()->getStrategy();
  v.nameKernel(("tern_matmul_" + stringifyStrategy(strategy) + "_" +
                op.getPacking()->getLayout().name() + "_" +
                Twine(op.getMatrixRows()) + "x" + Twine(op.getMatrixCols()))
                   .str());
  switch (strategy) {
  case Strategy::AddSub:
    AddSubKernel(op, v).write();
    return success();
  case Strategy::Dot:
    return writeDot(op, v);
  case Strategy::Tile:
    return writeTile(op, v);
  case Strategy::Reference:
  case Strategy::Lut:
    return op.emitOpError("has no lowering to kernels for strategy '")
           << stringifyStrategy(strategy) << "'";
  }
  llvm_unreachable("all strategies handled");
}
