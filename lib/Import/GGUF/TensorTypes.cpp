//===- TensorTypes.cpp - The types of tensors in GGUF files ---------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The numbers are those of ggml and of its forks for ternary models. Some
// numbers have had several meanings; those are refused rather than guessed.
//
//===----------------------------------------------------------------------===//

#include "TensorTypes.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using ternac::packing::Encoding;

namespace ternac::import::gguf {

namespace {
struct Known {
  uint32_t id;
  StringLiteral name;
  Encoding encoding;
};

struct Refused {
  uint32_t id;
  StringLiteral name;
  StringLiteral reason; ///< after "is NAME"
};
} // namespace

static constexpr uint32_t idI2S = 36;

static constexpr Known knownTypes[] = {
    {0, "F32", Encoding::F32},        {1, "F16", Encoding::F16},
    {8, "Q8_0", Encoding::Q8_0},      {14, "Q6_K", Encoding::Q6_K},
    {30, "BF16", Encoding::BF16},     {34, "TQ1_0", Encoding::TQ1_0},
    {35, "TQ2_0", Encoding::TQ2_0},   {idI2S, "I2_S", Encoding::I2S},
    {134, "IQ1_BN", Encoding::IQ1BN}, {135, "IQ2_BN", Encoding::IQ2BN},
};

static constexpr StringLiteral tiles =
    ", whose bytes depend on tile sizes that are not in the file; expected "
    "I2_S or TQ2_0, as the converter writes them for the same model";
static constexpr StringLiteral groups =
    ", which has a scale for each group of weights; expected a ternary type "
    "with one scale for each matrix, such as TQ2_0 or I2_S";
static constexpr StringLiteral notTernary =
    ", which is neither ternary nor one of F32, F16, BF16, Q8_0 and Q6_K; "
    "expected those for embedding and head (--token-embedding-type and "
    "--output-tensor-type of the quantizer) and a ternary type elsewhere";

static constexpr Refused refusedTypes[] = {
    {2, "Q4_0", notTernary},     {3, "Q4_1", notTernary},
    {6, "Q5_0", notTernary},     {7, "Q5_1", notTernary},
    {9, "Q8_1", notTernary},     {10, "Q2_K", notTernary},
    {11, "Q3_K", notTernary},    {12, "Q4_K", notTernary},
    {13, "Q5_K", notTernary},    {15, "Q8_K", notTernary},
    {16, "IQ2_XXS", notTernary}, {17, "IQ2_XS", notTernary},
    {18, "IQ3_XXS", notTernary}, {19, "IQ1_S", notTernary},
    {20, "IQ4_NL", notTernary},  {21, "IQ3_S", notTernary},
    {22, "IQ2_S", notTernary},   {23, "IQ4_XS", notTernary},
    {24, "I8", notTernary},      {25, "I16", notTernary},
    {26, "I32", notTernary},     {27, "I64", notTernary},
    {28, "F64", notTernary},     {29, "IQ1_M", notTernary},
    {37, "I8_S", notTernary},    {38, "TL1", tiles},
    {39, "TL2 or MXFP4", tiles}, {41, "Q1_0", groups},
    {42, "Q2_0", groups},        {142, "PQ2_0", groups},
    {143, "PTQ1_0", groups},
};

static Encoding encodingOfI2S(I2SLayout layout) {
  switch (layout) {
  case I2SLayout::Blocks128:
    return Encoding::I2S;
  case I2SLayout::Blocks64:
    return Encoding::I2S64;
  case I2SLayout::Rows4:
    return Encoding::I2SRows;
  }
  llvm_unreachable("all layouts handled");
}

Expected<TensorType> tensorType(uint32_t id, I2SLayout layout) {
  for (const Known &type : knownTypes)
    if (type.id == id)
      return TensorType{type.name,
                        id == idI2S ? encodingOfI2S(layout) : type.encoding};
  for (const Refused &type : refusedTypes)
    if (type.id == id)
      return createStringError("is " + type.name + type.reason);
  std::string names;
  for (const Known &type : knownTypes)
    names += (names.empty() ? "" : ", ") + type.name.str();
  return createStringError("has the unknown type " + Twine(id) +
                           "; expected one of " + names);
}

} // namespace ternac::import::gguf
