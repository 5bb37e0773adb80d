//===- CUDATest.cpp - Kernels on a CUDA device ----------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is CUDA's own, on the first device of the driver, or of the one that the
// environment variable TERNAC_CUDA_DRIVER names.
//
//===----------------------------------------------------------------------===//

#include "Devices/CUDA/Code.h"
#include "KernelDeviceFixture.h"

#include <cstdlib>
#include <thread>

using namespace ternac::runtime::cuda;

namespace {

class CUDATest : public KernelDeviceFixture {
protected:
  CUDATest() : KernelDeviceFixture(cudaKind) {}

  /// The number before these words of the report.
  uint64_t count(const std::string &what) const {
    std::string report = ternac::runtime::deviceText(device->report, context);
    size_t end = report.find(" " + what);
    if (end == report.npos) {
      ADD_FAILURE() << "no '" << what << "' in: " << report;
      return 0;
    }
    size_t begin = report.find_last_not_of("0123456789", end - 1) + 1;
    return std::stoull(report.substr(begin, end - begin));
  }

  /// Adds `amounts` to `bytes`, one after the other, and so to `expected`.
  void shiftAll(uint64_t bytes, const std::vector<uint32_t> &amounts,
                Bytes &expected) {
    for (uint32_t amount : amounts) {
      shift(bytes, static_cast<uint32_t>(expected.size()), amount);
      for (unsigned char &byte : expected)
        byte = static_cast<unsigned char>(byte + amount);
    }
  }

  std::string loadError() {
    return device->load(context, &kernels, &module) ? error() : "";
  }

  /// Opens the device once more.
  void reopen() {
    driver.reset();
    std::string reason = open();
    ASSERT_TRUE(driver) << reason << ternac_last_error();
    device = ternac_device_of(driver.get());
    context = device->context;
  }

  /// Whether a reason is an access outside of memory, in a driver's words.
  static bool saysIllegal(const std::string &reason) {
    return reason.find("illegal") != reason.npos ||
           reason.find("ILLEGAL") != reason.npos;
  }

