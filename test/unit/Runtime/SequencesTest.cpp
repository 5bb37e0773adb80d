//===- SequencesTest.cpp --------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SessionFixture.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <string>

namespace {

Tokens joined(Tokens tokens, const Tokens &more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

class SequencesTest : public SessionTest {
protected:
  /// Expects `sequence` to hold `tokens`: what it says of the next token is
  /// compared, and taken back.
  void expectTokens(const Session &session, uint32_t sequence,
                    const Tokens &tokens) {
    ASSERT_EQ(ternac_length(session.get(), sequence), int64_t(tokens.size()));
    Logits logits = feed(session, {17}, 1, sequence);
    EXPECT_EQ(logits, referenceTail(*model, joined(tokens, {17}), 1));
    ASSERT_EQ(ternac_truncate(session.get(), sequence,
                              static_cast<uint32_t>(tokens.size())),
              0);
  }

  static int64_t prefix(const Session &session, uint32_t sequence,
                        const Tokens &tokens) {
    return ternac_prefix(session.get(), sequence, tokens.data(), tokens.size());
  }
};

TEST_F(SequencesTest, ForkTakesNoBlockUntilItIsWritten) {
  Session session = create(1, 3, 9);
  Tokens tokens = makeTokens(100);
  feed(session, tokens, 0);
  EXPECT_EQ(ternac_free_blocks(session.get()), 7u);
  ASSERT_EQ(ternac_fork(session.get(), 0, 2), 0);
  EXPECT_EQ(ternac_free_blocks(session.get()), 7u);
  EXPECT_EQ(ternac_length(session.get(), 2), 100);

  // The first to append copies the block that is partly filled.
  Tokens left = makeTokens(40, 2), right = makeTokens(5, 3);
  EXPECT_EQ(feed(session, left, 40, 2),
            referenceTail(*model, joined(tokens, left), 40));
  EXPECT_EQ(ternac_free_blocks(session.get()), 5u);
  EXPECT_EQ(feed(session, right, 5, 0),
            referenceTail(*model, joined(tokens, right), 5));
  EXPECT_EQ(ternac_free_blocks(session.get()), 5u);
  expectTokens(session, 2, joined(tokens, left));
  expectTokens(session, 0, joined(tokens, right));

  // Blocks are free when no sequence has them.
  ASSERT_EQ(ternac_free(session.get(), 0), 0);
  EXPECT_EQ(ternac_length(session.get(), 0), 0);
  EXPECT_EQ(ternac_free_blocks(session.get()), 6u);
  expectTokens(session, 2, joined(tokens, left));
  ASSERT_EQ(ternac_free(session.get(), 2), 0);
  EXPECT_EQ(ternac_free_blocks(session.get()), 9u);
}

TEST_F(SequencesTest, TruncateIntoASharedBlock) {
  Session session = create(1, 3);
  Tokens tokens = makeTokens(128);
  feed(session, tokens, 0);
  ASSERT_EQ(ternac_fork(session.get(), 0, 1), 0);
  ASSERT_EQ(ternac_truncate(session.get(), 1, 70), 0);
  ASSERT_EQ(ternac_fork(session.get(), 1, 2), 0);
  Tokens start(tokens.begin(), tokens.begin() + 70), more = makeTokens(30, 2);
  EXPECT_EQ(feed(session, more, 1, 1),
            referenceTail(*model, joined(start, more), 1));
  expectTokens(session, 0, tokens);
  expectTokens(session, 2, start);
}

TEST_F(SequencesTest, ForkErrors) {
  Session session = create(1, 3);
  feed(session, makeTokens(3), 0, 0);
  feed(session, makeTokens(5), 0, 1);
  auto error = [&](uint32_t from, uint32_t to) -> std::string {
    EXPECT_EQ(ternac_fork(session.get(), from, to), -1);
    return ternac_last_error();
  };
  EXPECT_EQ(error(3, 2), "expected a sequence below 3, but got 3");
  EXPECT_EQ(error(0, 3), "expected a sequence below 3, but got 3");
  EXPECT_EQ(error(2, 2), "cannot fork sequence 2 to itself");
  EXPECT_EQ(error(0, 1), "expected sequence 1 to be empty, but it has 5 "
                         "tokens; free it first");
  EXPECT_EQ(ternac_free(session.get(), 3), -1);
  EXPECT_EQ(ternac_length(session.get(), 1), 5);
  EXPECT_EQ(ternac_length(session.get(), 2), 0);
}

TEST_F(SequencesTest, PrefixIsTheLongestThereIs) {
  Session session = create(2, 4, 12);
  Tokens tokens = makeTokens(100);
  feed(session, tokens, 0, 0);
  Tokens other = joined(Tokens(tokens.begin(), tokens.begin() + 66), {1, 2, 3});
  feed(session, other, 0, 1);
  EXPECT_EQ(ternac_free_blocks(session.get()), 8u);

  Tokens prompt = joined(other, makeTokens(20, 5));
  ASSERT_EQ(prefix(session, 3, prompt), 69);
  EXPECT_EQ(ternac_length(session.get(), 3), 69);
  EXPECT_EQ(ternac_free_blocks(session.get()), 8u);
  Tokens rest(prompt.begin() + 69, prompt.end());
  EXPECT_EQ(feed(session, rest, 1, 3), referenceTail(*model, prompt, 1));
  EXPECT_EQ(ternac_free_blocks(session.get()), 7u);
  expectTokens(session, 0, tokens);
  expectTokens(session, 1, other);

  // A prompt that is all there leaves one token to feed.
  ASSERT_EQ(prefix(session, 2, tokens), 99);
  EXPECT_EQ(feed(session, {tokens.back()}, 1, 2),
            referenceTail(*model, tokens, 1));
  ASSERT_EQ(ternac_free(session.get(), 2), 0);
  EXPECT_EQ(prefix(session, 2, {tokens[0]}), 0);
  EXPECT_EQ(prefix(session, 2, {}), 0);
  EXPECT_EQ(prefix(session, 2, {tokens[0] + 1, 2}), 0);
  EXPECT_EQ(ternac_length(session.get(), 2), 0);
}

TEST_F(SequencesTest, PrefixForgetsWhatIsGone) {
  Session session = create(1, 2);
  Tokens tokens = makeTokens(20), other = makeTokens(20, 2);
  feed(session, tokens, 0);
  ASSERT_EQ(ternac_truncate(session.get(), 0, 10), 0);
  feed(session, other, 0);
  EXPECT_EQ(prefix(session, 1, tokens), 10);
  ASSERT_EQ(ternac_free(session.get(), 1), 0);
  ASSERT_EQ(ternac_free(session.get(), 0), 0);
  EXPECT_EQ(prefix(session, 1, tokens), 0);
  // Nothing begins with what was only filled.
  ASSERT_EQ(ternac_fill(session.get(), 0, 20), 0);
  EXPECT_EQ(prefix(session, 1, tokens), 0);
}

TEST_F(SequencesTest, PrefixErrors) {
  Session session = create(1, 2);
  feed(session, makeTokens(5), 0);
  auto error = [&](uint32_t sequence, const Tokens &tokens) -> std::string {
    EXPECT_EQ(prefix(session, sequence, tokens), -1);
    EXPECT_EQ(ternac_length(session.get(), 0), 5);
    EXPECT_EQ(ternac_length(session.get(), 1), 0);
    return ternac_last_error();
  };
  EXPECT_EQ(error(2, {1}), "expected a sequence below 2, but got 2");
  EXPECT_EQ(error(0, {1}), "expected sequence 0 to be empty, but it has 5 "
                           "tokens; free it first");
  EXPECT_EQ(error(1, {1, 97}),
            "token 97 is outside the vocabulary of 97 tokens");
  EXPECT_EQ(error(1, makeTokens(257)),
            "sequence 1: 257 tokens after 0 do not fit the context of 256 "
            "tokens");
}

TEST_F(SequencesTest, FailureSharesAgain) {
  Session session = create(1, 3, 4);
  Tokens tokens = makeTokens(100);
  feed(session, tokens, 0);
  ASSERT_EQ(ternac_fork(session.get(), 0, 1), 0);
  // The model refuses after the block was copied.
  Tokens refused = {1, failing, failing};
  EXPECT_EQ(ternac_feed(session.get(), 1, refused.data(), 3, nullptr, 0), -1);
  EXPECT_EQ(ternac_free_blocks(session.get()), 2u);
  // Both would get a copy or a block, and then the third finds none.
  const uint32_t sequences[] = {1, 0, 2};
  const size_t counts[] = {1, 40, 1};
  EXPECT_EQ(ternac_feed_batch(session.get(), 3, sequences, counts,
                              makeTokens(42).data(), nullptr),
            -1);
  EXPECT_STREQ(ternac_last_error(),
               "the cache is full: expected 1 free blocks (of 64 tokens) for 1 "
               "more tokens of sequence 2, but found 0 of 4; free or truncate "
               "a sequence, or create the session with more cache_blocks");
  EXPECT_EQ(ternac_free_blocks(session.get()), 2u);
  expectTokens(session, 0, tokens);
  expectTokens(session, 1, tokens);
}

TEST_F(SequencesTest, FailureAfterACallLeavesTokens) {
  Session session = create(1, 2);
  Tokens tokens = makeTokens(20);
  feed(session, tokens, 0);
  ASSERT_EQ(ternac_fork(session.get(), 0, 1), 0);
  ASSERT_EQ(ternac_truncate(session.get(), 1, 10), 0);
  // The first is given a copy, so that the second is alone with the block and
  // writes to it, at positions that the first needs; then a call is refused.
  const uint32_t sequences[] = {0, 1};
  const size_t counts[] = {10, 8};
  Tokens batch(16, 7);
  batch.insert(batch.end(), 2, failing);
  EXPECT_EQ(ternac_feed_batch(session.get(), 2, sequences, counts, batch.data(),
                              nullptr),
            -1);
  expectTokens(session, 0, tokens);
  expectTokens(session, 1, Tokens(tokens.begin(), tokens.begin() + 10));
}

TEST_F(SequencesTest, FilledPositionsAreShared) {
  Session session = create(1, 2);
  ASSERT_EQ(ternac_fill(session.get(), 0, 100), 0);
  ASSERT_EQ(ternac_fork(session.get(), 0, 1), 0);
  ASSERT_EQ(ternac_fill(session.get(), 1, 60), 0);
  Logits once = feed(session, {3}, 1, 0);
  ASSERT_EQ(ternac_truncate(session.get(), 1, 100), 0);
  EXPECT_EQ(feed(session, {3}, 1, 1), once);
}

/// Random operations, and the same on plain vectors that are copied.
class RandomOperations : public SequencesTest,
                         public testing::WithParamInterface<uint32_t> {
protected:
  static constexpr uint32_t count = 4, blocks = 10;

  uint32_t random(uint32_t bound) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % bound;
  }

  /// New tokens. Few different ones, so that some sequences begin alike.
  Tokens randomTokens(uint32_t most) {
    Tokens tokens = makeTokens(1 + random(most), 1 + random(3));
    if (random(8) == 0)
      tokens.insert(tokens.begin() + random(uint32_t(tokens.size())), 2,
                    failing);
    return tokens;
  }

  /// Whether the fake model may refuse `tokens`: it does where two that fail
  /// follow one another in a call.
  static bool isRefused(const Tokens &tokens) {
    for (size_t i = 1; i < tokens.size(); ++i)
      if (tokens[i - 1] == failing && tokens[i] == failing)
        return true;
    return false;
  }

  static uint32_t blocksFor(size_t length) {
    return static_cast<uint32_t>((length + 63) / 64);
  }

  /// Blocks that appending `more` tokens takes at least and at most: one of
  /// them is a copy or not.
  uint32_t fewestBlocks(uint32_t sequence, size_t more) const {
    size_t length = sequences[sequence].size();
    return blocksFor(length + more) - blocksFor(length);
  }
  uint32_t mostBlocks(uint32_t sequence, size_t more) const {
    return fewestBlocks(sequence, more) + (sequences[sequence].size() % 64 > 0);
  }

  void feedOne();
  void feedSeveral();
  void truncate();
  void fork();
  void findPrefix();
  void step();

  Session session;
  std::vector<Tokens> sequences{count};
  uint32_t state = GetParam();
  int done = 0; ///< feeds that succeeded
};

void RandomOperations::feedOne() {
  uint32_t sequence = random(count), free = ternac_free_blocks(session.get());
  Tokens &tokens = sequences[sequence], more = randomTokens(90);
  Tokens all = joined(tokens, more);
  Logits logits(vocabulary);
  int32_t status = ternac_feed(session.get(), sequence, more.data(),
                               more.size(), logits.data(), 1);
  if (status) {
    EXPECT_TRUE(all.size() > context || isRefused(more) ||
                mostBlocks(sequence, more.size()) > free)
        << ternac_last_error();
    EXPECT_EQ(ternac_free_blocks(session.get()), free);
    return;
  }
  EXPECT_LE(fewestBlocks(sequence, more.size()), free);
  tokens = all;
  EXPECT_EQ(logits, referenceTail(*model, tokens, 1));
  ++done;
}

void RandomOperations::feedSeveral() {
  std::vector<uint32_t> chosen = {0, 1, 2, 3};
  std::swap(chosen[0], chosen[random(4)]);
  std::swap(chosen[1], chosen[1 + random(3)]);
  chosen.resize(1 + random(count));
  std::vector<size_t> counts;
  Tokens more;
  uint32_t most = 0, free = ternac_free_blocks(session.get());
  bool tooLong = false;
  for (uint32_t sequence : chosen) {
    Tokens chunk = randomTokens(20);
    counts.push_back(chunk.size());
    more = joined(more, chunk);
    most += mostBlocks(sequence, chunk.size());
    tooLong |= sequences[sequence].size() + chunk.size() > context;
  }
  Logits logits(chosen.size() * vocabulary), expected;
  int32_t status =
      ternac_feed_batch(session.get(), chosen.size(), chosen.data(),
                        counts.data(), more.data(), logits.data());
  if (status) {
    EXPECT_TRUE(tooLong || isRefused(more) || most > free)
        << ternac_last_error();
    EXPECT_EQ(ternac_free_blocks(session.get()), free);
    return;
  }
  const int32_t *chunk = more.data();
  for (size_t i = 0; i < chosen.size(); ++i) {
    Tokens &tokens = sequences[chosen[i]];
    tokens.insert(tokens.end(), chunk, chunk + counts[i]);
    chunk += counts[i];
    Logits row = referenceTail(*model, tokens, 1);
    expected.insert(expected.end(), row.begin(), row.end());
  }
  EXPECT_EQ(logits, expected);
  ++done;
}

void RandomOperations::truncate() {
  uint32_t sequence = random(count);
  Tokens &tokens = sequences[sequence];
  tokens.resize(random(3) ? random(uint32_t(tokens.size()) + 1) : 0);
  int32_t status = tokens.empty()
                       ? ternac_free(session.get(), sequence)
                       : ternac_truncate(session.get(), sequence,
                                         static_cast<uint32_t>(tokens.size()));
  EXPECT_EQ(status, 0);
}

void RandomOperations::fork() {
  uint32_t from = random(count), to = random(count);
  bool allowed = from != to && sequences[to].empty();
  uint32_t free = ternac_free_blocks(session.get());
  EXPECT_EQ(ternac_fork(session.get(), from, to), allowed ? 0 : -1);
  EXPECT_EQ(ternac_free_blocks(session.get()), free);
  if (allowed)
    sequences[to] = sequences[from];
}

void RandomOperations::findPrefix() {
  uint32_t sequence = random(count);
  Tokens prompt = randomTokens(100);
  size_t longest = 0;
  for (const Tokens &tokens : sequences) {
    size_t most = std::min(tokens.size(), prompt.size() - 1), common = 0;
    while (common < most && tokens[common] == prompt[common])
      ++common;
    longest = std::max(longest, common);
  }
  bool allowed = sequences[sequence].empty();
  EXPECT_EQ(prefix(session, sequence, prompt), allowed ? int64_t(longest) : -1);
  if (allowed)
    sequences[sequence].assign(prompt.begin(), prompt.begin() + longest);
}

void RandomOperations::step() {
  switch (random(8)) {
  case 0:
  case 1:
  case 2:
    return feedOne();
  case 3:
    return feedSeveral();
  case 4:
    return truncate();
  case 5:
    return findPrefix();
  default:
    return fork();
  }
}

TEST_P(RandomOperations, EqualThoseOnCopies) {
  session = create(1 + GetParam() % 2, count, blocks);
  for (int i = 0; i < 300; ++i) {
    step();
    for (uint32_t j = 0; j < count; ++j)
      ASSERT_EQ(ternac_length(session.get(), j), int64_t(sequences[j].size()));
    ASSERT_FALSE(HasFailure()) << "step " << i;
  }
  EXPECT_GT(done, 50);
  // What each holds, while there are ever fewer of them.
  for (uint32_t i = 0; i < count; ++i) {
    for (uint32_t j = i; j < count; ++j)
      if (sequences[j].size() < context &&
          mostBlocks(j, 1) <= ternac_free_blocks(session.get()))
        expectTokens(session, j, sequences[j]);
    ASSERT_EQ(ternac_free(session.get(), i), 0);
  }
  EXPECT_EQ(ternac_free_blocks(session.get()), blocks);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomOperations, testing::Range(1u, 13u));

} // namespace
