//===- LibraryTest.cpp ----------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeVersions.h"
#include "TestSupport.h"
#include "gtest/gtest.h"

#include <cstddef>
#include <cstdio>
#include <thread>
#include <vector>

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

/// The error of opening `path`, or "" if it can be opened.
std::string openError(const std::string &path) {
  Library library(ternac_open(path.c_str()));
  return library ? "" : ternac_last_error();
}

TEST(Library, Opens) {
  Library library(ternac_open(fakeModel().c_str()));
  ASSERT_TRUE(library) << ternac_last_error();
  EXPECT_EQ(ternac_model_of(library.get())->vocab_size, 97u);
  EXPECT_EQ(ternac_is_end_token(library.get(), 5), 1);
  EXPECT_EQ(ternac_is_end_token(library.get(), 6), 0);
}

TEST(Library, BareNameIsInTheCurrentDirectory) {
  char *directory = getcwd(nullptr, 0);
  ASSERT_EQ(chdir(TERNAC_FAKE_MODELS), 0);
  EXPECT_EQ(openError("FakeModel.so"), "");
  EXPECT_EQ(chdir(directory), 0);
  free(directory);
}

TEST(Library, NoSuchFile) {
  EXPECT_EQ(openError("/nowhere/model.so"),
            "cannot open '/nowhere/model.so': No such file or directory");
  EXPECT_EQ(openError(""), "the path of the Ternac model library is empty");
}

TEST(Library, NoModelLibrary) {
  std::string text = testing::TempDir() + "/not-a-library.so";
  FILE *file = fopen(text.c_str(), "w");
  fputs("text\n", file);
  fclose(file);
  EXPECT_NE(openError(text).find("is no Ternac model library"),
            std::string::npos);
  unlink(text.c_str());
  for (const char *path : {".", "/dev/null"})
    EXPECT_EQ(openError(path),
              "'" + std::string(path) +
                  "' is no Ternac model library: it is not a regular file");
  EXPECT_NE(openError(fakeModel("FakeModelNoSymbol"))
                .find("is no Ternac model library: it has no symbol "
                      "'ternac_model'"),
            std::string::npos);
}

TEST(Library, AnotherMachine) {
  std::string path = testing::TempDir() + "/another-machine.so";
  FILE *from = fopen(fakeModel().c_str(), "rb");
  FILE *to = fopen(path.c_str(), "wb");
  for (int byte, i = 0; (byte = fgetc(from)) != EOF; ++i)
    fputc(i == offsetof(Elf64_Ehdr, e_machine) ? EM_ARM : byte, to);
  fclose(from);
  fclose(to);
  std::string error = openError(path);
  EXPECT_EQ(error.find("'" + path + "' is for 32-bit ARM, but this machine is"),
            0u);
  EXPECT_NE(error.find("; use a Ternac model library for this machine"),
            std::string::npos);
  unlink(path.c_str());
}

TEST(Library, NewerVersion) {
  std::string path = fakeModel("FakeModelNewer");
  EXPECT_EQ(openError(path),
            "'" + path +
                "' was built for version 2 of the model ABI, but this runtime "
                "knows versions up to 1; use a newer runtime");
}

TEST(Library, SmallTable) {
  EXPECT_NE(
      openError(fakeModel("FakeModelSmall")).find("expected a model table of"),
      std::string::npos);
}

TEST(Library, OlderTable) {
  EXPECT_EQ(openError(fakeModel("FakeModelOlder")), "");
}

#if defined(__x86_64__)
TEST(Library, MissingFeatures) {
  std::string error = openError(fakeModel("FakeModelFeatures"));
  EXPECT_NE(error.find("needs processor features that this machine does not "
                       "have: "),
            std::string::npos);
  EXPECT_EQ(error.find("sse2"), std::string::npos);
  error = openError(fakeModel("FakeModelUnknownFeature"));
  EXPECT_NE(error.find("does not have: warp-drive;"), std::string::npos);
}
#endif

