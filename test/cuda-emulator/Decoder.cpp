//===- Decoder.cpp - Decodes the instructions of PTX --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Machine.h"

#include <algorithm>

using namespace ternac::cuda_emulator;

static const std::pair<const char *, Type> typeNames[] = {
    {"u8", Type::U8},         {"u16", Type::U16},
    {"u32", Type::U32},       {"u64", Type::U64},
    {"s8", Type::S8},         {"s16", Type::S16},
    {"s32", Type::S32},       {"s64", Type::S64},
    {"b1", Type::B1},         {"b8", Type::B8},
    {"b16", Type::B16},       {"b32", Type::B32},
    {"b64", Type::B64},       {"b128", Type::B128},
    {"u4", Type::U4},         {"s4", Type::S4},
    {"f16", Type::F16},       {"bf16", Type::BF16},
    {"tf32", Type::TF32},     {"f16x2", Type::F16X2},
    {"bf16x2", Type::BF16X2}, {"f32", Type::F32},
    {"f32x2", Type::F32X2},   {"f64", Type::F64},
    {"pred", Type::Pred},     {"e4m3", Type::E4M3},
    {"e5m2", Type::E5M2},     {"e4m3x2", Type::E4M3X2},
    {"e5m2x2", Type::E5M2X2},
};

static Type typeNamed(std::string_view name) {
  for (auto [text, type] : typeNames)
    if (name == text)
      return type;
  return Type::None;
}

uint32_t ternac::cuda_emulator::bitsOf(Type type) {
  switch (type) {
  case Type::None:
    return 0;
  case Type::Pred:
  case Type::B1:
    return 1;
  case Type::U4:
  case Type::S4:
    return 4;
  case Type::U8:
  case Type::S8:
  case Type::B8:
  case Type::E4M3:
  case Type::E5M2:
    return 8;
  case Type::U16:
  case Type::S16:
  case Type::B16:
  case Type::F16:
  case Type::BF16:
  case Type::E4M3X2:
  case Type::E5M2X2:
    return 16;
  case Type::U64:
  case Type::S64:
  case Type::B64:
  case Type::F64:
  case Type::F32X2:
    return 64;
  case Type::B128:
    return 128;
  default:
    return 32;
  }
}

bool ternac::cuda_emulator::isSigned(Type type) {
  return type == Type::S8 || type == Type::S16 || type == Type::S32 ||
         type == Type::S64 || type == Type::S4;
}

bool ternac::cuda_emulator::isFloat(Type type) {
  return type >= Type::F16 && type != Type::Pred;
}

void Decoder::fail(const std::string &message) const {
  throw PtxError(line ? line : lexer.peek().line, message);
}

bool Decoder::take(std::string_view modifier) {
  auto found = std::find(modifiers.begin(), modifiers.end(), modifier);
  if (found == modifiers.end())
    return false;
  modifiers.erase(found);
  return true;
}

Type Decoder::takeType() {
  for (auto it = modifiers.begin(); it != modifiers.end(); ++it) {
    Type type = typeNamed(*it);
    if (type == Type::None)
      continue;
    modifiers.erase(it);
    return type;
  }
  fail("expected a type in " + opcode);
}

void Decoder::expectOperands(size_t least, size_t most) {
  if (operands.size() < least || operands.size() > std::max(least, most))
    fail("expected " + std::to_string(least) + " operands of " + opcode +
         ", but got " + std::to_string(operands.size()));
}

uint32_t Decoder::constant(uint64_t value) {
  auto [found, isNew] = constants.try_emplace(value, 0);
  if (isNew) {
    found->second = static_cast<uint32_t>(function->frame.size());
    function->frame.push_back(value);
  }
  return found->second;
}

uint32_t Decoder::temporary() {
  function->frame.push_back(Poison);
  return static_cast<uint32_t>(function->frame.size() - 1);
}

static const Instruction *invertPredicate(Thread &t, const Instruction &i) {
  t.r[i.d] = ~t.r[i.a] & 1;
  return &i + 1;
}

static const Instruction *addOffset(Thread &t, const Instruction &i) {
  t.r[i.d] = t.r[i.a] + static_cast<uint64_t>(i.immediate);
  return &i + 1;
}

static uint64_t lowBits(uint64_t value, uint32_t bits) {
  return bits >= 64 ? value : value & ((uint64_t(1) << bits) - 1);
}

