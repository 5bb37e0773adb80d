//===- SharedLibrary.cpp - Libraries with one symbol ----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SharedLibrary.h"
#include "Error.h"
#include "Processor/Processor.h"
#include "ternac/Runtime/MappedMemory.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/stat.h>

using namespace ternac::runtime;

SharedLibrary::~SharedLibrary() {
  if (handle)
    dlclose(handle);
}

SharedLibrary::SharedLibrary(SharedLibrary &&other) noexcept
    : file(std::move(other.file)), handle(std::exchange(other.handle, nullptr)),
      place(std::exchange(other.place, nullptr)) {}

SharedLibrary &SharedLibrary::operator=(SharedLibrary &&other) noexcept {
  std::swap(file, other.file);
  std::swap(handle, other.handle);
  std::swap(place, other.place);
  return *this;
}

/// The machine that an ELF file is for, as people call it, unless it is this
/// one; empty if it is, and for what is no such file.
static std::string otherMachine(const MappedMemory &file) {
  const auto *bytes = static_cast<const unsigned char *>(file.data());
  constexpr size_t offset = offsetof(ElfW(Ehdr), e_machine);
  uint16_t mine = processor::elfMachine();
  if (!mine || !bytes || file.size() < offset + sizeof(uint16_t) ||
      memcmp(bytes, ELFMAG, SELFMAG) != 0)
    return "";
  bool bigEndian = bytes[EI_DATA] == ELFDATA2MSB;
  uint16_t machine =
      uint16_t(bytes[offset + !bigEndian] << 8 | bytes[offset + bigEndian]);
  return machine == mine ? "" : processor::nameOfELFMachine(machine);
}

/// Whether the file is as long as its program headers say. dlopen maps what
/// they say, and the first touch behind the end of a file that was cut off
/// would kill the process. What is wrong otherwise, dlopen itself reports.
static bool isWhole(const MappedMemory &file) {
  const auto *header = static_cast<const ElfW(Ehdr) *>(file.data());
  if (!header || file.size() < sizeof(*header) ||
      memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_phentsize != sizeof(ElfW(Phdr)) ||
      header->e_phoff % alignof(ElfW(Phdr)) != 0)
    return true;
  uint64_t tableBytes = header->e_phnum * sizeof(ElfW(Phdr));
  if (header->e_phoff > file.size() ||
      tableBytes > file.size() - header->e_phoff)
    return false;
  const auto *segments = reinterpret_cast<const ElfW(Phdr) *>(
      static_cast<const char *>(file.data()) + header->e_phoff);
  return std::all_of(
      segments, segments + header->e_phnum, [&](const ElfW(Phdr) & segment) {
        return segment.p_type != PT_LOAD ||
               (segment.p_offset <= file.size() &&
                segment.p_filesz <= file.size() - segment.p_offset);
      });
}

/// Checks what can be said of a file before it is loaded.
static bool checkFile(const char *path, const std::string &file,
                      const char *kind) {
  MappedMemory image = MappedMemory::mapFile(file);
  if (std::string machine = otherMachine(image); !machine.empty()) {
    setError("'%s' is for %s, but this machine is %s; use a %s for this "
             "machine",
             path, machine.c_str(),
             processor::nameOfELFMachine(processor::elfMachine()).c_str(),
             kind);
    return false;
  }
  if (!isWhole(image)) {
    setError("'%s' is no %s: it is truncated to %llu bytes", path, kind,
             static_cast<unsigned long long>(image.size()));
    return false;
  }
  return true;
}

SharedLibrary SharedLibrary::open(const char *path, const char *kind,
                                  const char *symbol) {
  struct stat status;
  SharedLibrary library;
  if (!path || !*path) {
    setError("the path of the %s is empty", kind);
    return library;
  }
  if (stat(path, &status) != 0) {
    setError("cannot open '%s': %s", path, strerror(errno));
    return library;
  }
  // dlopen looks for a bare name in the system's folders, not in this one.
  library.file = strchr(path, '/') ? path : std::string("./") + path;
  if (!checkFile(path, library.file, kind))
    return library;
  library.handle = dlopen(library.file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library.handle) {
    setError("'%s' is no %s: %s", path, kind, dlerror());
    return library;
  }
  library.place = dlsym(library.handle, symbol);
  if (!library.place)
    setError("'%s' is no %s: it has no symbol '%s'", path, kind, symbol);
  return library;
}
