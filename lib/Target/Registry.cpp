//===- Registry.cpp - The targets of this build ---------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Target/Target.h"

#include "ternac/Support/MakeError.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <limits>

using namespace ternac;

// One create function per folder of TERNAC_TARGETS.
#define TERNAC_TARGET(Name)                                                    \
  namespace ternac {                                                           \
  std::unique_ptr<Target> create##Name##Target();                              \
  }
#include "Targets.def"
#undef TERNAC_TARGET

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

//===----------------------------------------------------------------------===//
// Descriptions
//===----------------------------------------------------------------------===//

llvm::StringRef TargetSpec::get(llvm::StringRef key,
                                llvm::StringRef orElse) const {
  auto it = values.find(key.str());
  return it == values.end() ? orElse : it->second;
}

int64_t TargetSpec::getNumber(llvm::StringRef key, int64_t orElse) const {
  int64_t number;
  return get(key).getAsInteger(10, number) ? orElse : number;
}

/// Adds what `text`, "KEY=VALUE,...", says. Fails on a word that is no
/// KEY=VALUE and on a key given twice; `whole` is what the user wrote.
static llvm::Error parseKeys(TargetSpec &spec, llvm::StringRef text,
                             llvm::StringRef whole) {
  llvm::SmallVector<llvm::StringRef> words;
  text.split(words, ',');
  auto isChange = [](llvm::StringRef word) {
    return word.starts_with("+") || word.starts_with("-");
  };
  std::string *last = nullptr;
  for (llvm::StringRef word : words) {
    if (last && isChange(*last) && isChange(word)) {
      *last += ("," + word).str();
      continue;
    }
    auto [key, value] = word.split('=');
    if (key.empty() || key.size() == word.size())
      return makeError("expected key=value in --target=" + whole +
                       ", but got '" + word + "'");
    auto [place, isNew] = spec.values.try_emplace(key.str(), value.str());
    if (!isNew)
      return makeError("key '" + key + "' appears twice in --target=" + whole);
    last = &place->second;
  }
  return llvm::Error::success();
}

llvm::Expected<TargetSpec> TargetSpec::parse(llvm::StringRef text) {
  TargetSpec spec;
  auto [name, keys] = text.split(',');
  spec.name = name.str();
  if (name.size() != text.size())
    if (llvm::Error error = parseKeys(spec, keys, text))
      return error;
  return spec;
}

TargetSpec TargetSpec::of(tern::TargetAttr attr) {
  TargetSpec spec;
  spec.name = attr.getName().str();
  spec.values = {{"triple", attr.getTripleOrEmpty().str()},
                 {"cpu", attr.getCpuOrEmpty().str()},
                 {"features", attr.getFeaturesOrEmpty().str()},
                 {"vector_bits", std::to_string(attr.getVectorBits())},
                 {"l2", std::to_string(attr.getL2())},
                 {"bandwidth", std::to_string(attr.getBandwidth())},
                 {"peak", std::to_string(attr.getPeak())}};
  std::erase_if(spec.values,
                [](const auto &value) { return value.second.empty(); });
  return spec;
}

/// The keys of `target`, `model` among them if it has models.
static std::vector<TargetKey> allKeys(const Target &target) {
  std::vector<TargetKey> keys = target.keys();
  if (!target.models().empty())
    keys.push_back(
        {"model", "a machine of the list below, for the keys there", "none"});
  return keys;
}

static std::string modelNames(const Target &target) {
  return llvm::join(
      llvm::map_range(target.models(), [](auto &model) { return model.name; }),
      ", ");
}

