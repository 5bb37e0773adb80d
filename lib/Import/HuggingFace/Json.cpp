//===- Json.cpp - JSON files with exact complaints ------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Json.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>
#include <limits>
#include <utility>

using namespace llvm;

namespace ternac::import::hf {

std::string shown(const json::Value &value) {
  // Bounded work: arrays and objects can be as long as the file.
  if (value.getAsObject())
    return "an object";
  if (value.getAsArray())
    return "a list";
  if (std::optional<StringRef> text = value.getAsString())
    return quoted(*text, '"');
  if (std::optional<int64_t> integer = value.getAsInteger())
    return std::to_string(*integer);
  if (std::optional<double> number = value.getAsNumber())
    return shownNumber(*number); // llvm::json prints 17 digits.
  std::optional<bool> flag = value.getAsBoolean();
  return !flag ? "null" : *flag ? "true" : "false";
}

//===----------------------------------------------------------------------===//
// Parsing
//===----------------------------------------------------------------------===//

/// Looks for what the parser would overflow its stack on, or accept in
/// silence. `text` need not be valid JSON; then any answer will do, since the
/// parser complains as well.
static std::optional<std::string> findDefect(StringRef text) {
  constexpr size_t maxNesting = 64;
  std::vector<StringSet<>> open;
  StringRef lastString;
  for (size_t i = 0, e = text.size(); i != e; ++i) {
    switch (text[i]) {
    case '{':
    case '[':
      if (open.size() == maxNesting)
        return ("is nested more than " + Twine(maxNesting) + " levels deep")
            .str();
      open.emplace_back();
      break;
    case '}':
    case ']':
      if (!open.empty())
        open.pop_back();
      break;
    case '"': {
      size_t begin = i++;
      while (i != e && text[i] != '"')
        i += text[i] == '\\' && i + 1 != e ? 2 : 1;
      if (i == e)
        return std::nullopt;
      lastString = text.slice(begin, i + 1);
      break;
    }
    case ':': {
      // Two spellings of one key ("a", "\u0061") are the same key.
      Expected<json::Value> key = json::parse(lastString);
      if (!key) {
        consumeError(key.takeError());
        return std::nullopt;
      }
      std::optional<StringRef> name = key->getAsString();
      if (name && !open.empty() && !open.back().insert(*name).second)
        return "has the key " + quoted(*name) + " twice in one object";
      break;
    }
    default:
      break;
    }
  }
  return std::nullopt;
}

Expected<json::Object> parseJsonObject(StringRef text, const Twine &file) {
  if (std::optional<std::string> defect = findDefect(text))
    return createStringError(file + ": the JSON text " + *defect);
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return createStringError(file +
                             ": invalid JSON: " + toString(value.takeError()));
  json::Object *object = value->getAsObject();
  if (!object)
    return createStringError(file + ": expected a JSON object, but got " +
                             shown(*value));
  return std::move(*object);
}

Expected<json::Object> readJsonFile(const std::string &path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return createStringError(
        path + ": cannot be read: " + buffer.getError().message());
  if ((*buffer)->getBufferSize() > maxJsonBytes)
    return createStringError(path + ": expected at most " +
                             Twine(maxJsonBytes) + " bytes, but has " +
                             Twine((*buffer)->getBufferSize()));
  return parseJsonObject((*buffer)->getBuffer(), path);
}

//===----------------------------------------------------------------------===//
// ObjectReader
//===----------------------------------------------------------------------===//

const json::Value *ObjectReader::find(StringRef key) {
  known.insert(key);
  const json::Value *value = object.get(key);
  return value && value->kind() != json::Value::Null ? value : nullptr;
}

bool ObjectReader::contains(StringRef key) const { return object.get(key); }

void ObjectReader::fail(const Twine &message) {
  if (!complaint)
    complaint = (place + ": " + message).str();
}

void ObjectReader::expected(StringRef key, const Twine &expected) {
  const json::Value *value = find(key);
  fail(quoted(key) + " must be " + expected + ", but is " +
       (value ? shown(*value) : "missing"));
}

int64_t ObjectReader::integer(StringRef key, int64_t min, int64_t max,
                              std::optional<int64_t> fallback) {
  const json::Value *value = find(key);
  if (!value && fallback)
    return *fallback;
  std::optional<int64_t> number = value ? value->getAsInteger() : std::nullopt;
  if (number && *number >= min && *number <= max)
    return *number;
  expected(key, "an integer from " + Twine(min) + " to " + Twine(max));
  return min;
}

double ObjectReader::positive(StringRef key, std::optional<double> fallback) {
  const json::Value *value = find(key);
  if (!value && fallback)
    return *fallback;
  std::optional<double> number = value ? value->getAsNumber() : std::nullopt;
  // All that is computed with such a number is computed in f32.
  using Limits = std::numeric_limits<float>;
  if (number && *number >= Limits::min() && *number <= Limits::max())
    return *number;
  expected(key, "a positive finite number");
  return 1.0;
}

double ObjectReader::atLeast(double min, StringRef key,
                             std::optional<double> fallback) {
  const json::Value *value = find(key);
  if (!value && fallback)
    return *fallback;
  std::optional<double> number = value ? value->getAsNumber() : std::nullopt;
  if (number && *number >= min && std::isfinite(*number))
    return *number;
  expected(key, "a finite number of at least " + shown(min));
  return min;
}

bool ObjectReader::boolean(StringRef key, bool fallback) {
  const json::Value *value = find(key);
  if (!value)
    return fallback;
  if (std::optional<bool> flag = value->getAsBoolean())
    return *flag;
  expected(key, "true or false");
  return fallback;
}

std::string ObjectReader::oneOf(StringRef key, ArrayRef<StringRef> valid,
                                std::optional<StringRef> fallback) {
  const json::Value *value = find(key);
  if (!value && fallback)
    return fallback->str();
  std::optional<StringRef> text = value ? value->getAsString() : std::nullopt;
  if (text && is_contained(valid, *text))
    return text->str();
  expected(key, alternatives(valid));
  return valid.front().str();
}

std::vector<std::string> ObjectReader::strings(StringRef key) {
  std::vector<std::string> result;
  const json::Value *value = find(key);
  if (!value)
    return result;
  const json::Array *list = value->getAsArray();
  if (!list) {
    expected(key, "a list of strings");
    return result;
  }
  for (const json::Value &element : *list) {
    std::optional<StringRef> text = element.getAsString();
    if (!text) {
      fail(quoted(key) + " must be a list of strings, but holds " +
           shown(element));
      return result;
    }
    result.push_back(text->str());
  }
  return result;
}

std::vector<std::string> ObjectReader::unknownKeys() const {
  std::vector<std::string> result;
  for (const auto &[key, value] : object)
    if (!known.contains(StringRef(key)))
      result.push_back(StringRef(key).str());
  sort(result);
  return result;
}

void ObjectReader::absorb(ObjectReader &nested) {
  if (!complaint)
    complaint = std::exchange(nested.complaint, std::nullopt);
}

Error ObjectReader::takeError() {
  if (!complaint)
    return Error::success();
  return createStringError(*std::exchange(complaint, std::nullopt));
}

} // namespace ternac::import::hf
