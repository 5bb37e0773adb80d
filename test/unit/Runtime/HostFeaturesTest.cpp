//===- HostFeaturesTest.cpp -----------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Runtime/HostFeatures.h"
#include "ternac/Runtime/ModelABI.h"
#include "gtest/gtest.h"

using namespace ternac::runtime;

namespace {

TEST(HostFeatures, NothingIsMissingFromNothing) {
  EXPECT_EQ(missingFeatures(""), "");
  EXPECT_EQ(missingFeatures(",,"), "");
  EXPECT_EQ(missingFeatures("-xop,-warp-drive"), "");
}

#if defined(__x86_64__)

TEST(HostFeatures, AgreesWithTheCompilersRuntime) {
  __builtin_cpu_init();
  EXPECT_EQ(hostHasFeature("sse2"), true);
  EXPECT_EQ(hostHasFeature("avx2"), __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(hostHasFeature("fma"), __builtin_cpu_supports("fma") != 0);
  EXPECT_EQ(hostHasFeature("avx512f"), __builtin_cpu_supports("avx512f") != 0);
  EXPECT_EQ(hostHasFeature("avx512vnni"),
            __builtin_cpu_supports("avx512vnni") != 0);
  EXPECT_EQ(hostHasFeature("avx512vbmi"),
            __builtin_cpu_supports("avx512vbmi") != 0);
  EXPECT_EQ(hostHasFeature("gfni"), __builtin_cpu_supports("gfni") != 0);
}

TEST(HostFeatures, UnknownIsMissing) {
  EXPECT_EQ(hostHasFeature("warp-drive"), std::nullopt);
  EXPECT_EQ(missingFeatures("+sse2,+warp-drive,another"),
            "warp-drive, another");
}

TEST(HostFeatures, AMXIsGrantedIfItIsThere) {
  bool granted = grantedFeatures() & TERNAC_FEATURE_TILES;
  EXPECT_EQ(granted, hostHasFeature("amx-tile"));
}

#endif

} // namespace