  static constexpr char cannotUse[] =
      "the code of the kernels cannot be used: ";
};

TEST_F(CUDATest, SameLaunchesBecomeAGraph) {
  ASSERT_TRUE(loadKernels());
  Bytes expected = makeBytes(300);
  uint64_t bytes = allocate(expected);
  const std::vector<uint32_t> amounts = {1, 2, 3, 4, 5, 6, 7, 8};
  for (uint64_t time = 0; time < 5; ++time) {
    shiftAll(bytes, amounts, expected);
    ASSERT_EQ(download(bytes, expected.size()), expected) << time;
    EXPECT_EQ(count("kernels run"), 8 * (time + 1));
    EXPECT_EQ(count("graph launches"), time);
    EXPECT_EQ(count("graphs,"), time ? 1u : 0u);
  }
  // Other data makes no difference.
  expected = makeBytes(300, 9);
  upload(bytes, expected);
  shiftAll(bytes, amounts, expected);
  EXPECT_EQ(download(bytes, expected.size()), expected);
  EXPECT_EQ(count("graph launches"), 5u);
}

TEST_F(CUDATest, GraphsAreChanged) {
  ASSERT_TRUE(loadKernels());
  Bytes expected = makeBytes(100);
  uint64_t bytes = allocate(expected);
  std::vector<uint32_t> amounts = {1, 2, 3, 4, 5, 6, 7, 8};
  for (uint32_t time = 0; time < 6; ++time) {
    amounts[5] = time < 2 ? 6 : 10 * time;
    shiftAll(bytes, amounts, expected);
    ASSERT_EQ(download(bytes, expected.size()), expected) << time;
  }
  EXPECT_EQ(count("graphs,"), 1u);
  EXPECT_EQ(count("graph launches"), 5u);
  EXPECT_EQ(count("changes of graphs"), 4u);
  // Where much differs, another graph is made.
  for (uint32_t time = 0; time < 2; ++time) {
    shiftAll(bytes, {8, 7, 6, 5, 4, 3, 2, 1}, expected);
    ASSERT_EQ(download(bytes, expected.size()), expected);
  }
  EXPECT_EQ(count("graphs,"), 2u);
  EXPECT_EQ(count("changes of graphs"), 4u);
}

/// More lists of launches than are remembered.
TEST_F(CUDATest, ManyGraphs) {
  ASSERT_TRUE(loadKernels());
  Bytes expected = makeBytes(65);
  uint64_t bytes = allocate(expected);
  for (uint32_t round = 0; round < 3; ++round)
    for (uint32_t length = 4; length < 15; ++length) {
      for (int time = 0; time < 3; ++time)
        shiftAll(bytes, std::vector<uint32_t>(length, length), expected);
      shiftAll(bytes, std::vector<uint32_t>(length, length), expected);
      ASSERT_EQ(download(bytes, expected.size()), expected);
      shiftAll(bytes, std::vector<uint32_t>(length, length), expected);
      ASSERT_EQ(download(bytes, expected.size()), expected);
    }
}

/// More launches than are kept back.
TEST_F(CUDATest, ManyLaunches) {
  ASSERT_TRUE(loadKernels());
  Bytes expected = makeBytes(4);
  uint64_t bytes = allocate(expected);
  shiftAll(bytes, std::vector<uint32_t>(9000, 3), expected);
  EXPECT_EQ(download(bytes, expected.size()), expected);
}

TEST_F(CUDATest, WithoutGraphs) {
  setenv("TERNAC_CUDA_GRAPHS", "0", 1);
  reopen();
  unsetenv("TERNAC_CUDA_GRAPHS");
  ASSERT_TRUE(loadKernels());
  Bytes expected = makeBytes(100);
  uint64_t bytes = allocate(expected);
  for (uint32_t time = 0; time < 3; ++time) {
    shiftAll(bytes, {1, 2, 3, 4, 5}, expected);
    ASSERT_EQ(download(bytes, expected.size()), expected);
  }
  EXPECT_EQ(count("graph launches"), 0u);
  EXPECT_EQ(count("kernels run"), 15u);
}

/// Kernels of two modules in one graph, which is gone when one is unloaded.
TEST_F(CUDATest, SeveralModules) {
  ASSERT_TRUE(loadKernels());
  uint64_t first = module, second = 0;
  Bytes expected = makeBytes(1000);
  uint64_t bytes = allocate(expected);
  for (int turn = 0; turn < 3; ++turn) {
    ASSERT_EQ(device->load(context, &kernels, &second), 0) << error();
    for (int time = 0; time < 3; ++time) {
      for (uint64_t one : {first, second}) {
        module = one;
        shiftAll(bytes, {1, 2}, expected);
      }
      ASSERT_EQ(download(bytes, expected.size()), expected);
    }
    device->unload(context, second);
    EXPECT_EQ(count("graphs,"), turn + 1u);
    module = second;
    const uint32_t one[] = {1, 1, 1};
    EXPECT_NE(device->launch(context, second, 0, one, one, nullptr, 0), 0);
    EXPECT_EQ(error(),
              "there is no kernel 0 in a module " + std::to_string(second));
  }
}

TEST_F(CUDATest, ThreadsTakeTurns) {
  ASSERT_TRUE(loadKernels());
  Bytes expected = makeBytes(100);
  uint64_t bytes = allocate(expected);
  for (int time = 0; time < 3; ++time)
    std::thread([&] {
      shiftAll(bytes, {1, 2, 3, 4}, expected);
      EXPECT_EQ(download(bytes, expected.size()), expected);
      device->release(context, allocate(5));
    }).join();
  EXPECT_EQ(count("graph launches"), 2u);
}

TEST_F(CUDATest, Busy) {
  ASSERT_TRUE(loadKernels());
  Bytes expected = makeBytes(1 << 20);
  uint64_t bytes = allocate(expected);
  double before = -1, after = -1;
  shiftAll(bytes, {1, 2}, expected);
  ASSERT_EQ(device->busy(context, &before), 0) << error();
  EXPECT_EQ(before, 0);
  // More than there are events at a time.
  for (int time = 0; time < 300; ++time) {
    shift(bytes, 64, 1);
    ASSERT_EQ(device->copy(context, bytes + 4096, bytes, 4096), 0) << error();
  }
  ASSERT_EQ(device->busy(context, &after), 0) << error();
  EXPECT_GT(after, 0);
  ASSERT_EQ(device->busy(context, &before), 0) << error();
  EXPECT_EQ(before, after);
}

TEST_F(CUDATest, NotEnoughMemory) {
  uint64_t address = 0;
  EXPECT_NE(device->allocate(context, UINT64_C(1) << 46, &address), 0);
  std::string start = "cannot allocate 65536.0 GiB: the device has ";
  EXPECT_EQ(error().substr(0, start.size()), start);
  EXPECT_NE(error().find(" free of "), std::string::npos);
  allocate(1);
}

TEST_F(CUDATest, Blocks) {
  ASSERT_TRUE(loadKernels());
  const uint32_t one[] = {1, 1, 1};
  auto launchError = [&](uint32_t x, uint32_t y, uint32_t z) -> std::string {
    const uint32_t block[] = {x, y, z};
    return device->launch(context, module, 0, one, block, nullptr, 0) ? error()
                                                                      : "";
  };
  EXPECT_EQ(launchError(64, 64, 1), "a kernel cannot have blocks of 4096 "
                                    "threads: the device takes 1024");
  EXPECT_NE(launchError(UINT32_MAX, UINT32_MAX, UINT32_MAX), "");
  EXPECT_NE(launchError(64, 0, 1), "");
}

TEST_F(CUDATest, DamagedCode) {
  ASSERT_TRUE(readKernels());
  kernels.format = "spirv";
  EXPECT_EQ(loadError(),
            cannotUse + std::string("expected the format 'ptx', but got "
                                    "'spirv'"));
  describeKernels();
  const char *const others[] = {"add", "subtract"};
  kernels.names = others;
  EXPECT_EQ(loadError(), cannotUse + std::string("it has no kernel "
                                                 "'subtract'"));
  describeKernels();
  // Cut off within the first kernel: the driver's compiler has to say why.
  kernels.bytes = 700;
  EXPECT_EQ(loadError().find(cannotUse), 0u);
  EXPECT_EQ(loadError().find('\n'), std::string::npos);
  const char nonsense[] = "this is no PTX";
  kernels.code = nonsense;
  kernels.bytes = sizeof(nonsense) - 1;
  EXPECT_EQ(loadError().find(cannotUse), 0u);
  describeKernels();
  EXPECT_EQ(loadError(), "");
}

/// An object is only for the processor that it was made for.
TEST_F(CUDATest, ObjectsOfOthers) {
  ASSERT_TRUE(readKernels());
  const char object[] = "made for another one";
  kernels.object = object;
  kernels.object_bytes = sizeof(object);
  for (const char *processor : {"sm_10", "sm_999", "sm_75a", "gfx942", ""}) {
    kernels.processor = processor;
    EXPECT_EQ(loadError(), "") << processor;
  }
}

/// After an illegal access nothing works, for the same reason; a device that is
/// opened anew does.
TEST_F(CUDATest, FailuresStay) {
  ASSERT_TRUE(loadKernels());
  Bytes bytes = makeBytes(64);
  uint64_t address = allocate(bytes);
  shift(8, 64, 1);
  EXPECT_NE(device->download(context, bytes.data(), address, 64), 0);
  std::string reason = error();
  EXPECT_TRUE(saysIllegal(reason)) << reason;
  uint64_t another = 0;
  const uint32_t one[] = {1, 1, 1};
  const int64_t arguments[] = {0, 0, 0};
  double seconds;
  std::vector<int32_t> results = {
      device->allocate(context, 1, &another),
      device->upload(context, address, bytes.data(), 1),
      device->download(context, bytes.data(), address, 0),
      device->copy(context, address, address + 32, 1),
      device->load(context, &kernels, &another),
      device->launch(context, module, 1, one, one, arguments, 3),
      device->busy(context, &seconds),
  };
  for (int32_t result : results)
    EXPECT_NE(result, 0);
  EXPECT_EQ(error(), reason);
  device->release(context, address);
  reopen();
  ASSERT_TRUE(loadKernels());
  address = allocate(bytes);
  shiftAll(address, {3}, bytes);
  EXPECT_EQ(download(address, 64), bytes);
}

/// A session stays as it was before the call that failed.
TEST_F(CUDATest, SessionAfterFailure) {
  Library library(ternac_open(fakeModel(kind.model).c_str()));
  ASSERT_TRUE(library) << ternac_last_error();
  TernacSessionOptions options = {};
  options.struct_size = sizeof(options);
  const std::vector<int32_t> tokens(7, 1);
  float logits[8];
  for (int time = 0; time < 2; ++time) {
    options.device = device;
    ::Session session(ternac_session_create(library.get(), &options));
    ASSERT_TRUE(session) << ternac_last_error();
    ASSERT_EQ(ternac_feed(session.get(), 0, tokens.data(), 2, logits, 1), 0)
        << ternac_last_error();
    for (size_t count : {7, 1}) {
      EXPECT_NE(ternac_feed(session.get(), 0, tokens.data(), count, logits, 1),
                0);
      EXPECT_TRUE(saysIllegal(ternac_last_error())) << ternac_last_error();
      EXPECT_EQ(ternac_length(session.get(), 0), 2);
    }
    session.reset();
    reopen();
  }
}

TEST(CUDACode, Objects) {
  auto runs = [](const char *processor, Capability capability) {
    TernacKernels kernels = {};
    kernels.struct_size = sizeof(kernels);
    kernels.processor = processor;
    kernels.object = processor;
    kernels.object_bytes = 1;
    return hasObjectFor(kernels, capability);
  };
  EXPECT_TRUE(runs("sm_90", {9, 0}));
  EXPECT_TRUE(runs("sm_80", {8, 6}));
  EXPECT_TRUE(runs("sm_90a", {9, 0}));
  EXPECT_TRUE(runs("sm_120", {12, 1}));
  EXPECT_FALSE(runs("sm_86", {8, 0}));
  EXPECT_FALSE(runs("sm_80", {9, 0}));
  EXPECT_FALSE(runs("sm_100a", {10, 3}));
  EXPECT_FALSE(runs("sm_", {9, 0}));
  EXPECT_FALSE(runs("compute_90", {9, 0}));
  TernacKernels empty = {};
  empty.struct_size = sizeof(empty);
  empty.processor = "sm_90";
  empty.object = "";
  EXPECT_FALSE(hasObjectFor(empty, {9, 0}));
  TernacKernels older = {};
  older.struct_size = offsetof(TernacKernels, processor);
  older.processor = "sm_90";
  older.object = "";
  EXPECT_FALSE(hasObjectFor(older, {9, 0}));
}

TEST(CUDACode, Targets) {
  auto problem = [](const std::string &code, Capability capability) {
    TernacKernels kernels = {};
    kernels.code = code.data();
    kernels.bytes = code.size();
    return problemOfCode(kernels, capability);
  };
  EXPECT_EQ(problem("//\n.version 8.0\n.target sm_90\n", {9, 0}), "");
  EXPECT_EQ(problem(".version 8.0\n.target sm_90", {12, 0}), "");
  EXPECT_EQ(problem(".version 8.0\n.target sm_90, debug\n", {8, 6}),
            "it needs compute capability 9.0, but the device has 8.6");
  EXPECT_EQ(problem(".version 8.0\n.target sm_90a\n", {10, 0}),
            "it needs compute capability 9.0 exactly, but the device has 10.0");
  EXPECT_EQ(problem("", {9, 0}),
            "there is none for a device of compute capability 9.0");
}

} // namespace
