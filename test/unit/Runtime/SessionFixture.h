//===- SessionFixture.h - A session of the fake model -----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sessions of the fake model, and what its logits must be.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_UNIT_RUNTIME_SESSIONFIXTURE_H
#define TERNAC_TEST_UNIT_RUNTIME_SESSIONFIXTURE_H

#include "TestSupport.h"
#include "gtest/gtest.h"

#include <cstdint>
#include <vector>

using Tokens = std::vector<int32_t>;
using Logits = std::vector<float>;

/// The fake model's.
inline constexpr uint32_t vocabulary = 97, context = 256;
/// Twice in a row, the fake model refuses the call.
inline constexpr int32_t failing = 96;

inline Tokens makeTokens(size_t count, uint32_t seed = 1) {
  Tokens tokens;
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 1664525 + 1013904223;
    tokens.push_back(static_cast<int32_t>((seed >> 8) % 96));
  }
  return tokens;
}

/// The logits of all `tokens` by the plainest caller: no session, no pool, a
/// null environment, one row at a time, blocks in order.
inline Logits reference(const TernacModel &model, const Tokens &tokens,
                        const void *weights = nullptr) {
  const std::vector<int32_t> table = {0, 1, 2, 3};
  std::vector<char> cache(model.cache_bytes(4));
  std::vector<char> workspace(model.workspace_bytes(1, 1));
  Logits logits(tokens.size() * vocabulary);
  const int32_t zero = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    int32_t position = static_cast<int32_t>(i);
    TernacCall call = {};
    call.struct_size = sizeof(call);
    call.abi_version = TERNAC_ABI_VERSION;
    call.rows = call.logit_count = 1;
    call.tokens = &tokens[i];
    call.positions = &position;
    call.sequences = call.logit_rows = &zero;
    call.logits = &logits[i * vocabulary];
    call.block_table = table.data();
    call.block_table_rows = 1;
    call.block_table_columns = 4;
    call.cache = cache.data();
    call.cache_blocks = 4;
    call.workspace = workspace.data();
    call.weights = weights;
    EXPECT_EQ(model.forward(nullptr, &call), TERNAC_OK);
  }
  return logits;
}

/// The last `rows` rows of what `reference` gives.
inline Logits referenceTail(const TernacModel &model, const Tokens &tokens,
                            size_t rows) {
  Logits all = reference(model, tokens);
  return Logits(all.end() - rows * vocabulary, all.end());
}

class SessionTest : public testing::Test {
protected:
  void SetUp() override {
    library.reset(ternac_open(fakeModel().c_str()));
    ASSERT_TRUE(library) << ternac_last_error();
    model = ternac_model_of(library.get());
  }

  Session create(uint32_t threads = 1, uint32_t sequences = 1,
                 uint32_t cacheBlocks = 0) {
    TernacSessionOptions options = {};
    options.struct_size = sizeof(options);
    options.threads = threads;
    options.sequences = sequences;
    options.cache_blocks = cacheBlocks;
    return Session(ternac_session_create(library.get(), &options));
  }

  /// Feeds and returns the last `rows` rows of logits.
  static Logits feed(const Session &session, const Tokens &tokens, size_t rows,
                     uint32_t sequence = 0) {
    Logits logits(rows * vocabulary, -1.0f);
    EXPECT_EQ(ternac_feed(session.get(), sequence, tokens.data(), tokens.size(),
                          logits.data(), rows),
              0)
        << ternac_last_error();
    return logits;
  }

  Library library;
  const TernacModel *model = nullptr;
};

#endif // TERNAC_TEST_UNIT_RUNTIME_SESSIONFIXTURE_H
