//===- Machine.cpp - Runs the threads of a kernel -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The threads of a block run one at a time, each until it waits for others.
// When all that an instruction waits for are there, it is done for all of them.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"
#include "CudaTypes.h"
#include "RaceChecker.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

using namespace ternac::cuda_emulator;

/// Taken branches until the next thread gets its turn, so that threads may wait
/// for each other in loops, and turns until a kernel counts as endless.
constexpr uint32_t Fuel = 1 << 18;
constexpr uint64_t MaxTurns = 1 << 16;

static std::string hex(uint64_t value) {
  char text[24];
  snprintf(text, sizeof(text), "0x%llx",
           static_cast<unsigned long long>(value));
  return text;
}

//===----------------------------------------------------------------------===//
// Faults
//===----------------------------------------------------------------------===//

void Block::fault(const Thread &thread, const Instruction &instruction,
                  int code, const std::string &message) {
  Dim size = launch.block;
  std::string where =
      "kernel " + launch.kernel->name + ", block (" + std::to_string(id.x) +
      "," + std::to_string(id.y) + "," + std::to_string(id.z) + "), thread (" +
      std::to_string(thread.index % size.x) + "," +
      std::to_string(thread.index / size.x % size.y) + "," +
      std::to_string(thread.index / (size.x * size.y)) + "), line " +
      std::to_string(instruction.line) + " of the PTX";
  throw Fault(code, where + ": " + message);
}

void ternac::cuda_emulator::misaligned(Thread &t, const Instruction &i,
                                       uint64_t address, uint64_t size) {
  t.block->fault(t, i, CUDA_ERROR_MISALIGNED_ADDRESS,
                 "address " + hex(address) + " is no multiple of " +
                     std::to_string(size));
}

void ternac::cuda_emulator::outOfBounds(Thread &t, const Instruction &i,
                                        const char *space, uint64_t address,
                                        uint64_t size, uint64_t limit) {
  t.block->fault(t, i, CUDA_ERROR_ILLEGAL_ADDRESS,
                 std::to_string(size) + " bytes at " + hex(address) +
                     " are outside the " + std::to_string(limit) +
                     " bytes of " + space + " memory");
}

