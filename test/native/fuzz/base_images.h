// Base images: valid files in every state that a file can be left in, small, and the same in every run. The recovery
// target damages and forges copies of them.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/format.h"
#include "core/options.h"
#include "fuzz/machine.h"
#include "fuzz/model.h"

namespace mmcb::fuzz {

// A whole entry in an image, dead or alive.
struct Spot {
  uint64_t offset = 0;
  uint32_t segment = 0;  // the first of its run
  uint64_t run_end = 0;
  uint32_t incarnation = 0;
  EntryHeader header;
};

struct BaseImage {
  std::string name;
  Options options;
  Image image;                    // what the process saw when the world stopped; written under boot id 1
  Image older;                    // the same file at an earlier sync point: where writes that were lost come from
  Model durable;                  // as of E
  std::vector<Model> before;      // at the sync points before that
  Model newest;                   // by every call that returned
  Model in_flight;                // and with the one that did not
  std::set<std::string> written;  // fingerprints of all versions ever written
  std::vector<Spot> spots;
  uint64_t head = 0;
  uint32_t seed = 0;  // of the file

  uint32_t segments() const { return static_cast<uint32_t>((image.size() - head) / options.segment_size); }
};

const std::vector<BaseImage>& base_images();
// The whole entries in an image that is as valid as its base was made.
std::vector<Spot> find_spots(const Image& image, const BaseImage& base);

}  // namespace mmcb::fuzz
