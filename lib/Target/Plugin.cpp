//===- Plugin.cpp - Opening target plug-ins -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Target/Plugin.h"
#include "ternac/Support/ELFFile.h"

#include "llvm/BinaryFormat/ELF.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <dlfcn.h>

using namespace ternac;

static llvm::Error makeError(llvm::StringRef path, const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 "cannot load the target plug-in '" + path +
                                     "': " + message);
}

using ELFFile = llvm::object::ELF64LEFile;

/// The symbol of a plug-in among those that the file defines for others, or
/// null. Fails if what dlopen would read is not there: it trusts the file.
static llvm::Expected<const ELFFile::Elf_Sym *>
findSymbol(const ELFFile &file) {
  auto entries = file.dynamicEntries();
  if (!entries)
    return entries.takeError();
  for (uint64_t tag : {llvm::ELF::DT_SYMTAB, llvm::ELF::DT_STRTAB}) {
    auto entry = llvm::find_if(*entries, [&](const ELFFile::Elf_Dyn &dynamic) {
      return uint64_t(dynamic.getTag()) == tag;
    });
    if (entry == entries->end())
      return llvm::createStringError("no dynamic symbols");
    if (auto place = file.toMappedAddr(entry->getPtr()); !place)
      return place.takeError();
  }
  auto sections = file.sections();
  if (!sections)
    return sections.takeError();
  auto section =
      llvm::find_if(*sections, [](const ELFFile::Elf_Shdr &candidate) {
        return candidate.sh_type == llvm::ELF::SHT_DYNSYM;
      });
  if (section == sections->end())
    return llvm::createStringError("no section of dynamic symbols");
  auto symbols = file.symbols(&*section);
  if (!symbols)
    return symbols.takeError();
  auto strings = file.getStringTableForSymtab(*section, *sections);
  if (!strings)
    return strings.takeError();
  for (const ELFFile::Elf_Sym &symbol : *symbols) {
    llvm::Expected<llvm::StringRef> name = symbol.getName(*strings);
    if (!name)
      return name.takeError();
    if (*name == TERNAC_TARGET_PLUGIN_SYMBOL && symbol.isDefined())
      return &symbol;
  }
  return nullptr;
}

/// Fails unless the file defines the symbol of a plug-in.
static llvm::Error checkSymbol(llvm::StringRef path, llvm::StringRef contents) {
  llvm::Expected<ELFFile> file = ELFFile::create(contents);
  if (!file)
    return makeError(path, "the file is damaged: " +
                               llvm::toString(file.takeError()));
  auto symbol = findSymbol(*file);
  if (!symbol)
    return makeError(path, "the file is damaged: " +
                               llvm::toString(symbol.takeError()));
  if (!*symbol)
    return makeError(path, "it is none: it does not define "
                           "'" TERNAC_TARGET_PLUGIN_SYMBOL
                           "', which TERNAC_TARGET_PLUGIN does");
  if ((*symbol)->getType() != llvm::ELF::STT_OBJECT ||
      (*symbol)->st_size < sizeof(TernacTargetPlugin))
    return makeError(path, "it is none: its '" TERNAC_TARGET_PLUGIN_SYMBOL
                           "' is no TernacTargetPlugin");
  if (auto place = file->toMappedAddr((*symbol)->st_value); !place)
    return makeError(path, "the file is damaged: " +
                               llvm::toString(place.takeError()));
  return llvm::Error::success();
}

/// Fails unless the file may be given to dlopen.
static llvm::Error checkFile(llvm::StringRef path) {
  if (llvm::sys::fs::exists(path) && !llvm::sys::fs::is_regular_file(path))
    return makeError(path, "expected a shared library");
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                          /*RequiresNullTerminator=*/false);
  if (!file)
    return makeError(path, file.getError().message());
  if (llvm::identify_magic((*file)->getBuffer()) !=
      llvm::file_magic::elf_shared_object)
    return makeError(path, "expected a shared library");
  llvm::StringRef contents = (*file)->getBuffer();
  std::string other = elf::otherMachine(contents.data(), contents.size());
  if (!other.empty())
    return makeError(path, "it is " + other);
  if (!elf::isWhole(contents.data(), contents.size()))
    return makeError(path, "it is truncated to " +
                               llvm::Twine(contents.size()) + " bytes");
  return checkSymbol(path, contents);
}

/// Fails unless the plug-in was built with what it is loaded into. Of a struct
/// of another version nothing else is read.
static llvm::Error checkVersions(llvm::StringRef path,
                                 const TernacTargetPlugin &plugin) {
  auto mismatch = [&](const llvm::Twine &its, const llvm::Twine &ours) {
    return makeError(path, "it was built for " + its + ", but this is " + ours +
                               "; build it again with this one");
  };
  if (plugin.plugin_version != TERNAC_TARGET_PLUGIN_VERSION)
    return mismatch("version " + llvm::Twine(plugin.plugin_version) +
                        " of the plug-in interface",
                    "version " + llvm::Twine(TERNAC_TARGET_PLUGIN_VERSION));
  auto text = [](const char *version) {
    return llvm::StringRef(version ? version : "?");
  };
  llvm::StringRef ternacVersion = text(plugin.ternac_version);
  if (ternacVersion != TERNAC_VERSION)
    return mismatch("Ternac " + ternacVersion, "Ternac " TERNAC_VERSION);
  llvm::StringRef llvmVersion = text(plugin.llvm_version);
  if (llvmVersion != TERNAC_LLVM_VERSION)
    return mismatch("LLVM " + llvmVersion, "LLVM " TERNAC_LLVM_VERSION);
  if (!plugin.name || !plugin.create)
    return makeError(path, "it has no name or no create function");
  return llvm::Error::success();
}

llvm::Error ternac::loadTargetPlugin(llvm::StringRef path) {
  // A path without a folder means a file here, not one of the system's.
  llvm::SmallString<256> file(path);
  if (std::error_code code = llvm::sys::fs::make_absolute(file))
    return makeError(path, code.message());
  if (llvm::Error error = checkFile(file))
    return error;
  // Never closed: code of a plug-in that has run may be registered anywhere.
  void *library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    llvm::StringRef reason = dlerror();
    // Other versions of the libraries that it uses may lack what it calls.
    bool isOld = reason.contains("undefined symbol");
    return makeError(path, reason + (isOld ? "; was it built for another "
                                             "version? This is "
                                             "Ternac " TERNAC_VERSION
                                             " with LLVM " TERNAC_LLVM_VERSION
                                           : ""));
  }
  auto *plugin = static_cast<const TernacTargetPlugin *>(
      dlsym(library, TERNAC_TARGET_PLUGIN_SYMBOL));
  if (!plugin)
    return makeError(path, dlerror());
  if (llvm::Error error = checkVersions(path, *plugin))
    return error;
  if (findTarget(plugin->name))
    return makeError(path, "there is a target '" + llvm::Twine(plugin->name) +
                               "' already");
  std::unique_ptr<Target> target(static_cast<Target *>(plugin->create()));
  if (!target)
    return makeError(path, "it did not create its target");
  if (target->name() != plugin->name)
    return makeError(path, "it is named '" + llvm::Twine(plugin->name) +
                               "', but its target '" + target->name() + "'");
  return registerTarget(std::move(target));
}
