// OrderedIndex: the offsets of entries in the order of their keys, compared byte by byte.
//
// A B+tree of 1 KiB nodes (ordered_node.h) in a region of its own, in memory only: built when somebody asks for order, from
// the entries. Keys are not copied. A leaf names entries by their offsets; an inner node names each child by the child's
// first entry, so that no key outlives its entry. Nodes that have become nearly empty are merged with a neighbour.
//
// Snapshots: opening one notes the root, and takes constant time. From then on a node that the newest snapshot has is not
// changed but replaced by a copy, with its ancestors (Rodeh, "B-trees, Shadowing, and Clones", 2008). Each snapshot keeps a
// list of the nodes that it was the last to need; closing it hands those on that the snapshot before needs, too.
//
// Memory: reserve() comes before the changes that it is for, and can fail; insert(), move(), erase() and clear() cannot.
//
// Thread safety: everything but collect() and count() is serialised by the caller. collect() from the present tree may run
// beside that: it takes a lock shared, changes take it alone, each for the time of one descent. From a snapshot it takes none.
// The caller of collect() keeps the entries readable (a ReaderPin for the present tree, an engine snapshot for a snapshot).
#pragma once

#include <atomic>
#include <cstdint>
#include <shared_mutex>
#include <span>
#include <vector>

#include "core/ordered_node.h"
#include "core/region.h"
#include "core/status.h"

namespace mmcb {

class OrderedIndex {
 public:
  // A state of the index.
  struct Tree {
    uint32_t root = OrderedNode::kNone;
    uint32_t height = 0;  // levels; 0: empty
    uint64_t size = 0;
  };
  struct Snapshot {
    Tree tree;
    uint64_t version = 0;
  };
  // Where to begin, and which way to go.
  struct Start {
    bool has_key = false;  // false: at the very beginning (or end)
    KeyBytes key;
    bool is_inclusive = true;
    bool is_reverse = false;
  };

  // Where to end.
  struct End {
    KeyBytes key;
    bool is_inclusive = true;
  };

  // `keys` outlives the index.
  OrderedIndex(Platform& platform, const KeySource& keys) : region_(platform), keys_(keys) {}

  // Call once, first.
  Status initialize();
  // Sorts entries and loads the index with them. Precondition: it is empty. May throw std::bad_alloc; drop it then, as when
  // this fails.
  Status build(std::vector<uint64_t> offsets);

  uint64_t size() const { return size_.load(std::memory_order_relaxed); }
  // Bytes of nodes in use.
  uint64_t memory() const { return nodes_.load(std::memory_order_relaxed) * OrderedNode::kSize; }

  // Makes sure that so many inserts, and so many moves and erasures, will find memory.
  Status reserve(uint64_t inserts, uint64_t others);
  // Precondition: the key is not there, and its entry can be read.
  void insert(KeyBytes key, uint64_t offset);
  // Makes the item of the key name another entry with the same key; false where there is none {key, from}.
  bool move(KeyBytes key, uint64_t from, uint64_t to);
  bool erase(KeyBytes key, uint64_t offset);
  void clear();

  // Fills in the next offsets from `start` on; how many there were room and entries for. `snapshot` null: as of now.
  size_t collect(const Snapshot* snapshot, const Start& start, std::span<uint64_t> offsets) const;

  // kNoMemory, then nothing has happened.
  Status reserve_snapshot();
  // Precondition: reserve_snapshot().
  Snapshot open_snapshot();
  void close_snapshot(const Snapshot& snapshot);

  // Whether everything is as it should be: order, sizes, separators. O(n). For tests and verify().
  bool is_sound() const;

 private:
  // Splitting takes twenty entries for each child at least, so that this is never reached.
  static constexpr unsigned kMaxHeight = 16;
  static constexpr uint32_t kNone = OrderedNode::kNone;

  // From the root to a leaf: at each level, the node and the item. Of an inner node, the child that was entered.
  struct Path {
    struct Step {
      uint32_t node;
      unsigned at;
    };
    Step steps[kMaxHeight];  // by level; 0 is the leaf
  };
  struct Held {
    uint64_t version;
    uint32_t nodes;  // list of those that only this snapshot, of the ones after it, can see
  };

  OrderedNode& node(uint32_t id) const {
    return *reinterpret_cast<OrderedNode*>(region_.data() + (uint64_t{id} << OrderedNode::kLog2Size));
  }

  // ---- ordered_index.cc ----
  // The place of {key, offset}; false where there is none.
  bool find(KeyBytes key, uint64_t offset, Path* path) const;
  // The same without going by keys: where one is damaged, order leads nowhere.
  bool find_anywhere(uint64_t offset, Path* path) const;
  // Leads to the first item (or the last one) below the step at `level`.
  void descend(uint32_t id, unsigned level, bool to_last, Path* path) const;
  bool next_leaf(const Tree& tree, bool forward, Path* path) const;
  // Where `start` leads to: the first item to be taken, which may be one outside of its leaf.
  void seek(const Tree& tree, const Start& start, Path* path, int64_t* at) const;
  size_t collect_from(const Tree& tree, const Start& start, std::span<uint64_t> offsets) const;
  void insert_at(Path& path, KeyBytes key, uint64_t offset);
  void merge(Path& path, unsigned level);
  bool is_sound_below(uint32_t id, unsigned level, uint64_t* items) const;

  // ---- ordered_index_nodes.cc ----
  bool is_shared(const OrderedNode& n) const { return !held_.empty() && n.born <= held_.back().version; }
  // A node without items. Precondition: reserved.
  uint32_t take_node(unsigned level);
  // Takes a node out of the tree.
  void release(uint32_t id);
  void release_below(uint32_t id);
  void push_spare(uint32_t id);
  // Replaces what snapshots share of a path by copies.
  void own(Path* path);
  void set_size(uint64_t size) {
    tree_.size = size;
    size_.store(size, std::memory_order_relaxed);
  }
  Status load_level(std::vector<uint64_t>* offsets, std::vector<uint32_t>* children, unsigned level);
  // Sorts offsets by their keys.
  void sort(std::vector<uint64_t>* offsets) const;

  Region region_;
  const KeySource& keys_;
  mutable std::shared_mutex mutex_;  // guards tree_ and the nodes that no snapshot shares
  Tree tree_;
  uint64_t version_ = 1;
  std::vector<Held> held_;  // open snapshots, oldest first
  uint32_t spare_ = kNone;  // list of nodes that nobody uses
  uint64_t spares_ = 0;
  std::atomic<uint64_t> nodes_{0};  // in the tree or held by snapshots
  std::atomic<uint64_t> size_{0};
};

}  // namespace mmcb
