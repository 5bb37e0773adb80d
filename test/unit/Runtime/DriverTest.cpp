//===- DriverTest.cpp -----------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"
#include "ternac/Runtime/DeviceText.h"
#include "gtest/gtest.h"

#include <cstddef>
#include <vector>

namespace {

using Driver = std::unique_ptr<TernacDriver, Deleter<ternac_driver_close>>;

Driver openDriver(const char *name) {
  return Driver(ternac_driver_open(fakeModel(name).c_str()));
}

/// The error of opening a driver, or "" if it can be opened.
std::string openError(const char *name) {
  return openDriver(name) ? "" : ternac_last_error();
}

class DeviceTest : public testing::Test {
protected:
  void SetUp() override {
    library.reset(ternac_open(fakeModel("FakeModelDevice").c_str()));
    ASSERT_TRUE(library) << ternac_last_error();
  }

  Session create(const TernacDevice *device, uint32_t sequences = 1) {
    TernacSessionOptions options = {};
    options.struct_size = sizeof(options);
    options.threads = 2;
    options.sequences = sequences;
    options.device = device;
    return Session(ternac_session_create(library.get(), &options));
  }

  Library library;
};

TEST(Driver, Opens) {
  Driver driver = openDriver("FakeDevice");
  ASSERT_TRUE(driver) << ternac_last_error();
  EXPECT_STREQ(ternac_device_of(driver.get())->name, "counter");
}

TEST(Driver, NoDriver) {
  EXPECT_FALSE(ternac_driver_open("/nowhere/driver.so"));
  EXPECT_STREQ(ternac_last_error(),
               "cannot open '/nowhere/driver.so': No such file or directory");
  EXPECT_NE(openError("FakeModel")
                .find("is no driver of a Ternac device: it "
                      "has no symbol 'ternac_device'"),
            std::string::npos);
  EXPECT_NE(openError("FakeDeviceSmall")
                .find("expected a device table of " +
                      std::to_string(offsetof(TernacDevice, allocate)) +
                      " bytes, but got 16"),
            std::string::npos);
}

TEST(Driver, NewerVersion) {
  EXPECT_NE(openError("FakeDeviceNewer")
                .find("was built for version 2 of the model ABI, but this "
                      "runtime knows versions up to 1; use a newer runtime"),
            std::string::npos);
}

TEST_F(DeviceTest, Missing) {
  EXPECT_FALSE(create(nullptr));
  EXPECT_STREQ(ternac_last_error(),
               "the model needs the device 'counter'; bring a driver for it "
               "(--device=DRIVER.so of the tools)");
  EXPECT_FALSE(ternac_session_create(library.get(), nullptr));
}

TEST_F(DeviceTest, Other) {
  Driver driver = openDriver("FakeDeviceOther");
  ASSERT_TRUE(driver) << ternac_last_error();
  EXPECT_FALSE(create(ternac_device_of(driver.get())));
  EXPECT_STREQ(ternac_last_error(), "the model needs the device 'counter', but "
                                    "got a driver for 'sieve'");
}

TEST_F(DeviceTest, RunsAndFails) {
  Driver driver = openDriver("FakeDevice");
  ASSERT_TRUE(driver) << ternac_last_error();
  const TernacDevice *device = ternac_device_of(driver.get());
  Session session = create(device);
  ASSERT_TRUE(session) << ternac_last_error();
  int32_t tokens[] = {1, 13, 4};
  EXPECT_EQ(ternac_feed(session.get(), 0, tokens, 3, nullptr, 0), 0);
  EXPECT_EQ(ternac::runtime::deviceText(device->report, device->context),
            "counter: 12 bytes\n");
  EXPECT_EQ(ternac_feed(session.get(), 0, tokens + 1, 1, nullptr, 0), -1);
  EXPECT_STREQ(ternac_last_error(),
               "the device 'counter' failed: it does not take 13");
  // What failed is taken back.
  EXPECT_EQ(ternac_length(session.get(), 0), 3);
}

TEST_F(DeviceTest, FailureLeavesSharedTokens) {
  Driver driver = openDriver("FakeDevice");
  ASSERT_TRUE(driver) << ternac_last_error();
  Session session = create(ternac_device_of(driver.get()), 3);
  ASSERT_TRUE(session) << ternac_last_error();
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 71; ++i)
    tokens.push_back(1 + i % 7);
  ASSERT_EQ(ternac_feed(session.get(), 0, tokens.data(), 70, nullptr, 0), 0);
  ASSERT_EQ(ternac_fork(session.get(), 0, 1), 0);
  ASSERT_EQ(ternac_truncate(session.get(), 1, 66), 0);
  // Sequence 0 gets a copy of their last block, so that 1 writes to the block
  // itself, at a position that 0 needs; the device fails after that.
  const uint32_t sequences[] = {0, 1};
  const size_t counts[] = {1, 1};
  const int32_t batch[] = {13, 9};
  EXPECT_EQ(
      ternac_feed_batch(session.get(), 2, sequences, counts, batch, nullptr),
      -1);
  EXPECT_STREQ(ternac_last_error(),
               "the device 'counter' failed: it does not take 13");
  EXPECT_EQ(ternac_length(session.get(), 0), 70);
  EXPECT_EQ(ternac_length(session.get(), 1), 66);
  uint32_t vocabulary = ternac_model_of(library.get())->vocab_size;
  std::vector<float> after(vocabulary), expected(vocabulary);
  ASSERT_EQ(ternac_feed(session.get(), 0, &tokens[70], 1, after.data(), 1), 0);
  ASSERT_EQ(
      ternac_feed(session.get(), 2, tokens.data(), 71, expected.data(), 1), 0);
  EXPECT_EQ(after, expected);
}

