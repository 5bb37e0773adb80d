//===- BackEnd.cpp - Devices that the runtime drives itself ---------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Devices/BackEnd.h"
#include "Error.h"
#include "ternac/Runtime/Session.h"

#include <charconv>

using namespace ternac::runtime;

namespace ternac::runtime {
#define TERNAC_BACK_END(FOLDER) BackEnd create##FOLDER##BackEnd();
#include "BackEnds.def"
#undef TERNAC_BACK_END
} // namespace ternac::runtime

const std::vector<BackEnd> &ternac::runtime::backEnds() {
  static const std::vector<BackEnd> all = {
#define TERNAC_BACK_END(FOLDER) create##FOLDER##BackEnd(),
#include "BackEnds.def"
#undef TERNAC_BACK_END
  };
  return all;
}

const BackEnd *ternac::runtime::findBackEnd(std::string_view name) {
  for (const BackEnd &backEnd : backEnds())
    if (name == backEnd.name)
      return &backEnd;
  return nullptr;
}

bool ternac::runtime::isBuiltInName(std::string_view path) {
  size_t colon = path.find(':');
  return colon != path.npos && colon > 0 && path.find('/') == path.npos;
}

std::unique_ptr<BuiltInDevice>
ternac::runtime::openBuiltIn(std::string_view name) {
  size_t colon = name.find(':');
  std::string kind(name.substr(0, colon));
  std::string_view digits = name.substr(colon + 1);
  const BackEnd *backEnd = findBackEnd(kind);
  if (!backEnd) {
    std::string known;
    for (const BackEnd &one : backEnds())
      known += (known.empty() ? "'" : ", '") + std::string(one.name) + "'";
    setError("there are no devices '%s'; this runtime can drive: %s",
             kind.c_str(), known.empty() ? "none" : known.c_str());
    return nullptr;
  }
  uint32_t number = 0;
  const char *end = digits.data() + digits.size();
  auto [stop, code] = std::from_chars(digits.data(), end, number);
  if (code != std::errc() || stop != end) {
    setError("expected the number of a device after '%s:', but got '%.*s'",
             backEnd->name, static_cast<int>(digits.size()), digits.data());
    return nullptr;
  }
  std::string problem;
  std::unique_ptr<BuiltInDevice> device = backEnd->open(number, problem);
  if (!device)
    setError("cannot use the device '%s:%u': %s", backEnd->name, number,
             problem.c_str());
  return device;
}

namespace {
/// What ternac_list_devices gives away.
struct DeviceList {
  std::vector<std::string> names;
  std::vector<DeviceDescription> descriptions;
  std::vector<TernacDeviceInfo> infos;
};
} // namespace

static DeviceList listAll() {
  DeviceList all;
  for (const BackEnd &backEnd : backEnds()) {
    std::string problem;
    std::vector<DeviceDescription> found = backEnd.list(problem);
    if (found.empty()) {
      all.names.emplace_back(backEnd.name);
      all.descriptions.push_back({"", problem});
    }
    for (size_t i = 0; i < found.size(); ++i) {
      all.names.push_back(std::string(backEnd.name) + ":" + std::to_string(i));
      all.descriptions.push_back(std::move(found[i]));
    }
  }
  return all;
}

uint32_t ternac_list_devices(const TernacDeviceInfo **devices) {
  thread_local DeviceList list;
  list = listAll();
  for (size_t i = 0; i < list.names.size(); ++i) {
    const DeviceDescription &description = list.descriptions[i];
    list.infos.push_back(
        {sizeof(TernacDeviceInfo), 0, list.names[i].c_str(),
         description.text.c_str(),
         description.problem.empty() ? nullptr : description.problem.c_str()});
  }
  *devices = list.infos.data();
  return static_cast<uint32_t>(list.infos.size());
}
