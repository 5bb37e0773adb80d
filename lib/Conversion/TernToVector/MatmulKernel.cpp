//===- MatmulKernel.cpp - Functions for ternary matmuls -------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MatmulParts.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// Tiles of a superblock at most.
constexpr int64_t kMaxBlocks = 16;

/// Bytes of rewritten activations that a kernel keeps on its stack, unless one
/// row is longer.
constexpr int64_t kStackBytes = 32768;
/// The longest row that it may keep there.
constexpr int64_t kMaxStackBytes = 1 << 20;

/// Writes the loops of one kernel.
class KernelWriter {
public:
  KernelWriter(VectorBuilder &v, MatmulOp op, func::FuncOp kernel,
               const MatmulShape &shape, const BlockStrategy &strategy)
      : v(v), op(op), kernel(kernel), shape(shape), layout(shape.layout),
        strategy(strategy),
        store(v, op, kernel, this->shape, strategy.unsignedCodes()),
        q(kernel.getArgument(KernelArguments::kQ)),
        weights(kernel.getArgument(KernelArguments::kWeights)),
        tokens(kernel.getArgument(KernelArguments::kN)),
        begin(kernel.getArgument(KernelArguments::kBegin)),
        end(kernel.getArgument(KernelArguments::kEnd)) {}

