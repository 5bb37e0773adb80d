//===- Files.cpp - The checkpoint files of a plan -------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// POSIX files: pread is the one read that threads can share a descriptor for,
// and, unlike a mapping, it reports a failing disk as an error.
//
//===----------------------------------------------------------------------===//

#include "Files.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

using llvm::createStringError;
using llvm::Error;
using llvm::Expected;
using llvm::Twine;

namespace ternac::packing {

Expected<InputFile> InputFile::open(std::string path) {
  int descriptor = llvm::sys::RetryAfterSignal(
      -1, [&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (descriptor < 0)
    return createStringError(path +
                             ": cannot be opened: " + llvm::sys::StrError());
  InputFile file(std::move(path), descriptor, 0);
  struct stat status;
  if (::fstat(descriptor, &status) != 0)
    return createStringError(file.path() +
                             ": cannot be examined: " + llvm::sys::StrError());
  if (!S_ISREG(status.st_mode))
    return createStringError(file.path() + ": expected a regular file");
  file.fileSize = status.st_size;
  return file;
}

InputFile::InputFile(InputFile &&other)
    : filePath(std::move(other.filePath)),
      descriptor(std::exchange(other.descriptor, -1)),
      fileSize(other.fileSize) {}

InputFile::~InputFile() {
  if (descriptor >= 0)
    ::close(descriptor);
}

Error InputFile::read(uint64_t offset,
                      llvm::MutableArrayRef<uint8_t> out) const {
  if (offset > fileSize || out.size() > fileSize - offset)
    return createStringError("expected " + Twine(out.size()) +
                             " bytes at offset " + Twine(offset) +
                             ", but the file ends at " + Twine(fileSize));
  while (!out.empty()) {
    ssize_t count = ::pread(descriptor, out.data(), out.size(), offset);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return createStringError("cannot be read at offset " + Twine(offset) +
                               ": " + llvm::sys::StrError());
    if (count == 0)
      return createStringError("the file was cut at " + Twine(offset) +
                               " while it was read");
    out = out.drop_front(count);
    offset += count;
  }
  return Error::success();
}

Expected<uint64_t> InputFile::fingerprint() const {
  constexpr uint64_t headBytes = 64 * 1024, sampleBytes = 4096, samples = 256;
  std::vector<uint8_t> buffer(sizeof(uint64_t) + headBytes +
                              samples * sampleBytes);
  llvm::MutableArrayRef<uint8_t> rest = buffer;
  llvm::support::endian::write64le(rest.data(), fileSize);
  rest = rest.drop_front(sizeof(uint64_t));
  auto take = [&](uint64_t offset, uint64_t bytes) -> Error {
    bytes = std::min(bytes, fileSize - offset);
    if (Error error = read(offset, rest.take_front(bytes)))
      return createStringError(filePath + ": " +
                               llvm::toString(std::move(error)));
    rest = rest.drop_front(bytes);
    return Error::success();
  };
  if (Error error = take(0, headBytes))
    return error;
  // The last sample ends where the file ends.
  uint64_t lastSample = fileSize - std::min(fileSize, sampleBytes);
  for (uint64_t i = 0; i < samples; ++i)
    if (Error error = take(lastSample * i / (samples - 1), sampleBytes))
      return error;
  return llvm::xxh3_64bits(
      llvm::ArrayRef<uint8_t>(buffer).drop_back(rest.size()));
}

Expected<uint64_t> fingerprintFile(const std::string &path) {
  Expected<InputFile> file = InputFile::open(path);
  if (!file)
    return file.takeError();
  return file->fingerprint();
}

static Error notTheFile(const InputFile &file, const Twine &difference) {
  return createStringError(
      file.path() +
      ": is not the file that the plan was made from: " + difference);
}

Expected<std::vector<InputFile>> openFiles(const Plan &plan,
                                           llvm::StringRef root) {
  std::vector<InputFile> result;
  for (const File &wanted : plan.files) {
    llvm::SmallString<256> path(wanted.path);
    llvm::sys::path::make_absolute(root, path);
    Expected<InputFile> file = InputFile::open(std::string(path));
    if (!file)
      return file.takeError();
    if (file->size() != wanted.size)
      return notTheFile(*file, "expected " + Twine(wanted.size) +
                                   " bytes, but got " + Twine(file->size()));
    Expected<uint64_t> fingerprint = file->fingerprint();
    if (!fingerprint)
      return fingerprint.takeError();
    if (*fingerprint != wanted.fingerprint)
      return notTheFile(*file, "expected fingerprint 0x" +
                                   llvm::utohexstr(wanted.fingerprint, true) +
                                   ", but got 0x" +
                                   llvm::utohexstr(*fingerprint, true));
    result.push_back(std::move(*file));
  }
  return result;
}

} // namespace ternac::packing
