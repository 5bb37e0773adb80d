//===- Program.h - A PTX module, decoded --------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// PTX text is decoded once to arrays of small instructions. Every operand is
// the number of a 64-bit slot of the frame: registers, constants, special
// registers and addresses of variables all are slots, so that no instruction
// has cases.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_CUDAEMULATOR_PROGRAM_H
#define TERNAC_TEST_CUDAEMULATOR_PROGRAM_H

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace ternac::cuda_emulator {

struct Thread;
struct Instruction;
struct Function;
struct Warp;

/// Runs an instruction and returns the next one, or null if the thread stops.
using Handler = const Instruction *(*)(Thread &, const Instruction &);
/// Runs an instruction for the lanes of a warp whose bits are in `lanes`.
using WarpHandler = void (*)(Warp &, const Instruction &, uint32_t lanes);

constexpr uint32_t TrueSlot = 0, SinkSlot = 1;
constexpr uint64_t Poison = 0xCBCBCBCBCBCBCBCB;

/// What few instructions have.
struct Details {
  std::vector<uint32_t> slots, moreSlots;
  std::vector<const Instruction *> targets;
  std::vector<std::pair<uint32_t, uint32_t>> copies, results;
  WarpHandler warp = nullptr;
  /// The slot of the lane mask; without it all lanes must be there.
  int32_t maskSlot = -1;
  /// All lanes that happen to be there, as no mask says which.
  bool anyLanes = false;
  const Function *callee = nullptr;
};

struct Instruction {
  Handler run = nullptr;
  uint32_t guard = TrueSlot;
  uint32_t inverted = 0;
  uint32_t d = SinkSlot, a = 0, b = 0, c = 0;
  int64_t immediate = 0;
  uint64_t mask = ~uint64_t(0);
  uint32_t flags = 0;
  uint32_t line = 0;
  const Details *details = nullptr;
  const Instruction *target = nullptr;
};

enum class Space : uint8_t { Generic, Global, Shared, Local, Param };

struct Variable {
  std::string name;
  Space space = Space::Global;
  uint64_t size = 0, alignment = 1;
  bool isDynamic = false;
  /// Of a variable in global memory.
  std::vector<uint8_t> contents;
  struct Reference {
    uint64_t offset;
    std::string symbol;
    int64_t addend;
  };
  std::vector<Reference> references;
  uint64_t address = 0;
};

enum class Special : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  NWarpId,
  LaneMaskEq,
  LaneMaskLt,
  LaneMaskLe,
  LaneMaskGt,
  LaneMaskGe,
  SmId,
  NSmId,
  GridId,
  DynamicSharedSize,
  TotalSharedSize,
  WarpSize,
  One,
  Zero
};

struct Parameter {
  std::string name;
  uint64_t offset, size;
};

struct Function {
  std::string name;
  bool isKernel = false, isDefined = false;
  std::vector<Instruction> code;
  std::vector<std::unique_ptr<Details>> details;
  /// The frame as it is when the function starts.
  std::vector<uint64_t> frame;
  std::vector<std::pair<uint32_t, Special>> specials;
  /// Slots with an address in local, shared or global memory.
  std::vector<std::pair<uint32_t, uint64_t>> locals;
  std::vector<std::pair<uint32_t, Variable *>> variables;
  std::vector<Parameter> parameters, results;
  uint64_t parameterSize = 0;
  /// Parameters, results and the parameters of calls.
  uint64_t paramAreaSize = 0, localSize = 0;
  std::vector<const Function *> callees;
  std::vector<uint32_t> maxThreads, requiredThreads;
  // Of a kernel: where its variables in shared memory are.
  std::map<const Variable *, uint64_t> sharedOffsets;
  uint64_t staticShared = 0;
};

struct Module {
  uint32_t ptxVersion = 0, target = 0;
  std::map<std::string, std::unique_ptr<Function>> functions;
  std::map<std::string, std::unique_ptr<Variable>> variables;
};

/// What is wrong with a PTX text.
struct PtxError : std::runtime_error {
  PtxError(uint32_t line, const std::string &message)
      : std::runtime_error(message), line(line) {}
  uint32_t line;
};

/// Decodes a PTX text, or throws a PtxError.
std::unique_ptr<Module> parsePtx(const char *text);

} // namespace ternac::cuda_emulator

#endif // TERNAC_TEST_CUDAEMULATOR_PROGRAM_H