uint8_t *Block::globalMiss(Thread &thread, const Instruction &instruction,
                           uint64_t address, uint64_t size) {
  DeviceMemory &memory = DeviceMemory::get();
  DeviceMemory::Allocation found = memory.find(address, size);
  if (!found.size)
    fault(thread, instruction, CUDA_ERROR_ILLEGAL_ADDRESS,
          memory.explain(address, size));
  recent[nextRecent++ % recent.size()] = {found.begin, found.size,
                                          found.toHost};
  return reinterpret_cast<uint8_t *>(address + found.toHost);
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

static uint64_t specialValue(const Thread &t, Special special) {
  const Block &block = *t.block;
  const Dim &size = block.launch.block, &grid = block.launch.grid;
  switch (special) {
  case Special::TidX:
    return t.index % size.x;
  case Special::TidY:
    return t.index / size.x % size.y;
  case Special::TidZ:
    return t.index / (size.x * size.y);
  case Special::NtidX:
    return size.x;
  case Special::NtidY:
    return size.y;
  case Special::NtidZ:
    return size.z;
  case Special::CtaidX:
    return block.id.x;
  case Special::CtaidY:
    return block.id.y;
  case Special::CtaidZ:
    return block.id.z;
  case Special::NctaidX:
    return grid.x;
  case Special::NctaidY:
    return grid.y;
  case Special::NctaidZ:
    return grid.z;
  case Special::LaneId:
    return t.lane;
  case Special::WarpId:
    return t.warp;
  case Special::NWarpId:
    return (size.count() + 31) / 32;
  case Special::LaneMaskEq:
    return 1u << t.lane;
  case Special::LaneMaskLt:
    return (1u << t.lane) - 1;
  case Special::LaneMaskLe:
    return (2ull << t.lane) - 1;
  case Special::LaneMaskGt:
    return uint32_t(~((2ull << t.lane) - 1));
  case Special::LaneMaskGe:
    return uint32_t(~((1ull << t.lane) - 1));
  case Special::DynamicSharedSize:
    return block.launch.dynamicShared;
  case Special::TotalSharedSize:
    return block.sharedSize;
  case Special::WarpSize:
    return 32;
  case Special::NSmId:
  case Special::One:
    return 1;
  case Special::SmId:
  case Special::GridId:
  case Special::Zero:
    return 0;
  }
  return 0;
}

void Thread::push(const Function &function, const Instruction *returnTo) {
  Frame frame{&function, returnTo, 0, 0, 0};
  if (!frames.empty()) {
    const Frame &outer = frames.back();
    frame.registers = outer.registers + outer.function->frame.size();
    frame.params =
        outer.params + (outer.function->paramAreaSize + 63) / 64 * 64;
    frame.locals = outer.locals + (outer.function->localSize + 63) / 64 * 64;
  }
  size_t size = frame.registers + function.frame.size();
  if (registers.size() < size)
    registers.resize(size);
  size = frame.params + function.paramAreaSize;
  if (paramStack.size() < size)
    paramStack.resize(size);
  size = frame.locals + function.localSize;
  if (localStack.size() < size)
    localStack.resize(size);
  if (!localStack.empty())
    memset(localStack.data() + frame.locals, 0xCB, function.localSize);
  if (!paramStack.empty())
    memset(paramStack.data() + frame.params, 0xCB, function.paramAreaSize);
  frames.push_back(frame);
  r = registers.data() + frame.registers;
  params = paramStack.data() + frame.params;
  paramsSize = function.paramAreaSize;
  memcpy(r, function.frame.data(), function.frame.size() * sizeof(uint64_t));
  for (auto [slot, special] : function.specials)
    r[slot] = specialValue(*this, special);
  for (auto [slot, offset] : function.locals)
    r[slot] = frame.locals + offset;
  const Function &kernel = *block->launch.kernel;
  for (auto [slot, variable] : function.variables)
    r[slot] = variable->space == Space::Shared
                  ? kernel.sharedOffsets.find(variable)->second
                  : variable->address;
  next = function.code.data();
}

bool Thread::pop() {
  frames.pop_back();
  if (frames.empty())
    return false;
  const Frame &frame = frames.back();
  r = registers.data() + frame.registers;
  params = paramStack.data() + frame.params;
  paramsSize = frame.function->paramAreaSize;
  return true;
}

void Thread::finishCopies(size_t groups) {
  while (copyGroups.size() > groups) {
    for (const PendingCopy &copy : copyGroups.front()) {
      Instruction place;
      place.line = copy.line;
      uint8_t *to =
          resolveShared(*this, place, copy.to, copy.size, Access::Store);
      memset(to, 0, copy.size);
      if (copy.sourceSize == copy.size) {
        memcpy(to,
               resolveGlobal(*this, place, copy.from, copy.size, Access::Load),
               copy.size);
      } else {
        for (uint32_t k = 0; k < copy.sourceSize; ++k)
          to[k] = *resolveGlobal(*this, place, copy.from + k, 1, Access::Load);
      }
    }
    copyGroups.pop_front();
  }
}

const Instruction *ternac::cuda_emulator::joinCollective(Thread &t,
                                                         const Instruction &i) {
  t.next = &i;
  t.state = State::InCollective;
  return nullptr;
}

static void runThread(Thread &t) {
  t.fuel = Fuel;
  const Instruction *i = t.next;
  while (i) {
    if ((t.r[i->guard] ^ i->inverted) & 1)
      i = i->run(t, *i);
    else
      ++i;
  }
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

Block::Block(const Launch &launch) : launch(launch) {
  const Function &kernel = *launch.kernel;
  sharedSize = kernel.staticShared + launch.dynamicShared;
  sharedStorage.resize(sharedSize + 1024);
  uint64_t start = reinterpret_cast<uint64_t>(sharedStorage.data());
  shared = sharedStorage.data() + (1024 - start % 1024) % 1024;
  threads.resize(launch.block.count());
  warpEpochs.resize((threads.size() + 31) / 32);
  races = RaceChecker::createIfWanted();
}

Block::~Block() { delete races; }

void Block::start(uint64_t number) {
  const Dim &grid = launch.grid;
  id = {uint32_t(number % grid.x), uint32_t(number / grid.x % grid.y),
        uint32_t(number / grid.x / grid.y)};
  memset(shared, 0xCB, sharedSize);
  barriers = {};
  if (races)
    races->startBlock();
  for (uint32_t k = 0; k < threads.size(); ++k) {
    Thread &t = threads[k];
    t.block = this;
    t.index = k;
    t.lane = k % 32;
    t.warp = k / 32;
    t.state = State::Runnable;
    t.turns = 0;
    t.frames.clear();
    t.openCopies.clear();
    t.copyGroups.clear();
    t.push(*launch.kernel, nullptr);
    memcpy(t.params, launch.parameters.data(), launch.parameters.size());
  }
}

void Block::run(uint64_t number) {
  start(number);
  uint32_t warps = (threads.size() + 31) / 32;
  while (true) {
    bool progress = false;
    for (uint32_t warp = 0; warp < warps; ++warp)
      progress |= runWarp(warp);
    progress |= releaseBarriers();
    bool done = std::all_of(threads.begin(), threads.end(),
                            [](Thread &t) { return t.state == State::Exited; });
    if (done)
      return;
    if (!progress)
      reportDeadlock();
  }
}

/// Runs a warp until all of its threads wait for other warps or have ended.
bool Block::runWarp(uint32_t number) {
  Warp warp{*this, &threads[number * 32],
            std::min<uint32_t>(32, threads.size() - number * 32)};
  bool progress = false;
  do {
    bool yielded = false;
    for (uint32_t lane = 0; lane < warp.count; ++lane) {
      Thread &t = warp.lanes[lane];
      if (t.state != State::Runnable)
        continue;
      progress = true;
      runThread(t);
      if (t.state == State::Runnable) {
        yielded = true;
        if (++t.turns > MaxTurns)
          fault(t, *t.next, CUDA_ERROR_LAUNCH_TIMEOUT,
                "the thread does not end");
      }
    }
    if (yielded) {
      runCollective(warp);
      return true;
    }
  } while (runCollective(warp));
  return progress;
}

/// Does one instruction that lanes wait at, if all that it needs are there.
bool Block::runCollective(Warp &warp) {
  bool isQuiet = true;
  uint32_t exited = warp.count == 32 ? 0 : ~0u << warp.count;
  for (uint32_t lane = 0; lane < warp.count; ++lane) {
    isQuiet &= warp.lanes[lane].state != State::Runnable;
    if (warp.lanes[lane].state == State::Exited)
      exited |= 1u << lane;
  }
  for (int pass = 0; pass < 2; ++pass) {
    for (uint32_t lane = 0; lane < warp.count; ++lane) {
      Thread &t = warp.lanes[lane];
      if (t.state != State::InCollective)
        continue;
      const Instruction &i = *t.next;
      const Details &details = *i.details;
      if (details.anyLanes != (pass == 1))
        continue;
      uint32_t mask = ~0u;
      if (details.maskSlot >= 0) {
        mask = static_cast<uint32_t>(t.r[details.maskSlot]);
        if (!(mask >> lane & 1))
          fault(t, i, CUDA_ERROR_ILLEGAL_INSTRUCTION,
                "the lane mask " + hex(mask) + " lacks lane " +
                    std::to_string(lane) + ", which runs the instruction");
      }
      uint32_t there = 0;
      for (uint32_t k = 0; k < warp.count; ++k) {
        Thread &other = warp.lanes[k];
        if (other.state == State::InCollective && other.next == &i &&
            (details.maskSlot < 0 ||
             static_cast<uint32_t>(other.r[details.maskSlot]) == mask))
          there |= 1u << k;
      }
      uint32_t wanted = mask & ~exited;
      if (details.maskSlot < 0 && !details.anyLanes) {
        wanted = mask;
        if (exited)
          fault(t, i, CUDA_ERROR_ILLEGAL_INSTRUCTION,
                "the instruction needs all 32 lanes, but lanes " + hex(exited) +
                    " have ended or never were");
      } else if (details.anyLanes) {
        if (!isQuiet)
          continue;
        wanted = there;
      }
      if ((there & wanted) != wanted)
        continue;
      details.warp(warp, i, wanted);
      for (uint32_t k = 0; k < warp.count; ++k) {
        if (!(wanted >> k & 1))
          continue;
        warp.lanes[k].state = State::Runnable;
        warp.lanes[k].next = &i + 1;
      }
      ++warpEpochs[t.warp];
      return true;
    }
  }
  return false;
}

bool Block::releaseBarriers() {
  bool released = false;
  for (uint32_t number = 0; number < barriers.size(); ++number) {
    Barrier &barrier = barriers[number];
    if (!barrier.arrived || barrier.arrived != barrier.expected)
      continue;
    // All lanes of a warp have to be at the same instruction.
    const Instruction *place = nullptr;
    uint32_t warp = ~0u, any = 0, all = 1, count = 0;
    for (Thread &t : threads) {
      if (t.state != State::AtBarrier || t.barrier != number)
        continue;
      const Instruction &i = *t.next;
      if (t.warp != warp) {
        warp = t.warp;
        place = &i;
      } else if (place != &i && (i.flags & 1)) {
        fault(t, i, CUDA_ERROR_ILLEGAL_INSTRUCTION,
              "lanes of a warp wait at barrier " + std::to_string(number) +
                  " in lines " + std::to_string(place->line) + " and " +
                  std::to_string(i.line));
      }
      if (i.flags & 2) {
        uint32_t value = (t.r[i.c] ^ uint64_t(i.immediate)) & 1;
        any |= value;
        all &= value;
        count += value;
      }
    }
    for (Thread &t : threads) {
      if (t.state != State::AtBarrier || t.barrier != number)
        continue;
      const Instruction &i = *t.next;
      if (i.flags & 2)
        t.r[i.d] = i.flags & 4 ? all : i.flags & 8 ? any : count;
      t.state = State::Runnable;
      t.next = &i + 1;
    }
    barrier = {};
    ++epoch;
    released = true;
  }
  return released;
}

void Block::reportDeadlock() {
  std::string text;
  uint32_t exited = 0;
  std::map<std::pair<uint32_t, State>, uint32_t> waiting;
  const Thread *first = nullptr;
  for (const Thread &t : threads) {
    if (t.state == State::Exited) {
      ++exited;
      continue;
    }
    if (!first)
      first = &t;
    ++waiting[{t.next->line, t.state}];
  }
  for (auto [place, count] : waiting)
    text += (text.empty() ? "" : ", ") + std::to_string(count) +
            (place.second == State::AtBarrier ? " at the barrier in line "
                                              : " for lanes in line ") +
            std::to_string(place.first);
  if (exited)
    text += ", " + std::to_string(exited) + " have ended";
  fault(*first, *first->next, CUDA_ERROR_LAUNCH_FAILED,
        "the threads diverged and wait for each other: " + text);
}

//===----------------------------------------------------------------------===//
// Grids
//===----------------------------------------------------------------------===//

static uint32_t hostThreads() {
  if (const char *text = getenv("TERNAC_CUDA_EMULATOR_THREADS"))
    return std::max(1, atoi(text));
  return std::max(1u, std::thread::hardware_concurrency());
}

void ternac::cuda_emulator::runLaunch(const Launch &launch) {
  uint64_t count = launch.grid.count();
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  std::unique_ptr<Fault> fault;
  auto work = [&] {
    try {
      Block block(launch);
      for (uint64_t k = next++; k < count; k = next++)
        block.run(k);
    } catch (const Fault &caught) {
      next = count;
      std::lock_guard lock(mutex);
      if (!fault)
        fault = std::make_unique<Fault>(caught);
    }
  };
  std::vector<std::thread> helpers;
  for (uint64_t k = 1; k < std::min<uint64_t>(hostThreads(), count); ++k)
    helpers.emplace_back(work);
  work();
  for (std::thread &helper : helpers)
    helper.join();
  if (fault)
    throw *fault;
}
