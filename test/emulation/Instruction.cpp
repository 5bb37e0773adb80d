//===- Instruction.cpp - Decoding of VEX instructions ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Instruction.h"

#include <cstring>

using namespace ternac::emulation;

namespace {

/// What the byte ModRM and the field vvvv of an instruction stand for.
enum class Form : uint8_t {
  None,   ///< a fixed ModRM
  Config, ///< 64 bytes of memory
  Tile,
  TileMemory, ///< memory with a SIB byte, whose index is the stride of rows
  ThreeTiles,
  Vectors,
};

/// The field pp.
enum Prefix : uint8_t { NP, P66, PF3, PF2 };

struct Known {
  uint8_t opcode;
  Prefix prefix;
  Form form;
  Operation operation;
  const char *name;
};

/// All are VEX.0F38.W0.
constexpr Known knownInstructions[] = {
    {0x49, NP, Form::Config, Operation::LoadConfig, "ldtilecfg"},
    {0x49, P66, Form::Config, Operation::StoreConfig, "sttilecfg"},
    {0x49, NP, Form::None, Operation::Release, "tilerelease"},
    {0x49, PF2, Form::Tile, Operation::Zero, "tilezero"},
    {0x4b, PF2, Form::TileMemory, Operation::Load, "tileloadd"},
    {0x4b, P66, Form::TileMemory, Operation::Load, "tileloaddt1"},
    {0x4b, PF3, Form::TileMemory, Operation::Store, "tilestored"},
    {0x5c, PF3, Form::ThreeTiles, Operation::DotBF16, "tdpbf16ps"},
    {0x5e, PF2, Form::ThreeTiles, Operation::DotSS, "tdpbssd"},
    {0x5e, PF3, Form::ThreeTiles, Operation::DotSU, "tdpbsud"},
    {0x5e, P66, Form::ThreeTiles, Operation::DotUS, "tdpbusd"},
    {0x5e, NP, Form::ThreeTiles, Operation::DotUU, "tdpbuud"},
    {0x50, P66, Form::Vectors, Operation::Bytes, "vpdpbusd"},
    {0x51, P66, Form::Vectors, Operation::BytesSaturate, "vpdpbusds"},
    {0x52, P66, Form::Vectors, Operation::Words, "vpdpwssd"},
    {0x53, P66, Form::Vectors, Operation::WordsSaturate, "vpdpwssds"},
};

/// The fields of the bytes VEX and ModRM, with the extensions of the latter.
struct Fields {
  uint8_t opcode, prefix, mod, reg, vvvv, rm;
  bool is256;
};

} // namespace

static bool matches(const Known &known, const Fields &fields) {
  if (known.opcode != fields.opcode || known.prefix != fields.prefix)
    return false;
  bool registersOnly = fields.mod == 3;
  bool noVvvv = fields.vvvv == 0;
  switch (known.form) {
  case Form::None:
    return registersOnly && noVvvv && !fields.is256 && fields.reg == 0 &&
           fields.rm == 0;
  case Form::Config:
    return !registersOnly && noVvvv && !fields.is256 && (fields.reg & 7) == 0;
  case Form::Tile:
    return registersOnly && noVvvv && !fields.is256 && fields.reg < 8 &&
           fields.rm == 0;
  case Form::TileMemory:
    return !registersOnly && noVvvv && !fields.is256 && fields.reg < 8 &&
           (fields.rm & 7) == 4;
  case Form::ThreeTiles:
    return registersOnly && !fields.is256 && fields.reg < 8 &&
           fields.vvvv < 8 && fields.rm < 8;
  case Form::Vectors:
    return true;
  }
  return false;
}

/// Decodes what follows ModRM; `extensionX` is bit 3 of the index.
static const uint8_t *decodeMemory(const uint8_t *next, const Fields &fields,
                                   uint8_t extensionX, Memory &memory) {
  memory = Memory();
  memory.base = fields.rm;
  bool noBase = false;
  if ((fields.rm & 7) == 4) {
    uint8_t sib = *next++;
    memory.scaleLog2 = sib >> 6;
    uint8_t index = extensionX | (sib >> 3 & 7);
    if (index != 4)
      memory.index = index;
    memory.base = (fields.rm & 8) | (sib & 7);
    noBase = fields.mod == 0 && (sib & 7) == 5;
    if (noBase)
      memory.base = Memory::none;
  } else if (fields.mod == 0 && (fields.rm & 7) == 5) {
    noBase = true;
    memory.base = Memory::nextInstruction;
  }
  if (fields.mod == 1) {
    memory.displacement = static_cast<int8_t>(*next++);
  } else if (fields.mod == 2 || noBase) {
    memcpy(&memory.displacement, next, sizeof(memory.displacement));
    next += sizeof(memory.displacement);
  }
  return next;
}

bool ternac::emulation::decode(const uint8_t *code, Instruction &instruction) {
  // Only the prefix of three bytes can name the opcodes of 0F38.
  if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || (code[2] & 0x80))
    return false;
  const uint8_t extensions = ~code[1]; // R, X and B, inverted as vvvv is
  auto extension = [&](int bit) {
    return uint8_t((extensions >> bit & 1) << 3);
  };
  const uint8_t modRM = code[4];
  Fields fields;
  fields.opcode = code[3];
  fields.prefix = code[2] & 3;
  fields.is256 = code[2] & 4;
  fields.vvvv = ~code[2] >> 3 & 15;
  fields.mod = modRM >> 6;
  fields.reg = extension(7) | (modRM >> 3 & 7);
  fields.rm = extension(5) | (modRM & 7);
  for (const Known &known : knownInstructions) {
    if (!matches(known, fields))
      continue;
    instruction.operation = known.operation;
    instruction.name = known.name;
    instruction.reg = fields.reg;
    instruction.vvvv = fields.vvvv;
    instruction.rm = fields.rm;
    instruction.is256 = fields.is256;
    instruction.hasMemory = fields.mod != 3;
    const uint8_t *end = code + 5;
    if (instruction.hasMemory)
      end = decodeMemory(end, fields, extension(6), instruction.memory);
    instruction.length = end - code;
    return true;
  }
  return false;
}
