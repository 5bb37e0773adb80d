//===- Parser.cpp - Reads the declarations of PTX -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Machine.h"

#include <algorithm>
#include <set>

using namespace ternac::cuda_emulator;

static uint64_t alignTo(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

std::unique_ptr<Module> ternac::cuda_emulator::parsePtx(const char *text) {
  return Decoder(text).run();
}

std::unique_ptr<Module> Decoder::run() {
  module = std::make_unique<Module>();
  scopes.push_back({-1, {}, {}, {}});
  while (lexer.peek().kind != Token::End) {
    line = lexer.peek().line;
    parseTopLevel();
  }
  if (!module->ptxVersion || !module->target)
    fail("expected .version and .target");
  placeShared();
  return std::move(module);
}

void Decoder::parseTopLevel() {
  bool isExtern = false;
  while (true) {
    Token token = lexer.take();
    const std::string &text = token.text;
    line = token.line;
    if (text == ".version") {
      // As 10 times the major version and the minor version.
      std::string version = lexer.take().text;
      module->ptxVersion = atoi(version.c_str()) * 10;
      size_t dot = version.find('.');
      if (dot != std::string::npos)
        module->ptxVersion += atoi(version.c_str() + dot + 1);
      return;
    }
    if (text == ".target") {
      std::string name = lexer.take().text;
      if (name.substr(0, 3) != "sm_")
        fail("unknown target " + name);
      module->target = atoi(name.c_str() + 3);
      while (lexer.takeIf(","))
        lexer.take();
      return;
    }
    if (text == ".address_size") {
      if (takeInteger() != 64)
        fail("only addresses of 64 bits are supported");
      return;
    }
    if (text == ".file" || text == ".loc") {
      lexer.skipLine(token.line);
      return;
    }
    if (text == ".section") {
      lexer.take();
      expect("{");
      for (int depth = 1; depth && lexer.peek().kind != Token::End;) {
        if (lexer.takeIf("{"))
          ++depth;
        else if (lexer.takeIf("}"))
          --depth;
        else
          lexer.take();
      }
      return;
    }
    if (text == ".pragma") {
      while (!lexer.takeIf(";"))
        lexer.take();
      return;
    }
    if (text == ";")
      return;
    if (text == ".extern")
      isExtern = true;
    else if (text == ".visible" || text == ".weak" || text == ".common")
      continue;
    else if (text == ".entry" || text == ".func")
      return parseFunction(text == ".entry");
    else if (text == ".shared")
      return parseVariable(Space::Shared, isExtern);
    else if (text == ".global" || text == ".const")
      return parseVariable(Space::Global, isExtern);
    else
      fail("unknown directive " + text);
  }
}

Type Decoder::parseTypeName() {
  Token token = lexer.take();
  modifiers = {token.text.substr(token.text.empty() ? 0 : 1)};
  opcode = token.text;
  Type type = takeType();
  return type;
}

/// Reads `.align 4 .b8 name[16]`, after `.param`; adds it to the area.
void Decoder::parseParam(uint64_t &area, std::vector<Parameter> *list) {
  uint64_t alignment = 0;
  Type type = Type::None;
  while (lexer.peek().text[0] == '.') {
    if (lexer.takeIf(".align")) {
      uint64_t value = takeInteger();
      // The alignment of what a pointer points to comes after the type.
      if (type == Type::None)
        alignment = value;
    } else if (lexer.takeIf(".ptr") || lexer.takeIf(".global") ||
               lexer.takeIf(".const") || lexer.takeIf(".local") ||
               lexer.takeIf(".shared")) {
      continue;
    } else {
      type = parseTypeName();
    }
  }
  std::string name = lexer.take().text;
  uint64_t size = bitsOf(type) / 8, element = size;
  if (lexer.takeIf("[")) {
    size *= lexer.peek().text == "]" ? 0 : takeInteger();
    expect("]");
  }
  area = alignTo(area, std::max(alignment, element));
  Symbol symbol{Symbol::Param};
  symbol.offset = area;
  symbol.size = size;
  declare(name, symbol);
  if (list)
    list->push_back({name, area, size});
  area += size;
}

void Decoder::parseFunction(bool isKernel) {
  scopes.resize(1);
  scopes.push_back({0, {}, {}, {}});
  scope = 1;
  std::vector<Parameter> results, parameters;
  uint64_t area = 0;
  auto parseList = [&](std::vector<Parameter> &list) {
    if (!lexer.takeIf("("))
      return;
    while (!lexer.takeIf(")")) {
      if (!lexer.takeIf(".param"))
        fail("only parameters in .param are supported");
      parseParam(area, &list);
      lexer.takeIf(",");
    }
  };
  if (!isKernel) {
    lexer.takeIf(".noreturn");
    parseList(results);
    area = alignTo(area, 16);
  }
  std::string name = lexer.take().text;
  parseList(parameters);
  std::unique_ptr<Function> &slot = module->functions[name];
  if (!slot)
    slot = std::make_unique<Function>();
  function = slot.get();
  function->name = name;
  function->isKernel = isKernel;
  function->results = results;
  function->parameters = parameters;
  function->parameterSize = area;
  Symbol symbol{Symbol::Function};
  symbol.function = function;
  scopes[0].symbols[name] = symbol;
  // Directives on performance.
  while (lexer.peek().kind == Token::Name) {
    std::string directive = lexer.take().text;
    std::vector<uint32_t> values;
    if (lexer.peek().kind == Token::Number) {
      do
        values.push_back(takeInteger());
      while (lexer.takeIf(","));
    }
    if (directive == ".maxntid")
      function->maxThreads = values;
    else if (directive == ".reqntid")
      function->requiredThreads = values;
    else if (directive == ".pragma")
      while (lexer.peek().text != ";")
        lexer.take();
    else if (directive != ".minnctapersm" && directive != ".maxnreg" &&
             directive != ".noreturn" && directive != ".maxclusterrank" &&
             directive != ".attribute")
      fail("unknown directive " + directive);
    if (directive == ".pragma")
      expect(";");
  }
  if (lexer.takeIf(";")) {
    scope = 0;
    return;
  }
  if (function->isDefined)
    fail("function " + name + " is there twice");
  function->isDefined = true;
  function->paramAreaSize = area;
  function->frame = {1, 0, 0};
  constants = {{1, TrueSlot}, {0, 2}};
  variableSlots.clear();
  specialSlots.clear();
  jumps.clear();
  expect("{");
  parseBody();
  finishFunction();
  scope = 0;
}

void Decoder::parseRegisters() {
  Type type = parseTypeName();
  do {
    std::string name = lexer.take().text;
    uint64_t count = 1;
    bool isRange = lexer.takeIf("<");
    if (isRange) {
      count = takeInteger();
      expect(">");
    }
    for (uint64_t k = 0; k < count; ++k) {
      Symbol symbol{Symbol::Register};
      symbol.slot = temporary();
      symbol.bits = bitsOf(type);
      declare(isRange ? name + std::to_string(k) : name, symbol);
    }
  } while (lexer.takeIf(","));
  expect(";");
}

void Decoder::parseBody() {
  int outer = scope;
  scopes.push_back({outer, {}, {}, {}});
  scope = static_cast<int>(scopes.size()) - 1;
  while (!lexer.takeIf("}")) {
    line = lexer.peek().line;
    if (lexer.peek().kind == Token::End)
      fail("the text ends within a function");
    if (lexer.takeIf("{")) {
      parseBody();
    } else if (lexer.takeIf(".reg")) {
      parseRegisters();
    } else if (lexer.takeIf(".param")) {
      function->paramAreaSize = alignTo(function->paramAreaSize, 16);
      parseParam(function->paramAreaSize, nullptr);
      expect(";");
    } else if (lexer.takeIf(".local")) {
      parseVariable(Space::Local, false);
    } else if (lexer.takeIf(".shared")) {
      parseVariable(Space::Shared, false);
    } else if (lexer.takeIf(".global") || lexer.takeIf(".const")) {
      parseVariable(Space::Global, false);
    } else if (lexer.peek().text == ".loc" || lexer.peek().text == ".file") {
      lexer.skipLine(line);
    } else if (lexer.takeIf(".pragma")) {
      while (!lexer.takeIf(";"))
        lexer.take();
    } else if (!lexer.takeIf(";")) {
      parseStatement();
    }
  }
  scope = outer;
}

void Decoder::parseVariable(Space space, bool isExtern) {
  uint64_t alignment = 0;
  Type type = Type::None;
  uint64_t vector = 1;
  while (lexer.peek().text[0] == '.') {
    if (lexer.takeIf(".align"))
      alignment = takeInteger();
    else if (lexer.takeIf(".attribute"))
      fail("managed variables are not supported");
    else if (lexer.takeIf(".v2"))
      vector = 2;
    else if (lexer.takeIf(".v4"))
      vector = 4;
    else
      type = parseTypeName();
  }
  do {
    auto variable = std::make_unique<Variable>();
    variable->name = lexer.take().text;
    variable->space = space;
    uint64_t element = bitsOf(type) / 8 * vector;
    variable->alignment = std::max(alignment, element);
    variable->size = element;
    bool isOpen = false;
    while (lexer.takeIf("[")) {
      if (lexer.peek().text == "]")
        isOpen = true;
      else
        variable->size *= takeInteger();
      expect("]");
    }
    if (isOpen && space == Space::Shared)
      variable->isDynamic = true;
    if (isOpen)
      variable->size = 0;
    if (isExtern && space != Space::Shared)
      fail("external variable " + variable->name);
    if (lexer.takeIf("="))
      parseInitializer(*variable, type);
    if (space == Space::Global) {
      variable->size =
          std::max<uint64_t>(variable->size, variable->contents.size());
      variable->contents.resize(variable->size);
    }
    Symbol symbol{Symbol::Variable};
    symbol.variable = variable.get();
    std::string key = variable->name;
    declare(key, symbol);
    if (space == Space::Local) {
      function->localSize = alignTo(function->localSize, 16);
      function->localSize = alignTo(function->localSize, variable->alignment);
      variable->address = function->localSize;
      function->localSize += variable->size;
    }
    if (scope != 0)
      key = function->name + "/" + std::to_string(scope) + "/" + key;
    if (!module->variables.try_emplace(key, std::move(variable)).second)
      fail("variable " + key + " is there twice");
  } while (lexer.takeIf(","));
  expect(";");
}

void Decoder::parseInitializer(Variable &variable, Type type) {
  uint64_t size = bitsOf(type) / 8;
  auto append = [&](uint64_t bits) {
    for (uint64_t k = 0; k < size; ++k)
      variable.contents.push_back(static_cast<uint8_t>(bits >> 8 * k));
  };
  int depth = 0;
  do {
    while (lexer.takeIf("{"))
      ++depth;
    if (lexer.peek().kind == Token::Name) {
      // The address of another variable.
      bool isGeneric = lexer.takeIf("generic");
      if (isGeneric)
        expect("(");
      Variable::Reference reference{variable.contents.size(), lexer.take().text,
                                    0};
      if (isGeneric)
        expect(")");
      if (lexer.takeIf("+"))
        reference.addend = takeInteger();
      variable.references.push_back(reference);
      append(0);
    } else {
      Operand value = parseOperand();
      if (value.kind == Operand::Float && size != value.size) {
        if (size == 4) {
          float single = static_cast<float>(value.number);
          uint32_t bits;
          memcpy(&bits, &single, 4);
          value.value = bits;
        } else {
          memcpy(&value.value, &value.number, 8);
        }
      }
      append(value.value);
    }
    while (depth && lexer.takeIf("}"))
      --depth;
  } while (lexer.takeIf(","));
}

static const Instruction *fallOff(Thread &t, const Instruction &i) {
  t.block->fault(t, i, 719, "the end of the function without ret");
}

const std::vector<std::string> &Decoder::branchTable(const std::string &name) {
  for (Scope &candidate : scopes) {
    auto found = candidate.tables.find(name);
    if (found != candidate.tables.end())
      return found->second;
  }
  fail("unknown branch targets " + name);
}

void Decoder::finishFunction() {
  emitAlways(fallOff);
  auto place = [&](const Jump &jump, const std::string &label) {
    line = jump.line;
    for (int s = jump.scope; s >= 0; s = scopes[s].parent) {
      auto found = scopes[s].labels.find(label);
      if (found != scopes[s].labels.end())
        return &function->code[found->second];
    }
    fail("unknown label " + label);
  };
  for (const Jump &jump : jumps) {
    Instruction &i = function->code[jump.index];
    if (!jump.isTable) {
      i.target = place(jump, jump.label);
      continue;
    }
    Details &more = details(i);
    for (const std::string &label : branchTable(jump.label))
      more.targets.push_back(place(jump, label));
  }
}

/// Gives each kernel places for the shared variables that it or the functions
/// it calls use.
void Decoder::placeShared() {
  for (auto &[name, kernel] : module->functions) {
    if (!kernel->isKernel)
      continue;
    std::vector<const Function *> work{kernel.get()};
    std::set<const Function *> seen{kernel.get()};
    std::map<std::string, const Variable *> used;
    while (!work.empty()) {
      const Function *next = work.back();
      work.pop_back();
      if (!next->isDefined)
        fail("function " + next->name + " is not defined");
      for (auto &[slot, variable] : next->variables)
        if (variable->space == Space::Shared)
          used[variable->name] = variable;
      for (const Function *callee : next->callees)
        if (seen.insert(callee).second)
          work.push_back(callee);
    }
    uint64_t end = 0, dynamicAlignment = 16;
    for (auto &[key, variable] : used) {
      if (variable->isDynamic) {
        dynamicAlignment = std::max(dynamicAlignment, variable->alignment);
        continue;
      }
      end = alignTo(end, variable->alignment);
      kernel->sharedOffsets[variable] = end;
      end += variable->size;
    }
    bool isDynamic = false;
    for (auto &[key, variable] : used)
      isDynamic |= variable->isDynamic;
    if (isDynamic)
      end = alignTo(end, dynamicAlignment);
    for (auto &[key, variable] : used)
      if (variable->isDynamic)
        kernel->sharedOffsets[variable] = end;
    kernel->staticShared = end;
  }
}
