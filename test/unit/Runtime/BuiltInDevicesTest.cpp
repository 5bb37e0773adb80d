//===- BuiltInDevicesTest.cpp - Devices of the runtime by name ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"
#include "gtest/gtest.h"

namespace {

using Driver = std::unique_ptr<TernacDriver, Deleter<ternac_driver_close>>;

TEST(BuiltInDevices, Names) {
  auto error = [](const char *name) -> std::string {
    return Driver(ternac_driver_open(name)) ? "" : ternac_last_error();
  };
  EXPECT_EQ(error("abacus:0"),
            "there are no devices 'abacus'; this runtime can drive: 'cuda', "
            "'vulkan'");
  EXPECT_EQ(error("vulkan:first"),
            "expected the number of a device after 'vulkan:', but got 'first'");
  EXPECT_EQ(error("vulkan:"),
            "expected the number of a device after 'vulkan:', but got ''");
  EXPECT_EQ(error("./vulkan:0"),
            "cannot open './vulkan:0': No such file or directory");
  for (const char *name : {"cuda:4000000000", "vulkan:4000000000"})
    EXPECT_EQ(
        error(name).find("cannot use the device '" + std::string(name) + "': "),
        0u);
}

TEST(BuiltInDevices, List) {
  const TernacDeviceInfo *devices = nullptr;
  uint32_t count = ternac_list_devices(&devices);
  // If there is none of a kind, a line says why.
  ASSERT_GE(count, 2u);
  for (uint32_t i = 0; i < count; ++i) {
    EXPECT_EQ(devices[i].struct_size, sizeof(TernacDeviceInfo));
    std::string name = devices[i].name;
    EXPECT_TRUE(name.starts_with("cuda") || name.starts_with("vulkan"));
    ASSERT_TRUE(devices[i].description);
    EXPECT_TRUE(devices[i].problem || *devices[i].description);
  }
}

} // namespace
