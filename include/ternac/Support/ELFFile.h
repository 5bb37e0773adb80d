//===- ELFFile.h - Whether dlopen can take a file ---------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// dlopen maps what the headers of a file say, and the first touch behind the
// end of a file that was cut off kills the process; of a library for another
// machine it says that it is not there. The runtime opens model libraries, and
// the compiler plug-ins, so this is a header that needs no LLVM. Nor does it
// include <elf.h>, whose macros are LLVM's enumerators.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_SUPPORT_ELFFILE_H
#define TERNAC_SUPPORT_ELFFILE_H

#include <cstdint>
#include <cstring>
#include <string>

/// The ELF header of whatever this is linked into, which the linker defines.
extern "C"
    [[gnu::weak, gnu::visibility("hidden")]] const unsigned char __ehdr_start[];

namespace ternac::elf {

/// Numbers of an ELF file in memory, of either byte order.
class Numbers {
public:
  Numbers(const void *data, uint64_t bytes)
      : start(static_cast<const unsigned char *>(data)), bytes(bytes) {}

  /// Whether it is an ELF file with a whole header, that of 64 bits.
  bool hasHeader() const {
    return start && bytes >= 64 && memcmp(start, "\177ELF", 4) == 0;
  }
  bool is64Bit() const { return start[4] == 2; }
  uint64_t size() const { return bytes; }

  uint64_t at(uint64_t offset, unsigned width) const {
    bool bigEndian = start[5] == 2;
    uint64_t number = 0;
    for (unsigned i = 0; i < width; ++i)
      number = number << 8 | start[offset + (bigEndian ? i : width - 1 - i)];
    return number;
  }
  uint16_t machine() const { return static_cast<uint16_t>(at(18, 2)); }

private:
  const unsigned char *start;
  uint64_t bytes;
};

/// What people call the machine of that number.
inline std::string nameOfMachine(uint16_t number) {
  static constexpr struct {
    uint16_t number;
    const char *name;
  } machines[] = {
      {3, "32-bit x86"},  {21, "64-bit POWER"}, {22, "s390"},
      {40, "32-bit ARM"}, {62, "x86-64"},       {183, "AArch64"},
      {243, "RISC-V"},
  };
  for (const auto &machine : machines)
    if (machine.number == number)
      return machine.name;
  return "machine number " + std::to_string(number) + " of ELF";
}

/// "for X, but this machine is Y" if it is a file for another machine; empty if
/// it is not, and for what is no such file.
inline std::string otherMachine(const void *data, uint64_t bytes) {
  Numbers file(data, bytes), mine(__ehdr_start, 64);
  if (!file.hasHeader() || !mine.hasHeader() ||
      file.machine() == mine.machine())
    return "";
  return "for " + nameOfMachine(file.machine()) + ", but this machine is " +
         nameOfMachine(mine.machine());
}

/// Whether the file is as long as its program headers say. What is wrong
/// otherwise, dlopen itself reports.
inline bool isWhole(const void *data, uint64_t bytes) {
  constexpr uint64_t segmentBytes = 56;
  constexpr uint32_t load = 1;
  Numbers file(data, bytes);
  if (!file.hasHeader() || !file.is64Bit() || file.at(54, 2) != segmentBytes)
    return true;
  auto isInside = [&](uint64_t offset, uint64_t count) {
    return offset <= file.size() && count <= file.size() - offset;
  };
  uint64_t table = file.at(32, 8), count = file.at(56, 2);
  if (!isInside(table, count * segmentBytes))
    return false;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t segment = table + i * segmentBytes;
    if (file.at(segment, 4) == load &&
        !isInside(file.at(segment + 8, 8), file.at(segment + 32, 8)))
      return false;
  }
  return true;
}

} // namespace ternac::elf

#endif // TERNAC_SUPPORT_ELFFILE_H