  void write() {
    // Offsets advance by addition; nothing in the loops multiplies.
    Value firstGroup = arith::DivUIOp::create(v.b, begin, v.index(layout.rows));
    Value firstByte = v.mul(firstGroup, v.index(shape.groupBytes()));
    if (strategy.rewritesActivations())
      rewrittenLoop(firstByte);
    else
      rowLoop(v.index(0), tokens, v.index(0), firstByte);
  }

private:
  /// All tokens, as many at a time as the stack has room for once their
  /// activations are rewritten.
  void rewrittenLoop(Value firstByte) {
    int64_t qStride = shape.qStride;
    shape.qStride = layout.paddedCols(shape.cols);
    int64_t chunk = std::max<int64_t>(1, kStackBytes / shape.qStride);
    Value source = q;
    q = memref::AllocaOp::create(
        v.b, MemRefType::get({chunk * shape.qStride}, v.b.getI8Type()),
        v.b.getI64IntegerAttr(kBlockBytes));
    // A thread without rows has nothing to rewrite for.
    Value isIdle =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, begin, end);
    Value last = arith::SelectOp::create(v.b, isIdle, v.index(0), tokens);
    SmallVector<Value> places = {v.index(0), v.index(0)};
    v.forRange(
        v.index(0), last, chunk, places, [&](Value token, ValueRange carried) {
          Value stop =
              arith::MinUIOp::create(v.b, v.add(token, v.index(chunk)), tokens);
          SmallVector<Value> rows = {carried[0], v.index(0)};
          v.forRange(token, stop, 1, rows, [&](Value, ValueRange row) {
            v.forRange(v.index(0), v.index(shape.qStride), layout.span(),
                       [&](Value column) {
                         strategy.rewrite(v, layout, source,
                                          v.add(row[0], column), q,
                                          v.add(row[1], column));
                       });
            return SmallVector<Value>{v.add(row[0], v.index(qStride)),
                                      v.add(row[1], v.index(shape.qStride))};
          });
          rowLoop(token, stop, carried[1], firstByte);
          return SmallVector<Value>{
              v.add(carried[0], v.index(chunk * qStride)),
              v.add(carried[1], v.index(chunk * shape.rows))};
        });
  }

  /// All rows of the matrix for tokens first..last, the first of which is the
  /// first row of q; `outPlace` is the offset of its results.
  void rowLoop(Value first, Value last, Value outPlace, Value firstByte) {
    int64_t together = strategy.tokensTogether();
    Value count = v.b.createOrFold<arith::SubIOp>(last, first);
    Value rest = arith::RemUIOp::create(v.b, count, v.index(together));
    Value whole = arith::SubIOp::create(v.b, last, rest);
    v.forRange(
        begin, end, layout.rows, firstByte, [&](Value row, ValueRange carried) {
          Value byte = carried.front();
          SmallVector<Value> places = {v.index(0), v.add(outPlace, row)};
          places = tokenLoop(first, whole, together, row, byte, places);
          tokenLoop(whole, last, 1, row, byte, places);
          return SmallVector<Value>{v.add(byte, v.index(shape.groupBytes()))};
        });
  }

  /// Tokens first..last, `together` at a time. `places` are the offsets of the
  /// first token's row in q and of its result in out.
  SmallVector<Value> tokenLoop(Value first, Value last, int64_t together,
                               Value row, Value byte, ValueRange places) {
    return v.forRange(
        first, last, together, places, [&](Value token, ValueRange carried) {
          tokenGroup(token, together, row, byte, carried[0], carried[1]);
          return SmallVector<Value>{
              v.add(carried[0], v.index(together * shape.qStride)),
              v.add(carried[1], v.index(together * shape.rows))};
        });
  }

  void tokenGroup(Value token, int64_t together, Value row, Value byte,
                  Value qPlace, Value outPlace) {
    int64_t rows = strategy.rowsTogether();
    SmallVector<Value> sums(together, v.splatI32(0, kBlockLanes));
    for (int64_t first = 0; first < kBlockLanes; first += rows) {
      Value offset = v.index(4 * first);
      SmallVector<Value> parts =
          allBlocks(together, v.add(byte, offset),
                    shape.tiled() ? qPlace : v.add(qPlace, offset));
      if (rows == kBlockLanes) {
        sums = parts;
        break;
      }
      for (auto [sum, part] : llvm::zip_equal(sums, parts))
        sum = vector::InsertStridedSliceOp::create(
            v.b, part, sum, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{1});
    }
    for (int64_t t = 0; t < together; ++t)
      store.storeSums(sums[t], v.add(token, v.index(t)), row,
                      v.add(outPlace, v.index(t * shape.rows)));
  }

  /// The i32 sums of each of `together` tokens for what is summed together of
  /// each block, which begins at `byte` and for one row at `qPlace` of q.
  SmallVector<Value> allBlocks(int64_t together, Value byte, Value qPlace) {
    // All superblocks, in stretches between two flushes.
    int64_t stretch =
        std::min(strategy.superblocksPerFlush(layout), shape.superblocks());
    int64_t span = layout.span();
    int64_t columns = shape.superblocks() * span;
    int64_t stretchColumns = stretch * span;
    SmallVector<Value> state(together, v.splatI32(0, strategy.rowsTogether()));
    state.push_back(byte);
    if (stretchColumns >= columns) {
      state = stretchOfBlocks(v.index(0), v.index(columns), qPlace, state);
    } else {
      state = v.forRange(v.index(0), v.index(columns), stretchColumns, state,
                         [&](Value column, ValueRange carried) {
                           Value stop = arith::MinSIOp::create(
                               v.b, v.add(column, v.index(stretchColumns)),
                               v.index(columns));
                           return stretchOfBlocks(column, stop, qPlace,
                                                  SmallVector<Value>(carried));
                         });
    }
    state.pop_back();
    return state;
  }

  /// Superblocks of columns first..last. `state` holds an i32 sum per token and
  /// the offset of the next block.
  SmallVector<Value> stretchOfBlocks(Value first, Value last, Value qPlace,
                                     SmallVector<Value> state) {
    int64_t together = state.size() - 1;
    SmallVector<Value> carried;
    for (int64_t t = 0; t < together; ++t)
      llvm::append_range(carried, strategy.zero(v, layout));
    size_t perToken = carried.size() / together;
    carried.push_back(state.back());

    auto oneBlock = [&](Value column, ValueRange values) {
      SmallVector<SmallVector<Value>> sums(together);
      for (int64_t t = 0; t < together; ++t)
        llvm::append_range(sums[t], values.slice(t * perToken, perToken));
      Value byte = values.back();
      int64_t bytes = kBlockBytes * packing::planesPerTile(layout.code);
      Value block =
          loadBlock(v, layout, weights, byte, strategy.rowsTogether());
      Value at = v.add(qPlace, column);
      strategy.accumulate(
          v, layout, block,
          [&](int64_t token, int64_t digit) {
            return activations(v.add(
                at,
                v.index(token * shape.qStride + digit * layout.digitStride())));
          },
          sums);
      SmallVector<Value> next;
      for (SmallVector<Value> &token : sums)
        llvm::append_range(next, token);
      next.push_back(v.add(byte, v.index(bytes)));
      return next;
    };
    carried = v.forRange(
        first, last, layout.span(), carried,
        [&](Value column, ValueRange values) {
          if (layout.blocks == 1)
            return oneBlock(column, values);
          Value stop = v.add(column, v.index(layout.digitStride()));
          return v.forRange(column, stop, layout.group, values, oneBlock);
        });

    for (int64_t t = 0; t < together; ++t) {
      auto sums = ArrayRef(carried).slice(t * perToken, perToken);
      state[t] = v.add(state[t], strategy.flush(v, layout, sums));
    }
    state.back() = carried.back();
    return state;
  }

  /// The 64 activations that face one digit of a block.
  Value activations(Value place) {
    if (!shape.tiled())
      return v.load(q, place, 4 * strategy.rowsTogether());
    return broadcastFour(v, q, place, strategy.rowsTogether());
  }

  VectorBuilder &v;
  MatmulOp op;
  func::FuncOp kernel;
  MatmulShape shape;
  packing::Layout layout;
  const BlockStrategy &strategy;
  SumStore store;
  Value q, weights, tokens, begin, end;
};

} // namespace

