// OrderedNode: one node of an OrderedIndex (ordered_index.h): sorted items, each the offset of an entry and eight bytes of
// its key; in an inner node also a child, whose first entry the item names.
//
// The keys of a node share a prefix, which is left out: an item's *word* is the eight bytes behind it, as a big-endian
// number, zeros where the key ends. So most searches compare numbers that lie in a row, and read a key from its entry only
// where two words are equal (prefix truncation: Bayer and Unterauer, "Prefix B-Trees", 1977; words in the node: Lomet, "The
// Evolution of Effective B-tree Page Organization and Techniques", 2001). The prefix is a lower bound: keys may share more.
//
// Keys are read from entries that may be damaged underneath. Then items may stand in a wrong order, and are not found; no
// function here believes a key further than its size.
//
// Thread safety: none; see OrderedIndex.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/bytes.h"

namespace mmcb {

using KeyBytes = Bytes;

// Where keys are: in the entries.
class KeySource {
 public:
  virtual ~KeySource() = default;
  // The key of the entry at `offset`; its bytes hold until the entry's space is used again.
  virtual KeyBytes key_at(uint64_t offset) const = 0;
};

struct OrderedNode {
  static constexpr unsigned kLog2Size = 10;
  static constexpr size_t kSize = size_t{1} << kLog2Size;
  static constexpr size_t kHeader = 64;
  static constexpr unsigned kLeafItems = (kSize - kHeader) / 16;
  static constexpr unsigned kInnerItems = (kSize - kHeader) / 20;
  static constexpr uint32_t kNone = UINT32_MAX;

  uint64_t born;                     // version of the index in which it was made
  uint32_t next;                     // in a list of nodes that are not (or no longer) in the tree
  uint16_t count;                    // items
  uint16_t prefix_size;              // bytes that all keys here have in common, at least
  uint8_t level;                     // 0: leaf
  std::array<std::byte, 47> prefix;  // the first bytes of the prefix; where there are more, the first key has them
  std::array<std::byte, kSize - kHeader> items;

  bool is_leaf() const { return level == 0; }
  unsigned capacity() const { return is_leaf() ? kLeafItems : kInnerItems; }
  uint64_t* words() { return reinterpret_cast<uint64_t*>(items.data()); }
  const uint64_t* words() const { return reinterpret_cast<const uint64_t*>(items.data()); }
  uint64_t* offsets() { return words() + capacity(); }
  const uint64_t* offsets() const { return words() + capacity(); }
  // Of an inner node.
  uint32_t* children() { return reinterpret_cast<uint32_t*>(words() + 2 * kInnerItems); }
  const uint32_t* children() const { return reinterpret_cast<const uint32_t*>(words() + 2 * kInnerItems); }

  // How many keys here are below `key`; *is_equal tells whether the next one is this key. Where it may be that of `known`, an
  // offset in the node, that is believed without reading it; 0: none.
  unsigned rank(KeyBytes key, uint64_t known, const KeySource& keys, bool* is_equal) const;

  // Puts an item before item `at`. Precondition: there is room. `child` of an inner node.
  void put(unsigned at, KeyBytes key, uint64_t offset, uint32_t child, const KeySource& keys);
  // Makes item `at` name another key, in the same place of the order.
  void rename(unsigned at, KeyBytes key, uint64_t offset, const KeySource& keys);
  void take_out(unsigned at);
  // Moves the items from `at` on into an empty node of the same level.
  void split(unsigned at, OrderedNode* right, const KeySource& keys);
  // Takes a copy of a neighbour's items, which come before those here, or behind them. Precondition: there is room.
  void absorb(const OrderedNode& neighbour, bool before, const KeySource& keys);
  // Takes items that are in order. Precondition: the node is empty.
  void fill(std::span<const uint64_t> from, const uint32_t* their_children, const KeySource& keys);

  // Eight bytes of a key from `at` on, as a number in their order.
  static uint64_t word_of(KeyBytes key, size_t at);
  static size_t common_prefix(KeyBytes a, KeyBytes b);

 private:
  KeyBytes prefix_bytes(const KeySource& keys) const;
  void set_prefix(KeyBytes key, size_t size);
  // Makes the prefix so short that `key` has it, too.
  void widen(KeyBytes key, const KeySource& keys);
  // Makes the prefix as long as it can be, where the words have little left to tell keys apart by.
  void tighten(const KeySource& keys);
};
static_assert(sizeof(OrderedNode) == OrderedNode::kSize);
static_assert(offsetof(OrderedNode, items) == OrderedNode::kHeader);

}  // namespace mmcb
