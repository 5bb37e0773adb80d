//===- SharedLibrary.h - Libraries with one symbol --------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Model libraries and drivers of devices are opened alike: checked before the
// system maps them, then asked for the one symbol that they export.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_SHAREDLIBRARY_H
#define TERNAC_LIB_RUNTIME_SHAREDLIBRARY_H

#include <string>

namespace ternac::runtime {

class SharedLibrary {
public:
  SharedLibrary() = default;
  ~SharedLibrary();
  SharedLibrary(SharedLibrary &&other) noexcept;
  SharedLibrary &operator=(SharedLibrary &&other) noexcept;

  /// Opens `path`, which should be a `kind` ("Ternac model library") and have
  /// `symbol`. Without a symbol, and with the runtime's last error set, if it
  /// does not.
  static SharedLibrary open(const char *path, const char *kind,
                            const char *symbol);

  void *symbol() const { return place; }
  /// Where it lies; has a slash.
  const std::string &path() const { return file; }

private:
  std::string file;
  void *handle = nullptr; ///< of dlopen
  void *place = nullptr;
};

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_SHAREDLIBRARY_H