uint32_t Decoder::read(const Operand &operand, Type type, bool wider) {
  uint32_t bits = bitsOf(type);
  switch (operand.kind) {
  case Operand::Register: {
    if (operand.bits != bits && !(wider && operand.bits > bits))
      fail("a register of " + std::to_string(operand.bits) + " bits where " +
           opcode + " reads " + std::to_string(bits));
    if (!operand.isNegated)
      return operand.slot;
    uint32_t slot = temporary();
    Instruction &i = emitAlways(invertPredicate);
    i.d = slot;
    i.a = operand.slot;
    return slot;
  }
  case Operand::Integer:
    if (isFloat(type) && bits > 16)
      fail("an integer where " + opcode + " reads a floating-point number");
    return constant(lowBits(operand.value, bits));
  case Operand::Float: {
    float single = static_cast<float>(operand.number);
    uint32_t bits32;
    memcpy(&bits32, &single, 4);
    if (bits == 32)
      return constant(operand.size == 4 ? operand.value : bits32);
    uint64_t bits64;
    memcpy(&bits64, &operand.number, 8);
    if (bits == 64)
      return constant(operand.size == 8 ? operand.value : bits64);
    fail("a floating-point number where " + opcode + " reads none");
  }
  case Operand::ParamSymbol:
    return constant(ParamWindow + operand.offset);
  case Operand::VariableSymbol: {
    auto [found, isNew] = variableSlots.try_emplace(operand.variable, 0);
    if (isNew) {
      found->second = temporary();
      if (operand.variable->space == Space::Local)
        function->locals.emplace_back(found->second, operand.variable->address);
      else
        function->variables.emplace_back(found->second, operand.variable);
    }
    if (!operand.offset)
      return found->second;
    uint32_t slot = temporary(), base = found->second;
    Instruction &i = emitAlways(addOffset);
    i.d = slot;
    i.a = base;
    i.immediate = operand.offset;
    return slot;
  }
  default:
    fail("an operand that " + opcode + " cannot read: " + operand.name);
  }
}

uint32_t Decoder::write(const Operand &operand, Type type, bool wider) {
  if (operand.kind == Operand::Sink)
    return SinkSlot;
  if (operand.kind != Operand::Register || operand.isNegated)
    fail(opcode + " can only write to registers");
  uint32_t bits = bitsOf(type);
  if (operand.bits != bits && !(wider && operand.bits > bits))
    fail("a register of " + std::to_string(operand.bits) + " bits where " +
         opcode + " writes " + std::to_string(bits));
  return operand.slot;
}

Instruction &Decoder::emitAlways(Handler handler) {
  Instruction &i = function->code.emplace_back();
  i.run = handler;
  i.line = line;
  return i;
}

Instruction &Decoder::emit(Handler handler) {
  if (!handler)
    fail("this form of " + opcode + " is not supported");
  Instruction &i = emitAlways(handler);
  i.guard = guard;
  i.inverted = guardInverted;
  return i;
}

Details &Decoder::details(Instruction &instruction) {
  function->details.push_back(std::make_unique<Details>());
  instruction.details = function->details.back().get();
  return *function->details.back();
}

void Decoder::setAddress(Instruction &instruction, const Operand &operand) {
  if (operand.kind != Operand::Address)
    fail("expected an address in " + opcode);
  instruction.a = operand.slot;
  instruction.immediate = operand.offset;
  instruction.mask = operand.bits == 32 ? 0xFFFFFFFF : ~uint64_t(0);
}

void Decoder::jumpTo(const Instruction &instruction, const std::string &label) {
  jumps.push_back({size_t(&instruction - function->code.data()), label, scope,
                   false, line});
}

