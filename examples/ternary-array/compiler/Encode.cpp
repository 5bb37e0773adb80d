//===- Encode.cpp - Programs as bytes -------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TArray.h"

#include "llvm/Support/Endian.h"

namespace tarray {
#define GEN_PASS_DEF_TARRAYENCODEPASS
#include "TArrayPasses.h.inc"
} // namespace tarray

using namespace mlir;
using namespace tarray;

namespace {

struct TArrayEncode : tarray::impl::TArrayEncodePassBase<TArrayEncode> {
  void runOnOperation() override {
    for (ProgramOp program :
         llvm::make_early_inc_range(getOperation().getOps<ProgramOp>()))
      replace(program);
  }

private:
  static void replace(ProgramOp program) {
    std::string bytes;
    for (auto op : program.getOps<InstructionOp>()) {
      char word[sizeof(uint64_t)];
      llvm::support::endian::write64le(word, encode(op.getInstruction()));
      bytes.append(word, sizeof(word));
    }
    OpBuilder b(program);
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), bytes.size());
    LLVM::GlobalOp::create(b, program.getLoc(), type, /*isConstant=*/true,
                           LLVM::Linkage::Internal, program.getSymName(),
                           b.getStringAttr(bytes));
    program.erase();
  }
};

} // namespace
