//===- Writer.cpp - Streaming a plan into the output ----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The work is cut into jobs of a few hundred thousand elements, in the order of
// the output. Threads take the next job, read its rows, convert them and write
// them in their place; nothing but the place of a job decides its bytes.
//
//===----------------------------------------------------------------------===//

#include "Decode.h"
#include "Files.h"
#include "Jobs.h"
#include "MasterWeights.h"
#include "Quantize.h"
#include "Synthetic.h"
#include "TensorReader.h"

#include "ternac/Packing/Int4.h"
#include "ternac/Packing/Plan.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>

using llvm::createStringError;
using llvm::Error;
using llvm::Twine;

namespace ternac::packing {

namespace {

/// Rows [row, row + rows) of one layer of an entry.
struct Job {
  const Entry &entry;
  int64_t layer;
  int64_t row;
  int64_t rows;

  int64_t elements() const { return rows * entry.cols; }
};

/// What a thread needs to itself.
struct Worker {
  TensorReader reader;
  std::vector<int8_t> trits = {};
  std::vector<float> floats = {};
  std::vector<uint8_t> bytes = {};
};

class Writer {
public:
  Writer(const Plan &plan, llvm::ArrayRef<InputFile> files, int fd,
         uint64_t base, const PackOptions &options)
      : plan(plan), files(files), fd(fd), base(base), options(options),
        masters(plan) {}

  Error run();

private:
  Error extendOutput() const;
  void collectJobs();
  void collectMatrices();

  Error write(Worker &worker, const Job &job);
  Error writeTrits(Worker &worker, const Job &job);
  Error writeScales(Worker &worker, const Job &job);
  Error writeMagnitudes(Worker &worker, const Job &job);
  Error writeDense(Worker &worker, const Job &job);
  Error writeRowInt8(Worker &worker, const Job &job);
  Error writeGroupInt4(Worker &worker, const Job &job);
  Error writeRope(Worker &worker, const Job &job);

  Error readFiniteFloats(Worker &worker, const Job &job);

  llvm::Expected<float> factorOf(Worker &worker, const Job &job,
                                 const Source &source) const;

  /// Writes to byte `offset` of the job's layer.
  Error writeBytes(const Job &job, uint64_t offset,
                   llvm::ArrayRef<uint8_t> bytes);
  Error writeFloats(const Job &job, uint64_t offset,
                    llvm::ArrayRef<float> floats);

  const Plan &plan;
  llvm::ArrayRef<InputFile> files;
  int fd;
  uint64_t base;
  const PackOptions &options;

  std::vector<Job> jobs;
  MasterWeights masters;
  /// The columns of the ternary matrices by name; synthetic scales ask.
  llvm::StringMap<int64_t> matrixCols;