void Decoder::addTableJump(const Instruction &instruction,
                           const std::string &table) {
  jumps.push_back(
      {size_t(&instruction - function->code.data()), table, scope, true, line});
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

Symbol *Decoder::find(const std::string &name) {
  for (int s = scope; s >= 0; s = scopes[s].parent) {
    auto found = scopes[s].symbols.find(name);
    if (found != scopes[s].symbols.end())
      return &found->second;
  }
  return nullptr;
}

void Decoder::declare(const std::string &name, const Symbol &symbol) {
  scopes[scope].symbols[name] = symbol;
}

static const std::pair<const char *, Special> specialNames[] = {
    {"%tid.x", Special::TidX},
    {"%tid.y", Special::TidY},
    {"%tid.z", Special::TidZ},
    {"%ntid.x", Special::NtidX},
    {"%ntid.y", Special::NtidY},
    {"%ntid.z", Special::NtidZ},
    {"%ctaid.x", Special::CtaidX},
    {"%ctaid.y", Special::CtaidY},
    {"%ctaid.z", Special::CtaidZ},
    {"%nctaid.x", Special::NctaidX},
    {"%nctaid.y", Special::NctaidY},
    {"%nctaid.z", Special::NctaidZ},
    {"%laneid", Special::LaneId},
    {"%warpid", Special::WarpId},
    {"%nwarpid", Special::NWarpId},
    {"%lanemask_eq", Special::LaneMaskEq},
    {"%lanemask_lt", Special::LaneMaskLt},
    {"%lanemask_le", Special::LaneMaskLe},
    {"%lanemask_gt", Special::LaneMaskGt},
    {"%lanemask_ge", Special::LaneMaskGe},
    {"%smid", Special::SmId},
    {"%nsmid", Special::NSmId},
    {"%gridid", Special::GridId},
    {"%dynamic_smem_size", Special::DynamicSharedSize},
    {"%total_smem_size", Special::TotalSharedSize},
    {"WARP_SZ", Special::WarpSize},
    {"%clock", Special::Zero},
    {"%clock64", Special::Zero},
    {"%globaltimer", Special::Zero},
    {"%cluster_ctarank", Special::Zero},
    {"%cluster_nctarank", Special::One},
};

Operand Decoder::parseName(const std::string &name) {
  Operand operand;
  operand.name = name;
  if (name == "_")
    return operand;
  if (Symbol *symbol = find(name)) {
    operand.size = symbol->size;
    switch (symbol->kind) {
    case Symbol::Register:
      operand.kind = Operand::Register;
      operand.slot = symbol->slot;
      operand.bits = symbol->bits;
      break;
    case Symbol::Param:
      operand.kind = Operand::ParamSymbol;
      operand.offset = static_cast<int64_t>(symbol->offset);
      break;
    case Symbol::Variable:
    case Symbol::Local:
      operand.kind = Operand::VariableSymbol;
      operand.variable = symbol->variable;
      break;
    case Symbol::Function:
      operand.kind = Operand::FunctionSymbol;
      operand.function = symbol->function;
      break;
    }
    return operand;
  }
  for (auto [text, special] : specialNames) {
    if (name != text)
      continue;
    auto [found, isNew] = specialSlots.try_emplace(name, 0);
    if (isNew) {
      found->second = temporary();
      function->specials.emplace_back(found->second, special);
    }
    operand.kind = Operand::Register;
    operand.slot = found->second;
    operand.bits =
        name == "%clock64" || name == "%globaltimer" || name == "%gridid" ? 64
                                                                          : 32;
    return operand;
  }
  if (name[0] == '%')
    fail("unknown register " + name);
  operand.kind = Operand::Label;
  return operand;
}

uint64_t Decoder::parseInteger(const Token &token) {
  std::string text = token.text;
  while (!text.empty() && (text.back() == 'U' || text.back() == 'u'))
    text.pop_back();
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    if (text[1] == 'x' || text[1] == 'X')
      base = 16, text = text.substr(2);
    else if (text[1] == 'b' || text[1] == 'B')
      base = 2, text = text.substr(2);
    else
      base = 8;
  }
  char *end;
  uint64_t value = strtoull(text.c_str(), &end, base);
  if (*end || text.empty())
    fail("expected a number, but got " + token.text);
  return value;
}

int64_t Decoder::takeInteger() {
  bool isNegative = lexer.takeIf("-");
  Token token = lexer.take();
  if (token.kind != Token::Number)
    fail("expected a number, but got " + token.text);
  int64_t value = static_cast<int64_t>(parseInteger(token));
  return isNegative ? -value : value;
}

void Decoder::expect(std::string_view text) {
  if (!lexer.takeIf(text))
    fail("expected " + std::string(text) + ", but got " + lexer.peek().text);
}

