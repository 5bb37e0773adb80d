//===- KVCache.cpp - Lowering of what stores keys and values --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/KVCache.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

CachePlaces::CachePlaces(VectorBuilder &v, KVCacheType type,
                         const CacheBuffers &cache)
    : v(v), type(type), pool(cache.pool), table(cache.table) {
  if (!hasScales())
    return;
  Value bytes = memref::DimOp::create(v.b, pool, 0);
  Value count =
      arith::DivUIOp::create(v.b, bytes, v.index(int64_t(sizeof(float))));
  auto floats = MemRefType::get({ShapedType::kDynamic}, v.b.getF32Type());
  scales = memref::ViewOp::create(v.b, floats, pool, v.index(0), count);
}

Value CachePlaces::block(Value sequence, Value column, Value layer) {
  Value number = v.loadIndex(table, {sequence, column});
  int64_t layerSize = type.getLayerBlockElements();
  Value start = v.mul(number, v.index(type.getLayers() * layerSize));
  return v.add(start, v.mul(layer, v.index(layerSize)));
}

Value CachePlaces::keys(Value start, Value head) {
  return v.add(start, v.mul(head, v.index(2 * type.getHeadBlockElements())));
}

Value CachePlaces::values(Value start, Value head) {
  return v.add(keys(start, head), v.index(type.getHeadBlockElements()));
}

Value CachePlaces::scalesOf(Value place) {
  Value behind = v.add(place, v.index(type.getHeadDim() * kBlock));
  return arith::DivUIOp::create(v.b, behind, v.index(int64_t(sizeof(float))));
}

namespace {

/// Stores the keys, or values, of one row and head.
class HeadAppend {
public:
  HeadAppend(CachePlaces &places, Value row, Value head, Value slot)
      : places(places), v(places.v), row(row), slot(slot),
        first(v.mul(head, v.index(places.type.getHeadDim()))) {}

  /// Elements d lie at at + d * stride.
  void store(Value from, Value place, Value at, int64_t stride) {
    Value factor;
    if (places.hasScales())
      factor = storeScale(from, place);
    v.forColumns(places.type.getHeadDim(), [&](Value d, int64_t width) {
      Value x = v.load(from, {row, v.add(first, d)}, width);
      Value element = factor ? quantized(x, factor, width)
                             : v.toElement(x, places.type.getElement());
      Value to = v.add(at, v.mul(d, v.index(stride)));
      if (stride == 1) {
        v.store(element, places.pool, to);
        return;
      }
      for (int64_t i = 0; i < width; ++i)
        memref::StoreOp::create(
            v.b, vector::ExtractOp::create(v.b, element, ArrayRef<int64_t>{i}),
            places.pool, v.add(to, v.index(i * stride)));
    });
  }

private:
  /// Stores the scale; returns what numbers are multiplied by.
  Value storeScale(Value from, Value place) {
    int64_t lanes = v.options.lanes;
    Value zero = v.splat(0.0, lanes);
    Value largest =
        v.forColumns(places.type.getHeadDim(), zero,
                     [&](Value d, int64_t width, ValueRange most) {
                       Value x = v.load(from, {row, v.add(first, d)}, width);
                       x = v.widen(v.absF(x), zero);
                       return SmallVector<Value>{v.maxF(x, most.front())};
                     })
            .front();
    Value absmax = v.maxF(v.reduceMax(largest), v.f32(1e-5));
    v.storeOnce(v.divF(absmax, v.f32(127.0)), places.scales,
                v.add(places.scalesOf(place), slot));
    return v.divF(v.f32(127.0), absmax);
  }

  Value quantized(Value x, Value factor, int64_t width) {
    Value rounded = v.roundEven(v.mulF(x, v.broadcast(factor, width)));
    rounded =
        v.minF(v.maxF(rounded, v.splat(-127.0, width)), v.splat(127.0, width));
    Value wide = arith::FPToSIOp::create(
        v.b, VectorType::get({width}, v.b.getI32Type()), rounded);
    return arith::TruncIOp::create(
        v.b, VectorType::get({width}, v.b.getI8Type()), wide);
  }

  CachePlaces &places;
  VectorBuilder &v;
  Value row, slot, first;
};

} // namespace

void ternac::lowerKVAppend(KVAppendOp op, VectorBuilder &v,
                           const CacheBuffers &cache) {
  auto type = cast<KVCacheType>(op.getCache().getType());
  CachePlaces places(v, type, cache);
  Value rows = memref::DimOp::create(v.b, op.getK(), 0);
  v.forRowParts(rows, type.getHeads(), [&](Value row, Value head) {
    Value position = v.loadIndex(op.getPositions(), row);
    Value sequence = v.loadIndex(op.getSequences(), row);
    Value block = v.index(CachePlaces::kBlock);
    Value column = arith::DivUIOp::create(v.b, position, block);
    Value slot = arith::RemUIOp::create(v.b, position, block);
    Value start = places.block(sequence, column, op.getLayer());
    Value keys = places.keys(start, head), values = places.values(start, head);
    HeadAppend append(places, row, head, slot);
    append.store(op.getK(), keys, v.add(keys, slot), CachePlaces::kBlock);
    append.store(op.getV(), values,
                 v.add(values, v.mul(slot, v.index(type.getHeadDim()))), 1);
  });
}
