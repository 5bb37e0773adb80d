//===- DeviceSessionTest.cpp - Sessions in a device's memory --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The device is made here: it does nothing before it must, its addresses are
// not those of the host, and it can be told to fail.
//
//===----------------------------------------------------------------------===//

#include "FakeKernels.h"
#include "SessionFixture.h"

#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <thread>

namespace {

class FakeDevice {
public:
  FakeDevice() {
    table.struct_size = sizeof(table);
    table.abi_version = TERNAC_ABI_VERSION;
    table.name = "fake";
    table.context = this;
    table.last_error = [](void *context, char *text, uint64_t bytes) {
      return uint64_t(snprintf(text, bytes, "%s", of(context)->error.c_str()));
    };
    table.allocate = [](void *context, uint64_t bytes, uint64_t *address) {
      return of(context)->allocate(bytes, *address);
    };
    table.release = [](void *context, uint64_t address) {
      Entry device = of(context);
      device->perform();
      EXPECT_EQ(device->memory.erase(address), 1u);
    };
    table.upload = [](void *context, uint64_t address, const void *data,
                      uint64_t bytes) {
      return of(context)->upload(address, data, bytes);
    };
    table.download = [](void *context, void *data, uint64_t address,
                        uint64_t bytes) {
      return of(context)->download(data, address, bytes);
    };
    table.copy = [](void *context, uint64_t to, uint64_t from, uint64_t bytes) {
      return of(context)->copy(to, from, bytes);
    };
    table.load = [](void *context, const TernacKernels *kernels,
                    uint64_t *module) {
      return of(context)->load(kernels, *module);
    };
    table.unload = [](void *context, uint64_t module) {
      Entry device = of(context);
      device->perform();
      EXPECT_EQ(device->modules.erase(module), 1u);
    };
    table.launch = [](void *context, uint64_t module, uint32_t kernel,
                      const uint32_t grid[3], const uint32_t[3],
                      const int64_t *arguments, uint32_t count) {
      return of(context)->launch(module, kernel, grid, arguments, count);
    };
  }

  TernacDevice table = {};
  uint64_t room = UINT64_MAX;            ///< bytes that it can give
  std::string failing;                   ///< the function that fails
  int successes = 0;                     ///< how often it does not
  std::map<std::string, int> calls;      ///< of each function
  std::map<std::string, uint64_t> moved; ///< bytes
  std::map<uint64_t, std::vector<char>> memory;
  std::map<uint64_t, const TernacKernels *> modules;

private:
  /// Counts the calls that run.
  struct Entry {
    explicit Entry(FakeDevice &device) : device(device) {
      EXPECT_EQ(device.running++, 0);
      std::this_thread::yield();
    }
    ~Entry() { --device.running; }
    FakeDevice *operator->() { return &device; }
    FakeDevice &device;
  };
  static Entry of(void *context) {
    return Entry(*static_cast<FakeDevice *>(context));
  }

  /// Does what it was asked.
  void perform() {
    for (const std::function<void()> &step : todo)
      step();
    todo.clear();
  }

  /// Whether this call of a function fails.
  bool fails(const char *function) {
    ++calls[function];
    if (failing != function || successes-- > 0)
      return false;
    error = std::string("it was told to in ") + function;
    return true;
  }

  /// The host's address of what must be allocated.
  char *place(uint64_t address, uint64_t bytes) {
    auto next = memory.upper_bound(address);
    if (next != memory.begin()) {
      auto &[begin, data] = *std::prev(next);
      if (address - begin <= data.size() &&
          bytes <= data.size() - (address - begin))
        return data.data() + (address - begin);
    }
    ADD_FAILURE() << bytes << " bytes at " << address << " are not allocated";
    return nullptr;
  }