  std::mutex progressMutex;
  uint64_t bytesDone = 0;
  uint64_t bytesInAll = 0;
};

} // namespace

//===----------------------------------------------------------------------===//
// Jobs
//===----------------------------------------------------------------------===//

/// The rows of an entry that are one job.
static int64_t jobRowsOf(const Entry &entry) {
  if (entry.kind == EntryKind::Scales)
    return entry.rows;
  int64_t rows = std::max<int64_t>(1, chunkElements / entry.cols);
  // Chunks of whole tiles lie one behind the other in the output.
  if (entry.kind == EntryKind::GroupInt4)
    return Int4::tiles(rows) * Int4::kRows;
  return entry.kind == EntryKind::Trits ? entry.layout.paddedRows(rows) : rows;
}

void Writer::collectJobs() {
  for (const Entry &entry : plan.entries) {
    bytesInAll += entry.layers * entry.payloadBytes();
    const int64_t step = jobRowsOf(entry);
    for (int64_t layer = 0; layer < entry.layers; ++layer)
      for (int64_t row = 0; row < entry.rows; row += step)
        jobs.push_back({entry, layer, row, std::min(step, entry.rows - row)});
  }
}

void Writer::collectMatrices() {
  for (const Entry &entry : plan.entries)
    if (entry.kind == EntryKind::Trits)
      for (const Source &source : entry.sources)
        matrixCols[source.name] = source.cols;
}

Error Writer::run() {
  if (Error error = extendOutput())
    return error;
  collectJobs();
  collectMatrices();
  if (options.progress)
    options.progress(0, bytesInAll);
  const size_t threads = std::max(1u, options.threads);
  std::vector<Worker> workers(threads, Worker{TensorReader(plan, files)});
  if (Error error =
          runJobs(masters.size(), threads, [&](size_t thread, size_t index) {
            return masters.measure(index, workers[thread].reader);
          }))
    return error;
  return runJobs(jobs.size(), threads, [&](size_t thread, size_t index) {
    return write(workers[thread], jobs[index]);
  });
}

Error Writer::write(Worker &worker, const Job &job) {
  switch (job.entry.kind) {
  case EntryKind::Trits:
    return writeTrits(worker, job);
  case EntryKind::Scales:
    return writeScales(worker, job);
  case EntryKind::Dense:
    return writeDense(worker, job);
  case EntryKind::RowInt8:
    return writeRowInt8(worker, job);
  case EntryKind::GroupInt4:
    return writeGroupInt4(worker, job);
  case EntryKind::Rope:
    return writeRope(worker, job);
  }
  llvm_unreachable("unknown kind of entry");
}

//===----------------------------------------------------------------------===//
// Output
//===----------------------------------------------------------------------===//

Error Writer::extendOutput() const {
  const uint64_t end = base + plan.totalBytes();
  struct stat status;
  if (::fstat(fd, &status) != 0)
    return createStringError("the output cannot be examined: " +
                             llvm::sys::StrError());
  if (static_cast<uint64_t>(status.st_size) >= end)
    return Error::success();
  if (::ftruncate(fd, end) != 0)
    return createStringError("the output cannot be extended to " + Twine(end) +
                             " bytes: " + llvm::sys::StrError());
  return Error::success();
}

Error Writer::writeBytes(const Job &job, uint64_t offset,
                         llvm::ArrayRef<uint8_t> bytes) {
  const size_t size = bytes.size();
  uint64_t position =
      base + job.entry.offset + job.layer * job.entry.layerBytes + offset;
  while (!bytes.empty()) {
    ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), position);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return createStringError("weight entry '" + job.entry.name +
                               "' cannot be written at offset " +
                               Twine(position) + ": " + llvm::sys::StrError());
    bytes = bytes.drop_front(count);
    position += count;
  }
  if (options.progress) {
    std::lock_guard<std::mutex> lock(progressMutex);
    bytesDone += size;
    options.progress(bytesDone, bytesInAll);
  }
  return Error::success();
}

Error Writer::writeFloats(const Job &job, uint64_t offset,
                          llvm::ArrayRef<float> floats) {
  return writeBytes(job, offset,
                    {reinterpret_cast<const uint8_t *>(floats.data()),
                     floats.size() * sizeof(float)});
}

//===----------------------------------------------------------------------===//
// Kinds of entries
//===----------------------------------------------------------------------===//

/// Calls body(source, row, rows, first) for each source that has rows of the
/// job: rows [row, row + rows) of the source are the job's from `first` on.
static Error forEachSlice(const Job &job,
                          llvm::function_ref<Error(const Source &, int64_t row,
                                                   int64_t rows, int64_t first)>
                              body) {
  int64_t start = 0; // Of the source, in rows of the entry.
  for (const Source &source : job.entry.sources) {
    const int64_t begin = std::max(job.row, start);
    const int64_t end = std::min(job.row + job.rows, start + source.rows);
    if (begin < end)
      if (Error error =
              body(source, begin - start, end - begin, begin - job.row))
        return error;
    start += source.rows;
  }
  return Error::success();
}

