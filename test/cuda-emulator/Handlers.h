//===- Handlers.h - Pieces of which instructions are made ---------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A handler is a function template over the type and a lambda that computes the
// value; `integers` and the like choose the one for a type of PTX.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_CUDAEMULATOR_HANDLERS_H
#define TERNAC_TEST_CUDAEMULATOR_HANDLERS_H

#include "Decoder.h"
#include "Machine.h"

namespace ternac::cuda_emulator {

template <class T, auto F>
const Instruction *unary(Thread &t, const Instruction &i) {
  put<T>(t, i.d, static_cast<T>(F(get<T>(t, i.a))));
  return &i + 1;
}

template <class T, auto F>
const Instruction *binary(Thread &t, const Instruction &i) {
  put<T>(t, i.d, static_cast<T>(F(get<T>(t, i.a), get<T>(t, i.b))));
  return &i + 1;
}

template <class T, auto F>
const Instruction *ternary(Thread &t, const Instruction &i) {
  put<T>(t, i.d,
         static_cast<T>(F(get<T>(t, i.a), get<T>(t, i.b), get<T>(t, i.c))));
  return &i + 1;
}

/// The instance of a template for an integer type. With `TERNAC_UNSIGNED`
/// signed types get the unsigned one, where overflow is defined.
#define TERNAC_INTEGERS(KIND, TYPE, F)                                         \
  [](Type type) -> Handler {                                                   \
    switch (type) {                                                            \
    case Type::U16:                                                            \
    case Type::B16:                                                            \
      return KIND<uint16_t, F>;                                                \
    case Type::U32:                                                            \
    case Type::B32:                                                            \
      return KIND<uint32_t, F>;                                                \
    case Type::U64:                                                            \
    case Type::B64:                                                            \
      return KIND<uint64_t, F>;                                                \
    case Type::S16:                                                            \
      return KIND<int16_t, F>;                                                 \
    case Type::S32:                                                            \
      return KIND<int32_t, F>;                                                 \
    case Type::S64:                                                            \
      return KIND<int64_t, F>;                                                 \
    default:                                                                   \
      return nullptr;                                                          \
    }                                                                          \
  }(TYPE)

#define TERNAC_UNSIGNED(KIND, TYPE, F)                                         \
  [](Type type) -> Handler {                                                   \
    switch (bitsOf(type)) {                                                    \
    case 16:                                                                   \
      return KIND<uint16_t, F>;                                                \
    case 32:                                                                   \
      return KIND<uint32_t, F>;                                                \
    case 64:                                                                   \
      return KIND<uint64_t, F>;                                                \
    default:                                                                   \
      return nullptr;                                                          \
    }                                                                          \
  }(TYPE)

/// Emits an instruction with a destination and sources of one type.
inline Instruction &emitSimple(Decoder &decoder, Handler handler, Type type,
                               size_t sources) {
  decoder.expectOperands(sources + 1);
  const auto &operands = decoder.operands;
  uint32_t d = decoder.write(operands[0], type);
  uint32_t slots[3] = {};
  for (size_t k = 0; k < sources; ++k)
    slots[k] = decoder.read(operands[k + 1], type);
  Instruction &i = decoder.emit(handler);
  i.d = d;
  i.a = slots[0];
  i.b = slots[1];
  i.c = slots[2];
  return i;
}

} // namespace ternac::cuda_emulator

#endif // TERNAC_TEST_CUDAEMULATOR_HANDLERS_H
