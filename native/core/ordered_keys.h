// OrderedKeys: the ordered index of an engine's string keys, and the way from an offset to a key that it needs.
//
// Thread safety: key_at() from any thread, for entries that cannot go meanwhile; the index as OrderedIndex says.
#pragma once

#include "core/ordered_index.h"
#include "core/volume.h"

namespace mmcb {

class OrderedKeys final : public KeySource {
 public:
  OrderedKeys(Platform& platform, const Volume& volume) : volume_(volume), index_(platform, *this) {}

  // The bytes between the header and where its key size says, and never beyond the file.
  KeyBytes key_at(uint64_t offset) const override;

  OrderedIndex& index() { return index_; }

 private:
  const Volume& volume_;
  OrderedIndex index_;
};

}  // namespace mmcb
