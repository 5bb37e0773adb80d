//===- AArch64.cpp - Features of AArch64 processors -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Processor.h"

#include <asm/hwcap.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

using namespace ternac::runtime;

namespace {

/// The bits of AT_HWCAP and AT_HWCAP2 that all must be set.
struct Feature {
  std::string_view name;
  uint64_t capabilities;
  uint64_t capabilities2 = 0;
};

/// LLVM's names, in the order of the bits. Some stand for several of Linux's
/// features.
constexpr Feature knownFeatures[] = {
    {"fp-armv8", HWCAP_FP},
    {"neon", HWCAP_ASIMD},
    {"aes", HWCAP_AES | HWCAP_PMULL},
    {"sha2", HWCAP_SHA1 | HWCAP_SHA2},
    {"crc", HWCAP_CRC32},
    {"lse", HWCAP_ATOMICS},
    {"fullfp16", HWCAP_FPHP | HWCAP_ASIMDHP},
    {"rdm", HWCAP_ASIMDRDM},
    {"jsconv", HWCAP_JSCVT},
    {"complxnum", HWCAP_FCMA},
    {"rcpc", HWCAP_LRCPC},
    {"ccpp", HWCAP_DCPOP},
    {"sha3", HWCAP_SHA3 | HWCAP_SHA512},
    {"sm4", HWCAP_SM3 | HWCAP_SM4},
    {"dotprod", HWCAP_ASIMDDP},
    {"sve", HWCAP_SVE},
    {"fp16fml", HWCAP_ASIMDFHM},
    {"dit", HWCAP_DIT},
    {"lse2", HWCAP_USCAT},
    {"rcpc-immo", HWCAP_ILRCPC},
    {"flagm", HWCAP_FLAGM},
    {"ssbs", HWCAP_SSBS},
    {"sb", HWCAP_SB},
    {"ccdp", 0, HWCAP2_DCPODP},
    {"sve2", 0, HWCAP2_SVE2},
    {"sve-aes", 0, HWCAP2_SVEAES | HWCAP2_SVEPMULL},
    {"sve-bitperm", 0, HWCAP2_SVEBITPERM},
    {"sve-sha3", 0, HWCAP2_SVESHA3},
    {"sve-sm4", 0, HWCAP2_SVESM4},
    {"altnzcv", 0, HWCAP2_FLAGM2},
    {"fptoint", 0, HWCAP2_FRINT},
    {"f32mm", 0, HWCAP2_SVEF32MM},
    {"f64mm", 0, HWCAP2_SVEF64MM},
    {"i8mm", 0, HWCAP2_I8MM},
    {"bf16", 0, HWCAP2_BF16},
    {"rand", 0, HWCAP2_RNG},
    {"bti", 0, HWCAP2_BTI},
    {"mte", 0, HWCAP2_MTE},
};

/// Names of our own: code that is compiled for scalable registers of some
/// length needs at least as many bits.
constexpr struct {
  std::string_view name;
  int bits;
} registerLengths[] = {
    {"sve256", 256}, {"sve512", 512}, {"sve1024", 1024}, {"sve2048", 2048}};

/// Bits of a scalable register of this process; 0 if there are none. A thread
/// that is started later has as many.
int registerBits() {
  int length = prctl(PR_SVE_GET_VL);
  return length < 0 ? 0 : (length & PR_SVE_VL_LEN_MASK) * 8;
}

} // namespace

std::optional<bool> processor::hasFeature(std::string_view name) {
  static const uint64_t capabilities = getauxval(AT_HWCAP);
  static const uint64_t capabilities2 = getauxval(AT_HWCAP2);
  for (const Feature &feature : knownFeatures)
    if (feature.name == name)
      return (capabilities & feature.capabilities) == feature.capabilities &&
             (capabilities2 & feature.capabilities2) == feature.capabilities2;
  for (auto [length, bits] : registerLengths)
    if (length == name)
      return registerBits() >= bits;
  return std::nullopt;
}

uint64_t processor::grants() { return 0; }

// Longer than a yield, which does nothing on most of them.
void processor::relax() { __asm__ volatile("isb"); }
