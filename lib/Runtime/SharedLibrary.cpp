//===- SharedLibrary.cpp - Libraries with one symbol ----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SharedLibrary.h"
#include "Error.h"
#include "ternac/Runtime/MappedMemory.h"
#include "ternac/Support/ELFFile.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <dlfcn.h>
#include <sys/stat.h>

using namespace ternac;
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

/// Checks what can be said of a file before it is loaded.
static bool checkFile(const char *path, const std::string &file,
                      const char *kind) {
  MappedMemory image = MappedMemory::mapFile(file);
  std::string other = elf::otherMachine(image.data(), image.size());
  if (!other.empty()) {
    setError("'%s' is %s; use a %s for this machine", path, other.c_str(),
             kind);
    return false;
  }
  if (!elf::isWhole(image.data(), image.size())) {
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
  if (!S_ISREG(status.st_mode)) {
    setError("'%s' is no %s: it is not a regular file", path, kind);
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