  int32_t allocate(uint64_t bytes, uint64_t &address) {
    if (fails("allocate"))
      return 1;
    uint64_t used = 0;
    for (const auto &[begin, data] : memory)
      used += data.size();
    if (bytes > room - used) {
      error = "it is full";
      return 1;
    }
    // What was never written to is no number.
    std::vector<char> data(bytes, '\xFF');
    address = reinterpret_cast<uintptr_t>(data.data()) + FAKE_ADDRESS_OFFSET;
    memory.emplace(address, std::move(data));
    return 0;
  }

  int32_t upload(uint64_t address, const void *data, uint64_t bytes) {
    if (fails("upload"))
      return 1;
    moved["upload"] += bytes;
    auto begin = static_cast<const char *>(data);
    todo.push_back([=, this, copy = std::vector<char>(begin, begin + bytes)] {
      memcpy(place(address, bytes), copy.data(), bytes);
    });
    return 0;
  }

  int32_t download(void *data, uint64_t address, uint64_t bytes) {
    if (fails("download"))
      return 1;
    moved["download"] += bytes;
    perform();
    memcpy(data, place(address, bytes), bytes);
    return 0;
  }

  int32_t copy(uint64_t to, uint64_t from, uint64_t bytes) {
    if (fails("copy"))
      return 1;
    todo.push_back(
        [=, this] { memcpy(place(to, bytes), place(from, bytes), bytes); });
    return 0;
  }

  int32_t load(const TernacKernels *kernels, uint64_t &module) {
    EXPECT_STREQ(kernels->format, FAKE_KERNEL_FORMAT);
    if (fails("load"))
      return 1;
    module = ++lastModule;
    modules[module] = kernels;
    return 0;
  }

  int32_t launch(uint64_t module, uint32_t kernel, const uint32_t grid[3],
                 const int64_t *arguments, uint32_t count) {
    EXPECT_EQ(modules.count(module), 1u);
    if (fails("launch"))
      return 1;
    if (grid[0] == 0)
      return 0;
    auto code = static_cast<const FakeKernel *>(modules[module]->code)[kernel];
    todo.push_back(
        [=, words = std::vector<int64_t>(arguments, arguments + count)] {
          code(words.data());
        });
    return 0;
  }

  std::string error;
  uint64_t lastModule = 100;
  std::atomic<int> running = 0;
  std::vector<std::function<void()>> todo;
};

class DeviceSessionTest : public testing::Test {
protected:
  void SetUp() override {
    library = open("FakeModelKernels");
    ASSERT_TRUE(library) << ternac_last_error();
    plain = open("FakeModel");
    ASSERT_TRUE(plain) << ternac_last_error();
  }

  void TearDown() override {
    EXPECT_TRUE(device.memory.empty());
    EXPECT_TRUE(device.modules.empty());
  }

  static Library open(const char *name) {
    return Library(ternac_open(fakeModel(name).c_str()));
  }

  Session create(uint32_t sequences = 1, uint32_t cacheBlocks = 0) {
    TernacSessionOptions options = {};
    options.struct_size = sizeof(options);
    options.sequences = sequences;
    options.cache_blocks = cacheBlocks;
    options.device = &device.table;
    return Session(ternac_session_create(library.get(), &options));
  }

  static bool feed(const Session &session, const Tokens &tokens, Logits &logits,
                   size_t rows = 1, uint32_t sequence = 0) {
    logits.assign(rows * vocabulary, -1.0f);
    return ternac_feed(session.get(), sequence, tokens.data(), tokens.size(),
                       rows ? logits.data() : nullptr, rows) == 0;
  }

  /// The last rows of what a host computes.
  Logits expected(const Tokens &tokens, size_t rows = 1) {
    Logits all = reference(*ternac_model_of(plain.get()), tokens,
                           ternac_weights_of(library.get()));
    return Logits(all.end() - rows * vocabulary, all.end());
  }

