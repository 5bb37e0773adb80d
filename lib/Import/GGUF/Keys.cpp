//===- Keys.cpp - Typed access to the keys of a GGUF file -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Keys.h"

#include "../Common/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

#include <bit>
#include <cmath>
#include <limits>
#include <utility>

using namespace llvm;

namespace ternac::import::gguf {

template <typename T> static T read(const Value &value) {
  return support::endian::read<T, endianness::little>(value.bytes.data());
}

/// The integer that a value is, if it is one.
static std::optional<int64_t> asInteger(const Value &value) {
  switch (value.type) {
  case ValueType::UInt8:
    return read<uint8_t>(value);
  case ValueType::Int8:
    return read<int8_t>(value);
  case ValueType::UInt16:
    return read<uint16_t>(value);
  case ValueType::Int16:
    return read<int16_t>(value);
  case ValueType::UInt32:
    return read<uint32_t>(value);
  case ValueType::Int32:
    return read<int32_t>(value);
  case ValueType::UInt64:
    // Nothing that is read here is nearly that large.
    return int64_t(std::min<uint64_t>(read<uint64_t>(value),
                                      std::numeric_limits<int64_t>::max()));
  case ValueType::Int64:
    return read<int64_t>(value);
  default:
    return std::nullopt;
  }
}

static std::optional<double> asNumber(const Value &value) {
  if (value.type == ValueType::Float32)
    return std::bit_cast<float>(read<uint32_t>(value));
  if (value.type == ValueType::Float64)
    return std::bit_cast<double>(read<uint64_t>(value));
  return asInteger(value);
}

/// `value` for a message.
static std::string shown(const Value &value) {
  if (value.type == ValueType::String)
    return quoted(value.bytes, '"');
  if (value.type == ValueType::Array)
    return "an array";
  if (value.type == ValueType::Bool)
    return value.bytes.front() ? "true" : "false";
  if (std::optional<int64_t> integer = asInteger(value))
    return std::to_string(*integer);
  return shownNumber(*asNumber(value));
}

const Value *Keys::find(StringRef key) {
  known.insert(key);
  auto found = file.keys().find(key);
  return found == file.keys().end() ? nullptr : &found->second;
}

void Keys::fail(const Twine &message) {
  if (!complaint)
    complaint = (path + ": " + message).str();
}

void Keys::expected(StringRef key, const Twine &expected) {
  const Value *value = find(key);
  fail("key " + quoted(key) + " must be " + expected + ", but is " +
       (value ? shown(*value) : "missing"));
}

int64_t Keys::integer(StringRef key, int64_t min, int64_t max,
                      std::optional<int64_t> fallback) {
  const Value *value = find(key);
  if (!value && fallback)
    return *fallback;
  std::optional<int64_t> number = value ? asInteger(*value) : std::nullopt;
  if (number && *number >= min && *number <= max)
    return *number;
  expected(key, "an integer from " + Twine(min) + " to " + Twine(max));
  return min;
}

double Keys::number(StringRef key, double min, std::optional<double> fallback) {
  const Value *value = find(key);
  if (!value && fallback)
    return *fallback;
  std::optional<double> number = value ? asNumber(*value) : std::nullopt;
  // All that is computed with such a number is computed in f32.
  if (number && *number >= min && *number <= std::numeric_limits<float>::max())
    return *number;
  expected(key, "a finite number of at least " + shownNumber(min));
  return min;
}

bool Keys::boolean(StringRef key, bool fallback) {
  const Value *value = find(key);
  if (!value)
    return fallback;
  if (value->type == ValueType::Bool)
    return value->bytes.front() != 0;
  expected(key, "true or false");
  return fallback;
}

std::string Keys::oneOf(StringRef key, ArrayRef<StringRef> valid,
                        std::optional<StringRef> fallback) {
  const Value *value = find(key);
  if (!value && fallback)
    return fallback->str();
  if (value && value->type == ValueType::String &&
      is_contained(valid, value->bytes))
    return value->bytes.str();
  expected(key, alternatives(valid));
  return valid.front().str();
}

std::optional<int64_t> Keys::arrayLength(StringRef key) {
  const Value *value = find(key);
  if (!value)
    return std::nullopt;
  if (value->type == ValueType::Array)
    return int64_t(value->count);
  expected(key, "an array");
  return std::nullopt;
}

std::vector<std::string> Keys::unknownKeys(StringRef prefix) const {
  std::vector<std::string> result;
  for (StringRef key : file.keys().keys())
    if (key.starts_with(prefix) && !known.contains(key))
      result.push_back(key.str());
  sort(result);
  return result;
}

Error Keys::takeError() {
  if (!complaint)
    return Error::success();
  return createStringError(*std::exchange(complaint, std::nullopt));
}

} // namespace ternac::import::gguf
