//===- KernelDeviceFixture.h - A device that runs kernels -------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The first device of a kind that can be used, and the two kernels of
// Kernels.spvasm and Kernels.ptx. Tests are skipped where there is none.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_UNIT_RUNTIME_KERNELDEVICEFIXTURE_H
#define TERNAC_TEST_UNIT_RUNTIME_KERNELDEVICEFIXTURE_H

#include "TestSupport.h"
#include "ternac/Runtime/DeviceText.h"
#include "gtest/gtest.h"

#include <cstdio>
#include <cstring>
#include <fstream>
#include <vector>

using Bytes = std::vector<unsigned char>;

inline Bytes makeBytes(size_t count, uint32_t seed = 1) {
  Bytes bytes(count);
  for (unsigned char &byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<unsigned char>(seed >> 24);
  }
  return bytes;
}

struct DeviceKind {
  const char *name;        ///< of the devices
  const char *format;      ///< of their kernels
  const char *kernelsFile; ///< with the two kernels; null if nothing made it
  const char *model;       ///< that consists of them
};

inline constexpr DeviceKind vulkanKind = {"vulkan", "spirv",
#ifdef TERNAC_TEST_SPIRV
                                          TERNAC_TEST_SPIRV,
#else
                                          nullptr,
#endif
                                          "FakeVulkanModel"};
inline constexpr DeviceKind cudaKind = {"cuda", "ptx", TERNAC_TEST_PTX,
                                        "FakeCUDAModel"};

class KernelDeviceFixture : public testing::Test {
protected:
  explicit KernelDeviceFixture(const DeviceKind &kind) : kind(kind) {}

  void SetUp() override {
    // Layers between the runtime and a driver write what they find to stdout.
    testing::internal::CaptureStdout();
    std::string reason = open();
    if (driver) {
      device = ternac_device_of(driver.get());
      context = device->context;
    } else {
      testing::internal::GetCapturedStdout();
      GTEST_SKIP() << "no device '" << kind.name << "' can be used: " << reason;
    }
  }

  void TearDown() override {
    if (!device)
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
      if (!name.starts_with(kind.name))
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

  /// Reads the two kernels; false where there is no file of them.
  bool readKernels() {
    if (!kind.kernelsFile)
      return false;
    std::ifstream file(kind.kernelsFile, std::ios::binary | std::ios::ate);
    code.resize(static_cast<size_t>(file.tellg()));
    words.resize((code.size() + sizeof(uint32_t) - 1) / sizeof(uint32_t));
    file.seekg(0);
    file.read(code.data(), static_cast<std::streamsize>(code.size()));
    memcpy(words.data(), code.data(), code.size());
    describeKernels();
    return bool(file);
  }

  void describeKernels() {
    kernels.struct_size = sizeof(kernels);
    kernels.abi_version = TERNAC_ABI_VERSION;
    kernels.format = kind.format;
    kernels.code = words.data();
    kernels.bytes = code.size();
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

  const DeviceKind kind;
  std::unique_ptr<TernacDriver, Deleter<ternac_driver_close>> driver;
  const TernacDevice *device = nullptr;
  void *context = nullptr;
  std::vector<char> code;      ///< as it lies in the file
  std::vector<uint32_t> words; ///< the same, aligned
  TernacKernels kernels = {};
  uint64_t module = 0;
};

#endif // TERNAC_TEST_UNIT_RUNTIME_KERNELDEVICEFIXTURE_H
