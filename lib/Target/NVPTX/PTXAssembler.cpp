//===- PTXAssembler.cpp - NVIDIA's assembler, if it is there --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PTXAssembler.h"

#include "ternac/Support/MakeError.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace ternac;
using namespace llvm;

static constexpr StringLiteral kVariable = "TERNAC_PTXAS";

Expected<std::string> nvptx::findAssembler() {
  if (std::optional<std::string> named = sys::Process::GetEnv(kVariable)) {
    if (!named->empty() && !sys::fs::can_execute(*named))
      return makeError("expected the environment variable " + kVariable +
                       " to name NVIDIA's ptxas, or to be empty, but '" +
                       *named + "' is no program");
    return *named;
  }
  if (ErrorOr<std::string> found = sys::findProgramByName("ptxas"))
    return *found;
  for (std::string home : {sys::Process::GetEnv("CUDA_HOME").value_or(""),
                           std::string("/usr/local/cuda")}) {
    SmallString<128> path(home);
    sys::path::append(path, "bin", "ptxas");
    if (!home.empty() && sys::fs::can_execute(path))
      return path.str().str();
  }
  return std::string();
}

/// Creates a file with a name of its own, which goes with `remover`.
static Error createFile(StringRef suffix, SmallVectorImpl<char> &path,
                        FileRemover &remover) {
  if (std::error_code error =
          sys::fs::createTemporaryFile("ternac", suffix, path))
    return makeError("cannot create a temporary file: " + error.message());
  remover.setFile(Twine(path));
  return Error::success();
}

/// The first line that says of an error, or the first.
static StringRef reasonOf(StringRef messages) {
  SmallVector<StringRef> lines;
  messages.trim().split(lines, '\n');
  for (StringRef line : lines)
    if (line.contains("error") || line.contains("fatal"))
      return line;
  return lines.front();
}

static std::string contentsOf(StringRef path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFile(path);
  return file ? (*file)->getBuffer().str() : std::string();
}

Expected<std::string> nvptx::assemble(StringRef assembler, StringRef processor,
                                      StringRef ptx) {
  SmallString<128> source, object, messages;
  FileRemover removeSource, removeObject, removeMessages;
  if (Error error = createFile("ptx", source, removeSource))
    return error;
  if (Error error = createFile("cubin", object, removeObject))
    return error;
  if (Error error = createFile("txt", messages, removeMessages))
    return error;
  {
    std::error_code error;
    raw_fd_ostream out(source, error);
    out << ptx;
    out.close();
    if (error || out.has_error()) {
      std::string reason = error ? error.message() : out.error().message();
      out.clear_error();
      return makeError("cannot write '" + source + "': " + reason);
    }
  }
  std::string arch = ("-arch=" + processor).str();
  std::string failure;
  int status = sys::ExecuteAndWait(
      assembler, {assembler, arch, source, "-o", object}, std::nullopt,
      {StringRef(), StringRef(messages), StringRef(messages)},
      /*SecondsToWait=*/0, /*MemoryLimit=*/0, &failure);
  std::string code = contentsOf(object);
  if (status == 0 && !code.empty())
    return code;
  std::string reason = reasonOf(contentsOf(messages)).str();
  if (reason.empty())
    reason = !failure.empty() ? failure
             : status != 0    ? "it ended with status " + std::to_string(status)
                              : "it wrote no object";
  return makeError("'" + assembler + "' refuses the kernels for " + processor +
                   ": " + reason);
}