bool BlockStrategy::reads(const packing::Layout &layout) const {
  return layout.code == packing::Code::TwoBit ||
         layout.code == packing::Code::Base3;
}

LogicalResult ternac::lowerToKernel(MatmulOp op, VectorBuilder &v,
                                    const BlockStrategy &strategy) {
  MatmulShape shape(op);
  const packing::Layout &layout = shape.layout;
  bool tile = layout.rows == kBlockLanes && layout.group == 4;
  bool row = layout.rows == 1 && layout.group == kBlockBytes;
  // More blocks would need sums to be flushed within a superblock.
  bool few = layout.blocks <= kMaxBlocks;
  if (!strategy.reads(layout) || !(tile || row) || !few)
    return op.emitOpError("strategy '")
           << strategy.name() << "' expected a packing of 64-byte blocks, at "
           << "most " << kMaxBlocks << " of them to a superblock (row2, tile2, "
           << "base3), but got " << *op.getPacking();
  if (strategy.superblocksPerFlush(layout) < 1)
    return op.emitOpError("strategy '")
           << strategy.name() << "' expected its narrow sums to have room for "
           << "the products of a superblock of packing '" << layout.name()
           << "', but they have not; choose another packing";
  if (strategy.rewritesActivations() &&
      layout.paddedCols(shape.cols) > kMaxStackBytes)
    return op.emitOpError("packing '")
           << layout.name() << "' expected at most " << kMaxStackBytes
           << " columns, which its kernel has on the stack, but got "
           << shape.cols << "; choose another packing";
  if (failed(verifyContiguous(op)))
    return failure();
  func::FuncOp kernel = getMatmulKernel(
      op, matmulKernelName(strategy.name(), shape),
      [&](VectorBuilder &inner, func::FuncOp function) {
        KernelWriter(inner, op, function, shape, strategy).write();
      },
      v);
  // What a kernel does before its first row is too much for a piece's.
  callMatmulKernel(
      op, v, kernel, layout.rows,
      strategy.rewritesActivations() ? 0 : rowsOfPiece(shape, layout.rows));
  return success();
}

LogicalResult ternac::lowerToReferenceKernel(MatmulOp op, VectorBuilder &v) {
  MatmulShape shape(op);
  if (shape.layout != packing::unpacked())
    return op.emitOpError("strategy 'reference' expected the packing 'i8', but "
                          "got ")
           << *op.getPacking();
  if (op.getStep())
    return op.emitOpError("strategy 'reference' expected no 'rescale'");
  if (failed(verifyContiguous(op)))
    return failure();
  auto body = [&](VectorBuilder &k, func::FuncOp function) {
    Value q = function.getArgument(0), weights = function.getArgument(2);
    Value out = function.getArgument(3), tokens = function.getArgument(4);
    Type i32 = k.b.getI32Type();
    auto wide = [&](Value memref, Value place) -> Value {
      Value byte = memref::LoadOp::create(k.b, memref, place);
      return arith::ExtSIOp::create(k.b, i32, byte);
    };
    k.forRange(
        function.getArgument(5), function.getArgument(6), 1, [&](Value row) {
          k.forRange(k.index(0), tokens, 1, [&](Value token) {
            Value zero =
                arith::ConstantOp::create(k.b, k.b.getI32IntegerAttr(0));
            Value qRow = k.mul(token, k.index(shape.qStride));
            Value wRow = k.mul(row, k.index(shape.cols));
            Value total = k.forRange(k.index(0), k.index(shape.cols), 1, zero,
                                     [&](Value column, ValueRange carried) {
                                       Value product = arith::MulIOp::create(
                                           k.b, wide(q, k.add(qRow, column)),
                                           wide(weights, k.add(wRow, column)));
                                       return SmallVector<Value>{
                                           k.add(carried.front(), product)};
                                     })
                              .front();
            memref::StoreOp::create(
                k.b, total, out, k.add(k.mul(token, k.index(shape.rows)), row));
          });
        });
  };
  callMatmulKernel(
      op, v, getMatmulKernel(op, matmulKernelName("reference", shape), body, v),
      1,
      /*piece=*/0);
  return success();
}
