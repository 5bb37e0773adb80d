//===- File.cpp - The header of a GGUF file -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The whole file is mapped, since nothing says how long the header is; only the
// pages of the header are ever read.
//
//===----------------------------------------------------------------------===//

#include "File.h"

#include "../Common/Text.h"
#include "TensorTypes.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"

#include <optional>
#include <tuple>

using namespace llvm;

namespace ternac::import::gguf {

/// Far beyond any model: sizes in bytes stay within 64 bits.
static constexpr int64_t maxElements = int64_t(1) << 48;

/// Bytes of a value, or 0 for strings and arrays.
static uint64_t bytesOf(ValueType type) {
  switch (type) {
  case ValueType::UInt8:
  case ValueType::Int8:
  case ValueType::Bool:
    return 1;
  case ValueType::UInt16:
  case ValueType::Int16:
    return 2;
  case ValueType::UInt32:
  case ValueType::Int32:
  case ValueType::Float32:
    return 4;
  case ValueType::UInt64:
  case ValueType::Int64:
  case ValueType::Float64:
    return 8;
  case ValueType::String:
  case ValueType::Array:
    return 0;
  }
  return 0;
}

/// Reads a file from the beginning. After the first complaint everything that
/// is read is empty.
class Parser {
public:
  Parser(File &file, StringRef path, I2SLayout layout)
      : file(file), bytes(file.contents->getBuffer()), path(path),
        layout(layout) {}

  Error parse();

private:
  void fail(const Twine &message) {
    if (!complaint)
      complaint = (path + ": " + message).str();
  }
  bool failed() const { return complaint.has_value(); }

  StringRef take(uint64_t count, const Twine &what);
  template <typename T> T number(const Twine &what) {
    StringRef text = take(sizeof(T), what);
    return text.empty()
               ? T()
               : support::endian::read<T, endianness::little>(text.data());
  }
  uint64_t length(uint64_t minBytes, const Twine &what);
  StringRef string(const Twine &what);

  void magicAndVersion();
  ValueType valueType(const Twine &what);
  void skipValue(ValueType type, const Twine &what, unsigned depth);
  uint64_t skipArray(const Twine &what, unsigned depth);
  void key();
  uint64_t alignment();
  void tensor(StoredTensor &tensor);
  void shape(StoredTensor &tensor, ArrayRef<int64_t> extents,
             const TensorType &type);
  void place(uint64_t alignment);

