//===- TernAttentionOps.td - Operations on the cache -----------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Included at the end of TernOps.td, whose base classes it uses: what writes the
// cache of keys and values, and what reads it.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_DIALECT_TERN_IR_TERNATTENTIONOPS_TD
#define TERNAC_DIALECT_TERN_IR_TERNATTENTIONOPS_TD

def Tern_KVAppendOp : Tern_Op<"kv_append", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "stores keys and values in the cache";
  let description = [{
    Gives the cache in which layer `layer` of sequence sequences[r] holds, at
    positions[r], the keys k[r] and values v[r]. In the buffer form there is no
    result: the cache is changed.

    An i8 cache holds, for each head, `round(x * (127 / a))` and the scale
    `a / 127` with `a = max(absmax(x), 1e-5)`.

    Constraints:
    * (C1) k and v are [n, heads * head_dim] of the cache; there are n positions
      and sequences.
    * (C2) the operands are all tensors or all memrefs, and the result is
      present exactly with tensors.

    Example:

    ```mlir
    func.func @f(%c: !tern.kv_cache<1x2x8xf32>, %l: index, %k: tensor<?x16xf32>,
                 %v: tensor<?x16xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>) -> !tern.kv_cache<1x2x8xf32> {
      %d = tern.kv_append %k, %v, %c[%l] at %p of %s
        : (tensor<?x16xf32>, tensor<?x16xf32>, !tern.kv_cache<1x2x8xf32>, index, tensor<?xi32>, tensor<?xi32>)
        -> !tern.kv_cache<1x2x8xf32>
      return %d : !tern.kv_cache<1x2x8xf32>
    }
    ```
  }];
  let arguments = (ins Tern_F32Rows:$k, Tern_F32Rows:$v,
    Tern_KVCacheType:$cache, Index:$layer, Tern_I32Vector:$positions,
    Tern_I32Vector:$sequences);
  let results = (outs Optional<Tern_KVCacheType>:$new_cache);
  let assemblyFormat = [{
    $k `,` $v `,` $cache `[` $layer `]` `at` $positions `of` $sequences
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Tern_AttentionOp : Tern_ComputeOp<"attention"> {
  let summary = "causal attention over the cache";
  let description = [{
    For row r and head h, with kv head g = h / (heads / cache heads) and
    p <= positions[r] of sequence sequences[r]:

    ```text
    score[p] = q[r, h] . K[g, p] / sqrt(head_dim)
    y[r, h]  = sum_p softmax(score)[p] * V[g, p]
    ```

    A layer whose entry in `windows` is w > 0 has a sliding window: only the last
    w positions count, p > positions[r] - w. An only entry is that of all layers;
    without the attribute, or with 0, all positions count.

    All in f32. Positions are reduced in blocks of 64 whose partial results are
    merged in ascending order, so that a row's bits depend on nothing else. An
    i8 cache's scale multiplies the score of a key and the weight of a value.
    With `narrow`, the factors of both products may be rounded to bf16, their
    sums still f32, in whole tiles: `getTileRows` rows of successive positions of
    one sequence.

    In the buffer form two memrefs after `into` are scratch. The first has 80
    f32 for each row and head. The second has room for either of two things: the
    partial results of one row, which the threads compute together if rows are
    few (head_dim + 83 f32 for each head and 64 blocks), or a tile of rows of
    each of 64 threads (`getTileSize`).

    Constraints:
    * (C1) q and the result are [n, heads * head_dim], heads a multiple of the
      cache's; the scratch is [n, heads * 80] f32 and [`getSharedScratch`] f32.
    * (C2) windows has one entry, or one for each layer of the cache, none of
      them negative.

    Example:

    ```mlir
    func.func @f(%q: tensor<?x32xf32>, %c: !tern.kv_cache<1x2x8xf32>, %l: index,
                 %p: tensor<?xi32>, %s: tensor<?xi32>) -> tensor<?x32xf32> {
      %y = tern.attention %q, %c[%l] at %p of %s
        : (tensor<?x32xf32>, !tern.kv_cache<1x2x8xf32>, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x32xf32>
      return %y : tensor<?x32xf32>
    }
    ```
  }];
  let arguments = (ins Tern_F32Rows:$q, Tern_KVCacheType:$cache, Index:$layer,
    Tern_I32Vector:$positions, Tern_I32Vector:$sequences,
    Variadic<AnyMemRef>:$outs, OptionalAttr<DenseI64ArrayAttr>:$windows,
    UnitAttr:$narrow);
  let assemblyFormat = [{
    $q `,` $cache `[` $layer `]` `at` $positions `of` $sequences
    (`into` $outs^)? attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Blocks whose partial results the scratch has room for.
    static constexpr int64_t kSpan = 64;
    /// f32 of a slot of the scratch: what a block is reduced with, by head.
    static constexpr int64_t kSlot = 80;
    /// Threads that have a tile in the scratch.
    static constexpr int64_t kTiles = 64;
    /// Rows from which on runs of them are computed together. Tiles of fewer are
    /// never `narrow`: the other rows of a call would decide whether they are
    /// whole ones. A tile has as many unless more than kMostShared query heads
    /// share a head of the cache, for which the scratch would get large.
    static constexpr int64_t kManyRows = 16;
    static constexpr int64_t kMostShared = 16;
    /// Pairs of a row and a query head of a tile, if so many rows have no more.
    static constexpr int64_t kTilePairs = 64;
    /// Query heads, and those that share a head of the cache.
    int64_t getHeads();
    int64_t getGroup();
    /// Rows of a tile, a power of two of at most 64, so that no tile needs
    /// positions of more than one block that not all of its rows see.
    int64_t getTileRows();
    /// f32 of the parts of a tile: queries, weights and sums of its pairs, the
    /// keys or values of a block, and one of `kTileStatistics` numbers of each
    /// pair.
    static constexpr int64_t kTileStatistics = 6;
    int64_t getTileQueries();
    int64_t getTileWeights();
    int64_t getTileSums();
    int64_t getTileBlock();
    int64_t getTileNumbers();
    int64_t getTileSize();
    /// Columns of the scratch per row, and the size of the other.
    int64_t getRowScratch();
    int64_t getPartials();
    int64_t getSharedScratch();
  }];
}

#endif // TERNAC_DIALECT_TERN_IR_TERNATTENTIONOPS_TD
