//===- ScalarTest.cpp - Instructions of one thread ----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestDriver.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

using namespace ternac::cuda_emulator;

namespace {

using Reference = std::function<uint32_t(uint32_t, uint32_t, uint32_t)>;

class ScalarTest : public DriverTest {
protected:
  void expectEqual(const std::string &body, const Reference &reference) {
    std::vector<Lane> in = someLanes(256, 7), out = run(body, in);
    for (size_t k = 0; k < in.size(); ++k)
      ASSERT_EQ(out[k][0], reference(in[k][0], in[k][1], in[k][2]))
          << body << " of " << std::hex << in[k][0] << " " << in[k][1] << " "
          << in[k][2];
  }
};

uint32_t byteOf(uint32_t word, unsigned k) { return word >> 8 * k & 0xFF; }
float asFloat(uint32_t bits) { return std::bit_cast<float>(bits); }
uint32_t asBits(float value) {
  return std::isnan(value) ? 0x7FFFFFFF : std::bit_cast<uint32_t>(value);
}

TEST_F(ScalarTest, Integers) {
  const std::pair<const char *, Reference> cases[] = {
      {"add.s32 %o0, %a0, %a1;", [](auto a, auto b, auto) { return a + b; }},
      {"sub.s32 %o0, %a0, %a1;", [](auto a, auto b, auto) { return a - b; }},
      {"add.sat.s32 %o0, %a0, %a1;",
       [](auto a, auto b, auto) {
         return uint32_t(std::clamp<int64_t>(int64_t(int32_t(a)) + int32_t(b),
                                             INT32_MIN, INT32_MAX));
       }},
      {"mul.lo.s32 %o0, %a0, %a1;", [](auto a, auto b, auto) { return a * b; }},
      {"mul.hi.s32 %o0, %a0, %a1;",
       [](auto a, auto b, auto) {
         return uint32_t(int64_t(int32_t(a)) * int32_t(b) >> 32);
       }},
      {"mul.hi.u32 %o0, %a0, %a1;",
       [](auto a, auto b, auto) { return uint32_t(uint64_t(a) * b >> 32); }},
      {"mad.lo.s32 %o0, %a0, %a1, %a2;",
       [](auto a, auto b, auto c) { return a * b + c; }},
      {"mul.wide.s32 %d0, %a0, %a1; mov.b64 {_, %o0}, %d0;",
       [](auto a, auto b, auto) {
         return uint32_t(int64_t(int32_t(a)) * int32_t(b) >> 32);
       }},
      {"or.b32 %r1, %a1, 1; div.u32 %o0, %a0, %r1;",
       [](auto a, auto b, auto) { return a / (b | 1); }},
      {"and.b32 %r1, %a1, 255; add.s32 %r1, %r1, 1; rem.s32 %o0, %a0, %r1;",
       [](auto a, auto b, auto) {
         return uint32_t(int32_t(a) % int32_t((b & 255) + 1));
       }},
      {"min.s32 %o0, %a0, %a1;",
       [](auto a, auto b, auto) {
         return uint32_t(std::min(int32_t(a), int32_t(b)));
       }},
      {"max.u32 %o0, %a0, %a1;",
       [](auto a, auto b, auto) { return std::max(a, b); }},
      {"abs.s32 %o0, %a0;",
       [](auto a, auto, auto) { return int32_t(a) < 0 ? 0 - a : a; }},
      {"neg.s32 %o0, %a0;", [](auto a, auto, auto) { return 0 - a; }},
      {"mul24.lo.u32 %o0, %a0, %a1;",
       [](auto a, auto b, auto) { return (a & 0xFFFFFF) * (b & 0xFFFFFF); }},
      {"mad.lo.cc.u32 %r1, %a0, %a1, %a2; madc.hi.u32 %o0, %a0, %a1, 0;",
       [](auto a, auto b, auto c) {
         return uint32_t((uint64_t(a) * b + c) >> 32);
       }},
      {"add.cc.u32 %r1, %a0, %a1; addc.u32 %o0, %a2, 0;",
       [](auto a, auto b, auto c) {
         return c + uint32_t((uint64_t(a) + b) >> 32);
       }},
  };
  for (const auto &[body, reference] : cases)
    expectEqual(body, reference);
}

TEST_F(ScalarTest, Bits) {
  const std::pair<const char *, Reference> cases[] = {
      {"and.b32 %o0, %a0, %a1;", [](auto a, auto b, auto) { return a & b; }},
      {"xor.b32 %o0, %a0, %a1;", [](auto a, auto b, auto) { return a ^ b; }},
      {"not.b32 %o0, %a0;", [](auto a, auto, auto) { return ~a; }},
      {"cnot.b32 %o0, %a0;",
       [](auto a, auto, auto) { return uint32_t(a == 0); }},
      {"shl.b32 %o0, %a0, %a1;",
       [](auto a, auto b, auto) { return b > 31 ? 0 : a << b; }},
      {"shr.s32 %o0, %a0, %a1;",
       [](auto a, auto b, auto) {
         return uint32_t(int32_t(a) >> std::min(b, 31u));
       }},
      {"shr.u32 %o0, %a0, %a1;",
       [](auto a, auto b, auto) { return b > 31 ? 0 : a >> b; }},
      {"shf.l.wrap.b32 %o0, %a0, %a1, %a2;",
       [](auto a, auto b, auto c) {
         return uint32_t((uint64_t(b) << 32 | a) << (c & 31) >> 32);
       }},
      {"shf.r.clamp.b32 %o0, %a0, %a1, %a2;",
       [](auto a, auto b, auto c) {
         return uint32_t((uint64_t(b) << 32 | a) >> std::min(c, 32u));
       }},
      {"bfe.u32 %o0, %a0, 5, 9;",
       [](auto a, auto, auto) { return a >> 5 & 511; }},
      {"bfe.s32 %o0, %a0, 5, 9;",
       [](auto a, auto, auto) { return uint32_t(int32_t(a << 18) >> 23); }},
      {"bfi.b32 %o0, %a0, %a1, 8, 12;",
       [](auto a, auto b, auto) { return (b & ~0xFFF00u) | (a & 0xFFF) << 8; }},
      {"prmt.b32 %o0, %a0, %a1, 0x5410;",
       [](auto a, auto b, auto) { return (a & 0xFFFF) | b << 16; }},
      {"prmt.b32 %o0, %a0, %a1, 0xB8;",
       [](auto a, auto, auto) {
         uint32_t low = a >> 7 & 1 ? 0xFF : 0, next = a >> 31 ? 0xFF00 : 0;
         return low | next | (a & 0xFF) << 16 | a << 24;
       }},
      {"lop3.b32 %o0, %a0, %a1, %a2, 0xCA;",
       [](auto a, auto b, auto c) { return (a & b) | (~a & c); }},
      {"popc.b32 %o0, %a0;",
       [](auto a, auto, auto) { return uint32_t(std::popcount(a)); }},
      {"clz.b32 %o0, %a0;",
       [](auto a, auto, auto) { return uint32_t(std::countl_zero(a)); }},
      {"bfind.u32 %o0, %a0;",
       [](auto a, auto, auto) { return uint32_t(31 - std::countl_zero(a)); }},
      {"brev.b32 %o0, %a0;",
       [](auto a, auto, auto) {
         uint32_t result = 0;
         for (int k = 0; k < 32; ++k)
           result |= (a >> k & 1) << (31 - k);
         return result;
       }},
      {"mov.b32 {%h0, %h1}, %a0; mov.b32 %o0, {%h1, %h0};",
       [](auto a, auto, auto) { return a >> 16 | a << 16; }},
  };
  for (const auto &[body, reference] : cases)
    expectEqual(body, reference);
}

TEST_F(ScalarTest, DotProducts) {
  for (bool isSignedA : {false, true}) {
    for (bool isSignedB : {false, true}) {
      auto value = [](uint32_t byte, bool isSigned) {
        return isSigned ? int8_t(byte) : int(byte);
      };
      std::string types = std::string(isSignedA ? ".s32" : ".u32") +
                          (isSignedB ? ".s32" : ".u32");
      expectEqual("dp4a" + types + " %o0, %a0, %a1, %a2;",
                  [&](uint32_t a, uint32_t b, uint32_t c) {
                    for (unsigned k = 0; k < 4; ++k)
                      c += uint32_t(value(byteOf(a, k), isSignedA) *
                                    value(byteOf(b, k), isSignedB));
                    return c;
                  });
      expectEqual("dp2a.hi" + types + " %o0, %a0, %a1, %a2;",
                  [&](uint32_t a, uint32_t b, uint32_t c) {
                    for (unsigned k = 0; k < 2; ++k) {
                      uint32_t half = a >> 16 * k & 0xFFFF;
                      c += uint32_t((isSignedA ? int16_t(half) : int(half)) *
                                    value(byteOf(b, 2 + k), isSignedB));
                    }
                    return c;
                  });
    }
  }
}

TEST_F(ScalarTest, Floats) {
  const std::pair<const char *, std::function<float(float, float, float)>>
      cases[] = {
          {"add.rn.f32 %f0, %f0, %f1;",
           [](auto a, auto b, auto) { return a + b; }},
          {"mul.f32 %f0, %f0, %f1;",
           [](auto a, auto b, auto) { return a * b; }},
          {"fma.rn.f32 %f0, %f0, %f1, %f2;",
           [](auto a, auto b, auto c) { return std::fma(a, b, c); }},
          {"div.rn.f32 %f0, %f0, %f1;",
           [](auto a, auto b, auto) { return a / b; }},
          {"sqrt.rn.f32 %f0, %f0;",
           [](auto a, auto, auto) { return std::sqrt(a); }},
          {"max.f32 %f0, %f0, %f1;",
           [](auto a, auto b, auto) {
             if (a != a || b != b)
               return a != a ? b : a;
             return a == b ? (std::signbit(a) ? b : a) : std::max(a, b);
           }},
          {"min.NaN.f32 %f0, %f0, %f1;",
           [](auto a, auto b, auto) {
             if (a != a || b != b)
               return NAN;
             return a == b ? (std::signbit(a) ? a : b) : std::fmin(a, b);
           }},
          {"add.sat.f32 %f0, %f0, %f1;",
           [](auto a, auto b, auto) {
             float sum = a + b;
             return sum > 0 ? std::min(sum, 1.0f) : 0.0f;
           }},
      };
  for (const auto &[body, reference] : cases)
    expectEqual("mov.b32 %f0, %a0; mov.b32 %f1, %a1; mov.b32 %f2, %a2;" +
                    std::string(body) +
                    "setp.nan.f32 %p0, %f0, %f0; mov.b32 %o0, %f0;"
                    "selp.b32 %o0, 0x7FFFFFFF, %o0, %p0;",
                [&](uint32_t a, uint32_t b, uint32_t c) {
                  return asBits(reference(asFloat(a), asFloat(b), asFloat(c)));
                });
}

TEST_F(ScalarTest, Halves) {
  // 1.5 * 2 + 0.25, and 3 * 3 + 1, in both formats.
  auto first = [&](const char *type, uint32_t a, uint32_t b, uint32_t c) {
    std::vector<Lane> in(32);
    in[0] = {a, b, c};
    return run("fma.rn." + std::string(type) + " %o0, %a0, %a1, %a2;",
               in)[0][0];
  };
  EXPECT_EQ(first("f16x2", 0x42003E00, 0x42004000, 0x3C003400), 0x49004280u);
  EXPECT_EQ(first("bf16x2", 0x40403FC0, 0x40404000, 0x3F803E80), 0x41204050u);
  // Rounding to nearest, ties to even: 1 + 2^-11 in half precision.
  expectEqual("mov.b32 %f0, 0f3F801000; cvt.rn.f16.f32 %h0, %f0;"
              "mov.b32 %o0, {%h0, 0};",
              [](auto, auto, auto) { return 0x3C00u; });
  expectEqual("mov.b32 %f0, 0f3F803000; cvt.rn.f16.f32 %h0, %f0;"
              "mov.b32 %o0, {%h0, 0};",
              [](auto, auto, auto) { return 0x3C02u; });
  // bfloat16 by the usual trick on the bits.
  expectEqual("mov.b32 %f0, %a0; cvt.rn.bf16.f32 %h0, %f0;"
              "mov.b32 %o0, {%h0, 0};",
              [](uint32_t a, auto, auto) {
                if (asFloat(a) != asFloat(a))
                  return 0x7FFFu;
                return (a + 0x7FFF + (a >> 16 & 1)) >> 16;
              });
  // Every half there and back.
  expectEqual("mov.b32 {%h0, %h1}, %a0; cvt.f32.f16 %f0, %h0;"
              "cvt.f32.f16 %f1, %h1; cvt.rn.f16x2.f32 %o0, %f1, %f0;",
              [](uint32_t a, auto, auto) {
                uint32_t result = 0;
                for (int k = 0; k < 2; ++k) {
                  uint32_t half = a >> 16 * k & 0xFFFF;
                  result |= ((half & 0x7FFF) > 0x7C00 ? 0x7FFF : half)
                            << 16 * k;
                }
                return result;
              });
}

TEST_F(ScalarTest, Conversions) {
  auto clampTo = [](double x, double least, double most) {
    return x != x ? 0 : std::clamp(x, least, most);
  };
  expectEqual("mov.b32 %f0, %a0; cvt.rni.s32.f32 %o0, %f0;",
              [&](uint32_t a, auto, auto) {
                return uint32_t(int32_t(
                    clampTo(std::nearbyint(asFloat(a)), INT32_MIN, INT32_MAX)));
              });
  expectEqual("mov.b32 %f0, %a0; cvt.rzi.u32.f32 %o0, %f0;",
              [&](uint32_t a, auto, auto) {
                return uint32_t(clampTo(std::trunc(asFloat(a)), 0, UINT32_MAX));
              });
  expectEqual("cvt.rn.f32.s32 %f0, %a0; mov.b32 %o0, %f0;",
              [](uint32_t a, auto, auto) { return asBits(float(int32_t(a))); });
  expectEqual("cvt.rz.f32.u32 %f0, %a0; mov.b32 %o0, %f0;",
              [](uint32_t a, auto, auto) {
                float rounded = float(a);
                if (double(rounded) > double(a))
                  rounded = std::nextafter(rounded, 0.0f);
                return asBits(rounded);
              });
  expectEqual("cvt.sat.s8.s32 %o0, %a0;", [](uint32_t a, auto, auto) {
    return uint32_t(std::clamp(int32_t(a), -128, 127));
  });
  expectEqual("cvt.s32.s8 %o0, %a0;",
              [](uint32_t a, auto, auto) { return uint32_t(int8_t(a)); });
  expectEqual("cvt.s64.s32 %d0, %a0; mov.b64 {_, %o0}, %d0;",
              [](uint32_t a, auto, auto) { return int32_t(a) < 0 ? ~0u : 0u; });
  expectEqual(
      "mov.b32 %f0, %a0; cvt.rmi.f32.f32 %f0, %f0; mov.b32 %o0, %f0;",
      [](uint32_t a, auto, auto) { return asBits(std::floor(asFloat(a))); });
  expectEqual("cvt.pack.sat.s8.s32.b32 %o0, %a0, %a1, %a2;",
              [](uint32_t a, uint32_t b, uint32_t c) {
                auto byte = [](uint32_t x) {
                  return uint32_t(std::clamp(int32_t(x), -128, 127)) & 0xFF;
                };
                return byte(a) << 8 | byte(b) | c << 16;
              });
}

TEST_F(ScalarTest, Comparisons) {
  expectEqual("setp.lt.s32 %p0, %a0, %a1; selp.b32 %o0, 1, 0, %p0;",
              [](uint32_t a, uint32_t b, auto) {
                return uint32_t(int32_t(a) < int32_t(b));
              });
  expectEqual("setp.hi.u32 %p0, %a0, %a1; selp.b32 %o0, 1, 0, %p0;",
              [](uint32_t a, uint32_t b, auto) { return uint32_t(a > b); });
  expectEqual("setp.ne.s32 %p2, %a2, 0; setp.lt.and.u32 %p0|%p1, %a0, %a1, "
              "!%p2; selp.b32 %o0, 1, 0, %p0; @%p1 or.b32 %o0, %o0, 2;",
              [](uint32_t a, uint32_t b, uint32_t c) {
                return c ? 0u : a < b ? 1u : 2u;
              });
  const std::pair<const char *, std::function<bool(float, float)>> floats[] = {
      {"eq", [](float a, float b) { return a == b; }},
      {"ne", [](float a, float b) { return a < b || a > b; }},
      {"neu", [](float a, float b) { return a != b; }},
      {"ltu", [](float a, float b) { return !(a >= b); }},
      {"num", [](float a, float b) { return a == a && b == b; }},
  };
  for (const auto &[name, reference] : floats)
    expectEqual("mov.b32 %f0, %a0; mov.b32 %f1, %a1; set." + std::string(name) +
                    ".u32.f32 %o0, %f0, %f1;",
                [&](uint32_t a, uint32_t b, auto) {
                  return reference(asFloat(a), asFloat(b)) ? ~0u : 0u;
                });
}

TEST_F(ScalarTest, BranchesAndCalls) {
  // The sum of the numbers up to %a0 % 64.
  expectEqual(
      "and.b32 %r1, %a0, 63; bra TEST; LOOP: add.s32 %o0, %o0, %r1;"
      "sub.s32 %r1, %r1, 1; TEST: setp.ne.s32 %p0, %r1, 0;"
      "@%p0 bra.uni LOOP;",
      [](uint32_t a, auto, auto) { return (a & 63) * ((a & 63) + 1) / 2; });
  expectEqual("and.b32 %r1, %a0, 1; TABLE: .branchtargets FIRST, SECOND;"
              "brx.idx %r1, TABLE; FIRST: mov.u32 %o0, 7; bra DONE;"
              "SECOND: mov.u32 %o0, 9; DONE:",
              [](uint32_t a, auto, auto) { return a & 1 ? 9u : 7u; });
  std::string factorial =
      ".func (.param .b32 r) fact(.param .b32 n) {\n"
      ".reg .b32 %n, %m; .reg .pred %p; ld.param.b32 %n, [n];\n"
      "setp.gt.u32 %p, %n, 1; @%p bra MORE; st.param.b32 [r], 1; ret;\n"
      "MORE: sub.s32 %m, %n, 1; { .param .b32 x; .param .b32 y;\n"
      "st.param.b32 [x], %m; call.uni (y), fact, (x);\n"
      "ld.param.b32 %m, [y]; } mul.lo.s32 %n, %n, %m;\n"
      "st.param.b32 [r], %n; ret; }\n";
  std::vector<Lane> in(10);
  for (uint32_t k = 0; k < 10; ++k)
    in[k][0] = k;
  auto out = run("{ .param .b32 x; .param .b32 y; st.param.b32 [x], %a0;"
                 "call (y), fact, (x); ld.param.b32 %o0, [y]; }",
                 in, factorial);
  EXPECT_EQ(out[5][0], 120u);
  EXPECT_EQ(out[9][0], 362880u);
}

TEST_F(ScalarTest, Refusals) {
  expectRefused("frobnicate.b32 %o0, %a0;", "frobnicate.b32");
  expectRefused("add.bogus.s32 %o0, %a0, %a1;", "bogus");
  expectRefused("add.s64 %o0, %a0, %a1;", "32 bits");
  expectRefused("add.s32 %o0, %nope, %a1;", "%nope");
  expectRefused("bra NOWHERE;", "NOWHERE");
  expectRefused("ld.param.u64 %d0, [pout+8];", "beyond parameter");
  expectRefused("mov.u32 %o0, missing;", "missing");
}

} // namespace
