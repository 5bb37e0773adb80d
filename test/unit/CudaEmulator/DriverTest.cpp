//===- DriverTest.cpp - Calls of the driver -----------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestDriver.h"

#include <thread>

using namespace ternac::cuda_emulator;

namespace {

/// Adds `value` to a word.
const std::string Add =
    ".version 8.3\n.target sm_80\n.address_size 64\n"
    ".extern .shared .align 16 .b8 dynamic[];\n"
    ".visible .entry k(.param .u64 p, .param .u32 value) {\n"
    ".reg .b64 %d; .reg .b32 %r<3>; ld.param.u64 %d, [p];\n"
    "ld.param.u32 %r0, [value]; ld.global.u32 %r1, [%d];\n"
    "mov.u32 %r2, dynamic; add.s32 %r1, %r1, %r0; st.global.u32 [%d], %r1;\n"
    "ret; }\n";

class CallTest : public DriverTest {
protected:
  CUresult add(CUfunction function, CUdeviceptr data, uint32_t value,
               CUstream stream = nullptr, unsigned grid = 1,
               unsigned threads = 1, unsigned shared = 0) {
    void *arguments[] = {&data, &value};
    return cuLaunchKernel(function, grid, 1, 1, threads, 1, 1, shared, stream,
                          arguments, nullptr);
  }
  uint32_t word(CUdeviceptr data) { return download<uint32_t>(data, 1)[0]; }
};

TEST_F(CallTest, Launches) {
  CUfunction function = load(Add);
  CUdeviceptr data = upload(std::vector<uint32_t>{5});
  EXPECT_EQ(add(function, data, 2), CUDA_SUCCESS);
  EXPECT_EQ(word(data), 7u);
  struct {
    CUdeviceptr data;
    uint32_t value;
  } buffer{data, 10};
  size_t size = 12;
  void *extra[] = {reinterpret_cast<void *>(1), &buffer,
                   reinterpret_cast<void *>(2), &size, nullptr};
  auto launchExtra = [&] {
    return cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr,
                          extra);
  };
  EXPECT_EQ(launchExtra(), CUDA_SUCCESS);
  EXPECT_EQ(word(data), 17u);
  size = 8;
  EXPECT_EQ(launchExtra(), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(CallTest, LimitsOfLaunches) {
  CUfunction function = load(Add);
  CUdeviceptr data = upload(std::vector<uint32_t>{5});
  EXPECT_EQ(add(function, data, 1, nullptr, 1, 1025), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(add(function, data, 1, nullptr, 0, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(add(function, data, 1, nullptr, 1, 1, 49153),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuFuncSetAttribute(function, 8, 65536), CUDA_SUCCESS);
  EXPECT_EQ(add(function, data, 1, nullptr, 1, 1, 65536), CUDA_SUCCESS);
  EXPECT_EQ(cuFuncSetAttribute(function, 8, 300000), CUDA_ERROR_INVALID_VALUE);
  void *arguments[] = {&data, nullptr};
  EXPECT_EQ(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, nullptr, arguments,
                           nullptr),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuLaunchKernel(function, 1, 65536, 1, 1, 1, 1, 0, nullptr,
                           arguments, nullptr),
            CUDA_ERROR_INVALID_VALUE);
}

TEST_F(CallTest, Images) {
  CUmodule module;
  EXPECT_EQ(cuModuleLoadData(&module, "\x7F"
                                      "ELF\x02\x01"),
            CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_EQ(cuModuleLoadData(&module, ".version 8.6\n.target sm_100\n"),
            CUDA_ERROR_INVALID_PTX);
  EXPECT_EQ(cuModuleLoadData(&module, "hello"), CUDA_ERROR_INVALID_PTX);
}

TEST_F(CallTest, NoContext) {
  std::thread([] {
    CUdeviceptr pointer;
    EXPECT_EQ(cuMemAlloc_v2(&pointer, 4), CUDA_ERROR_INVALID_CONTEXT);
  }).join();
}

/// Work is done when something waits for it.
TEST_F(CallTest, StreamsAreLate) {
  CUfunction function = load(Add);
  CUdeviceptr data = upload(std::vector<uint32_t>{5});
  CUstream first, second;
  ASSERT_EQ(cuStreamCreate(&first, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  void *pinned;
  ASSERT_EQ(cuMemAllocHost_v2(&pinned, 4), CUDA_SUCCESS);
  volatile uint32_t *result = static_cast<uint32_t *>(pinned);
  CUevent start, end;
  ASSERT_EQ(cuEventCreate(&start, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuEventCreate(&end, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuEventRecord(start, first), CUDA_SUCCESS);
  EXPECT_EQ(add(function, data, 1, first), CUDA_SUCCESS);
  EXPECT_EQ(cuEventRecord(end, first), CUDA_SUCCESS);
  float time;
  EXPECT_EQ(cuEventElapsedTime(&time, start, end), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(cuStreamWaitEvent(second, end, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuMemcpyDtoHAsync_v2(pinned, data, 4, second), CUDA_SUCCESS);
  EXPECT_EQ(*result, 0xCBCBCBCBu);
  EXPECT_EQ(cuStreamSynchronize(second), CUDA_SUCCESS);
  EXPECT_EQ(*result, 6u);
  EXPECT_EQ(cuEventElapsedTime(&time, start, end), CUDA_SUCCESS);
  EXPECT_GE(time, 0.0f);
  EXPECT_EQ(add(function, data, 1, first), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamQuery(first), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(cuStreamQuery(first), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeHost(pinned), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamDestroy_v2(first), CUDA_SUCCESS);
  EXPECT_EQ(add(function, data, 1, first), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(CallTest, Graphs) {
  CUfunction function = load(Add);
  CUdeviceptr data = upload(std::vector<uint32_t>{5});
  CUstream stream;
  ASSERT_EQ(cuStreamCreate(&stream, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamBeginCapture_v2(stream, 0), CUDA_SUCCESS);
  EXPECT_EQ(add(function, data, 1, stream), CUDA_SUCCESS);
  EXPECT_EQ(add(function, data, 10, stream), CUDA_SUCCESS);
  CUgraph graph;
  ASSERT_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
  EXPECT_EQ(word(data), 5u);
  CUgraphExec exec;
  ASSERT_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_SUCCESS);
  for (int k = 0; k < 2; ++k)
    EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(word(data), 27u);

  CUgraphNode nodes[2];
  size_t count = 2;
  ASSERT_EQ(cuGraphGetNodes(graph, nodes, &count), CUDA_SUCCESS);
  CUDA_KERNEL_NODE_PARAMS params;
  ASSERT_EQ(cuGraphKernelNodeGetParams_v2(nodes[1], &params), CUDA_SUCCESS);
  uint32_t value = 100;
  void *arguments[] = {params.kernelParams[0], &value};
  params.kernelParams = arguments;
  // The change is for later launches only.
  EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphExecKernelNodeSetParams_v2(exec, nodes[1], &params),
            CUDA_SUCCESS);
  EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(word(data), 27u + 11 + 101);
  EXPECT_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphExecDestroy(exec), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamDestroy_v2(stream), CUDA_SUCCESS);
}

TEST_F(CallTest, MisuseOfCaptures) {
  CUstream stream;
  CUgraph graph;
  ASSERT_EQ(cuStreamCreate(&stream, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamBeginCapture_v2(stream, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(cuStreamEndCapture(stream, &graph),
            CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  ASSERT_EQ(cuStreamBeginCapture_v2(stream, 0), CUDA_SUCCESS);
  CUdeviceptr pointer;
  EXPECT_EQ(cuMemAlloc_v2(&pointer, 4), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(cuStreamEndCapture(stream, &graph),
            CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(cuStreamDestroy_v2(stream), CUDA_SUCCESS);
}

} // namespace
