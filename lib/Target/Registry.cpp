//===- Registry.cpp - The targets of this build ---------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Target/Target.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace ternac;

// One create function per folder of TERNAC_TARGETS.
#define TERNAC_TARGET(Name)                                                    \
  namespace ternac {                                                           \
  std::unique_ptr<Target> create##Name##Target();                              \
  }
#include "Targets.def"
#undef TERNAC_TARGET

static llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static std::vector<std::unique_ptr<Target>> &registry() {
  static std::vector<std::unique_ptr<Target>> targets = [] {
    std::vector<std::unique_ptr<Target>> list;
#define TERNAC_TARGET(Name) list.push_back(create##Name##Target());
#include "Targets.def"
#undef TERNAC_TARGET
    return list;
  }();
  return targets;
}

llvm::ArrayRef<std::unique_ptr<Target>> ternac::allTargets() {
  return registry();
}

llvm::Error ternac::registerTarget(std::unique_ptr<Target> target) {
  if (findTarget(target->name()))
    return makeError("there is a target '" + target->name() + "' already");
  registry().push_back(std::move(target));
  return llvm::Error::success();
}

const Target *ternac::findTarget(llvm::StringRef name) {
  for (const std::unique_ptr<Target> &target : allTargets())
    if (target->name() == name)
      return target.get();
  return nullptr;
}

llvm::Expected<const Target *> ternac::requireTarget(llvm::StringRef name) {
  if (const Target *target = findTarget(name))
    return target;
  std::string names;
  for (const std::unique_ptr<Target> &target : allTargets())
    names += (names.empty() ? "" : ", ") + target->name().str();
  return makeError("unknown target '" + name + "'; expected one of: " + names);
}

llvm::Expected<TargetSpec> TargetSpec::parse(llvm::StringRef text) {
  TargetSpec spec;
  llvm::SmallVector<llvm::StringRef> words;
  text.split(words, ',');
  spec.name = words.front().str();
  std::string *last = nullptr;
  for (llvm::StringRef word : llvm::drop_begin(words)) {
    if (last && (word.starts_with("+") || word.starts_with("-"))) {
      *last += ("," + word).str();
      continue;
    }
    auto [key, value] = word.split('=');
    if (key.empty() || key.size() == word.size())
      return makeError("expected key=value in --target=" + text +
                       ", but got '" + word + "'");
    auto [place, isNew] = spec.values.try_emplace(key.str(), value.str());
    if (!isNew)
      return makeError("key '" + key + "' appears twice in --target=" + text);
    last = &place->second;
  }
  return spec;
}
