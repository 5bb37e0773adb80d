//===- NpyWriter.cpp - A matrix of floats as a NumPy file -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NpyWriter.h"

#include <bit>
#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

using namespace ternac::run;

NpyWriter::~NpyWriter() {
  if (file)
    fclose(file);
  if (!temporary.empty())
    unlink(temporary.c_str());
}

bool NpyWriter::open(const std::string &newPath, size_t rows, size_t columns) {
  path = newPath;
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    errno = EISDIR; // Else noticed only by `commit`.
    return false;
  }
  std::string partial = path + ".partial-" + std::to_string(getpid());
  file = fopen(partial.c_str(), "wbe");
  if (!file)
    return false;
  temporary = partial;
  constexpr char order = std::endian::native == std::endian::little ? '<' : '>';
  std::string header = "{'descr': '";
  header += order;
  header += "f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) +
            ", " + std::to_string(columns) + "), }";
  // Magic, version and length take 10 bytes; the data starts at a multiple of
  // 64 and the header ends with a newline.
  constexpr size_t prefix = 10;
  header.resize((prefix + header.size() + 1 + 63) / 64 * 64 - prefix - 1, ' ');
  header += '\n';
  std::string start = "\x93NUMPY\x01";
  start += '\0';
  start += static_cast<char>(header.size() & 0xff);
  start += static_cast<char>(header.size() >> 8);
  start += header;
  return fwrite(start.data(), 1, start.size(), file) == start.size();
}

bool NpyWriter::append(const float *values, size_t count) {
  return fwrite(values, sizeof(float), count, file) == count;
}

bool NpyWriter::commit() {
  FILE *written = file;
  file = nullptr;
  if (fclose(written) != 0 || rename(temporary.c_str(), path.c_str()) != 0)
    return false;
  temporary.clear();
  return true;
}
