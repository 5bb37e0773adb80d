//===- Safetensors.cpp - The header of a safetensors file -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Safetensors.h"

#include "Json.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <tuple>

using namespace llvm;

namespace ternac::import::hf {

namespace {
struct Dtype {
  StringLiteral name;
  int64_t bytes;
};
} // namespace

/// Types of whole bytes. The format also knows smaller ones (F4, F6...), which
/// no ternary checkpoint uses.
static constexpr Dtype dtypes[] = {
    {"BOOL", 1},    {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
    {"F8_E8M0", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},     {"BF16", 2},
    {"I32", 4},     {"U32", 4}, {"F32", 4}, {"I64", 8},     {"U64", 8},
    {"F64", 8},     {"C64", 8},
};

static std::optional<int64_t> bytesOf(StringRef dtype) {
  const Dtype *known =
      find_if(dtypes, [&](const Dtype &d) { return d.name == dtype; });
  return known != std::end(dtypes) ? std::optional(known->bytes) : std::nullopt;
}

/// A list of non-negative integers, or nullopt.
static std::optional<std::vector<int64_t>>
asNaturals(const json::Value *value) {
  const json::Array *list = value ? value->getAsArray() : nullptr;
  if (!list)
    return std::nullopt;
  std::vector<int64_t> result;
  for (const json::Value &element : *list) {
    std::optional<int64_t> number = element.getAsInteger();
    if (!number || *number < 0)
      return std::nullopt;
    result.push_back(*number);
  }
  return result;
}

/// Reads the entry of one tensor. Offsets count from the beginning of the data,
/// of which there are `dataBytes`.
static Expected<StoredTensor> readEntry(StringRef name,
                                        const json::Value &value,
                                        int64_t dataBytes,
                                        const std::string &path) {
  auto fail = [&](const Twine &message) {
    return createStringError(path + ": tensor " + quoted(name) + " " + message);
  };
  const json::Object *entry = value.getAsObject();
  if (!entry)
    return fail("must be described by an object, but is by " + shown(value));

  StoredTensor tensor;
  tensor.name = name.str();
  std::optional<StringRef> dtype = entry->getString("dtype");
  if (!dtype)
    return fail("has no dtype");
  std::optional<int64_t> itemBytes = bytesOf(*dtype);
  if (!itemBytes) {
    std::string valid;
    for (const Dtype &known : dtypes)
      valid += (valid.empty() ? "" : ", ") + known.name.str();
    return fail("has the unknown dtype " + quoted(*dtype) +
                "; expected one of " + valid);
  }
  tensor.dtype = dtype->str();

  std::optional<std::vector<int64_t>> shape = asNaturals(entry->get("shape"));
  if (!shape)
    return fail("must have a shape of non-negative integers");
  tensor.shape = std::move(*shape);
  std::optional<int64_t> bytes = itemBytes;
  for (int64_t extent : tensor.shape) {
    bytes = checkedMul(*bytes, extent);
    if (!bytes)
      return fail("has a shape whose size overflows 64 bits");
  }
  tensor.bytes = *bytes;

  std::optional<std::vector<int64_t>> span =
      asNaturals(entry->get("data_offsets"));
  if (!span || span->size() != 2)
    return fail("must have data_offsets of two non-negative integers");
  int64_t begin = span->front(), end = span->back();
  if (begin > end || end > dataBytes)
    return fail("has the data_offsets [" + Twine(begin) + ", " + Twine(end) +
                "], which is no range of the " + Twine(dataBytes) +
                " bytes of data");
  if (end - begin != tensor.bytes)
    return fail("must have " + Twine(tensor.bytes) +
                " bytes by its dtype and shape, but its data_offsets span " +
                Twine(end - begin));
  tensor.offset = begin;
  return tensor;
}

/// The tensors must tile the data: bytes in two tensors or in none mean that
/// the header belongs to other data.
static Error checkTiling(ArrayRef<StoredTensor> tensors, int64_t dataBytes,
                         const std::string &path) {
  int64_t end = 0;
  for (auto [i, tensor] : enumerate(tensors)) {
    if (tensor.offset < end)
      return createStringError(path + ": tensors " +
                               quoted(tensors[i - 1].name) + " and " +
                               quoted(tensor.name) + " overlap");
    if (tensor.offset > end)
      return createStringError(path + ": the data from byte " + Twine(end) +
                               " to " + Twine(tensor.offset) +
                               ", before tensor " + quoted(tensor.name) +
                               ", belongs to no tensor");
    end = tensor.offset + tensor.bytes;
  }
  if (end != dataBytes)
    return createStringError(path + ": the tensors end at byte " + Twine(end) +
                             " of the data, but there are " + Twine(dataBytes) +
                             " bytes of it");
  return Error::success();
}

static Error checkMetadata(const json::Value &value, const std::string &path) {
  const json::Object *metadata = value.getAsObject();
  if (metadata && all_of(*metadata, [](const auto &member) {
        return member.second.kind() == json::Value::String;
      }))
    return Error::success();
  return createStringError(path + ": '__metadata__' must map strings to "
                                  "strings");
}

static Expected<SafetensorsFile> parse(sys::fs::file_t file, uint64_t size,
                                       const std::string &path) {
  auto slice = [&](uint64_t offset,
                   uint64_t bytes) -> Expected<std::unique_ptr<MemoryBuffer>> {
    ErrorOr<std::unique_ptr<MemoryBuffer>> buffer =
        MemoryBuffer::getOpenFileSlice(file, path, bytes, int64_t(offset));
    if (!buffer)
      return createStringError(
          path + ": cannot be read: " + buffer.getError().message());
    return std::move(*buffer);
  };

  constexpr uint64_t prefixBytes = 8;
  if (size < prefixBytes)
    return createStringError(path + ": is no safetensors file: it has " +
                             Twine(size) + " bytes, less than the " +
                             Twine(prefixBytes) + " of the header's length");
  Expected<std::unique_ptr<MemoryBuffer>> prefix = slice(0, prefixBytes);
  if (!prefix)
    return prefix.takeError();
  uint64_t headerBytes = support::endian::read64le((*prefix)->getBufferStart());
  if (headerBytes > maxJsonBytes)
    return createStringError(
        path + ": is no safetensors file: a header of " + Twine(headerBytes) +
        " bytes is beyond the limit of " + Twine(maxJsonBytes));
  if (headerBytes > size - prefixBytes)
    return createStringError(
        path + ": is truncated: its header of " + Twine(headerBytes) +
        " bytes does not fit into the file of " + Twine(size));
  Expected<std::unique_ptr<MemoryBuffer>> text =
      slice(prefixBytes, headerBytes);
  if (!text)
    return text.takeError();
  Expected<json::Object> header =
      parseJsonObject((*text)->getBuffer(), path + ": header");
  if (!header)
    return header.takeError();

  uint64_t dataBegin = prefixBytes + headerBytes;
  int64_t dataBytes = int64_t(size - dataBegin);
  SafetensorsFile result;
  result.size = size;
  for (const auto &[key, value] : *header) {
    if (StringRef(key) == "__metadata__") {
      if (Error error = checkMetadata(value, path))
        return std::move(error);
      continue;
    }
    Expected<StoredTensor> tensor = readEntry(key, value, dataBytes, path);
    if (!tensor)
      return tensor.takeError();
    result.tensors.push_back(std::move(*tensor));
  }
  // An empty tensor shares its offset with the tensor after it.
  sort(result.tensors, [](const StoredTensor &a, const StoredTensor &b) {
    return std::tie(a.offset, a.bytes, a.name) <
           std::tie(b.offset, b.bytes, b.name);
  });
  if (Error error = checkTiling(result.tensors, dataBytes, path))
    return std::move(error);
  for (StoredTensor &tensor : result.tensors)
    tensor.offset += int64_t(dataBegin);
  return result;
}

Expected<SafetensorsFile> readSafetensors(const std::string &path) {
  Expected<sys::fs::file_t> file = sys::fs::openNativeFileForRead(path);
  if (!file)
    return createStringError(
        path + ": cannot be opened: " + toString(file.takeError()));
  scope_exit close([&] { sys::fs::closeFile(*file); });
  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(*file, status))
    return createStringError(path + ": cannot be read: " + code.message());
  if (!sys::fs::is_regular_file(status))
    return createStringError(path + ": is no regular file");
  return parse(*file, status.getSize(), path);
}

} // namespace ternac::import::hf
