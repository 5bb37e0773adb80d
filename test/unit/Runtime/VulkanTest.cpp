//===- VulkanTest.cpp - Kernels on a Vulkan device ------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// On the first Vulkan device that can be used, and under the validation layer
// where it is installed: whatever that has to say is a failure.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"
#include "ternac/Runtime/DeviceText.h"
#include "gtest/gtest.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <vector>

namespace {

using Driver = std::unique_ptr<TernacDriver, Deleter<ternac_driver_close>>;
using Bytes = std::vector<unsigned char>;

/// The loader is asked for layers once, by whatever test comes first.
[[maybe_unused]] const bool isValidated = [] {
  constexpr char layer[] = "/usr/share/vulkan/explicit_layer.d/"
                           "VkLayer_khronos_validation.json";
  return std::filesystem::exists(layer) &&
         setenv("VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation", 1) == 0;
}();

Bytes makeBytes(size_t count, uint32_t seed = 1) {
  Bytes bytes(count);
  for (unsigned char &byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<unsigned char>(seed >> 24);
  }
  return bytes;
}

/// Whether data goes through memory that device and host see both.
class VulkanTest : public testing::TestWithParam<bool> {
protected:
  void SetUp() override {
    if (GetParam())
      setenv("TERNAC_VULKAN_STAGING", "1", 1);
    else
      unsetenv("TERNAC_VULKAN_STAGING");
    testing::internal::CaptureStdout();
    std::string reason = open();
    if (driver) {
      device = ternac_device_of(driver.get());
      context = device->context;
    } else {
      testing::internal::GetCapturedStdout();
      GTEST_SKIP() << "no Vulkan device can be used: " << reason;
    }
  }

  void TearDown() override {
    if (!driver)
      return;
    driver.reset();
    std::string said = testing::internal::GetCapturedStdout();
    if (IsSkipped())
      fputs(said.c_str(), stdout);
    else
      EXPECT_EQ(said, "");
  }

  /// Opens the first device that can be used, or says why there is none.
  std::string open() {
    const TernacDeviceInfo *devices = nullptr;
    uint32_t count = ternac_list_devices(&devices);
    std::string reason;
    for (uint32_t i = 0; i < count && !driver; ++i) {
      std::string name = devices[i].name;
      if (!name.starts_with("vulkan"))
        continue;
      if (devices[i].problem)
        reason = devices[i].problem;
      else
        driver.reset(ternac_driver_open(name.c_str()));
    }
    return reason;
  }

  uint64_t allocate(uint64_t bytes) {
    uint64_t address = 0;
    EXPECT_EQ(device->allocate(context, bytes, &address), 0) << error();
    EXPECT_NE(address, 0u);
    EXPECT_EQ(address % 256, 0u);
    return address;
  }

  uint64_t allocate(const Bytes &bytes) {
    uint64_t address = allocate(bytes.size());
    upload(address, bytes);
    return address;
  }

  void upload(uint64_t address, const Bytes &bytes) {
    EXPECT_EQ(device->upload(context, address, bytes.data(), bytes.size()), 0)
        << error();
  }

  Bytes download(uint64_t address, size_t count) {
    Bytes bytes(count);
    EXPECT_EQ(device->download(context, bytes.data(), address, count), 0)
        << error();
    return bytes;
  }

  std::string error() const {
    return ternac::runtime::deviceText(device->last_error, context);
  }

  /// Reads the two kernels of Kernels.spvasm; false where there is none.
  bool readKernels() {
#ifdef TERNAC_TEST_KERNELS
    std::ifstream file(TERNAC_TEST_KERNELS, std::ios::binary | std::ios::ate);
    words.resize(static_cast<size_t>(file.tellg()) / sizeof(uint32_t));
    file.seekg(0);
    file.read(reinterpret_cast<char *>(words.data()),
              static_cast<std::streamsize>(words.size() * sizeof(uint32_t)));
    describeKernels();
    return bool(file);
#else
    return false;
#endif
  }

  void describeKernels() {
    kernels.struct_size = sizeof(kernels);
    kernels.abi_version = TERNAC_ABI_VERSION;
    kernels.format = "spirv";
    kernels.code = words.data();
    kernels.bytes = words.size() * sizeof(uint32_t);
    kernels.names = names;
    kernels.count = 2;
  }

  bool loadKernels() {
    if (!readKernels())
      return false;
    EXPECT_EQ(device->load(context, &kernels, &module), 0) << error();
    return true;
  }

  void launch(uint32_t kernel, uint32_t count,
              const std::vector<int64_t> &arguments) {
    const uint32_t grid[] = {(count + 63) / 64, 1, 1}, block[] = {64, 1, 1};
    EXPECT_EQ(device->launch(context, module, kernel, grid, block,
                             arguments.data(),
                             static_cast<uint32_t>(arguments.size())),
              0)
        << error();
  }

