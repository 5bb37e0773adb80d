//===- Modules.cpp - Kernels of a CUDA device -----------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Modules.h"
#include "Code.h"

using namespace ternac::runtime::cuda;

static constexpr char cannotUse[] = "the code of the kernels cannot be used: ";

/// The first line of a log, if it has one.
static std::string firstLine(const std::string &log) {
  size_t begin = log.find_first_not_of(" \t\r\n");
  if (begin == log.npos)
    return "";
  std::string line = log.substr(begin, log.find('\n', begin) - begin);
  return line.substr(0, line.find_last_not_of(" \t\r") + 1);
}

/// `log` is what the driver's compiler has to say of errors.
Result Modules::loadImage(const void *image, Module &module, std::string &log) {
  char text[4096] = "";
  JITOption options[] = {JITOption::ErrorLog, JITOption::ErrorLogBytes};
  void *values[] = {text, reinterpret_cast<void *>(sizeof(text))};
  Result result =
      device.cu.ModuleLoadDataEx(&module, image, 2, options, values);
  text[sizeof(text) - 1] = 0;
  log = text;
  return result;
}

bool Modules::failToLoad(Result result, const std::string &log) {
  std::string line = firstLine(log);
  return device.fail(cannotUse + device.driver.textOf(result) +
                     (line.empty() ? "" : " (" + line + ")"));
}

bool Modules::loadPTX(const TernacKernels &kernels, Module &module) {
  std::string problem = problemOfCode(kernels, device.capability);
  if (!problem.empty())
    return device.fail(cannotUse + problem);
  // The driver wants a zero byte at its end.
  std::string text(static_cast<const char *>(kernels.code),
                   static_cast<size_t>(kernels.bytes));
  std::string log;
  Result result = loadImage(text.c_str(), module, log);
  return result == Result::Success || failToLoad(result, log);
}

bool Modules::loadCode(const TernacKernels &kernels, Module &module) {
  if (hasObjectFor(kernels, device.capability)) {
    std::string log;
    Result result = loadImage(kernels.object, module, log);
    if (result == Result::Success)
      return true;
    // Drivers that are older than the assembler refuse its object in several
    // ways.
    if (!kernels.code || !kernels.bytes)
      return failToLoad(result, log);
  }
  return loadPTX(kernels, module);
}

bool Modules::findFunctions(const TernacKernels &kernels, Entry &entry) {
  for (uint32_t i = 0; i < kernels.count; ++i) {
    Function function = nullptr;
    Result result =
        device.cu.ModuleGetFunction(&function, entry.module, kernels.names[i]);
    std::string name = std::string("'") + kernels.names[i] + "'";
    if (result == Result::NotFound)
      return device.fail(cannotUse + ("it has no kernel " + name));
    if (!device.check(result, ("cannot use the kernel " + name).c_str()))
      return false;
    entry.functions.push_back(function);
  }
  return true;
}

bool Modules::load(const TernacKernels &kernels, uint64_t &number) {
  Entry entry;
  if (!loadCode(kernels, entry.module))
    return false;
  if (!findFunctions(kernels, entry)) {
    device.cu.ModuleUnload(entry.module);
    return false;
  }
  number = ++last;
  modules.emplace(number, std::move(entry));
  return true;
}

void Modules::unload(uint64_t number) {
  auto place = modules.find(number);
  if (place == modules.end())
    return;
  device.cu.ModuleUnload(place->second.module);
  modules.erase(place);
}

Modules::~Modules() {
  for (const auto &[number, entry] : modules)
    device.cu.ModuleUnload(entry.module);
}

Function Modules::find(uint64_t number, uint32_t kernel) {
  auto place = modules.find(number);
  if (place != modules.end() && kernel < place->second.functions.size())
    return place->second.functions[kernel];
  device.fail("there is no kernel " + std::to_string(kernel) + " in a module " +
              std::to_string(number));
  return nullptr;
}
