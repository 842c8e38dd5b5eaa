// Edits to a copy of a base image, as the bytes of a fuzz case say, eight bytes each. Two kinds of them:
//   damage   what a disk does: flipped bits, lost, torn and misdirected sectors, a file cut short. Where is the input's
//            choice; what is there afterwards is not, or the fuzzer would in time learn to make checksums hold.
//   forging  any field of any structure takes any value, and the checksums are put right afterwards: only then does the
//            fuzzer come past the first check.
#pragma once

#include <cstdint>

#include "fuzz/base_images.h"
#include "fuzz/input.h"

namespace mmcb::fuzz {

inline constexpr size_t kMaxEdits = 24;

// What of a forged image is put right.
enum Repair : uint8_t {
  kRepairSuperblocks = 1,
  kRepairSegments = 2,
  kRepairEntries = 4,
  kRepairJournal = 8,
  kRepairMarks = 16,
  kRepairDigests = 32,
};

struct Damage {
  bool any = false;
  bool older = false;  // a sector went back to what it was at an earlier sync point
  bool truncated = false;
};

Damage damage_image(Input& input, const BaseImage& base, Image* image);
void forge_image(Input& input, const BaseImage& base, uint8_t repairs, Image* image);

}  // namespace mmcb::fuzz
