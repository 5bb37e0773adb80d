//===- Versions.cpp - Several processors in one description ---------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Versions.h"

#include "ternac/Support/MakeError.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace ternac;
using namespace ternac::cpu;

/// Whether what runs the code of `more` runs that of `less`.
static bool includes(const Version &more, const Version &less) {
  return llvm::includes(more.features, less.features);
}

/// What the code of `some` needs and `other` has not.
static std::string difference(const Version &some, const Version &other) {
  llvm::SmallVector<llvm::StringRef> names;
  some.target.getRequiredFeaturesOrEmpty().split(names, ',', /*MaxSplit=*/-1,
                                                 /*KeepEmpty=*/false);
  llvm::erase_if(names, [&](llvm::StringRef name) {
    return other.features.count(name.str()) != 0;
  });
  llvm::sort(names);
  return llvm::join(names, ", ");
}

llvm::Expected<tern::TargetAttr>
cpu::combine(llvm::ArrayRef<Version> machines) {
  const Version &baseline = machines.front();
  std::vector<Version> versions;
  for (const Version &machine : machines.drop_front()) {
    auto isSame = [&](const Version &other) {
      return other.target == machine.target ||
             (machine.name == "native" && other.features == machine.features);
    };
    if (isSame(baseline) || llvm::any_of(versions, isSame))
      continue;
    if (!includes(machine, baseline))
      return makeError(
          "'" + machine.name + "' lacks features of the baseline '" +
          baseline.name +
          "', which comes first: " + difference(baseline, machine) +
          "; name first what every processor has");
    auto needsAsMuch = [&](const Version &other) {
      return includes(other, machine);
    };
    auto place = llvm::find_if(versions, needsAsMuch);
    const Version *equal =
        needsAsMuch(baseline) ? &baseline
        : place != versions.end() && place->features == machine.features
            ? &*place
            : nullptr;
    if (equal)
      return makeError("'" + machine.name + "' needs the same features as '" +
                       equal->name +
                       "', so only one of them would ever run; leave one out");
    versions.insert(place, machine);
  }
  std::vector<tern::TargetAttr> list;
  for (const Version &version : versions)
    list.push_back(version.target);
  return baseline.target.withVersions(list);
}
