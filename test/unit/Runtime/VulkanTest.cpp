//===- VulkanTest.cpp - Kernels on a Vulkan device ------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is Vulkan's own. All tests on its devices run under the validation layer
// where it is installed: whatever that has to say is a failure.
//
//===----------------------------------------------------------------------===//

#include "KernelDeviceFixture.h"

#include <cstdlib>
#include <filesystem>

namespace {

/// The loader is asked for layers once, by whatever test comes first.
[[maybe_unused]] const bool isValidated = [] {
  constexpr char layer[] = "/usr/share/vulkan/explicit_layer.d/"
                           "VkLayer_khronos_validation.json";
  return std::filesystem::exists(layer) &&
         setenv("VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation", 1) == 0;
}();

class VulkanTest : public KernelDeviceFixture {
protected:
  VulkanTest() : KernelDeviceFixture(vulkanKind) {}
};

TEST_F(VulkanTest, DamagedCode) {
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

} // namespace