static llvm::Error checkKeys(const Target &target, const TargetSpec &spec) {
  std::vector<TargetKey> keys = allKeys(target);
  for (const auto &[name, value] : spec.values) {
    auto key = llvm::find_if(
        keys, [&, &name = name](const TargetKey &k) { return k.name == name; });
    if (keys.empty())
      return makeError("target '" + target.name() + "' has no keys, but got '" +
                       name + "'");
    if (key == keys.end()) {
      auto names = llvm::map_range(keys, [](auto &k) { return k.name; });
      return makeError("unknown key '" + name + "' of target '" +
                       target.name() +
                       "'; expected one of: " + llvm::join(names, ", "));
    }
    if (value.empty())
      return makeError(
          "expected a value for key '" + name + "' of target '" +
          target.name() + "': " +
          (name == "model" ? "one of " + modelNames(target) : key->values));
    int64_t number;
    if (key->kind == TargetKey::Kind::Number &&
        (llvm::StringRef(value).getAsInteger(10, number) || number < 0))
      return makeError("expected a number from 0 to " +
                       llvm::Twine(std::numeric_limits<int64_t>::max()) +
                       " for key '" + name + "' of target '" + target.name() +
                       "', but got '" + value + "'");
  }
  return llvm::Error::success();
}

/// Puts the keys of a model in the place of its name.
static llvm::Error replaceModel(const Target &target, TargetSpec &spec) {
  llvm::StringRef name = spec.get("model");
  if (target.models().empty() || name.empty())
    return llvm::Error::success();
  for (const TargetModel &model : target.models()) {
    if (model.name != name)
      continue;
    for (const TargetKey &key : target.keys())
      if (key.namesMachine && spec.values.count(key.name.str()))
        return makeError("model '" + name + "' of target '" + target.name() +
                         "' names the processor; leave out '" + key.name +
                         "', or the model");
    spec.values.erase("model");
    TargetSpec defaults;
    if (llvm::Error error = parseKeys(defaults, model.values, model.values))
      return error;
    spec.values.merge(defaults.values);
    return checkKeys(target, spec);
  }
  return makeError("unknown model '" + name + "' of target '" + target.name() +
                   "'; expected one of: " + modelNames(target));
}

llvm::Expected<std::pair<const Target *, tern::TargetAttr>>
ternac::resolveTarget(mlir::MLIRContext *context, llvm::StringRef text) {
  llvm::Expected<TargetSpec> spec = TargetSpec::parse(text);
  if (!spec)
    return spec.takeError();
  llvm::Expected<const Target *> target = requireTarget(spec->name);
  if (!target)
    return target.takeError();
  if (llvm::Error error = checkKeys(**target, *spec))
    return error;
  if (llvm::Error error = replaceModel(**target, *spec))
    return error;
  llvm::Expected<tern::TargetAttr> attr = (*target)->resolve(context, *spec);
  if (!attr)
    return attr.takeError();
  return std::pair(*target, *attr);
}

llvm::Error Target::check(mlir::MLIRContext *context,
                          tern::TargetAttr attr) const {
  TargetSpec spec = TargetSpec::of(attr);
  std::vector<TargetKey> known = keys();
  std::erase_if(spec.values, [&](const auto &value) {
    return llvm::none_of(
        known, [&](const TargetKey &key) { return key.name == value.first; });
  });
  return expectDescription(attr, resolve(context, spec));
}

llvm::Error
Target::expectDescription(tern::TargetAttr attr,
                          llvm::Expected<tern::TargetAttr> expected) {
  if (!expected)
    return expected.takeError();
  if (*expected == attr)
    return llvm::Error::success();
  std::string text;
  llvm::raw_string_ostream(text) << *expected;
  return makeError("the module's tern.target is no description of a machine; "
                   "expected " +
                   text);
}

void ternac::listTargets(llvm::raw_ostream &out) {
  for (const std::unique_ptr<Target> &target : allTargets()) {
    out << llvm::left_justify(target->name(), 11) << ' '
        << target->description() << '\n';
    for (const TargetKey &key : allKeys(*target))
      out << "  " << llvm::left_justify((key.name + "=").str(), 13)
          << key.values << "; default: " << key.fallback << '\n';
    for (const TargetModel &model : target->models())
      out << "  model=" << model.name << " is " << model.values << '\n';
  }
}