Operand Decoder::parseOperand() {
  Operand operand;
  if (lexer.takeIf("!")) {
    operand = parseName(lexer.take().text);
    if (operand.kind != Operand::Register || operand.bits != 1)
      fail("expected a predicate after !");
    operand.isNegated = true;
    return operand;
  }
  bool isParenthesis = lexer.peek().text == "(";
  if (lexer.peek().kind == Token::Punctuation &&
      (lexer.peek().text == "{" || isParenthesis)) {
    lexer.take();
    operand.kind = Operand::List;
    const char *close = isParenthesis ? ")" : "}";
    while (!lexer.takeIf(close)) {
      operand.list.push_back(parseOperand());
      if (!lexer.takeIf(",") && lexer.peek().text != close)
        fail("expected , in a list");
    }
    return operand;
  }
  if (lexer.takeIf("[")) {
    operand.kind = Operand::Address;
    inAddress = true;
    Operand base = parseOperand();
    inAddress = false;
    operand.offset = base.offset;
    operand.bits = 64;
    if (base.kind == Operand::Register) {
      operand.slot = base.slot;
      operand.bits = base.bits;
      if (base.bits < 32)
        fail("an address in a register of " + std::to_string(base.bits) +
             " bits");
    } else if (base.kind == Operand::Integer) {
      operand.slot = constant(0);
      operand.offset = static_cast<int64_t>(base.value);
    } else if (base.kind == Operand::ParamSymbol) {
      operand.slot = constant(0);
      operand.name = base.name;
      operand.size = base.size;
    } else if (base.kind == Operand::VariableSymbol) {
      operand.slot = read(base, Type::U64);
    } else {
      fail("unknown variable " + base.name);
    }
    while (!lexer.takeIf("]")) {
      bool isMinus = lexer.takeIf("-");
      if (!isMinus)
        expect("+");
      int64_t offset = takeInteger();
      operand.offset += isMinus ? -offset : offset;
    }
    return operand;
  }
  bool isNegative = lexer.takeIf("-");
  Token token = lexer.take();
  if (token.kind == Token::Number) {
    const std::string &text = token.text;
    char kind = text.size() > 1 && text[0] == '0' ? text[1] : ' ';
    if (kind == 'f' || kind == 'F' || kind == 'd' || kind == 'D') {
      operand.kind = Operand::Float;
      operand.value = strtoull(text.c_str() + 2, nullptr, 16);
      operand.size = text.size() == 10 ? 4 : 8;
      if (operand.size == 4) {
        float single;
        memcpy(&single, &operand.value, 4);
        operand.number = single;
      } else {
        memcpy(&operand.number, &operand.value, 8);
      }
    } else if (kind != 'x' && kind != 'X' &&
               text.find_first_of(".eE") != std::string::npos) {
      operand.kind = Operand::Float;
      operand.number = strtod(text.c_str(), nullptr);
      if (isNegative)
        operand.number = -operand.number;
    } else {
      operand.kind = Operand::Integer;
      operand.value = parseInteger(token);
      if (isNegative)
        operand.value = -operand.value;
    }
    return operand;
  }
  if (token.kind != Token::Name || isNegative)
    fail("expected an operand, but got " + token.text);
  operand = parseName(token.text);
  if (lexer.takeIf("|")) {
    Operand first = operand;
    operand = Operand();
    operand.kind = Operand::List;
    operand.list = {first, parseName(lexer.take().text)};
  } else if (operand.kind == Operand::VariableSymbol && !inAddress &&
             lexer.takeIf("+")) {
    operand.offset = takeInteger();
  }
  return operand;
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

static const DecodeTable &decodeTable() {
  static const DecodeTable table = [] {
    DecodeTable built;
    addIntegerInstructions(built);
    addFloatInstructions(built);
    addConversions(built);
    addMemoryInstructions(built);
    addAtomicInstructions(built);
    addControlInstructions(built);
    addWarpInstructions(built);
    addMatrixInstructions(built);
    return built;
  }();
  return table;
}

void Decoder::parseInstruction(const std::string &name) {
  modifiers.clear();
  operands.clear();
  size_t dot = name.find('.');
  opcode = name.substr(0, dot);
  while (dot != std::string::npos) {
    size_t end = name.find('.', dot + 1);
    modifiers.push_back(
        name.substr(dot + 1, end == std::string::npos ? end : end - dot - 1));
    dot = end;
  }
  auto found = decodeTable().find(opcode);
  if (found == decodeTable().end())
    fail("unknown instruction " + name);
  opcode = name;
  if (!lexer.takeIf(";")) {
    do
      operands.push_back(parseOperand());
    while (lexer.takeIf(","));
    expect(";");
  }
  found->second(*this);
  if (!modifiers.empty())
    fail("unknown modifier ." + modifiers.front() + " of " + name);
}

void Decoder::parseStatement() {
  line = lexer.peek().line;
  guard = TrueSlot;
  guardInverted = false;
  if (lexer.takeIf("@")) {
    guardInverted = lexer.takeIf("!");
    Operand predicate = parseName(lexer.take().text);
    if (predicate.kind != Operand::Register || predicate.bits != 1)
      fail("expected a predicate after @");
    guard = predicate.slot;
  }
  Token token = lexer.take();
  if (token.kind != Token::Name)
    fail("expected an instruction, but got " + token.text);
  if (lexer.takeIf(":")) {
    if (lexer.takeIf(".branchtargets")) {
      std::vector<std::string> &targets = scopes[scope].tables[token.text];
      do
        targets.push_back(lexer.take().text);
      while (lexer.takeIf(","));
      expect(";");
      return;
    }
    if (lexer.peek().text == ".callprototype")
      fail("indirect calls are not supported");
    if (!scopes[scope]
             .labels.try_emplace(token.text, function->code.size())
             .second)
      fail("label " + token.text + " is there twice");
    return;
  }
  parseInstruction(token.text);
}
