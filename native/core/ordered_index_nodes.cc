// OrderedIndex, its nodes: where they come from and go to, snapshots, and loading all of them at once.
#include <algorithm>
#include <cassert>
#include <cstring>
#include <mutex>

#include "core/ordered_index.h"

namespace mmcb {
namespace {

// Room for 2^27 nodes: some five billion keys.
constexpr uint64_t kAddressSpace = uint64_t{1} << 37;
// Half a million keys: with less, order is not worth having.
constexpr uint64_t kLeastAddressSpace = 16 << 20;
// A node that is loaded keeps an eighth of its room for what comes later.
constexpr unsigned kRoomShare = 8;

bool is_less(KeyBytes a, KeyBytes b) {
  const int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  return order != 0 ? order < 0 : a.size() < b.size();
}

}  // namespace

Status OrderedIndex::initialize() { return region_.reserve(kAddressSpace, kLeastAddressSpace); }

// ---- Nodes ------------------------------------------------------------------------------------------------------------------

// How many nodes some inserts can take. Of the nodes that are there each can be full and split once; any further split of a
// leaf takes twenty inserts at least, and so on further up.
Status OrderedIndex::reserve(uint64_t inserts, uint64_t others) {
  const uint64_t present = nodes_.load(std::memory_order_relaxed);
  const uint64_t height = tree_.height + 2;
  uint64_t wanted = 0;
  if (inserts != 0) {
    const uint64_t leaves = std::min(inserts, present + 2 + inserts / 20);
    const uint64_t inner = std::min(leaves, present + 2 + leaves / 15);
    wanted = std::min(inserts * height, leaves + 2 * inner + 2 * height);
  }
  if (!held_.empty()) wanted += std::min((inserts + others) * height, present);
  while (spares_ < wanted) {
    uint64_t offset = 0;
    MMCB_TRY(region_.allocate(OrderedNode::kLog2Size, &offset));
    push_spare(static_cast<uint32_t>(offset >> OrderedNode::kLog2Size));
  }
  return Status();
}

void OrderedIndex::push_spare(uint32_t id) {
  node(id).next = spare_;
  spare_ = id;
  spares_++;
}

uint32_t OrderedIndex::take_node(unsigned level) {
  assert(spare_ != kNone);
  const uint32_t id = spare_;
  OrderedNode& n = node(id);
  spare_ = n.next;
  spares_--;
  nodes_.store(nodes_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  n.born = version_;
  n.next = kNone;
  n.count = 0;
  n.prefix_size = 0;
  n.level = static_cast<uint8_t>(level);
  return id;
}

void OrderedIndex::release(uint32_t id) {
  OrderedNode& n = node(id);
  if (is_shared(n)) {
    n.next = held_.back().nodes;
    held_.back().nodes = id;
    return;
  }
  nodes_.store(nodes_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  push_spare(id);
}

void OrderedIndex::release_below(uint32_t id) {
  const OrderedNode& n = node(id);
  if (!n.is_leaf()) {
    for (unsigned i = 0; i < n.count; i++) release_below(n.children()[i]);
  }
  release(id);
}

void OrderedIndex::own(Path* path) {
  if (held_.empty()) return;
  for (unsigned level = tree_.height; level-- > 0;) {
    Path::Step& step = path->steps[level];
    const OrderedNode& shared = node(step.node);
    if (!is_shared(shared)) continue;
    const uint32_t id = take_node(level);
    OrderedNode& copy = node(id);
    copy.count = shared.count;
    copy.prefix_size = shared.prefix_size;
    copy.prefix = shared.prefix;
    copy.items = shared.items;
    release(step.node);
    step.node = id;
    if (level + 1 == tree_.height) {
      tree_.root = id;
    } else {
      const Path::Step& above = path->steps[level + 1];
      node(above.node).children()[above.at] = id;
    }
  }
}

// ---- Snapshots --------------------------------------------------------------------------------------------------------------

Status OrderedIndex::reserve_snapshot() {
  return guarded([&] {
    if (held_.size() == held_.capacity()) held_.reserve(2 * held_.size() + 8);
    return Status();
  });
}

OrderedIndex::Snapshot OrderedIndex::open_snapshot() {
  const Snapshot snapshot{tree_, version_++};
  held_.push_back({snapshot.version, kNone});
  return snapshot;
}

void OrderedIndex::close_snapshot(const Snapshot& snapshot) {
  const auto closed =
      std::find_if(held_.begin(), held_.end(), [&](const Held& held) { return held.version == snapshot.version; });
  assert(closed != held_.end());
  Held* const before = closed == held_.begin() ? nullptr : &*(closed - 1);
  for (uint32_t id = closed->nodes; id != kNone;) {
    OrderedNode& n = node(id);
    const uint32_t next = n.next;
    if (before != nullptr && n.born <= before->version) {
      n.next = before->nodes;
      before->nodes = id;
    } else {
      nodes_.store(nodes_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
      push_spare(id);
    }
    id = next;
  }
  held_.erase(closed);
}

// ---- Loading ----------------------------------------------------------------------------------------------------------------

void OrderedIndex::sort(std::vector<uint64_t>* offsets) const {
  // By words as far as they tell keys apart: numbers in a row instead of keys all over the file.
  struct Item {
    uint64_t word;
    uint64_t offset;
  };
  const KeyBytes first = keys_.key_at(offsets->front());
  size_t shared = first.size();
  for (const uint64_t offset : *offsets) {
    shared = std::min(shared, OrderedNode::common_prefix(first.first(shared), keys_.key_at(offset)));
  }
  std::vector<Item> items;
  items.reserve(offsets->size());
  for (const uint64_t offset : *offsets) items.push_back({OrderedNode::word_of(keys_.key_at(offset), shared), offset});
  std::sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
    return a.word != b.word ? a.word < b.word : is_less(keys_.key_at(a.offset), keys_.key_at(b.offset));
  });
  std::transform(items.begin(), items.end(), offsets->begin(), [](const Item& item) { return item.offset; });
}

// Makes nodes of the items, and items of the nodes.
Status OrderedIndex::load_level(std::vector<uint64_t>* offsets, std::vector<uint32_t>* children, unsigned level) {
  const unsigned capacity = level == 0 ? OrderedNode::kLeafItems : OrderedNode::kInnerItems;
  const size_t most = capacity - capacity / kRoomShare;
  const size_t all = offsets->size();
  const size_t count = (all + most - 1) / most;
  std::vector<uint32_t> ids(count);
  for (size_t i = 0; i < count; i++) {
    MMCB_TRY(reserve(1, 0));
    ids[i] = take_node(level);
    // Evenly, so that the last one is not nearly empty.
    const size_t begin = all * i / count;
    const std::span<const uint64_t> part(offsets->data() + begin, all * (i + 1) / count - begin);
    node(ids[i]).fill(part, level == 0 ? nullptr : children->data() + begin, keys_);
    // Behind what is still to be read.
    (*offsets)[i] = part.front();
  }
  offsets->resize(count);
  *children = std::move(ids);
  return Status();
}

Status OrderedIndex::build(std::vector<uint64_t> offsets) {
  assert(tree_.height == 0);
  if (offsets.empty()) return Status();
  const uint64_t size = offsets.size();
  sort(&offsets);
  std::vector<uint32_t> nodes;
  unsigned height = 0;
  do {
    MMCB_TRY(load_level(&offsets, &nodes, height++));
  } while (nodes.size() > 1);
  const std::unique_lock lock(mutex_);
  tree_ = {nodes.front(), height, size};
  set_size(size);
  return Status();
}

}  // namespace mmcb