  void shift(uint64_t address, uint32_t count, uint32_t amount) {
    launch(1, count, {static_cast<int64_t>(address), count, amount});
  }

  static constexpr const char *names[] = {"add", "shift"};
  static constexpr char noAssembler[] = "spirv-as was not found";

  Driver driver;
  const TernacDevice *device = nullptr;
  void *context = nullptr;
  std::vector<uint32_t> words;
  TernacKernels kernels = {};
  uint64_t module = 0;
};

TEST_P(VulkanTest, Table) {
  EXPECT_STREQ(device->name, "vulkan");
  EXPECT_EQ(device->submit, nullptr);
  EXPECT_EQ(device->struct_size, sizeof(TernacDevice));
}

TEST_P(VulkanTest, UploadAndDownload) {
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

TEST_P(VulkanTest, Copy) {
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

TEST_P(VulkanTest, PlacesOutsideAreRefused) {
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

TEST_P(VulkanTest, NotEnoughMemory) {
  uint64_t address = 0;
  for (uint64_t bytes : {UINT64_MAX, UINT64_C(1) << 46}) {
    EXPECT_NE(device->allocate(context, bytes, &address), 0);
    EXPECT_NE(error(), "");
  }
  allocate(1);
}

TEST_P(VulkanTest, Kernels) {
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
TEST_P(VulkanTest, InOrder) {
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
TEST_P(VulkanTest, LargeUploadWhileItWorks) {
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

TEST_P(VulkanTest, Grids) {
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
TEST_P(VulkanTest, Session) {
  if (!readKernels())
    GTEST_SKIP() << noAssembler;
  Library library(ternac_open(fakeModel("FakeVulkanModel").c_str()));
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

TEST_P(VulkanTest, DamagedCode) {
  if (!readKernels())
    GTEST_SKIP() << noAssembler;
  const std::vector<uint32_t> whole = words;
  // The error of loading what the words are now.
  auto loadError = [&]() -> std::string {
    kernels.code = words.data();
    if (device->load(context, &kernels, &module) == 0)
      return "";
    std::string message = error(), start = "the code of the kernels cannot be "
                                           "used: ";
    EXPECT_EQ(message.substr(0, start.size()), start);
    return message.substr(std::min(start.size(), message.size()));
  };
  kernels.bytes -= 1;
  EXPECT_EQ(loadError(), "it is no SPIR-V module");
  kernels.bytes = 16;
  EXPECT_EQ(loadError(), "it is no SPIR-V module");
  describeKernels();
  words[0] = 7;
  EXPECT_EQ(loadError(), "it is no SPIR-V module");
  words = whole;
  words[1] = 0x00010600;
  EXPECT_EQ(loadError(), "it is newer than SPIR-V 1.5");
  words = whole;
  words[5] = 17;
  EXPECT_EQ(loadError(), "the SPIR-V module is damaged");
  words = whole;
  words.back() += 1 << 16;
  EXPECT_EQ(loadError(), "the SPIR-V module is damaged");
  words = whole;
  kernels.format = "other";
  EXPECT_EQ(loadError(), "expected the format 'spirv', but got 'other'");
  kernels.format = "spirv";
  const char *const others[] = {"add", "subtract"};
  kernels.names = others;
  EXPECT_EQ(loadError(), "the SPIR-V module has no kernel 'subtract'");
  describeKernels();
  EXPECT_EQ(loadError(), "");
}

INSTANTIATE_TEST_SUITE_P(Memory, VulkanTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool> &info) {
                           return info.param ? "Staging" : "Direct";
                         });

TEST(BuiltInDevices, Names) {
  auto error = [](const char *name) -> std::string {
    return Driver(ternac_driver_open(name)) ? "" : ternac_last_error();
  };
  EXPECT_EQ(error("abacus:0"),
            "there are no devices 'abacus'; this runtime can drive: 'vulkan'");
  EXPECT_EQ(error("vulkan:first"),
            "expected the number of a device after 'vulkan:', but got 'first'");
  EXPECT_EQ(error("vulkan:"),
            "expected the number of a device after 'vulkan:', but got ''");
  EXPECT_EQ(error("./vulkan:0"),
            "cannot open './vulkan:0': No such file or directory");
  EXPECT_EQ(error("vulkan:4000000000")
                .find("cannot use the device 'vulkan:4000000000': "),
            0u);
}

TEST(BuiltInDevices, List) {
  const TernacDeviceInfo *devices = nullptr;
  uint32_t count = ternac_list_devices(&devices);
  // If there is none, a line says why.
  ASSERT_GE(count, 1u);
  for (uint32_t i = 0; i < count; ++i) {
    EXPECT_EQ(devices[i].struct_size, sizeof(TernacDeviceInfo));
    EXPECT_EQ(std::string(devices[i].name).find("vulkan"), 0u);
    ASSERT_TRUE(devices[i].description);
    EXPECT_TRUE(devices[i].problem || *devices[i].description);
  }
}

} // namespace
