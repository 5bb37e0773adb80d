//===- TArray.td - The exit dialect of the ternary array ---*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One op for each instruction of Isa.h, with its fields as attributes, so that
// writing the bytes takes no decision. What the machine would refuse, a verifier
// refuses here, where there is a location to point at.
//
//===----------------------------------------------------------------------===//

#ifndef TARRAY_TD
#define TARRAY_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"

def TArray_Dialect : Dialect {
  let name = "tarray";
  let cppNamespace = "::tarray";
  let summary = "Programs of the ternary array";
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

def TArray_ProgramOp : Op<TArray_Dialect, "program", [
    IsolatedFromAbove, NoRegionArguments, NoTerminator, SingleBlock, Symbol]> {
  let summary = "a program of the ternary array";
  let description = [{
    What `tern.submit` hands to the machine. The machine computes with what was
    loaded last, so the order of instructions is their meaning.

    Constraints:
    * (C1) all ops are instructions.
    * (C2) a descriptor is set before it is used.
    * (C3) `accumulate` takes no more blocks than both memories have loaded.

    Example:

    ```mlir
    tarray.program @product {
      tarray.descriptor 0, buffer 0, row_bytes 64
      tarray.descriptor 1, buffer 1, row_bytes 64
      tarray.descriptor 2, buffer 2, row_bytes 8
      tarray.load_activations 0, block 0, blocks 4
      tarray.clear_sums
      tarray.load_weights 1, block 0, blocks 4
      tarray.accumulate blocks 4
      tarray.store_sums 2, column 0, lanes 2
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$bodyRegion);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $bodyRegion";
  let hasRegionVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

def TArray_Instruction : OpInterface<"InstructionOp"> {
  let cppNamespace = "::tarray";
  let description = "An op that is one word of a program.";
  let methods = [InterfaceMethod<"The instruction of Isa.h.",
                                 "::tarray::Instruction", "getInstruction">];
}

class TArray_InstructionOp<string mnemonic> : Op<TArray_Dialect, mnemonic, [
    HasParent<"ProgramOp">, DeclareOpInterfaceMethods<TArray_Instruction>]>;

/// An integer from `low` to `high`; the limits are those of Isa.h.
class TArray_Number<int low, int high>
    : ConfinedAttr<I32Attr, [IntMinValue<low>, IntMaxValue<high>]>;
def TArray_Descriptor : TArray_Number<0, 3>;
def TArray_Blocks : TArray_Number<1, 128>;
def TArray_Lanes : TArray_Number<1, 16>;
def TArray_Place : TArray_Number<0, 0x7fffffff>;

def TArray_DescriptorOp : TArray_InstructionOp<"descriptor"> {
  let summary = "says what a buffer is";
  let description = [{
    From now on the descriptor is a buffer of `tern.submit`, taken as rows of
    `row_bytes` bytes.
  }];
  let arguments = (ins TArray_Descriptor:$descriptor,
                       TArray_Number<0, 0xffff>:$buffer,
                       TArray_Number<1, 0x7fffffff>:$row_bytes);
  let assemblyFormat =
      "$descriptor `,` `buffer` $buffer `,` `row_bytes` $row_bytes attr-dict";
}

def TArray_LoadActivationsOp : TArray_InstructionOp<"load_activations"> {
  let summary = "loads columns of all rows of a buffer";
  let description = [{
    Loads `blocks` blocks of 16 columns of int8, from block `block` of each row
    on. The buffer has 1 to 16 rows, which is for the machine to check.
  }];
  let arguments = (ins TArray_Descriptor:$descriptor, TArray_Place:$block,
                       TArray_Blocks:$blocks);
  let assemblyFormat =
      "$descriptor `,` `block` $block `,` `blocks` $blocks attr-dict";
}

def TArray_ClearSumsOp : TArray_InstructionOp<"clear_sums"> {
  let summary = "sets the sums of all rows and lanes to zero";
  let assemblyFormat = "attr-dict";
}

def TArray_LoadWeightsOp : TArray_InstructionOp<"load_weights"> {
  let summary = "loads blocks of weights";
  let description = [{
    Loads `blocks` blocks of 64 bytes, from block `block` of the buffer on, into
    the bank of the weight memory that was not filled last.
  }];
  let arguments = (ins TArray_Descriptor:$descriptor, TArray_Place:$block,
                       TArray_Blocks:$blocks);
  let assemblyFormat =
      "$descriptor `,` `block` $block `,` `blocks` $blocks attr-dict";
}

def TArray_AccumulateOp : TArray_InstructionOp<"accumulate"> {
  let summary = "adds and subtracts activations as the weights say";
  let description = [{
    For each loaded row and each of the 16 lanes, adds to its sum the
    activations whose trit is +1 and subtracts those whose trit is -1, in the
    first `blocks` blocks of both memories.
  }];
  let arguments = (ins TArray_Blocks:$blocks);
  let assemblyFormat = "`blocks` $blocks attr-dict";
}

def TArray_StoreSumsOp : TArray_InstructionOp<"store_sums"> {
  let summary = "stores the sums of some lanes";
  let description = [{
    Stores the i32 sums of the first `lanes` lanes to columns `column` and on of
    the buffer's rows, of which there are as many as activations were loaded of.
  }];
  let arguments = (ins TArray_Descriptor:$descriptor, TArray_Place:$column,
                       TArray_Lanes:$lanes);
  let assemblyFormat =
      "$descriptor `,` `column` $column `,` `lanes` $lanes attr-dict";
}

#endif // TARRAY_TD
