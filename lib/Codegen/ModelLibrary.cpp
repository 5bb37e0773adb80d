//===- ModelLibrary.cpp - Links a model library and fills in its weights --===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The linker sees 64 bytes of weights, in a segment of their own that lies last
// in memory. After linking, the real bytes are streamed to the end of the file
// and the program header is changed to say so: no copy of the weights ever goes
// through the linker or through memory, and the segment may be of any size.
//
//===----------------------------------------------------------------------===//

#include "ternac/Codegen/ModelLibrary.h"

#include "ternac/Conversion/ModelFacts.h"
#include "ternac/Runtime/ModelABI.h"
#include "ternac/Support/MakeError.h"

#include "lld/Common/Driver.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

using namespace llvm;
using namespace ternac;

static constexpr StringLiteral kSection = ".tern.weights";

static Error fileError(StringRef path, const Twine &what) {
  return makeError(path + ": " + what + ": " + strerror(errno));
}

namespace {

/// A file that is removed unless it is kept.
class TemporaryFile {
public:
  static Expected<TemporaryFile> create(StringRef model) {
    SmallString<128> path;
    int descriptor;
    if (std::error_code code =
            sys::fs::createUniqueFile(model, descriptor, path))
      return makeError(model.drop_back(StringRef(".%%%%%%.tmp").size()) +
                       ": cannot write: " + code.message());
    ::close(descriptor);
    sys::RemoveFileOnSignal(path);
    return TemporaryFile(path.str().str());
  }
  TemporaryFile(TemporaryFile &&other) : name(std::move(other.name)) {
    other.name.clear();
  }
  TemporaryFile(const TemporaryFile &) = delete;
  ~TemporaryFile() {
    if (name.empty())
      return;
    sys::fs::remove(name);
    sys::DontRemoveFileOnSignal(name);
  }
  const std::string &path() const { return name; }
  Error renameTo(StringRef target) {
    if (std::error_code code = sys::fs::rename(name, target))
      return makeError(target + ": cannot write: " + code.message());
    sys::DontRemoveFileOnSignal(name);
    name.clear();
    return Error::success();
  }

private:
  explicit TemporaryFile(std::string name) : name(std::move(name)) {}
  std::string name;
};

Expected<TemporaryFile> writeTemporary(StringRef output, StringRef contents) {
  Expected<TemporaryFile> file =
      TemporaryFile::create((output + ".%%%%%%.tmp").str());
  if (!file)
    return file;
  std::error_code code;
  raw_fd_ostream stream(file->path(), code);
  stream << contents;
  stream.close();
  if (code || stream.has_error())
    return makeError(
        output + ": cannot write: " + (code ? code : stream.error()).message());
  return file;
}

/// Where the placeholder is replaced: all in terms of the linked file.
struct WeightSegment {
  uint64_t programHeader; ///< file offset of its Elf64_Phdr
  uint64_t sectionHeader; ///< file offset of its Elf64_Shdr
  uint64_t address;
  uint64_t alignment;
};

/// The unit of huge pages on most machines. Where weights lie alike in file and
/// memory relative to it, a system that caches files in huge pages can map them
/// as such. Smaller weights are not worth the room.
constexpr uint64_t kHugePage = uint64_t(2) << 20;

bool wantsHugePages(const packing::Plan &plan) {
  return plan.totalBytes() >= kHugePage;
}

/// The linker script: an ordinary shared library, and the weights last, `lead`
/// bytes after the begin of a huge page if not 0.
std::string linkerScript(uint64_t lead) {
  std::string text;
  raw_string_ostream(text)
      << "PHDRS {\n"
         "  headers PT_PHDR PHDRS;\n"
         "  rodata PT_LOAD FILEHDR PHDRS FLAGS(4);\n"
         "  text PT_LOAD FLAGS(5);\n"
         "  data PT_LOAD FLAGS(6);\n"
         "  weights PT_LOAD FLAGS(4);\n"
         "  dynamic PT_DYNAMIC FLAGS(6);\n"
         "  relro PT_GNU_RELRO FLAGS(4);\n"
         "  stack PT_GNU_STACK FLAGS(6);\n"
         "}\n"
         "SECTIONS {\n"
         "  . = SIZEOF_HEADERS;\n"
         "  .dynsym : { *(.dynsym) } :rodata\n"
         "  .gnu.hash : { *(.gnu.hash) } :rodata\n"
         "  .hash : { *(.hash) } :rodata\n"
         "  .dynstr : { *(.dynstr) } :rodata\n"
         "  .rela.dyn : { *(.rela.dyn) } :rodata\n"
         // Some machines keep small constants apart.
         "  .rodata : { *(.rodata .rodata.* .srodata .srodata.*) } :rodata\n"
         "  . = ALIGN(CONSTANT(MAXPAGESIZE));\n"
         "  .text : { *(.text .text.* .ltext .ltext.*) } :text\n"
         "  . = ALIGN(CONSTANT(MAXPAGESIZE));\n"
         "  .data.rel.ro : { *(.data.rel.ro .data.rel.ro.*) } :data :relro\n"
         "  .dynamic : { *(.dynamic) } :data :relro :dynamic\n"
         "  .got : { *(.got .got.plt) } :data :relro\n"
         "  . = ALIGN(CONSTANT(MAXPAGESIZE));\n"
      << (lead ? formatv("  . = ALIGN({0}) + {1};\n", kHugePage, lead).str()
               : "")
      << "  " << kSection << " : { " << kWeightsSymbol << " = .; *(" << kSection
      << ") . += " << TERNAC_ALIGNMENT
      << "; } :weights\n"
         "  /DISCARD/ : { *(.comment .note.* .eh_frame) }\n"
         "}\n";
  return text;
}

Error link(StringRef object, StringRef triple, StringRef output,
           const packing::Plan &plan, const std::string &linked) {
  Expected<TemporaryFile> objectFile = writeTemporary(output, object);
  if (!objectFile)
    return objectFile.takeError();
  // About where the weights begin in the file, which is not known before.
  constexpr uint64_t room = uint64_t(64) << 10;
  uint64_t lead = wantsHugePages(plan)
                      ? alignTo(object.size() + room, room) % kHugePage
                      : 0;
  Expected<TemporaryFile> script = writeTemporary(output, linkerScript(lead));
  if (!script)
    return script.takeError();
  // -z defs: a library that needs nothing has no undefined symbol.
  std::vector<std::string> arguments = {"ld.lld",
                                        "-shared",
                                        "-z",
                                        "defs",
                                        "-z",
                                        "text",
                                        "--build-id=none",
                                        "--hash-style=gnu",
                                        "--gc-sections",
                                        "--Bsymbolic",
                                        "-T",
                                        script->path(),
                                        objectFile->path(),
                                        "-o",
                                        linked};
  std::vector<const char *> pointers;
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string messages;
  raw_string_ostream stream(messages);
  lld::Result result =
      lld::lldMain(pointers, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return makeError(output + ": linking for " + triple +
                     " failed: " + StringRef(messages).trim());
  return Error::success();
}

/// Finds the weight section and its segment in a linked 64-bit little-endian
/// file.
Expected<WeightSegment> findSegment(const std::string &path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return makeError(path + ": " + buffer.getError().message());
  StringRef bytes = (*buffer)->getBuffer();
  auto at = [&](uint64_t offset) { return bytes.data() + offset; };
  ELF::Elf64_Ehdr header;
  memcpy(&header, at(0), sizeof(header));
  ELF::Elf64_Shdr names;
  memcpy(&names, at(header.e_shoff + header.e_shstrndx * sizeof(names)),
         sizeof(names));
  WeightSegment segment = {};
  uint64_t &address = segment.address;
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    uint64_t offset = header.e_shoff + i * sizeof(ELF::Elf64_Shdr);
    ELF::Elf64_Shdr section;
    memcpy(&section, at(offset), sizeof(section));
    if (StringRef(at(names.sh_offset + section.sh_name)) == kSection) {
      segment.sectionHeader = offset;
      address = section.sh_addr;
    }
  }
  uint64_t last = 0;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    uint64_t offset = header.e_phoff + i * sizeof(ELF::Elf64_Phdr);
    ELF::Elf64_Phdr program;
    memcpy(&program, at(offset), sizeof(program));
    if (program.p_type != ELF::PT_LOAD)
      continue;
    last = std::max(last, program.p_vaddr);
    if (program.p_vaddr == address) {
      segment.programHeader = offset;
      segment.alignment = program.p_align;
    }
  }
  if (!segment.sectionHeader || !segment.programHeader || last != address)
    return makeError(path + ": the linked file has no weight segment at its "
                            "end");
  return segment;
}