TEST_F(DeviceTest, OwnTable) {
  Driver driver = openDriver("FakeDevice");
  ASSERT_TRUE(driver) << ternac_last_error();
  const TernacDevice good = *ternac_device_of(driver.get());
  auto error = [&](auto change) -> std::string {
    TernacDevice device = good;
    change(device);
    return create(&device) ? "" : ternac_last_error();
  };
  const std::string empty =
      "the device given is damaged: its device table has empty fields";
  using Device = TernacDevice;
  EXPECT_EQ(error([](Device &) {}), "");
  EXPECT_EQ(error([](Device &device) { device.name = nullptr; }), empty);
  EXPECT_EQ(error([](Device &device) { device.name = ""; }), empty);
  EXPECT_EQ(error([](Device &device) { device.submit = nullptr; }), empty);
  EXPECT_EQ(error([](Device &device) { device.last_error = nullptr; }), "");
  EXPECT_EQ(error([](Device &device) { device.abi_version = 2; }),
            "the device given was built for version 2 of the model ABI, but "
            "this runtime knows versions up to 1; use a newer runtime");
  for (uint32_t bytes : {0u, 4u, 7u})
    EXPECT_EQ(error([&](Device &device) { device.struct_size = bytes; }),
              "the device given is damaged: its device table has no size or no "
              "version");
  // Fields behind `report` may be missing, the others not.
  constexpr uint32_t least =
      offsetof(Device, report) + sizeof(TernacDevice::report);
  EXPECT_EQ(error([&](Device &device) { device.struct_size = least; }), "");
  for (uint32_t bytes : {8u, 16u, 32u, 40u, least - 1})
    EXPECT_EQ(error([&](Device &device) { device.struct_size = bytes; }),
              "the device given is damaged: expected a device table of " +
                  std::to_string(least) + " bytes, but got " +
                  std::to_string(bytes));

  // Also where the model needs none.
  library.reset(ternac_open(fakeModel().c_str()));
  ASSERT_TRUE(library) << ternac_last_error();
  EXPECT_EQ(error([](Device &device) { device.name = nullptr; }), empty);
  EXPECT_EQ(error([](Device &) {}), "");
}

TEST_F(DeviceTest, CopiesTextsOut) {
  Driver driver = openDriver("FakeDevice");
  ASSERT_TRUE(driver) << ternac_last_error();
  const TernacDevice *device = ternac_device_of(driver.get());
  char text[8] = "xxxxxxx";
  EXPECT_EQ(device->last_error(device->context, text, 0), 19u);
  EXPECT_STREQ(text, "xxxxxxx");
  EXPECT_EQ(device->last_error(device->context, text, 6), 19u);
  EXPECT_STREQ(text, "it do");
  EXPECT_EQ(ternac::runtime::deviceText(device->last_error, device->context),
            "it does not take 13");
  EXPECT_EQ(ternac::runtime::deviceText(nullptr, nullptr), "");
}

} // namespace
