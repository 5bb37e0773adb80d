//===- TArray.cpp - The exit dialect of the ternary array -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TArray.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace tarray;

#include "TArrayDialect.cpp.inc"
#include "TArrayInterfaces.cpp.inc"
#define GET_OP_CLASSES
#include "TArrayOps.cpp.inc"

void TArrayDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "TArrayOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

static Instruction make(Opcode opcode, uint32_t descriptor, uint32_t count,
                        uint32_t place) {
  return {opcode, uint8_t(descriptor), uint16_t(count), place};
}

Instruction DescriptorOp::getInstruction() {
  return make(Opcode::Descriptor, getDescriptor(), getBuffer(), getRowBytes());
}
Instruction LoadActivationsOp::getInstruction() {
  return make(Opcode::LoadActivations, getDescriptor(), getBlocks(),
              getBlock());
}
Instruction ClearSumsOp::getInstruction() {
  return make(Opcode::ClearSums, 0, 0, 0);
}
Instruction LoadWeightsOp::getInstruction() {
  return make(Opcode::LoadWeights, getDescriptor(), getBlocks(), getBlock());
}
Instruction AccumulateOp::getInstruction() {
  return make(Opcode::Accumulate, 0, getBlocks(), 0);
}
Instruction StoreSumsOp::getInstruction() {
  return make(Opcode::StoreSums, getDescriptor(), getLanes(), getColumn());
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

LogicalResult ProgramOp::verifyRegions() {
  bool isSet[kDescriptors] = {};
  uint32_t activations = 0, weights = 0; // blocks that are loaded
  for (Operation &op : *getBody()) {
    auto instruction = dyn_cast<InstructionOp>(op);
    if (!instruction)
      return op.emitOpError("(C1) expected only instructions in a program");
    auto [opcode, descriptor, count, place] = instruction.getInstruction();
    switch (opcode) {
    case Opcode::Descriptor:
      isSet[descriptor] = true;
      break;
    case Opcode::LoadActivations:
      activations = count;
      break;
    case Opcode::LoadWeights:
      weights = count;
      break;
    case Opcode::Accumulate:
      if (count > std::min(activations, weights))
        return op.emitOpError("(C3) expected at most the loaded blocks, ")
               << activations << " of activations and " << weights
               << " of weights, but got " << count;
      break;
    case Opcode::ClearSums:
    case Opcode::StoreSums:
      break;
    }
    bool reads = opcode == Opcode::LoadActivations ||
                 opcode == Opcode::LoadWeights || opcode == Opcode::StoreSums;
    if (reads && !isSet[descriptor])
      return op.emitOpError("(C2) expected descriptor ")
             << unsigned(descriptor) << " to be set before";
  }
  return success();
}
