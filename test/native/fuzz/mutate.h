// For the libFuzzer executables only: a mutator for cases made of a header and records of one width, and the guard that
// turns a Failure into a crash that libFuzzer keeps.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fuzz/input.h"
#include "support/seeded_bugs.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace mmcb::fuzz {

// Switches on the deliberate bug that MMCB_FUZZ_BUG names, to see that it is found.
inline void switch_on_bug() {
  const char* const wanted = std::getenv("MMCB_FUZZ_BUG");
  if (wanted == nullptr) return;
  if (!test::seed_bug(wanted)) std::fprintf(stderr, "no bug is named %s\n", wanted), std::exit(2);
}

inline int guarded(void (*run)(const uint8_t*, size_t), const uint8_t* data, size_t size) {
  try {
    run(data, size);
  } catch (const Failure& failure) {
    std::fprintf(stderr, "FAILURE: %s\n", failure.what.c_str());
    std::abort();
  }
  return 0;
}

// Whole records come, go and are doubled; a byte in the middle does not shift all that follows.
inline size_t mutate_records(uint8_t* data, size_t size, size_t max_size, unsigned seed, size_t header, size_t width) {
  Dice dice(seed);
  if (max_size < header + width) return LLVMFuzzerMutate(data, size, max_size);
  if (size < header) {
    std::memset(data + size, 0, header - size);
    size = header;
  }
  size_t records = (size - header) / width;
  size = header + records * width;
  const auto at = [&](size_t record) { return data + header + record * width; };
  const uint64_t roll = dice.below(16);
  if (roll < 2) return LLVMFuzzerMutate(data, size, max_size);
  if (roll < 4) {
    data[dice.below(header)] = static_cast<uint8_t>(dice.next() >> 20);
    return size;
  }
  if (records == 0 || (roll < 8 && size + width <= max_size)) {
    const size_t place = dice.below(records + 1);
    std::memmove(at(place + 1), at(place), (records - place) * width);
    if (records != 0 && dice.one_in(3)) {
      std::memmove(at(place), at(dice.below(records + 1)), width);
    } else {
      for (size_t i = 0; i < width; i++) at(place)[i] = static_cast<uint8_t>(dice.next() >> 20);
      // Small numbers reach more than large ones.
      if (dice.one_in(2)) std::memset(at(place) + width / 2 + 1, 0, width / 2 - 1);
    }
    return size + width;
  }
  const size_t chosen = dice.below(records);
  if (roll < 10) {
    std::memmove(at(chosen), at(chosen + 1), (records - chosen - 1) * width);
    return size - width;
  }
  if (roll < 12) {
    const size_t other = dice.below(records);
    for (size_t i = 0; i < width; i++) std::swap(at(chosen)[i], at(other)[i]);
    return size;
  }
  // Within one record, by libFuzzer: that knows the values that comparisons have asked for.
  uint8_t copy[32] = {};
  std::memcpy(copy, at(chosen), width);
  if (dice.one_in(2)) {
    LLVMFuzzerMutate(copy + width / 2, width / 2, width / 2);
  } else {
    copy[dice.below(width)] = static_cast<uint8_t>(dice.next() >> 20);
  }
  std::memcpy(at(chosen), copy, width);
  return size;
}

}  // namespace mmcb::fuzz
