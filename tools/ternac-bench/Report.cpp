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

/// What the bandwidth is that of.
static const char *nameOf(Memory memory) {
  switch (memory) {
  case Memory::Weights:
    return "weights";
  case Memory::HugePages:
    return "huge pages";
  case Memory::Device:
    return "device";
  }
  return "";
}

/// Whether the processor's products were measured.
static bool hasPeak(const Measurements &measurements) {
  return int8PeakFeature() && measurements.memory != Memory::Device;
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

static std::optional<double> times(std::optional<double> value, double unit) {
  return value ? std::optional(*value * unit) : std::nullopt;
}

static void appendMachine(std::string &text, const Measurements &measurements,
                          uint32_t threads, const MachineSamples &samples) {
  auto [lowest, highest] = std::minmax_element(samples.bytesPerSecond.begin(),
                                               samples.bytesPerSecond.end());
  double middle = median(samples.bytesPerSecond);
  if (measurements.memory == Memory::Device) {
    append(text,
           "device: its memory copies %.1f GB/s (%.1f to %.1f), bytes read and "
           "written\n",
           middle / 1e9, *lowest / 1e9, *highest / 1e9);
    return;
  }
  append(text,
         "machine, %u threads: reads %.1f GB/s (%.1f to %.1f) from %s, %.1f "
         "from huge pages; ",
         threads, middle / 1e9, *lowest / 1e9, *highest / 1e9,
         nameOf(measurements.memory), median(samples.hugeBytesPerSecond) / 1e9);
  if (int8PeakFeature())
    append(text, "int8 peak %.0f GMAC/s (%s)\n",
           median(samples.productsPerSecond) / 1e9, int8PeakFeature());
  else
    append(text, "int8 peak not measured on this processor\n");
}

std::string ternac::bench::formatTable(const Measurements &measurements,
                                       uint32_t number,
                                       const TernacVersion &code) {
  std::string text;
  for (const auto &[threads, samples] : measurements.machine)
    appendMachine(text, measurements, threads, samples);
  append(text, "code: version %u, ", number);
  text += std::string(code.name) + "\n";
  append(text, "model: peak memory %.1f MB, first token after %.3f s\n\n",
         measurements.peakRSSBytes / 1e6, measurements.firstTokenSeconds);
  append(text, "%-8s %7s %7s %7s %9s %9s %9s %9s %9s %8s %8s %8s %7s %7s",
         "kind", "threads", "tokens", "context", "sequences", "tokens/s",
         "lowest", "highest", "of each", "body MB", "head MB", "cache MB",
         "% roof", "% peak");
  text += measurements.memory == Memory::Device ? " device us\n" : "\n";
  for (const Result &result : measurements.results) {
    append(text, "%-8s %7u %7u %7u %9u", nameOf(result.kind), result.threads,
           result.tokens, result.context, result.sequences);
    auto [lowest, highest] =
        std::minmax_element(result.samples.begin(), result.samples.end());
    appendCell(text, 9, "%.1f", result.tokensPerSecond);
    appendCell(text, 9, "%.1f", *lowest);
    appendCell(text, 9, "%.1f", *highest);
    appendCell(text, 9, "%.1f", result.tokensPerSecond / result.sequences);
    appendCell(text, 8, "%.2f", times(result.bytes.body, 1e-6));
    appendCell(text, 8, "%.2f", times(result.bytes.head, 1e-6));
    appendCell(text, 8, "%.2f", times(result.bytes.cache, 1e-6));
    appendCell(text, 7, "%.1f", times(result.roofFraction, 100));
    appendCell(text, 7, "%.1f", times(result.peakFraction, 100));
    if (measurements.memory == Memory::Device)
      appendCell(text, 9, "%.1f", times(result.deviceSecondsPerToken, 1e6));
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

/// {"1": .., "2": ..}: the median for each number of threads.
static void appendByThreads(std::string &text, const Measurements &measurements,
                            std::vector<double> MachineSamples::*samples) {
  const char *separator = "{";
  for (const auto &[threads, machine] : measurements.machine) {
    append(text, "%s\"%u\": %.6g", separator, threads,
           median(machine.*samples) / 1e9);
    separator = ", ";
  }
  text += measurements.machine.empty() ? "{}" : "}";
}

/// {"1": [lowest, highest], ..} of the read bandwidth.
static void appendRanges(std::string &text, const Measurements &measurements) {
  const char *separator = "{";
  for (const auto &[threads, machine] : measurements.machine) {
    auto [lowest, highest] = std::minmax_element(machine.bytesPerSecond.begin(),
                                                 machine.bytesPerSecond.end());
    append(text, "%s\"%u\": [%.6g, %.6g]", separator, threads, *lowest / 1e9,
           *highest / 1e9);
    separator = ", ";
  }
  text += measurements.machine.empty() ? "{}" : "}";
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
         "\"context\": %u, \"sequences\": %u, \"tokens_per_s\": %.6g, "
         "\"tokens_per_s_per_sequence\": %.6g",
         nameOf(result.kind), result.threads, result.tokens, result.context,
         result.sequences, result.tokensPerSecond,
         result.tokensPerSecond / result.sequences);
  if (result.bytes.body) {
    append(text, ", \"bytes_per_token\": {\"body\": %.9g", *result.bytes.body);
    appendMember(text, ", ", "head", result.bytes.head);
    appendMember(text, ", ", "cache", result.bytes.cache);
    text += '}';
  }
  append(text, ", \"read_bandwidth_gb_s\": %.6g", result.bytesPerSecond / 1e9);
  appendMember(text, ", ", "roof_fraction", result.roofFraction);
  appendMember(text, ", ", "peak_fraction", result.peakFraction);
  appendMember(text, ", ", "device_s_per_token", result.deviceSecondsPerToken);
  const char *separator = ", \"samples\": [";
  for (double sample : result.samples) {
    append(text, "%s%.6g", separator, sample);
    separator = ", ";
  }
  text += "]}";
}

std::string ternac::bench::formatJSON(const Measurements &measurements,
                                      const Options &options, uint32_t number,
                                      const TernacVersion &code) {
  std::string text = "{\n  \"library\": ";
  appendString(text, options.library.c_str());
  text += ",\n  \"target\": ";
  appendString(text, code.target);
  append(text, ",\n  \"code_version\": {\"number\": %u, \"name\": ", number);
  appendString(text, code.name);
  text += '}';
  text += ",\n  \"machine\": {\"read_bandwidth_gb_s\": ";
  appendByThreads(text, measurements, &MachineSamples::bytesPerSecond);
  if (hasPeak(measurements)) {
    text += ", \"int8_peak_gmac_s\": ";
    appendByThreads(text, measurements, &MachineSamples::productsPerSecond);
  }
  text += ", \"read_bandwidth_range_gb_s\": ";
  appendRanges(text, measurements);
  append(text, ", \"read_memory\": \"%s\"", nameOf(measurements.memory));
  if (measurements.memory != Memory::Device) {
    text += ", \"read_bandwidth_huge_pages_gb_s\": ";
    appendByThreads(text, measurements, &MachineSamples::hugeBytesPerSecond);
  }
  if (hasPeak(measurements))
    append(text, ", \"int8_peak_feature\": \"%s\"", int8PeakFeature());
  text += "},\n";
  text += "  \"results\": [";
  const char *separator = "\n";
  for (const Result &result : measurements.results) {
    text += separator;
    appendResult(text, result);
    separator = ",\n";
  }
  append(text, "\n  ],\n  \"peak_rss_bytes\": %llu,\n",
         static_cast<unsigned long long>(measurements.peakRSSBytes));
  append(text, "  \"first_token_s\": %.6g,\n  \"huge_pages\": %s\n}\n",
         measurements.firstTokenSeconds, options.hugePages ? "true" : "false");
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