  FakeDevice device;
  Library library, plain;
};

TEST_F(DeviceSessionTest, ComputesWhatAHostDoes) {
  Session session = create();
  ASSERT_TRUE(session) << ternac_last_error();
  EXPECT_EQ(ternac_session_threads(session.get()), 1u);
  Tokens tokens = makeTokens(150), all;
  size_t begin = 0;
  for (size_t count : {1, 40, 1, 3, 64, 41}) {
    Tokens part(&tokens[begin], &tokens[begin] + count);
    all.insert(all.end(), part.begin(), part.end());
    Logits logits;
    ASSERT_TRUE(feed(session, part, logits, count)) << ternac_last_error();
    EXPECT_EQ(logits, expected(all, count));
    begin += count;
  }
}

TEST_F(DeviceSessionTest, SequencesForkAndFill) {
  Session session = create(3);
  ASSERT_TRUE(session) << ternac_last_error();
  Tokens first = makeTokens(70, 1), second;
  Logits logits;
  ASSERT_TRUE(feed(session, first, logits, 0));
  ASSERT_EQ(ternac_fork(session.get(), 0, 1), 0);
  second = first;
  first.push_back(5);
  second.push_back(6);
  ASSERT_TRUE(feed(session, {5}, logits, 1, 0)) << ternac_last_error();
  EXPECT_EQ(logits, expected(first));
  EXPECT_EQ(device.calls["copy"], 1);
  ASSERT_TRUE(feed(session, {6}, logits, 1, 1)) << ternac_last_error();
  EXPECT_EQ(logits, expected(second));
  EXPECT_EQ(ternac_fill(session.get(), 2, 65), 0) << ternac_last_error();
  Logits again;
  ASSERT_TRUE(feed(session, {7}, logits, 1, 2));
  ASSERT_EQ(ternac_free(session.get(), 2), 0);
  EXPECT_EQ(ternac_fill(session.get(), 2, 65), 0);
  ASSERT_TRUE(feed(session, {7}, again, 1, 2));
  EXPECT_EQ(logits, again);
}

TEST_F(DeviceSessionTest, SessionsShareTheWeights) {
  Session one = create();
  ASSERT_TRUE(one) << ternac_last_error();
  size_t allocations = device.memory.size();
  Session two = create();
  ASSERT_TRUE(two) << ternac_last_error();
  EXPECT_EQ(device.calls["load"], 1);
  EXPECT_EQ(device.memory.size(), 2 * allocations - 1);
  Tokens tokens = makeTokens(20);
  Logits logits;
  one.reset();
  ASSERT_TRUE(feed(two, tokens, logits)) << ternac_last_error();
  EXPECT_EQ(logits, expected(tokens));
  two.reset();
  EXPECT_TRUE(device.memory.empty());
  Session three = create();
  ASSERT_TRUE(three);
  EXPECT_EQ(device.calls["load"], 2);
}

TEST_F(DeviceSessionTest, TheTableGoesWhenItChanges) {
  Session session = create();
  Logits logits;
  ASSERT_TRUE(feed(session, {1}, logits));
  int before = device.calls["upload"];
  ASSERT_TRUE(feed(session, {2}, logits));
  EXPECT_EQ(device.calls["upload"], before + 1);
  ASSERT_TRUE(feed(session, makeTokens(62), logits));
  before = device.calls["upload"];
  ASSERT_TRUE(feed(session, {3}, logits));
  EXPECT_EQ(device.calls["upload"], before + 2);
}

/// Whatever fails, and whenever: there is a sentence, nothing is left behind,
/// and what was there before is as it was.
TEST_F(DeviceSessionTest, EveryFailure) {
  Tokens tokens = makeTokens(70), more = makeTokens(30, 9);
  Tokens all = tokens;
  all.insert(all.end(), more.begin(), more.end());
  for (const char *function :
       {"allocate", "upload", "download", "copy", "load", "launch"})
    for (int successes = 0;; ++successes) {
      device.failing = function;
      device.successes = successes;
      auto check = [&] {
        std::string error = ternac_last_error();
        EXPECT_NE(error.find(std::string("it was told to in ") + function),
                  std::string::npos)
            << error;
        device.failing.clear();
      };
      Session session = create(2);
      if (!session) {
        check();
        EXPECT_TRUE(device.memory.empty());
        EXPECT_TRUE(device.modules.empty());
        continue;
      }
      // Does a step, again if it fails.
      auto perform = [&](uint32_t sequence, auto step) {
        int64_t length = ternac_length(session.get(), sequence);
        if (step())
          return;
        check();
        EXPECT_EQ(ternac_length(session.get(), sequence), length);
        EXPECT_TRUE(step()) << ternac_last_error();
      };
      Logits logits;
      perform(0, [&] { return feed(session, tokens, logits, 70); });
      EXPECT_EQ(logits, expected(tokens, 70));
      ASSERT_EQ(ternac_fork(session.get(), 0, 1), 0);
      perform(1, [&] { return feed(session, more, logits, 1, 1); });
      EXPECT_EQ(logits, expected(all));
      perform(0, [&] { return feed(session, more, logits); });
      EXPECT_EQ(logits, expected(all));
      ASSERT_EQ(ternac_free(session.get(), 0), 0);
      perform(0, [&] { return ternac_fill(session.get(), 0, 100) == 0; });
      // No call was left to fail.
      if (!device.failing.empty())
        break;
    }
  device.failing.clear();
}

TEST_F(DeviceSessionTest, NotEnoughMemory) {
  device.room = 10;
  EXPECT_FALSE(create());
  EXPECT_STREQ(ternac_last_error(), "not enough device memory: the weights "
                                    "need 0.0 MB (it is full)");
  device.room = 1 << 20;
  library = open("FakeModelKernelsHuge");
  EXPECT_FALSE(create());
  EXPECT_NE(std::string(ternac_last_error())
                .find("not enough device memory: the cache needs "),
            std::string::npos);
}

TEST_F(DeviceSessionTest, NoSuchDevice) {
  TernacDevice whole = device.table;
  device.table.copy = nullptr;
  EXPECT_FALSE(create());
  EXPECT_STREQ(ternac_last_error(),
               "the model consists of kernels, but the driver of the device "
               "'fake' does not run any");
  device.table = whole;
  device.table.struct_size = offsetof(TernacDevice, allocate);
  EXPECT_FALSE(create());
  device.table = whole;
  EXPECT_TRUE(create());
  library = open("FakeModelBuiltIn");
  EXPECT_FALSE(ternac_session_create(library.get(), nullptr));
  EXPECT_STREQ(ternac_last_error(), "the model needs the device 'vulkan'; "
                                    "bring one (--device=vulkan:0 "
                                    "of the tools)");
  device.table.name = "vulkan";
  EXPECT_FALSE(create());
  EXPECT_STREQ(ternac_last_error(),
               "the model gives commands to its device, but the driver of the "
               "device 'vulkan' takes none");
  EXPECT_FALSE(open("FakeModelNoKernels"));
  EXPECT_NE(std::string(ternac_last_error())
                .find("is damaged: its model table has empty fields"),
            std::string::npos);
}

/// The device would notice two at once.
TEST_F(DeviceSessionTest, ThreadsTakeTurns) {
  Session first = create(), second = create();
  Tokens tokens = makeTokens(100);
  auto work = [&](Session &session, Logits &logits) {
    for (int i = 0; i < 50; ++i) {
      ASSERT_EQ(ternac_free(session.get(), 0), 0);
      ASSERT_TRUE(feed(session, tokens, logits)) << ternac_last_error();
    }
    session.reset();
  };
  Logits one, two;
  std::thread thread([&] { work(first, one); });
  work(second, two);
  thread.join();
  EXPECT_EQ(one, expected(tokens));
  EXPECT_EQ(two, expected(tokens));
}

TEST_F(DeviceSessionTest, NoHugePages) {
  TernacSessionOptions options = {};
  options.struct_size = sizeof(options);
  options.device = &device.table;
  options.huge_pages = 1;
  EXPECT_FALSE(ternac_session_create(library.get(), &options));
  EXPECT_STREQ(ternac_last_error(),
               "the weights of the model go to the memory of the device "
               "'fake', so they cannot be in huge pages");
}

} // namespace