/// The logits of one token, which tell versions apart.
std::vector<float> logitsOf(TernacLibrary *library) {
  std::vector<float> logits(ternac_model_of(library)->vocab_size);
  Session session(ternac_session_create(library, nullptr));
  EXPECT_TRUE(session) << ternac_last_error();
  int32_t token = 3;
  EXPECT_EQ(ternac_feed(session.get(), 0, &token, 1, logits.data(), 1), 0);
  return logits;
}

TEST(Library, BaselineIsAVersion) {
  for (const char *model : {"FakeModel", "FakeModelOlder"}) {
    Library library(ternac_open(fakeModel(model).c_str()));
    ASSERT_TRUE(library) << ternac_last_error();
    EXPECT_EQ(ternac_version_of(library.get()), 0u);
    ASSERT_TRUE(ternac_version_at(library.get(), 0));
    EXPECT_EQ(ternac_version_at(library.get(), 0)->forward,
              ternac_model_of(library.get())->forward);
    EXPECT_FALSE(ternac_version_at(library.get(), 1));
  }
  Library older(
      ternac_open_version(fakeModel("FakeModelOlder").c_str(), "baseline"));
  ASSERT_TRUE(older) << ternac_last_error();
  EXPECT_STREQ(ternac_version_at(older.get(), 0)->name, "baseline");
}

TEST(Library, TakesTheLastVersionThatRuns) {
  std::string path = fakeModel("FakeModelVersions");
  Library library(ternac_open(path.c_str()));
  ASSERT_TRUE(library) << ternac_last_error();
  // Where the processor cannot be asked, the baseline.
#if defined(__x86_64__)
  const uint32_t expected = 1;
#else
  const uint32_t expected = 0;
#endif
  EXPECT_EQ(ternac_version_of(library.get()), expected);
  EXPECT_STREQ(ternac_version_at(library.get(), 0)->name, "base");
  EXPECT_STREQ(ternac_version_at(library.get(), 2)->target, "fake all");
  EXPECT_FALSE(ternac_version_at(library.get(), 3));

  // What sessions run is what was chosen.
  Library base(ternac_open_version(path.c_str(), "0"));
  ASSERT_TRUE(base) << ternac_last_error();
  EXPECT_EQ(ternac_version_of(base.get()), 0u);
  EXPECT_EQ(logitsOf(library.get()) == logitsOf(base.get()), expected == 0);
}

TEST(Library, NamedVersion) {
  std::string path = fakeModel("FakeModelVersions");
  auto open = [&](const char *version) {
    Library library(ternac_open_version(path.c_str(), version));
    return library ? std::to_string(ternac_version_of(library.get()))
                   : ternac_last_error();
  };
  EXPECT_EQ(open("base"), "0");
  EXPECT_EQ(open("0"), "0");
  std::string none = "'; expected a number below 3 or one of: 'base', 'some', "
                     "'all'";
  for (std::string version : {"best", "3", "-1", "1x", ""})
    EXPECT_EQ(open(version.c_str()),
              "'" + path + "' has no code version '" + version + none);
#if defined(__x86_64__)
  EXPECT_EQ(open("some"), "1");
  EXPECT_EQ(open("1"), "1");
  EXPECT_EQ(open("all"),
            "code version 'all' of '" + path +
                "' needs processor features that this machine does not have: "
                "warp-drive; leave the choice to the machine");
  EXPECT_EQ(open("2"), open("all"));
#endif
}

