//===- Report.cpp - Measurements for people and programs ------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"
#include "Machine.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include <unistd.h>

using namespace ternac::bench;

/// Appends to `text`, printf style.
[[gnu::format(printf, 2, 3)]] static void append(std::string &text,
                                                 const char *format, ...) {
  // Long enough for every format below; strings are appended apart.
  char buffer[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(buffer, sizeof(buffer), format, arguments);
  va_end(arguments);
  text += buffer;
}

static const char *nameOf(Kind kind) {
  return kind == Kind::Prefill ? "prefill" : "decode";
}

//===----------------------------------------------------------------------===//
// Table
//===----------------------------------------------------------------------===//

/// A cell of `width`, empty if there is no value.
static void appendCell(std::string &text, int width, const char *format,
                       std::optional<double> value) {
  char cell[32] = "-";
  if (value)
    snprintf(cell, sizeof(cell), format, *value);
  append(text, " %*s", width, cell);
}

static std::optional<double> percent(std::optional<double> fraction) {
  return fraction ? std::optional(*fraction * 100) : std::nullopt;
}

std::string ternac::bench::formatTable(const Measurements &measurements) {
  std::string text;
  for (auto [threads, bandwidth] : measurements.bytesPerSecond)
    append(text,
           "machine, %u threads: reads %.1f GB/s, int8 peak %.0f GMAC/s (%s)\n",
           threads, bandwidth / 1e9,
           measurements.productsPerSecond.at(threads) / 1e9, int8PeakFeature());
  append(text, "model: peak memory %.1f MB\n\n",
         measurements.peakRSSBytes / 1e6);
  append(text, "%-8s %7s %7s %7s %9s %10s %10s %10s %9s %7s %7s\n", "kind",
         "threads", "tokens", "context", "sequences", "tokens/s", "lowest",
         "highest", "MB/token", "% roof", "% peak");
  for (const Result &result : measurements.results) {
    append(text, "%-8s %7u %7u %7u %9u", nameOf(result.kind), result.threads,
           result.tokens, result.context, result.sequences);
    auto [lowest, highest] =
        std::minmax_element(result.samples.begin(), result.samples.end());
    appendCell(text, 10, "%.1f", result.tokensPerSecond);
    appendCell(text, 10, "%.1f", *lowest);
    appendCell(text, 10, "%.1f", *highest);
    std::optional<double> bytes;
    if (result.bytes.body && result.bytes.head)
      bytes = *result.bytes.body + *result.bytes.head +
              result.bytes.cache.value_or(0);
    appendCell(text, 9, "%.2f", bytes ? std::optional(*bytes / 1e6) : bytes);
    appendCell(text, 7, "%.1f", percent(result.roofFraction));
    appendCell(text, 7, "%.1f", percent(result.peakFraction));
    text += '\n';
  }
  return text;
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static void appendString(std::string &text, const char *value) {
  text += '"';
  for (; *value; ++value) {
    unsigned char byte = static_cast<unsigned char>(*value);
    if (byte == '"' || byte == '\\')
      text += '\\';
    if (byte < 0x20)
      append(text, "\\u%04x", byte);
    else
      text += *value;
  }
  text += '"';
}

/// {"1": .., "2": ..}: a figure for each number of threads.
static void appendByThreads(std::string &text,
                            const std::map<uint32_t, double> &figures,
                            double unit) {
  const char *separator = "{";
  for (auto [threads, value] : figures) {
    append(text, "%s\"%u\": %.6g", separator, threads, value / unit);
    separator = ", ";
  }
  text += figures.empty() ? "{}" : "}";
}

/// Appends a member that is left out if it has no value.
static void appendMember(std::string &text, const char *separator,
                         const char *name, std::optional<double> value) {
  if (value)
    append(text, "%s\"%s\": %.9g", separator, name, *value);
}

static void appendResult(std::string &text, const Result &result) {
  append(text,
         "    {\"kind\": \"%s\", \"threads\": %u, \"tokens\": %u, "
         "\"context\": %u, \"sequences\": %u, \"tokens_per_s\": %.6g",
         nameOf(result.kind), result.threads, result.tokens, result.context,
         result.sequences, result.tokensPerSecond);
  if (result.bytes.body) {
    append(text, ", \"bytes_per_token\": {\"body\": %.9g", *result.bytes.body);
    appendMember(text, ", ", "head", result.bytes.head);
    appendMember(text, ", ", "cache", result.bytes.cache);
    text += '}';
  }
  appendMember(text, ", ", "roof_fraction", result.roofFraction);
  appendMember(text, ", ", "peak_fraction", result.peakFraction);
  const char *separator = ", \"samples\": [";
  for (double sample : result.samples) {
    append(text, "%s%.6g", separator, sample);
    separator = ", ";
  }
  text += "]}";
}

std::string ternac::bench::formatJSON(const Measurements &measurements,
                                      const std::string &library,
                                      const TernacModel &model) {
  std::string text = "{\n  \"library\": ";
  appendString(text, library.c_str());
  text += ",\n  \"target\": ";
  appendString(text, model.target ? model.target : "");
  text += ",\n  \"machine\": {\"read_bandwidth_gb_s\": ";
  appendByThreads(text, measurements.bytesPerSecond, 1e9);
  text += ", \"int8_peak_gmac_s\": ";
  appendByThreads(text, measurements.productsPerSecond, 1e9);
  append(text, ", \"int8_peak_feature\": \"%s\"},\n", int8PeakFeature());
  text += "  \"results\": [";
  const char *separator = "\n";
  for (const Result &result : measurements.results) {
    text += separator;
    appendResult(text, result);
    separator = ",\n";
  }
  append(text, "\n  ],\n  \"peak_rss_bytes\": %llu\n}\n",
         static_cast<unsigned long long>(measurements.peakRSSBytes));
  return text;
}

bool ternac::bench::writeFile(const std::string &path,
                              const std::string &text) {
  std::string partial = path + ".partial-" + std::to_string(getpid());
  FILE *file = fopen(partial.c_str(), "we");
  if (!file)
    return false;
  bool written = fwrite(text.data(), 1, text.size(), file) == text.size();
  written = fclose(file) == 0 && written;
  if (written && rename(partial.c_str(), path.c_str()) == 0)
    return true;
  unlink(partial.c_str());
  return false;
}
