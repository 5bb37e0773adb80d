//===- Timer.cpp - How long a device works --------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Timer.h"

using namespace ternac::runtime::cuda;

/// Before the host has to wait for some.
static constexpr size_t mostEvents = 512;

Timer::~Timer() {
  for (Event event : events)
    device.cu.EventDestroy(event);
}

bool Timer::record(StreamHandle stream) {
  if (used == mostEvents && !collect())
    return false;
  if (used == events.size()) {
    Event event = nullptr;
    if (!device.checkWork(device.cu.EventCreate(&event, 0),
                          "cannot create an event"))
      return false;
    events.push_back(event);
  }
  return device.checkWork(device.cu.EventRecord(events[used++], stream),
                          "cannot record an event");
}

bool Timer::collect() {
  for (size_t i = 0; i + 1 < used; i += 2) {
    float milliseconds = 0;
    if (!device.checkWork(device.cu.EventSynchronize(events[i + 1]),
                          "a command failed") ||
        !device.checkWork(
            device.cu.EventElapsedTime(&milliseconds, events[i], events[i + 1]),
            "cannot measure time"))
      return false;
    seconds += milliseconds * 1e-3;
  }
  used = 0;
  return true;
}

bool Timer::sum(double &result) {
  if (!collect())
    return false;
  result = seconds;
  return true;
}
