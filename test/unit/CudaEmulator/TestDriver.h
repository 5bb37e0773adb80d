//===- TestDriver.h - Runs small pieces of PTX --------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_UNIT_CUDAEMULATOR_TESTDRIVER_H
#define TERNAC_TEST_UNIT_CUDAEMULATOR_TESTDRIVER_H

#include "CudaTypes.h"

#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

extern "C" {
CUresult cuInit(unsigned);
CUresult cuDeviceGetAttribute(int *, int, CUdevice);
CUresult cuDevicePrimaryCtxRetain(CUcontext *, CUdevice);
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice);
CUresult cuCtxSetCurrent(CUcontext);
CUresult cuCtxSynchronize();
CUresult cuMemAlloc_v2(CUdeviceptr *, size_t);
CUresult cuMemFree_v2(CUdeviceptr);
CUresult cuMemAllocHost_v2(void **, size_t);
CUresult cuMemFreeHost(void *);
CUresult cuMemcpyHtoD_v2(CUdeviceptr, const void *, size_t);
CUresult cuMemcpyDtoH_v2(void *, CUdeviceptr, size_t);
CUresult cuMemcpyDtoHAsync_v2(void *, CUdeviceptr, size_t, CUstream);
CUresult cuMemsetD8_v2(CUdeviceptr, unsigned char, size_t);
CUresult cuStreamCreate(CUstream *, unsigned);
CUresult cuStreamDestroy_v2(CUstream);
CUresult cuStreamSynchronize(CUstream);
CUresult cuStreamQuery(CUstream);
CUresult cuStreamWaitEvent(CUstream, CUevent, unsigned);
CUresult cuEventCreate(CUevent *, unsigned);
CUresult cuEventRecord(CUevent, CUstream);
CUresult cuEventSynchronize(CUevent);
CUresult cuEventElapsedTime(float *, CUevent, CUevent);
CUresult cuEventDestroy_v2(CUevent);
CUresult cuModuleLoadDataEx(CUmodule *, const void *, unsigned, CUjit_option *,
                            void **);
CUresult cuModuleLoadData(CUmodule *, const void *);
CUresult cuModuleUnload(CUmodule);
CUresult cuModuleGetFunction(CUfunction *, CUmodule, const char *);
CUresult cuFuncSetAttribute(CUfunction, int, int);
CUresult cuLaunchKernel(CUfunction, unsigned, unsigned, unsigned, unsigned,
                        unsigned, unsigned, unsigned, CUstream, void **,
                        void **);
CUresult cuStreamBeginCapture_v2(CUstream, int);
CUresult cuStreamEndCapture(CUstream, CUgraph *);
CUresult cuGraphInstantiateWithFlags(CUgraphExec *, CUgraph,
                                     unsigned long long);
CUresult cuGraphLaunch(CUgraphExec, CUstream);
CUresult cuGraphGetNodes(CUgraph, CUgraphNode *, size_t *);
CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode, CUDA_KERNEL_NODE_PARAMS *);
CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec, CUgraphNode,
                                           const CUDA_KERNEL_NODE_PARAMS *);
CUresult cuGraphDestroy(CUgraph);
CUresult cuGraphExecDestroy(CUgraphExec);
}

namespace ternac::cuda_emulator {

/// A context for each test. Misuses on purpose are not printed.
class DriverTest : public testing::Test {
protected:
  void SetUp() override {
    setenv("TERNAC_CUDA_EMULATOR_STRICT", "0", 1);
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    CUcontext context;
    ASSERT_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
  }
  void TearDown() override { cuDevicePrimaryCtxRelease_v2(0); }

  static std::string header() {
    return ".version 8.3\n.target sm_90\n.address_size 64\n";
  }

  CUfunction load(const std::string &text, const char *name = "k") {
    std::string log(2048, '\0');
    CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER,
                              CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {log.data(), reinterpret_cast<void *>(log.size())};
    CUmodule module;
    CUresult error =
        cuModuleLoadDataEx(&module, text.c_str(), 2, options, values);
    EXPECT_EQ(error, CUDA_SUCCESS) << log.c_str() << "\n" << text;
    CUfunction function = nullptr;
    if (!error) {
      EXPECT_EQ(cuModuleGetFunction(&function, module, name), CUDA_SUCCESS);
    }
    return function;
  }

  template <class T> CUdeviceptr upload(const std::vector<T> &values) {
    CUdeviceptr pointer = 0;
    EXPECT_EQ(cuMemAlloc_v2(&pointer, values.size() * sizeof(T)), CUDA_SUCCESS);
    EXPECT_EQ(
        cuMemcpyHtoD_v2(pointer, values.data(), values.size() * sizeof(T)),
        CUDA_SUCCESS);
    return pointer;
  }