Error writeAt(int descriptor, const void *data, size_t size, uint64_t offset,
              StringRef path) {
  if (::pwrite(descriptor, data, size, off_t(offset)) != ssize_t(size))
    return fileError(path, "cannot write");
  return Error::success();
}

/// Lets the segment and its section be the `size` bytes at `offset`.
Error patchHeaders(int descriptor, const WeightSegment &segment,
                   uint64_t offset, uint64_t size, StringRef path) {
  ELF::Elf64_Phdr program;
  ELF::Elf64_Shdr section;
  if (::pread(descriptor, &program, sizeof(program),
              off_t(segment.programHeader)) != sizeof(program) ||
      ::pread(descriptor, &section, sizeof(section),
              off_t(segment.sectionHeader)) != sizeof(section))
    return fileError(path, "cannot read");
  program.p_offset = offset;
  program.p_align = segment.alignment;
  program.p_filesz = program.p_memsz = size;
  section.sh_offset = offset;
  section.sh_size = size;
  if (Error error = writeAt(descriptor, &program, sizeof(program),
                            segment.programHeader, path))
    return error;
  return writeAt(descriptor, &section, sizeof(section), segment.sectionHeader,
                 path);
}

/// Lets the file cache hold a range of a file that was just extended in huge
/// pages: it does so for what is read as such before it is written. A hint.
void cacheInHugePages(int descriptor, uint64_t offset, uint64_t size) {
#if defined(MADV_HUGEPAGE) && defined(MADV_POPULATE_READ)
  constexpr uint64_t piece = 8 * kHugePage; // to need little memory
  uint64_t memory =
      uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
  if (size > memory / 2)
    return;
  uint64_t end = offset + size;
  for (uint64_t at = alignDown(offset, kHugePage); at < end; at += piece) {
    size_t bytes = std::min(piece, end - at);
    void *start =
        ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, descriptor, off_t(at));
    if (start == MAP_FAILED)
      return;
    bool cached = ::madvise(start, bytes, MADV_HUGEPAGE) == 0 &&
                  ::madvise(start, bytes, MADV_POPULATE_READ) == 0;
    ::munmap(start, bytes);
    if (!cached)
      return;
  }
