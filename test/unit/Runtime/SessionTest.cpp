//===- SessionTest.cpp ----------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SessionFixture.h"
#include "gtest/gtest.h"

#include <algorithm>

namespace {

TEST_F(SessionTest, WholePromptEqualsReference) {
  Tokens tokens = makeTokens(200);
  for (uint32_t threads = 1; threads <= 4; ++threads) {
    Session session = create(threads);
    EXPECT_EQ(ternac_session_threads(session.get()), threads);
    EXPECT_EQ(feed(session, tokens, 200), reference(*model, tokens));
    EXPECT_EQ(ternac_length(session.get(), 0), 200);
  }
}

TEST_F(SessionTest, ChunksDoNotMatter) {
  Tokens tokens = makeTokens(130);
  Logits expected = reference(*model, tokens);
  for (size_t chunk : {1, 3, 15, 16, 17, 64, 129}) {
    Session session = create(2);
    Logits logits;
    for (size_t start = 0; start < tokens.size(); start += chunk) {
      size_t end = std::min(tokens.size(), start + chunk);
      Tokens part(tokens.begin() + start, tokens.begin() + end);
      Logits rows = feed(session, part, part.size());
      logits.insert(logits.end(), rows.begin(), rows.end());
    }
    EXPECT_EQ(logits, expected) << "chunk " << chunk;
  }
}

TEST_F(SessionTest, LogitsOfTheLastRowsOnly) {
  Tokens tokens = makeTokens(50);
  for (size_t rows : {0, 1, 2, 15, 16, 17, 40}) {
    Session session = create();
    EXPECT_EQ(feed(session, tokens, rows), referenceTail(*model, tokens, rows));
  }
  Session session = create();
  EXPECT_EQ(ternac_feed(session.get(), 0, tokens.data(), 50, nullptr, 0), 0);
  EXPECT_EQ(ternac_feed(session.get(), 0, nullptr, 0, nullptr, 0), 0);
  EXPECT_EQ(ternac_length(session.get(), 0), 50);
}

TEST_F(SessionTest, TruncateForgets) {
  Session session = create();
  Tokens tokens = makeTokens(150);
  feed(session, tokens, 0);
  for (uint32_t length : {128u, 100u, 64u, 63u, 0u}) {
    ASSERT_EQ(ternac_truncate(session.get(), 0, length), 0);
    EXPECT_EQ(ternac_length(session.get(), 0), length);
    Tokens other = makeTokens(30, 77 + length);
    tokens.resize(length);
    tokens.insert(tokens.end(), other.begin(), other.end());
    EXPECT_EQ(feed(session, other, 1), referenceTail(*model, tokens, 1));
    ASSERT_EQ(ternac_truncate(session.get(), 0, length), 0);
  }
  EXPECT_EQ(ternac_truncate(session.get(), 0, 1), -1);
  EXPECT_STREQ(ternac_last_error(),
               "cannot truncate sequence 0 of 0 tokens to 1");
}

TEST_F(SessionTest, SequencesShareThePool) {
  // Grow four sequences in turns, so that their blocks are interleaved, and
  // shrink one now and then, so that blocks change hands.
  Session session = create(2, 4, 8);
  std::vector<Tokens> fed(4);
  uint32_t state = 5;
  for (int step = 0; step < 400; ++step) {
    state = state * 1664525 + 1013904223;
    uint32_t sequence = (state >> 10) % 4;
    Tokens &tokens = fed[sequence];
    if ((state >> 20) % 4 == 0) {
      tokens.resize(tokens.size() / 2);
      ASSERT_EQ(ternac_truncate(session.get(), sequence,
                                static_cast<uint32_t>(tokens.size())),
                0);
      continue;
    }
    Tokens more = makeTokens(1 + (state >> 14) % 40, state);
    Logits logits(vocabulary);
    int32_t status = ternac_feed(session.get(), sequence, more.data(),
                                 more.size(), logits.data(), 1);
    if (status == 0) {
      tokens.insert(tokens.end(), more.begin(), more.end());
      ASSERT_EQ(logits, referenceTail(*model, tokens, 1));
    }
    ASSERT_EQ(ternac_length(session.get(), sequence), int64_t(tokens.size()));
  }
}

TEST_F(SessionTest, Batch) {
  Session session = create(3, 4);
  Tokens first = makeTokens(70, 1), second = makeTokens(5, 2);
  feed(session, first, 0, 2);
  feed(session, second, 0, 0);
  const uint32_t sequences[] = {2, 0, 3};
  const size_t counts[] = {1, 4, 3};
  Tokens chunks = makeTokens(8, 3);
  Logits logits(3 * vocabulary);
  ASSERT_EQ(ternac_feed_batch(session.get(), 3, sequences, counts,
                              chunks.data(), logits.data()),
            0);
  first.push_back(chunks[0]);
  second.insert(second.end(), &chunks[1], &chunks[5]);
  Tokens third(&chunks[5], &chunks[5] + 3);
  Logits expected;
  for (const Tokens &tokens : {first, second, third}) {
    Logits row = referenceTail(*model, tokens, 1);
    expected.insert(expected.end(), row.begin(), row.end());
  }
  EXPECT_EQ(logits, expected);
  EXPECT_EQ(ternac_length(session.get(), 2), 71);
  EXPECT_EQ(ternac_length(session.get(), 3), 3);
}

TEST_F(SessionTest, BatchOfMoreRowsThanACallTakes) {
  Session session = create(2, 4);
  const uint32_t sequences[] = {3, 1, 0, 2};
  const size_t counts[] = {15, 40, 1, 16};
  Tokens chunks = makeTokens(72, 9);
  Logits logits(4 * vocabulary), expected;
  ASSERT_EQ(ternac_feed_batch(session.get(), 4, sequences, counts,
                              chunks.data(), logits.data()),
            0);
  const int32_t *start = chunks.data();
  for (size_t count : counts) {
    Logits row = referenceTail(*model, Tokens(start, start + count), 1);
    expected.insert(expected.end(), row.begin(), row.end());
    start += count;
  }
  EXPECT_EQ(logits, expected);
}

TEST_F(SessionTest, BatchErrors) {
  Session session = create(1, 2, 2);
  auto error = [&](std::vector<uint32_t> sequences, std::vector<size_t> counts,
                   const Tokens &tokens) -> std::string {
    Logits logits(sequences.size() * vocabulary);
    int32_t status =
        ternac_feed_batch(session.get(), sequences.size(), sequences.data(),
                          counts.data(), tokens.data(), logits.data());
    EXPECT_EQ(ternac_length(session.get(), 0), 0);
    EXPECT_EQ(ternac_length(session.get(), 1), 0);
    return status ? ternac_last_error() : "";
  };
  EXPECT_EQ(error({}, {}, {}), "");
  EXPECT_EQ(error({0, 2}, {1, 1}, {1, 1}),
            "expected a sequence below 2, but got 2");
  EXPECT_EQ(error({0, 0}, {1, 1}, {1, 1}), "sequence 0 is twice in one batch");
  EXPECT_EQ(error({0, 1}, {1, 0}, {1}),
            "expected at least one token for sequence 1");
  EXPECT_EQ(error({0, 1}, {1, 257}, makeTokens(258)),
            "sequence 1: 257 tokens after 0 do not fit the context of 256 "
            "tokens");
  EXPECT_EQ(error({0, 1}, {1, 1}, {1, 97}),
            "token 97 is outside the vocabulary of 97 tokens");
  // Of the two calls that these are, the second one fails.
  Tokens late = makeTokens(30);
  late[28] = late[29] = failing;
  EXPECT_NE(error({0, 1}, {10, 20}, late), "");
  EXPECT_EQ(error({0, 1}, {1, 2}, {1, failing, failing}),
            "the model library refused a call: a call had more rows or threads "
            "than it was compiled for (code 2)");

  // The second chunk finds the cache full; the first must not keep its block.
  feed(session, makeTokens(64), 0, 1);
  const uint32_t sequences[] = {0, 1};
  const size_t counts[] = {1, 65 - 64};
  feed(session, makeTokens(64), 0, 0);
  EXPECT_EQ(ternac_feed_batch(session.get(), 2, sequences, counts,
                              makeTokens(2).data(), nullptr),
            -1);
  EXPECT_EQ(ternac_length(session.get(), 0), 64);
  ASSERT_EQ(ternac_truncate(session.get(), 1, 0), 0);
  feed(session, makeTokens(64), 1, 0);
}

TEST_F(SessionTest, FeedErrorsLeaveTheSequence) {
  Session session = create(1, 2, 5);
  Tokens tokens = makeTokens(60);
  feed(session, tokens, 0);
  auto error = [&](const Tokens &more, uint32_t sequence) -> std::string {
    Logits logits(vocabulary);
    EXPECT_EQ(ternac_feed(session.get(), sequence, more.data(), more.size(),
                          logits.data(), 1),
              -1);
    EXPECT_EQ(ternac_length(session.get(), 0), 60);
    return ternac_last_error();
  };
  EXPECT_EQ(error({3, 97}, 0),
            "token 97 is outside the vocabulary of 97 tokens");
  EXPECT_EQ(error({-1}, 0), "token -1 is outside the vocabulary of 97 tokens");
  EXPECT_EQ(error({1}, 2), "expected a sequence below 2, but got 2");
  EXPECT_EQ(error(makeTokens(197), 0),
            "sequence 0: 197 tokens after 60 do not fit the context of 256 "
            "tokens");

  // The third call of this one fails, after two blocks were taken.
  Tokens more = makeTokens(80);
  more[40] = more[41] = failing;
  EXPECT_NE(error(more, 0).find("refused a call"), std::string::npos);

  // One block is in use; all of the other four can be had.
  feed(session, makeTokens(256), 0, 1);
  EXPECT_EQ(error(makeTokens(5), 0),
            "the cache is full: expected 1 free blocks (of 64 tokens) for 5 "
            "more tokens of sequence 0, but found 0 of 5; free or truncate a "
            "sequence, or create the session with more cache_blocks");
  Tokens four = makeTokens(4);
  tokens.insert(tokens.end(), four.begin(), four.end());
  EXPECT_EQ(feed(session, four, 1), referenceTail(*model, tokens, 1));

  Logits logits(2 * vocabulary);
  EXPECT_EQ(ternac_feed(session.get(), 0, four.data(), 1, logits.data(), 2),
            -1);
  EXPECT_STREQ(ternac_last_error(),
               "expected logits of at most the 1 tokens fed, but got 2");
  EXPECT_EQ(ternac_length(session.get(), 2), -1);
  EXPECT_EQ(ternac_truncate(session.get(), 2, 0), -1);
}

TEST_F(SessionTest, WholeContextFits) {
  Session session = create(2);
  Tokens tokens = makeTokens(context);
  EXPECT_EQ(feed(session, tokens, 1), referenceTail(*model, tokens, 1));
  int32_t token = 1;
  EXPECT_EQ(ternac_feed(session.get(), 0, &token, 1, nullptr, 0), -1);
}

TEST_F(SessionTest, FillAppendsPositions) {
  Session session = create(1);
  EXPECT_EQ(ternac_fill(session.get(), 0, 100), 0);
  EXPECT_EQ(ternac_length(session.get(), 0), 100);
  int32_t token = 1;
  Logits once(vocabulary), again(vocabulary);
  ASSERT_EQ(ternac_feed(session.get(), 0, &token, 1, once.data(), 1), 0);
  // The same positions hold the same numbers each time.
  ASSERT_EQ(ternac_truncate(session.get(), 0, 0), 0);
  EXPECT_EQ(ternac_fill(session.get(), 0, 100), 0);
  ASSERT_EQ(ternac_feed(session.get(), 0, &token, 1, again.data(), 1), 0);
  EXPECT_EQ(once, again);
  EXPECT_EQ(ternac_fill(session.get(), 0, 200), -1);
  EXPECT_STREQ(ternac_last_error(), "sequence 0: 200 tokens after 101 do not "
                                    "fit the context of 256 tokens");
  EXPECT_EQ(ternac_fill(session.get(), 1, 1), -1);
  EXPECT_EQ(ternac_length(session.get(), 0), 101);
}

TEST_F(SessionTest, Options) {
  Session defaults(ternac_session_create(library.get(), nullptr));
  ASSERT_TRUE(defaults);
  EXPECT_GE(ternac_session_threads(defaults.get()), 1u);
  EXPECT_EQ(create(9), nullptr);
  EXPECT_STREQ(ternac_last_error(), "expected at most 8 threads, which the "
                                    "model was compiled for, but got 9");
  EXPECT_EQ(create(1, 5), nullptr);
  EXPECT_STREQ(ternac_last_error(), "expected at most 4 sequences, which the "
                                    "model was compiled for, but got 5; "
                                    "compile it with --max-sequences=5");
  TernacSessionOptions unset = {};
  EXPECT_EQ(ternac_session_create(library.get(), &unset), nullptr);
  // A caller built when there were fewer options.
  TernacSessionOptions older = {};
  older.struct_size = offsetof(TernacSessionOptions, no_pinning);
  older.threads = 2;
  older.sequences = 999;
  Session session(ternac_session_create(library.get(), &older));
  ASSERT_TRUE(session) << ternac_last_error();
  EXPECT_EQ(ternac_session_threads(session.get()), 2u);
}

TEST_F(SessionTest, NotEnoughMemory) {
  library.reset(ternac_open(fakeModel("FakeModelHuge").c_str()));
  ASSERT_TRUE(library);
  EXPECT_EQ(create(), nullptr);
  EXPECT_NE(
      std::string(ternac_last_error()).find("not enough memory: the cache"),
      std::string::npos);
}

} // namespace