  template <class T>
  std::vector<T> download(CUdeviceptr pointer, size_t count) {
    std::vector<T> values(count);
    EXPECT_EQ(cuMemcpyDtoH_v2(values.data(), pointer, count * sizeof(T)),
              CUDA_SUCCESS);
    return values;
  }

  /// Launches a kernel whose parameters are pointers and waits for it.
  CUresult launch(CUfunction function, std::vector<CUdeviceptr> arguments,
                  unsigned threads = 32, unsigned blocks = 1,
                  unsigned shared = 0) {
    std::vector<void *> pointers;
    for (CUdeviceptr &argument : arguments)
      pointers.push_back(&argument);
    CUresult error = cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1,
                                    shared, nullptr, pointers.data(), nullptr);
    return error ? error : cuCtxSynchronize();
  }

  static constexpr size_t Words = 12;
  using Lane = std::array<uint32_t, Words>;

  /// A kernel that reads %a0 to %a11 of each thread, does `body` and writes %o0
  /// to %o11. Registers %f, %h, %d and %p are there for the body.
  static std::string kernelOf(const std::string &body,
                              const std::string &variables = "") {
    std::string text =
        header() + variables +
        ".visible .entry k(.param .u64 pin, .param .u64 pout)\n{\n"
        ".reg .b32 %a<12>, %o<12>, %r<16>, %tid, %ntid, %block;\n"
        ".reg .f32 %f<16>;\n.reg .b16 %h<8>;\n"
        ".reg .b64 %d<16>, %in, %out, %offset;\n"
        ".reg .f64 %g<4>;\n.reg .pred %p<8>;\n"
        "mov.u32 %tid, %tid.x;\nmov.u32 %ntid, %ntid.x;\n"
        "mov.u32 %block, %ctaid.x;\nmad.lo.s32 %r0, %block, %ntid, %tid;\n"
        "mul.wide.u32 %offset, %r0, 48;\n"
        "ld.param.u64 %in, [pin];\nld.param.u64 %out, [pout];\n"
        "cvta.to.global.u64 %in, %in;\ncvta.to.global.u64 %out, %out;\n"
        "add.s64 %in, %in, %offset;\nadd.s64 %out, %out, %offset;\n";
    for (size_t k = 0; k < Words; ++k) {
      std::string n = std::to_string(k);
      text += "ld.global.u32 %a" + n + ", [%in+" + std::to_string(4 * k) +
              "];\nmov.u32 %o" + n + ", 0;\n";
    }
    text += body + "\n";
    for (size_t k = 0; k < Words; ++k)
      text += "st.global.u32 [%out+" + std::to_string(4 * k) + "], %o" +
              std::to_string(k) + ";\n";
    return text + "ret;\n}\n";
  }

  std::vector<Lane> run(const std::string &body, const std::vector<Lane> &in,
                        const std::string &variables = "",
                        CUresult expected = CUDA_SUCCESS) {
    CUfunction function = load(kernelOf(body, variables));
    if (!function)
      return std::vector<Lane>(in.size());
    CUdeviceptr from = upload(in), to = upload(in);
    EXPECT_EQ(launch(function, {from, to}, unsigned(in.size())), expected)
        << body;
    if (!expected)
      return download<Lane>(to, in.size());
    // Errors of kernels stay until the context ends.
    EXPECT_EQ(cuCtxSynchronize(), expected);
    cuDevicePrimaryCtxRelease_v2(0);
    SetUp();
    return {};
  }

  /// Words that are often special, and others.
  static std::vector<Lane> someLanes(size_t count = 32, uint32_t seed = 1) {
    static const uint32_t special[] = {
        0,          1,          0xFFFFFFFF, 0x80000000, 0x7FFFFFFF,
        0x3F800000, 0xBF800000, 0x7F800000, 0x00000001, 0x7FC00000,
        0x80808080, 0x7F7F7F7F, 0x3C003C00, 31,         32};
    std::vector<Lane> lanes(count);
    for (Lane &lane : lanes) {
      for (uint32_t &word : lane) {
        seed = seed * 1664525 + 1013904223;
        word = seed ^ seed >> 15;
        if (seed >> 28 < 5)
          word = special[(seed >> 8) % 15];
      }
    }
    return lanes;
  }

  /// Expects that the PTX is refused with a message that has `part`.
  void expectRefused(const std::string &body, const std::string &part) {
    std::string text = kernelOf(body), log(2048, '\0');
    CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER,
                              CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {log.data(), reinterpret_cast<void *>(log.size())};
    CUmodule module;
    EXPECT_EQ(cuModuleLoadDataEx(&module, text.c_str(), 2, options, values),
              CUDA_ERROR_INVALID_PTX);
    EXPECT_NE(log.find(part), std::string::npos) << log.c_str();
  }
};

} // namespace ternac::cuda_emulator

#endif // TERNAC_TEST_UNIT_CUDAEMULATOR_TESTDRIVER_H