#endif
}

/// Appends the weights of `plan` to the linked file.
Error appendWeights(const std::string &linked, StringRef output,
                    const packing::Plan &plan,
                    const packing::PackOptions &options) {
  Expected<WeightSegment> segment = findSegment(linked);
  if (!segment)
    return segment.takeError();
  int descriptor = ::open(linked.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0)
    return fileError(output, "cannot write");
  auto run = [&]() -> Error {
    struct stat info;
    if (::fstat(descriptor, &info) != 0)
      return fileError(output, "cannot read");
    if (wantsHugePages(plan))
      segment->alignment = std::max(segment->alignment, kHugePage);
    // As far behind a multiple of the alignment as the address is.
    uint64_t offset =
        alignTo(uint64_t(info.st_size), segment->alignment, segment->address);
    uint64_t size = std::max<uint64_t>(plan.totalBytes(), TERNAC_ALIGNMENT);
    if (::ftruncate(descriptor, off_t(offset + size)) != 0)
      return fileError(output, "cannot write");
    if (wantsHugePages(plan))
      cacheInHugePages(descriptor, offset, size);
    if (Error error = packing::writePlan(plan, descriptor, offset, options))
      return error;
    return patchHeaders(descriptor, *segment, offset, size, output);
  };
  Error error = run();
  // The last writes may fail as late as here.
  if (::close(descriptor) != 0 && !error)
    return fileError(output, "cannot write");
  return error;
}

} // namespace

Error ternac::writeModelLibrary(StringRef output, StringRef object,
                                StringRef triple, const packing::Plan &plan,
                                const packing::PackOptions &options) {
  Expected<TemporaryFile> linked =
      TemporaryFile::create((output + ".%%%%%%.tmp").str());
  if (!linked)
    return linked.takeError();
  if (Error error = link(object, triple, output, plan, linked->path()))
    return error;
  if (Error error = appendWeights(linked->path(), output, plan, options))
    return error;
  sys::fs::setPermissions(linked->path(),
                          sys::fs::perms(0777 & ~sys::fs::getUmask()));
  return linked->renameTo(output);
}
