//===- SharedLibrary.cpp - Libraries with one symbol ----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SharedLibrary.h"
#include "Error.h"
#include "ternac/Runtime/MappedMemory.h"

#include <algorithm>
#include <cerrno>
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

/// Whether the file is as long as its program headers say. dlopen maps what
/// they say, and the first touch behind the end of a file that was cut off
/// would kill the process. What is wrong otherwise, dlopen itself reports.
static bool isWhole(const std::string &path) {
  MappedMemory file = MappedMemory::mapFile(path);
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
  if (!isWhole(library.file)) {
    setError("'%s' is no %s: it is truncated to %lld bytes", path, kind,
             static_cast<long long>(status.st_size));
    return library;
  }
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
