// The digest of the live set: a sum (mod 2^64) of one 64-bit hash per live entry, so that it can be kept up to date by
// adding what comes and subtracting what goes, in any order. Checksums find damage in an entry; only the digest and the
// count find that an entry is missing, or that an old one came back.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "core/format.h"

namespace mmcb {

inline uint64_t digest_of(const EntryHeader& h) {
  uint64_t x = (static_cast<uint64_t>(h.slot) << 32 | h.crc) * 0x9e3779b97f4a7c15ull;
  x ^= (static_cast<uint64_t>(h.generation) << 32 | h.version) * 0xc2b2ae3d27d4eb4full;
  x = (x ^ (x >> 32)) * 0xff51afd7ed558ccdull;
  return x ^ (x >> 29);
}

}  // namespace mmcb