Error Writer::writeTrits(Worker &worker, const Job &job) {
  const int64_t cols = job.entry.cols;
  worker.trits.resize(job.elements());
  auto readSlice = [&](const Source &source, int64_t row, int64_t rows,
                       int64_t first) -> Error {
    int8_t *trits = worker.trits.data() + first * cols;
    const bool areValues = job.entry.scaleSense == ScaleSense::Magnitude;
    if (isTernary(source.encoding) && !areValues)
      return worker.reader.readTrits(source, job.layer, row, rows, trits);
    worker.floats.resize(rows * cols);
    if (Error error = worker.reader.readFloats(source, job.layer, row, rows,
                                               worker.floats.data()))
      return error;
    if (areValues) {
      signsOf(worker.floats.data(), rows * cols, trits);
      return Error::success();
    }
    quantizeTrits(worker.floats.data(), rows * cols,
                  masters.multiplier(source, job.layer), trits);
    return Error::success();
  };
  if (Error error = forEachSlice(job, readSlice))
    return error;
  const Layout &layout = job.entry.layout;
  worker.bytes.resize(layout.bytes(job.rows, cols));
  pack(layout, worker.trits.data(), job.rows, cols, worker.bytes.data());
  return writeBytes(job, layout.bytes(job.row, cols), worker.bytes);
}

llvm::Expected<float> Writer::factorOf(Worker &worker, const Job &job,
                                       const Source &source) const {
  const ScaleSense sense = job.entry.scaleSense;
  if (sense == ScaleSense::Absmean)
    return 1.0f / masters.multiplier(source, job.layer);
  if (plan.syntheticSeed) {
    llvm::StringRef matrix = source.name;
    matrix.consume_back("_scale");
    auto cols = matrixCols.find(matrix);
    return makeFactor(*plan.syntheticSeed, source.nameOf(job.layer),
                      cols == matrixCols.end() ? 1 : cols->second);
  }
  float stored;
  if (hasScales(source.encoding)) {
    llvm::Expected<float> scale = worker.reader.readScale(source, job.layer);
    if (!scale)
      return scale.takeError();
    stored = *scale;
  } else if (Error error =
                 worker.reader.readFloats(source, job.layer, 0, 1, &stored)) {
    return error;
  }
  const float factor = sense == ScaleSense::Reciprocal ? 1.0f / stored : stored;
  // The reciprocal of a tiny number is infinite, that of infinity zero.
  if (std::isfinite(factor) && factor > 0.0f)
    return factor;
  return worker.reader.error(source, job.layer,
                             "expected a positive, finite scale, but found " +
                                 shown(stored));
}

/// Scale (g, m) is that of group g of row m of the stacked sources; without
/// groups there is one for each source.
Error Writer::writeMagnitudes(Worker &worker, const Job &job) {
  const Entry &entry = job.entry;
  std::vector<float> scales(entry.rows * entry.groups());
  int64_t first = 0;
  for (const Source &source : entry.sources) {
    const int64_t group = entry.group ? entry.group : source.cols;
    auto addRow = [&](int64_t row, const float *weights) -> Error {
      for (int64_t g = 0; g * group < source.cols; ++g) {
        const int64_t count = std::min(group, source.cols - g * group);
        float &scale =
            entry.group ? scales[g * entry.rows + first + row] : scales[first];
        if (auto bad = findOtherMagnitude(weights + g * group, count, scale))
          return worker.reader.error(
              source, job.layer,
              Twine("expected weights of one magnitude where they share a "
                    "scale, but found another at row ") +
                  Twine(row) + ", column " + Twine(g * group + *bad));
      }
      return Error::success();
    };
    if (Error error = worker.reader.forEachRow(source, job.layer, addRow))
      return error;
    first += entry.group ? source.rows : 1;
  }
  return writeFloats(job, 0, scales);
}

