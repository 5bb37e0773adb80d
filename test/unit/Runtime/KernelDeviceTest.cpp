//===- KernelDeviceTest.cpp - What all devices with kernels do ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the ABI asks of a device that runs kernels, of each kind that there is.
//
//===----------------------------------------------------------------------===//

#include "KernelDeviceFixture.h"

#include <cstdlib>
#include <cstring>
#include <numeric>

namespace {

struct Variant {
  const char *name;
  const DeviceKind &kind;
  bool stages = false; ///< data goes through memory that both see
};
constexpr Variant variants[] = {
    {"VulkanDirect", vulkanKind},
    {"VulkanStaging", vulkanKind, true},
    {"CUDA", cudaKind},
};

class KernelDeviceTest : public KernelDeviceFixture,
                         public testing::WithParamInterface<Variant> {
protected:
  KernelDeviceTest() : KernelDeviceFixture(GetParam().kind) {}

  void SetUp() override {
    if (GetParam().stages)
      setenv("TERNAC_VULKAN_STAGING", "1", 1);
    else
      unsetenv("TERNAC_VULKAN_STAGING");
    KernelDeviceFixture::SetUp();
  }
};

TEST_P(KernelDeviceTest, Table) {
  EXPECT_STREQ(device->name, kind.name);
  EXPECT_EQ(device->submit, nullptr);
  EXPECT_EQ(device->struct_size, sizeof(TernacDevice));
}

TEST_P(KernelDeviceTest, UploadAndDownload) {
  // Larger than what goes at a time, and odd.
  for (size_t size : {1, 255, 256, 257, 4099, 5000001}) {
    Bytes bytes = makeBytes(size), part = makeBytes(size / 3, 7);
    uint64_t address = allocate(bytes);
    EXPECT_EQ(download(address, size), bytes);
    size_t offset = size / 2;
    upload(address + offset, part);
    std::copy(part.begin(), part.end(), &bytes[offset]);
    EXPECT_EQ(download(address, size), bytes);
    EXPECT_EQ(download(address + offset, part.size()), part);
    device->release(context, address);
  }
}

TEST_P(KernelDeviceTest, Copy) {
  Bytes bytes = makeBytes(100003);
  uint64_t from = allocate(bytes), to = allocate(makeBytes(100003, 5));
  EXPECT_EQ(device->copy(context, to + 1, from + 7, 99991), 0) << error();
  Bytes expected(&bytes[7], &bytes[7] + 99991);
  EXPECT_EQ(download(to + 1, 99991), expected);
  // In one allocation, and of nothing.
  EXPECT_EQ(device->copy(context, from + 50001, from, 50001), 0) << error();
  EXPECT_EQ(device->copy(context, from, to, 0), 0) << error();
  EXPECT_EQ(download(from + 50001, 50001), Bytes(&bytes[0], &bytes[50001]));
}

TEST_P(KernelDeviceTest, PlacesOutsideAreRefused) {
  uint64_t address = allocate(100);
  Bytes bytes(101);
  EXPECT_NE(device->upload(context, address, bytes.data(), 101), 0);
  EXPECT_EQ(error(), "there are no 101 bytes of allocated memory at the "
                     "address " +
                         std::to_string(address));
  EXPECT_NE(device->download(context, bytes.data(), address + 100, 1), 0);
  EXPECT_NE(device->copy(context, address, address - 1, 1), 0);
  EXPECT_EQ(device->upload(context, address + 100, bytes.data(), 0), 0);
  device->release(context, address);
  EXPECT_NE(device->upload(context, address, bytes.data(), 1), 0);
}

TEST_P(KernelDeviceTest, NotEnoughMemory) {
  uint64_t address = 0;
  for (uint64_t bytes : {UINT64_MAX, UINT64_C(1) << 46}) {
    EXPECT_NE(device->allocate(context, bytes, &address), 0);
    EXPECT_NE(error(), "");
  }
  allocate(1);
}

TEST_P(KernelDeviceTest, Kernels) {
  if (!loadKernels())
    GTEST_SKIP() << noAssembler;
  constexpr uint32_t count = 1000;
  std::vector<uint32_t> a(count), b(count), sums(count);
  std::iota(a.begin(), a.end(), 5);
  std::iota(b.begin(), b.end(), 0xFFFFFF00);
  constexpr size_t bytes = count * sizeof(uint32_t);
  uint64_t memory = allocate(3 * bytes);
  uint64_t placeOfB = memory + bytes, out = memory + 2 * bytes;
  device->upload(context, memory, a.data(), bytes);
  device->upload(context, placeOfB, b.data(), bytes);
  launch(0, count,
         {static_cast<int64_t>(memory), static_cast<int64_t>(placeOfB),
          static_cast<int64_t>(out), count - 1});
  device->download(context, sums.data(), out, bytes);
  for (uint32_t i = 0; i + 1 < count; ++i)
    ASSERT_EQ(sums[i], a[i] + b[i]) << i;
  device->unload(context, module);
}

/// More commands than a batch takes, of all kinds, each of which needs what the
/// one before it did.
TEST_P(KernelDeviceTest, InOrder) {
  if (!loadKernels())
    GTEST_SKIP() << noAssembler;
  constexpr uint32_t count = 3001;
  Bytes expected = makeBytes(count);
  uint64_t one = allocate(expected), two = allocate(count);
  for (uint32_t i = 0; i < 500; ++i) {
    uint64_t offset = i % 7;
    shift(one + offset, count - 7, i);
    for (size_t j = 0; j < count - 7; ++j)
      expected[offset + j] =
          static_cast<unsigned char>(expected[offset + j] + i);
    ASSERT_EQ(device->copy(context, two, one, count), 0) << error();
    std::swap(one, two);
    if (i % 50 == 49) {
      Bytes part = makeBytes(100, i);
      upload(one + i, part);
      std::copy(part.begin(), part.end(), &expected[i]);
    }
    if (i % 170 == 169) {
      ASSERT_EQ(download(one, count), expected);
    }
  }
  EXPECT_EQ(download(one, count), expected);
}

/// While the device is at work, data goes in pieces that wait for it.
TEST_P(KernelDeviceTest, LargeUploadWhileItWorks) {
  if (!loadKernels())
    GTEST_SKIP() << noAssembler;
  Bytes bytes = makeBytes(9000001), expected = bytes;
  uint64_t address = allocate(bytes.size());
  shift(address, 64, 1);
  upload(address, bytes);
  shift(address + 1, 4000000, 3);
  for (size_t i = 1; i <= 4000000; ++i)
    expected[i] = static_cast<unsigned char>(expected[i] + 3);
  EXPECT_EQ(download(address, bytes.size()), expected);
}

TEST_P(KernelDeviceTest, Grids) {
  if (!loadKernels())
    GTEST_SKIP() << noAssembler;
  const uint32_t block[] = {64, 1, 1};
  const uint32_t empty[] = {1, 0, 1}, huge[] = {1, UINT32_MAX, 1};
  const uint32_t one[] = {1, 1, 1};
  EXPECT_EQ(device->launch(context, module, 0, empty, block, nullptr, 0), 0);
  EXPECT_NE(device->launch(context, module, 0, huge, block, nullptr, 0), 0);
  EXPECT_NE(error().find("a kernel cannot start 4294967295 blocks"),
            std::string::npos);
  EXPECT_NE(device->launch(context, module, 2, one, block, nullptr, 0), 0);
  EXPECT_NE(device->launch(context, module + 1, 0, one, block, nullptr, 0), 0);
}

/// All that a session moves; what the logits are is said by the model.
TEST_P(KernelDeviceTest, Session) {
  if (!readKernels())
    GTEST_SKIP() << noAssembler;
  Library library(ternac_open(fakeModel(kind.model).c_str()));
  ASSERT_TRUE(library) << ternac_last_error();
  TernacSessionOptions options = {};
  options.struct_size = sizeof(options);
  options.device = device;
  ::Session session(ternac_session_create(library.get(), &options));
  ASSERT_TRUE(session) << ternac_last_error();
  const int32_t tokens[] = {5, 7, 1, 3};
  for (uint32_t calls = 1; calls < 20; ++calls) {
    float logits[8];
    ASSERT_EQ(ternac_feed(session.get(), 0, tokens, 4, logits, 1), 0)
        << ternac_last_error();
    uint32_t sums[8];
    memcpy(sums, logits, sizeof(sums));
    for (uint32_t i = 0; i < 4; ++i)
      EXPECT_EQ(sums[i], static_cast<uint32_t>(tokens[i]) + 4 * (calls - 1) +
                             i + 100 * (i + 1) + (i == 0 ? calls : 0));
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, KernelDeviceTest, testing::ValuesIn(variants),
                         [](const testing::TestParamInfo<Variant> &info) {
                           return info.param.name;
                         });

} // namespace
