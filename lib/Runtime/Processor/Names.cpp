//===- Names.cpp - What people call the machines of ELF files -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Processor.h"

#include <elf.h>

std::string ternac::runtime::processor::nameOfELFMachine(uint16_t machine) {
  switch (machine) {
  case EM_386:
    return "32-bit x86";
  case EM_X86_64:
    return "x86-64";
  case EM_ARM:
    return "32-bit ARM";
  case EM_AARCH64:
    return "AArch64";
  case EM_RISCV:
    return "RISC-V";
  case EM_PPC64:
    return "64-bit POWER";
  case EM_S390:
    return "s390";
  default:
    return "machine number " + std::to_string(machine) + " of ELF";
  }
}