Error Writer::writeScales(Worker &worker, const Job &job) {
  if (job.entry.scaleSense == ScaleSense::Magnitude)
    return writeMagnitudes(worker, job);
  worker.floats.clear();
  for (const Source &source : job.entry.sources) {
    llvm::Expected<float> factor = factorOf(worker, job, source);
    if (!factor)
      return factor.takeError();
    worker.floats.push_back(*factor);
  }
  return writeFloats(job, 0, worker.floats);
}

Error Writer::writeDense(Worker &worker, const Job &job) {
  const Encoding element = job.entry.element;
  const int64_t cols = job.entry.cols, bytesOfRow = rowBytes(element, cols);
  worker.bytes.resize(job.rows * bytesOfRow);
  auto readSlice = [&](const Source &source, int64_t row, int64_t rows,
                       int64_t first) -> Error {
    uint8_t *bytes = worker.bytes.data() + first * bytesOfRow;
    return worker.reader.readFiniteAs(element, source, job.layer, row, rows,
                                      bytes);
  };
  if (Error error = forEachSlice(job, readSlice))
    return error;
  return writeBytes(job, job.row * bytesOfRow, worker.bytes);
}

/// The rows of the job as floats, in the worker's buffer.
Error Writer::readFiniteFloats(Worker &worker, const Job &job) {
  worker.floats.resize(job.elements());
  return forEachSlice(
      job, [&](const Source &source, int64_t row, int64_t rows, int64_t first) {
        return worker.reader.readFiniteFloats(source, job.layer, row, rows,
                                              worker.floats.data() +
                                                  first * job.entry.cols);
      });
}

Error Writer::writeRowInt8(Worker &worker, const Job &job) {
  const Entry &entry = job.entry;
  const int64_t cols = entry.cols;
  if (Error error = readFiniteFloats(worker, job))
    return error;
  worker.bytes.resize(job.elements());
  std::vector<float> scales(job.rows);
  for (int64_t row = 0; row < job.rows; ++row)
    scales[row] = quantizeRow(worker.floats.data() + row * cols, cols,
                              reinterpret_cast<int8_t *>(worker.bytes.data()) +
                                  row * cols);
  // The gap before the scales counts as part of the last rows.
  const uint64_t firstScale = entry.payloadBytes() - entry.rows * sizeof(float);
  if (job.row + job.rows == entry.rows)
    worker.bytes.resize(firstScale - job.row * cols, 0);
  if (Error error = writeBytes(job, job.row * cols, worker.bytes))
    return error;
  return writeFloats(job, firstScale + job.row * sizeof(float), scales);
}

Error Writer::writeGroupInt4(Worker &worker, const Job &job) {
  const int64_t cols = job.entry.cols;
  if (Error error = readFiniteFloats(worker, job))
    return error;
  worker.bytes.resize(Int4::bytes(job.rows, cols));
  Int4::pack(worker.floats.data(), job.rows, cols, worker.bytes.data());
  return writeBytes(job, Int4::bytes(job.row, cols), worker.bytes);
}

Error Writer::writeRope(Worker &worker, const Job &job) {
  const int64_t cols = job.entry.cols;
  const RopeTable table(job.entry.rope, cols);
  worker.floats.resize(job.elements());
  for (int64_t row = 0; row < job.rows; ++row)
    table.row(job.row + row, worker.floats.data() + row * cols);
  return writeFloats(job, job.row * cols * sizeof(float), worker.floats);
}

Error writePlan(const Plan &plan, int fd, uint64_t base,
                const PackOptions &options) {
  if (Error error = checkPlan(plan))
    return error;
  std::vector<InputFile> files;
  if (!plan.syntheticSeed) {
    auto opened = openFiles(plan, options.root);
    if (!opened)
      return opened.takeError();
    files = std::move(*opened);
  }
  return Writer(plan, files, fd, base, options).run();
}

} // namespace ternac::packing