TEST(Library, DamagedVersions) {
  std::string path = fakeModel("FakeModelNoVersions");
  EXPECT_EQ(openError(path),
            "'" + path +
                "' is damaged: its list of code versions is not whole");

  // Room for as many as there may be, and one more; entries of a later version
  // of the ABI are larger.
  struct Larger {
    TernacVersion version;
    uint64_t more;
  };
  Library library(ternac_open(fakeModel("FakeModelVersions").c_str()));
  ASSERT_TRUE(library) << ternac_last_error();
  const TernacModel &whole = *ternac_model_of(library.get());
  Larger first = {whole.versions[0], 0};
  first.version.struct_size = sizeof(Larger);
  std::vector<Larger> versions(65, first);
  auto isTaken = [&](uint32_t count) {
    TernacModel model = whole;
    model.versions = &versions[0].version;
    model.version_count = count;
    return ternac::runtime::hasWholeVersions(&model);
  };
  /// Whether two versions are taken after `spoil` has spoilt one of them.
  auto isTakenAfter = [&](size_t number, auto spoil) {
    std::vector<Larger> good = versions;
    spoil(versions[number].version);
    bool isGood = isTaken(2);
    versions = good;
    return isGood;
  };
  EXPECT_TRUE(isTaken(1));
  EXPECT_TRUE(isTaken(64));
  EXPECT_FALSE(isTaken(65));
  EXPECT_FALSE(isTaken(0));
  for (uint32_t bytes : {0u, 40u, 49u, 52u, 4104u, 0xfffffff8u})
    for (size_t number : {0, 1})
      EXPECT_FALSE(isTakenAfter(number, [&](TernacVersion &version) {
        version.struct_size = bytes;
      })) << bytes;
  for (size_t number : {0, 1}) {
    using Version = TernacVersion;
    EXPECT_TRUE(isTakenAfter(number, [](Version &) {}));
    EXPECT_FALSE(isTakenAfter(number, [](Version &v) { v.abi_version = 0; }));
    EXPECT_FALSE(isTakenAfter(
        number, [](Version &v) { v.abi_version = TERNAC_ABI_VERSION + 1; }));
    EXPECT_FALSE(isTakenAfter(number, [](Version &v) { v.name = nullptr; }));
    EXPECT_FALSE(isTakenAfter(number, [](Version &v) { v.target = nullptr; }));
    EXPECT_FALSE(
        isTakenAfter(number, [](Version &v) { v.cpu_features = nullptr; }));
    EXPECT_FALSE(
        isTakenAfter(number, [](Version &v) { v.workspace_bytes = nullptr; }));
    EXPECT_FALSE(isTakenAfter(number, [](Version &v) { v.forward = nullptr; }));
    // The first one's is the table's.
    auto *other = whole.versions[1].forward;
    EXPECT_EQ(isTakenAfter(number, [&](Version &v) { v.forward = other; }),
              number == 1);
  }
  versions.clear();
  TernacModel none = whole;
  none.versions = nullptr;
  EXPECT_FALSE(ternac::runtime::hasWholeVersions(&none));
}

TEST(Library, SeparateWeights) {
  // The library is reached by a link, so that tests do not share the weights.
  std::string link = testing::TempDir() + "/separate-test.so";
  std::string weights = testing::TempDir() + "/separate-test.weights";
  unlink(link.c_str());
  unlink(weights.c_str());
  ASSERT_EQ(symlink(fakeModel("FakeModelSeparate").c_str(), link.c_str()), 0);
  EXPECT_EQ(openError(link), "cannot read the weights '" + weights + "' of '" +
                                 link + "': No such file or directory");

  FILE *file = fopen(weights.c_str(), "w");
  fputs("too short", file);
  fclose(file);
  EXPECT_EQ(openError(link), "'" + weights + "' does not fit '" + link +
                                 "': expected 64 bytes, but got 9");

  // A FIFO would be waited for.
  unlink(weights.c_str());
  ASSERT_EQ(mkfifo(weights.c_str(), 0600), 0);
  EXPECT_EQ(openError(link), "cannot read the weights '" + weights + "' of '" +
                                 link + "': it is not a regular file");
  unlink(weights.c_str());
  fclose(fopen(weights.c_str(), "w"));

  ASSERT_EQ(truncate(weights.c_str(), 64), 0);
  Library library(ternac_open(link.c_str()));
  ASSERT_TRUE(library) << ternac_last_error();
  Session session(ternac_session_create(library.get(), nullptr));
  ASSERT_TRUE(session);
  int32_t token = 1;
  EXPECT_EQ(ternac_feed(session.get(), 0, &token, 1, nullptr, 0), 0);
  unlink(link.c_str());
  unlink(weights.c_str());
}

TEST(Library, ErrorsArePerThread) {
  openError("");
  std::thread([] { EXPECT_STREQ(ternac_last_error(), ""); }).join();
  EXPECT_STRNE(ternac_last_error(), "");
}

} // namespace
