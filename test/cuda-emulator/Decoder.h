//===- Decoder.h - From PTX text to instructions ------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_CUDAEMULATOR_DECODER_H
#define TERNAC_TEST_CUDAEMULATOR_DECODER_H

#include "Program.h"

#include <string_view>
#include <unordered_map>

namespace ternac::cuda_emulator {

enum class Type : uint8_t {
  None,
  U8,
  U16,
  U32,
  U64,
  S8,
  S16,
  S32,
  S64,
  B1,
  B8,
  B16,
  B32,
  B64,
  B128,
  U4,
  S4,
  F16,
  BF16,
  TF32,
  F16X2,
  BF16X2,
  F32,
  F32X2,
  F64,
  Pred,
  E4M3,
  E5M2,
  E4M3X2,
  E5M2X2
};

uint32_t bitsOf(Type type);
bool isSigned(Type type);
bool isFloat(Type type);

struct Token {
  enum Kind : uint8_t { End, Name, Number, String, Punctuation } kind = End;
  std::string text;
  uint32_t line = 0;
};

/// Splits PTX text into tokens.
class Lexer {
public:
  explicit Lexer(const char *text) : at(text) { advance(); }
  const Token &peek() const { return token; }
  Token take();
  bool takeIf(std::string_view text);
  void skipLine(uint32_t start);

private:
  void advance();
  const char *at;
  uint32_t line = 1;
  Token token;
};

struct Operand {
  enum Kind : uint8_t {
    Register,
    Integer,
    Float,
    List,
    Address,
    ParamSymbol,
    VariableSymbol,
    FunctionSymbol,
    Label,
    Sink
  } kind = Sink;
  uint32_t slot = 0, bits = 0;
  bool isNegated = false;
  /// The value of a number: an integer or the bits of a double.
  uint64_t value = 0;
  double number = 0;
  /// Address: a base in `slot` of width `bits` and an offset.
  int64_t offset = 0;
  std::string name;
  Variable *variable = nullptr;
  Function *function = nullptr;
  uint64_t size = 0;
  std::vector<Operand> list;
};

/// What a name stands for.
struct Symbol {
  enum Kind : uint8_t { Register, Param, Variable, Local, Function } kind;
  uint32_t slot = 0, bits = 0;
  uint64_t offset = 0, size = 0;
  cuda_emulator::Variable *variable = nullptr;
  cuda_emulator::Function *function = nullptr;
};

/// Reads a module. Functions that decode one instruction are in tables by the
/// instruction's first word.
class Decoder {
public:
  explicit Decoder(const char *text) : lexer(text) {}
  std::unique_ptr<Module> run();

  // Of the instruction being decoded.
  std::string opcode;
  std::vector<std::string> modifiers;
  std::vector<Operand> operands;
  uint32_t line = 0;

  [[noreturn]] void fail(const std::string &message) const;
  bool take(std::string_view modifier);
  /// Removes and returns the next type.
  Type takeType();
  bool hasModifiers() const { return !modifiers.empty(); }
  void expectOperands(size_t least, size_t most = 0);

  /// The slot of a source. Registers may be wider than the type with `wider`.
  uint32_t read(const Operand &operand, Type type, bool wider = false);
  uint32_t write(const Operand &operand, Type type, bool wider = false);
  uint32_t constant(uint64_t value);
  uint32_t temporary();
  Instruction &emit(Handler handler);
  /// As `emit`, without the guard.
  Instruction &emitAlways(Handler handler);
  Details &details(Instruction &instruction);
  void setAddress(Instruction &instruction, const Operand &operand);
  void jumpTo(const Instruction &instruction, const std::string &label);
  Function &current() { return *function; }
  const std::vector<std::string> &branchTable(const std::string &name);
  void addTableJump(const Instruction &instruction, const std::string &table);

private:
  void parseTopLevel();
  void parseFunction(bool isKernel);
  void parseBody();
  void parseStatement();
  void parseInstruction(const std::string &name);
  void parseRegisters();
  void parseParam(uint64_t &area, std::vector<Parameter> *list);
  void parseVariable(Space space, bool isExtern);
  void parseInitializer(Variable &variable, Type type);
  Operand parseOperand();
  Operand parseName(const std::string &name);
  uint64_t parseInteger(const Token &token);
  int64_t takeInteger();
  Type parseTypeName();
  Symbol *find(const std::string &name);
  void declare(const std::string &name, const Symbol &symbol);
  void finishFunction();
  void placeShared();
  void expect(std::string_view text);

  Lexer lexer;
  std::unique_ptr<Module> module;
  Function *function = nullptr;
  struct Scope {
    int parent;
    std::unordered_map<std::string, Symbol> symbols;
    std::unordered_map<std::string, size_t> labels;
    std::unordered_map<std::string, std::vector<std::string>> tables;
  };
  std::vector<Scope> scopes;
  int scope = 0;
  std::unordered_map<uint64_t, uint32_t> constants;
  std::unordered_map<const Variable *, uint32_t> variableSlots;
  std::unordered_map<std::string, uint32_t> specialSlots;
  struct Jump {
    size_t index;
    std::string label;
    int scope;
    bool isTable;
    uint32_t line;
  };
  std::vector<Jump> jumps;
  uint32_t guard = TrueSlot;
  bool guardInverted = false;
  bool inAddress = false;
};

using DecodeFunction = void (*)(Decoder &);
using DecodeTable = std::unordered_map<std::string, DecodeFunction>;
void addIntegerInstructions(DecodeTable &table);
void addFloatInstructions(DecodeTable &table);
void addConversions(DecodeTable &table);
void addMemoryInstructions(DecodeTable &table);
void addControlInstructions(DecodeTable &table);
void addWarpInstructions(DecodeTable &table);
void addMatrixInstructions(DecodeTable &table);
void addAtomicInstructions(DecodeTable &table);

} // namespace ternac::cuda_emulator

#endif // TERNAC_TEST_CUDAEMULATOR_DECODER_H