  File &file;
  StringRef bytes;
  uint64_t position = 0;
  StringRef path;
  I2SLayout layout;
  std::optional<std::string> complaint;
};

StringRef Parser::take(uint64_t count, const Twine &what) {
  if (failed())
    return {};
  if (count > bytes.size() - position) {
    fail("is truncated: expected " + Twine(count) + " bytes of " + what +
         " at byte " + Twine(position) + ", but the file ends at " +
         Twine(bytes.size()));
    return {};
  }
  StringRef result = bytes.substr(position, count);
  position += count;
  return result;
}

/// The number of things that have at least `minBytes` bytes each; a number that
/// the file cannot hold is an error before anything is made of it.
uint64_t Parser::length(uint64_t minBytes, const Twine &what) {
  auto count = number<uint64_t>("the number of " + what);
  if (failed() || count <= (bytes.size() - position) / minBytes)
    return count;
  fail("has " + Twine(count) + " " + what + " by its header, more than the " +
       Twine(bytes.size()) + " bytes of the file can hold");
  return 0;
}

StringRef Parser::string(const Twine &what) {
  return take(length(1, "characters of " + what), what);
}

void Parser::magicAndVersion() {
  StringRef magic = take(4, "the magic number");
  if (!failed() && magic != "GGUF")
    return fail("is no GGUF file: expected it to begin with \"GGUF\", but it "
                "begins with " +
                quoted(magic, '"'));
  auto version = number<uint32_t>("the version");
  if (failed() || version == 2 || version == 3)
    return;
  if (uint32_t swapped = byteswap(version); swapped >= 1 && swapped <= 3)
    return fail("is a big-endian GGUF file; expected a little-endian one, as "
                "the converter writes it without --bigendian");
  fail("expected version 2 or 3 of GGUF, but it has version " + Twine(version) +
       "; convert the model with a " + (version < 2 ? "newer" : "matching") +
       " converter");
}

ValueType Parser::valueType(const Twine &what) {
  auto type = number<uint32_t>("the type of " + what);
  if (type > uint32_t(ValueType::Float64))
    fail(what + " has the unknown type " + Twine(type) +
         "; expected a number from 0 to " +
         Twine(uint32_t(ValueType::Float64)));
  return ValueType(type);
}

uint64_t Parser::skipArray(const Twine &what, unsigned depth) {
  constexpr unsigned maxDepth = 8;
  if (depth == maxDepth) {
    fail(what + " is nested more than " + Twine(maxDepth) + " arrays deep");
    return 0;
  }
  ValueType element = valueType(what);
  if (failed())
    return 0;
  // An array has a type and a length, a string a length.
  uint64_t minBytes = element == ValueType::Array    ? 12
                      : element == ValueType::String ? 8
                                                     : bytesOf(element);
  uint64_t count = length(minBytes, "elements of " + what);
  if (uint64_t each = bytesOf(element))
    take(count * each, what);
  else
    for (uint64_t i = 0; i != count && !failed(); ++i)
      skipValue(element, what, depth + 1);
  return count;
}

void Parser::skipValue(ValueType type, const Twine &what, unsigned depth) {
  if (type == ValueType::Array)
    skipArray(what, depth);
  else if (type == ValueType::String)
    string(what);
  else
    take(bytesOf(type), what);
}

void Parser::key() {
  StringRef name = string("the name of a key");
  std::string what = "key " + quoted(name);
  Value value;
  value.type = valueType(what);
  if (failed())
    return;
  if (value.type == ValueType::Array)
    value.count = skipArray(what, 0);
  else if (value.type == ValueType::String)
    value.bytes = string(what);
  else
    value.bytes = take(bytesOf(value.type), what);
  if (value.type == ValueType::Bool && !failed())
    if (unsigned bits = uint8_t(value.bytes.front()); bits > 1)
      fail(what + " must be 0 or 1, but is " + Twine(bits));
  if (!failed() && !file.keyMap.try_emplace(name, value).second)
    fail("has " + what + " twice");
}

void Parser::tensor(StoredTensor &tensor) {
  tensor.name = string("the name of a tensor").str();
  std::string what = "tensor " + quoted(tensor.name);
  auto rank = number<uint32_t>("the rank of " + what);
  if (!failed() && (rank < 1 || rank > 4))
    return fail(what + " has " + Twine(rank) +
                " dimensions; expected from 1 to 4");
  SmallVector<int64_t> extents;
  std::optional<int64_t> elements = 1;
  for (uint32_t i = 0; i != rank && !failed(); ++i) {
    auto extent = number<uint64_t>("the shape of " + what);
    if (!failed() && (extent < 1 || extent > uint64_t(maxElements)))
      return fail(what + " has an extent of " + Twine(extent) +
                  "; expected from 1 to " + Twine(maxElements));
    extents.push_back(int64_t(extent));
    elements = checkedMul(*elements, extents.back());
    if (!elements || *elements > maxElements)
      return fail(what + " has more than " + Twine(maxElements) + " elements");
  }
  auto id = number<uint32_t>("the type of " + what);
  auto offset = number<uint64_t>("the offset of " + what);
  if (failed())
    return;
  Expected<TensorType> type = tensorType(id, layout);
  if (!type)
    return fail(what + " " + toString(type.takeError()));
  shape(tensor, extents, *type);
  // More is checked when the beginning of the data is known.
  if (offset > bytes.size())
    return fail(what + " has the offset " + Twine(offset) +
                ", which is beyond the " + Twine(bytes.size()) +
                " bytes of the file");
  tensor.offset = int64_t(offset);
}

/// Sets what follows from the extents, of which the first varies fastest.
void Parser::shape(StoredTensor &tensor, ArrayRef<int64_t> extents,
                   const TensorType &type) {
  tensor.type = type.name.str();
  tensor.encoding = type.encoding;
  while (extents.size() > 1 && extents.back() == 1)
    extents = extents.drop_back();
  tensor.shape.assign(extents.rbegin(), extents.rend());
  int64_t rows = 1;
  for (int64_t extent : extents.drop_front())
    rows *= extent;
  if (auto reason =
          packing::invalidShape(tensor.encoding, rows, extents.front()))
    return fail("tensor " + quoted(tensor.name) + " is " + tensor.type +
                " with the shape " + shownShape(tensor.shape) + ": " + *reason);
  tensor.bytes = packing::matrixBytes(tensor.encoding, rows, extents.front());
}

uint64_t Parser::alignment() {
  constexpr uint64_t usual = 32;
  auto found = file.keyMap.find("general.alignment");
  if (found == file.keyMap.end())
    return usual;
  const Value &value = found->second;
  uint64_t alignment = value.type == ValueType::UInt32
                           ? support::endian::read32le(value.bytes.data())
                           : 0;
  if (isPowerOf2_64(alignment) && alignment <= (1 << 20))
    return alignment;
  fail("key 'general.alignment' must be a power of two of at most " +
       Twine(1 << 20) + ", as an unsigned 32-bit number");
  return usual;
}

/// The tensors must tile the data, each at the next aligned place: bytes in two
/// tensors or in none mean that a type has another size than it has here.
void Parser::place(uint64_t alignment) {
  std::vector<StoredTensor> &tensors = file.tensorList;
  sort(tensors, [](const StoredTensor &a, const StoredTensor &b) {
    return std::tie(a.offset, a.name) < std::tie(b.offset, b.name);
  });
  uint64_t begin = alignTo(position, alignment), end = 0;
  StringRef before = "the beginning of the data";
  std::string name;
  for (StoredTensor &tensor : tensors) {
    if (uint64_t(tensor.offset) != end)
      return fail("tensor " + quoted(tensor.name) + " begins at byte " +
                  Twine(tensor.offset) + " of the data; expected byte " +
                  Twine(end) + ", the next place behind " + before +
                  " that is a multiple of " + Twine(alignment));
    uint64_t limit = bytes.size() - std::min<uint64_t>(begin, bytes.size());
    if (end > limit || uint64_t(tensor.bytes) > limit - end)
      return fail("is truncated: tensor " + quoted(tensor.name) + " has " +
                  Twine(tensor.bytes) + " bytes at byte " + Twine(begin + end) +
                  ", but the file ends at " + Twine(bytes.size()));
    end = alignTo(end + tensor.bytes, alignment);
    tensor.offset += int64_t(begin);
    name = "tensor " + quoted(tensor.name);
    before = name;
  }
  if (bytes.size() > begin + end)
    fail("the data from byte " + Twine(begin + end) + " to " +
         Twine(bytes.size()) + ", behind " + before + ", belongs to no tensor");
}

Error Parser::parse() {
  magicAndVersion();
  // A description of a tensor has a name, a rank, an extent, a type and an
  // offset; a key has a name, a type and a value.
  uint64_t tensors = length(8 + 4 + 8 + 4 + 8, "tensors");
  uint64_t keys = length(8 + 4 + 1, "keys");
  for (uint64_t i = 0; i != keys && !failed(); ++i)
    key();
  uint64_t alignment = this->alignment();
  StringSet<> names;
  for (uint64_t i = 0; i != tensors && !failed(); ++i) {
    StoredTensor &added = file.tensorList.emplace_back();
    tensor(added);
    if (!failed() && !names.insert(added.name).second)
      fail("has tensor " + quoted(added.name) + " twice");
  }
  if (!failed())
    place(alignment);
  return failed() ? createStringError(*complaint) : Error::success();
}

Expected<File> File::read(std::unique_ptr<MemoryBuffer> contents,
                          const std::string &path, I2SLayout layout) {
  File file(std::move(contents));
  if (Error error = Parser(file, path, layout).parse())
    return std::move(error);
  return file;
}

Expected<File> File::open(const std::string &path, I2SLayout layout) {
  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(path, status))
    return createStringError(path + ": cannot be read: " + code.message());
  if (!sys::fs::is_regular_file(status))
    return createStringError(path + ": is no regular file");
  ErrorOr<std::unique_ptr<MemoryBuffer>> contents =
      MemoryBuffer::getFile(path, /*IsText=*/false,
                            /*RequiresNullTerminator=*/false);
  if (!contents)
    return createStringError(
        path + ": cannot be read: " + contents.getError().message());
  return read(std::move(*contents), path, layout);
}

} // namespace ternac::import::gguf
