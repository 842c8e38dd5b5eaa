#include "core/ordered_index.h"

#include <algorithm>
#include <cassert>
#include <mutex>

namespace mmcb {

// ---- Search -------------------------------------------------------------------------------------------------------------

bool OrderedIndex::find(KeyBytes key, uint64_t offset, Path* path) const {
  if (tree_.height == 0) return false;
  uint32_t id = tree_.root;
  for (unsigned level = tree_.height - 1;; level--) {
    const OrderedNode& n = node(id);
    bool is_equal = false;
    const unsigned rank = n.rank(key, offset, keys_, &is_equal);
    if (level == 0) {
      path->steps[0] = {id, rank};
      if (rank < n.count && n.offsets()[rank] == offset) return true;
      return find_anywhere(offset, path);
    }
    const unsigned at = is_equal || rank == 0 ? rank : rank - 1;
    path->steps[level] = {id, at};
    id = n.children()[at];
  }
}

bool OrderedIndex::find_anywhere(uint64_t offset, Path* path) const {
  descend(tree_.root, tree_.height - 1, false, path);
  do {
    const OrderedNode& leaf = node(path->steps[0].node);
    const uint64_t* const end = leaf.offsets() + leaf.count;
    const uint64_t* const found = std::find(leaf.offsets(), end, offset);
    if (found == end) continue;
    path->steps[0].at = static_cast<unsigned>(found - leaf.offsets());
    return true;
  } while (next_leaf(tree_, true, path));
  return false;
}

void OrderedIndex::descend(uint32_t id, unsigned level, bool to_last, Path* path) const {
  for (;; level--) {
    const OrderedNode& n = node(id);
    const unsigned at = to_last ? n.count - 1u : 0;
    path->steps[level] = {id, at};
    if (level == 0) return;
    id = n.children()[at];
  }
}

bool OrderedIndex::next_leaf(const Tree& tree, bool forward, Path* path) const {
  for (unsigned level = 1; level < tree.height; level++) {
    Path::Step& step = path->steps[level];
    const OrderedNode& n = node(step.node);
    if (forward ? step.at + 1 >= n.count : step.at == 0) continue;
    step.at += forward ? 1 : -1u;
    descend(n.children()[step.at], level - 1, !forward, path);
    return true;
  }
  return false;
}

void OrderedIndex::seek(const Tree& tree, const Start& start, Path* path, int64_t* at) const {
  if (!start.has_key) {
    descend(tree.root, tree.height - 1, start.is_reverse, path);
    *at = path->steps[0].at;
    return;
  }
  uint32_t id = tree.root;
  for (unsigned level = tree.height - 1;; level--) {
    const OrderedNode& n = node(id);
    bool is_equal = false;
    const unsigned rank = n.rank(start.key, 0, keys_, &is_equal);
    if (level == 0) {
      path->steps[0] = {id, rank};
      const bool takes_it = is_equal && start.is_inclusive;
      *at = start.is_reverse ? int64_t{rank} - (takes_it ? 0 : 1) : int64_t{rank} + (is_equal && !takes_it ? 1 : 0);
      return;
    }
    const unsigned child = is_equal || rank == 0 ? rank : rank - 1;
    path->steps[level] = {id, child};
    id = n.children()[child];
  }
}

size_t OrderedIndex::collect_from(const Tree& tree, const Start& start, std::span<uint64_t> offsets) const {
  if (tree.height == 0 || offsets.empty()) return 0;
  Path path;
  int64_t at = 0;
  seek(tree, start, &path, &at);
  size_t taken = 0;
  for (;;) {
    const OrderedNode& leaf = node(path.steps[0].node);
    if (start.is_reverse) {
      while (at >= 0 && taken < offsets.size()) offsets[taken++] = leaf.offsets()[at--];
    } else {
      while (at < leaf.count && taken < offsets.size()) offsets[taken++] = leaf.offsets()[at++];
    }
    if (taken == offsets.size() || !next_leaf(tree, !start.is_reverse, &path)) return taken;
    at = path.steps[0].at;
  }
}

size_t OrderedIndex::collect(const Snapshot* snapshot, const Start& start, std::span<uint64_t> offsets) const {
  if (snapshot != nullptr) return collect_from(snapshot->tree, start, offsets);
  const std::shared_lock lock(mutex_);
  return collect_from(tree_, start, offsets);
}

// ---- Changes ------------------------------------------------------------------------------------------------------------

void OrderedIndex::insert(KeyBytes key, uint64_t offset) {
  const std::unique_lock lock(mutex_);
  set_size(tree_.size + 1);
  if (tree_.height == 0) {
    tree_.root = take_node(0);
    tree_.height = 1;
    node(tree_.root).put(0, key, offset, kNone, keys_);
    return;
  }
  Path path;
  uint32_t id = tree_.root;
  for (unsigned level = tree_.height; level-- > 0;) {
    const OrderedNode& n = node(id);
    bool is_equal = false;
    const unsigned rank = n.rank(key, 0, keys_, &is_equal);
    path.steps[level] = {id, level == 0 || rank == 0 ? rank : rank - 1};
    if (level != 0) id = n.children()[path.steps[level].at];
  }
  own(&path);
  insert_at(path, key, offset);
}

void OrderedIndex::insert_at(Path& path, KeyBytes key, uint64_t offset) {
  // What comes first in a node is its name further up.
  for (unsigned level = 1; level < tree_.height && path.steps[level - 1].at == 0; level++) {
    node(path.steps[level].node).rename(path.steps[level].at, key, offset, keys_);
  }
  bool is_last = true;  // no item of the tree comes behind the new one
  for (unsigned level = 0; level < tree_.height; level++) {
    const Path::Step& step = path.steps[level];
    is_last = is_last && step.at + (level == 0 ? 0u : 1u) == node(step.node).count;
  }
  uint32_t child = kNone;
  for (unsigned level = 0; level < tree_.height; level++) {
    const Path::Step& step = path.steps[level];
    OrderedNode& left = node(step.node);
    const unsigned at = level == 0 ? step.at : step.at + 1;
    if (left.count < left.capacity()) {
      left.put(at, key, offset, child, keys_);
      return;
    }
    // Keys that come in order fill their nodes.
    const unsigned kept = is_last ? left.count : left.count / 2u;
    const uint32_t id = take_node(level);
    OrderedNode& right = node(id);
    left.split(kept, &right, keys_);
    if (at > kept || is_last) {
      right.put(at - kept, key, offset, child, keys_);
    } else {
      left.put(at, key, offset, child, keys_);
    }
    child = id;
    offset = right.offsets()[0];
    key = keys_.key_at(offset);
  }
  assert(tree_.height < kMaxHeight);
  const uint32_t root = take_node(tree_.height);
  const uint64_t first = node(tree_.root).offsets()[0];
  node(root).put(0, keys_.key_at(first), first, tree_.root, keys_);
  node(root).put(1, key, offset, child, keys_);
  tree_.root = root;
  tree_.height++;
}

bool OrderedIndex::move(KeyBytes key, uint64_t from, uint64_t to) {
  const std::unique_lock lock(mutex_);
  Path path;
  if (!find(key, from, &path)) return false;
  own(&path);
  for (unsigned level = 0; level < tree_.height; level++) {
    node(path.steps[level].node).offsets()[path.steps[level].at] = to;
    if (path.steps[level].at != 0) break;
  }
  return true;
}

bool OrderedIndex::erase(KeyBytes key, uint64_t offset) {
  const std::unique_lock lock(mutex_);
  Path path;
  if (!find(key, offset, &path)) return false;
  own(&path);
  set_size(tree_.size - 1);
  node(path.steps[0].node).take_out(path.steps[0].at);
  for (unsigned level = 0; level + 1 < tree_.height; level++) {
    OrderedNode& n = node(path.steps[level].node);
    const Path::Step& above = path.steps[level + 1];
    OrderedNode& parent = node(above.node);
    if (n.count == 0) {
      release(path.steps[level].node);
      parent.take_out(above.at);
      continue;
    }
    const uint64_t first = n.offsets()[0];
    if (parent.offsets()[above.at] != first) parent.rename(above.at, keys_.key_at(first), first, keys_);
    if (n.count < n.capacity() / 4 && parent.count > 1) merge(path, level);
  }
  while (tree_.height > 1 && node(tree_.root).count == 1) {
    const uint32_t old = tree_.root;
    tree_.root = node(old).children()[0];
    tree_.height--;
    release(old);
  }
  if (node(tree_.root).count == 0) {
    release(tree_.root);
    tree_.root = kNone;
    tree_.height = 0;
  }
  return true;
}

// Takes a neighbour's items over, where there is room for some more besides.
void OrderedIndex::merge(Path& path, unsigned level) {
  OrderedNode& n = node(path.steps[level].node);
  Path::Step& above = path.steps[level + 1];
  OrderedNode& parent = node(above.node);
  const bool has_right = above.at + 1 < parent.count;
  const uint32_t neighbour = parent.children()[has_right ? above.at + 1 : above.at - 1];
  if (n.count + node(neighbour).count > n.capacity() * 3 / 4) return;
  n.absorb(node(neighbour), !has_right, keys_);
  release(neighbour);
  if (has_right) {
    parent.take_out(above.at + 1);
    return;
  }
  parent.children()[above.at - 1] = path.steps[level].node;
  parent.take_out(above.at);
  above.at--;
}

void OrderedIndex::clear() {
  const std::unique_lock lock(mutex_);
  if (tree_.height != 0) release_below(tree_.root);
  tree_ = Tree{};
  set_size(0);
}

// ---- Soundness ----------------------------------------------------------------------------------------------------------

bool OrderedIndex::is_sound() const {
  const std::shared_lock lock(mutex_);
  if (tree_.height == 0) return tree_.root == kNone && tree_.size == 0;
  uint64_t items = 0;
  return is_sound_below(tree_.root, tree_.height - 1, &items) && items == tree_.size;
}

bool OrderedIndex::is_sound_below(uint32_t id, unsigned level, uint64_t* items) const {
  const OrderedNode& n = node(id);
  if (n.level != level || n.count == 0 || n.count > n.capacity()) return false;
  KeyBytes previous;
  for (unsigned i = 0; i < n.count; i++) {
    const KeyBytes key = keys_.key_at(n.offsets()[i]);
    if (n.words()[i] != OrderedNode::word_of(key, n.prefix_size)) return false;
    if (OrderedNode::common_prefix(key, keys_.key_at(n.offsets()[0])) < n.prefix_size) return false;
    if (i != 0 && !std::lexicographical_compare(previous.begin(), previous.end(), key.begin(), key.end())) return false;
    previous = key;
    if (level == 0) continue;
    const OrderedNode& child = node(n.children()[i]);
    if (child.count == 0 || child.offsets()[0] != n.offsets()[i]) return false;
    if (!is_sound_below(n.children()[i], level - 1, items)) return false;
    // The last key below one child comes before the first one below the next.
    if (i + 1 == n.count) continue;
    Path path;
    descend(n.children()[i], level - 1, true, &path);
    const OrderedNode& leaf = node(path.steps[0].node);
    const KeyBytes last = keys_.key_at(leaf.offsets()[leaf.count - 1]);
    const KeyBytes next = keys_.key_at(n.offsets()[i + 1]);
    if (!std::lexicographical_compare(last.begin(), last.end(), next.begin(), next.end())) return false;
  }
  if (level == 0) *items += n.count;
  return true;
}

}  // namespace mmcb
