#include "core/ordered_node.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace mmcb {
namespace {

// Words that share so many leading bytes leave too few to tell keys apart by.
constexpr unsigned kSharedTooMuch = 4;

int compare(KeyBytes a, KeyBytes b) {
  const int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

// How many words are below `word`. Without branches: none of them could be foreseen.
unsigned lower_bound(const uint64_t* words, unsigned count, uint64_t word) {
  const uint64_t* base = words;
  while (count > 1) {
    const unsigned half = count / 2;
    base += base[half - 1] < word ? half : 0;
    count -= half;
  }
  return static_cast<unsigned>(base - words) + (count == 1 && *base < word);
}

template <typename T>
void open_gap(T* items, unsigned at, unsigned count) {
  std::memmove(items + at + 1, items + at, (count - at) * sizeof(T));
}

template <typename T>
void close_gap(T* items, unsigned at, unsigned count) {
  std::memmove(items + at, items + at + 1, (count - at - 1) * sizeof(T));
}

// A word counted from `delta` bytes earlier on; `head` has the bytes that come before it.
uint64_t widened(uint64_t word, uint64_t head, size_t delta) {
  if (delta == 0) return word;
  return delta >= sizeof word ? head : head | word >> (8 * delta);
}

}  // namespace

uint64_t OrderedNode::word_of(KeyBytes key, size_t at) {
  if (at >= key.size()) return 0;
  uint64_t word = 0;
  std::memcpy(&word, key.data() + at, std::min(sizeof word, key.size() - at));
  return __builtin_bswap64(word);
}

size_t OrderedNode::common_prefix(KeyBytes a, KeyBytes b) {
  const size_t most = std::min(a.size(), b.size());
  size_t shared = 0;
  for (; shared + sizeof(uint64_t) <= most; shared += sizeof(uint64_t)) {
    const uint64_t difference = word_of(a, shared) ^ word_of(b, shared);
    if (difference != 0) return shared + static_cast<size_t>(std::countl_zero(difference)) / 8;
  }
  while (shared < most && a[shared] == b[shared]) shared++;
  return shared;
}

KeyBytes OrderedNode::prefix_bytes(const KeySource& keys) const {
  if (prefix_size <= prefix.size()) return KeyBytes(prefix).first(prefix_size);
  const KeyBytes first = keys.key_at(offsets()[0]);
  return first.first(std::min<size_t>(prefix_size, first.size()));
}

void OrderedNode::set_prefix(KeyBytes key, size_t size) {
  assert(size <= key.size() && size <= UINT16_MAX);
  prefix_size = static_cast<uint16_t>(size);
  const size_t kept = std::min(size, prefix.size());
  if (kept != 0) std::memcpy(prefix.data(), key.data(), kept);
}

unsigned OrderedNode::rank(KeyBytes key, uint64_t known, const KeySource& keys, bool* is_equal) const {
  *is_equal = false;
  if (prefix_size != 0) {
    const KeyBytes shared = prefix_bytes(keys);
    const size_t length = std::min(shared.size(), key.size());
    const int order = std::memcmp(key.data(), shared.data(), length);
    if (order != 0) return order < 0 ? 0 : count;
    if (key.size() < prefix_size) return 0;
  }
  const uint64_t word = word_of(key, prefix_size);
  unsigned low = lower_bound(words(), count, word);
  if (low == count || words()[low] != word) return low;
  unsigned high = low + 1;
  while (high < count && words()[high] == word) high++;
  for (unsigned at = low; known != 0 && at < high; at++) {
    if (offsets()[at] != known) continue;
    *is_equal = true;
    return at;
  }
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    const int order = compare(keys.key_at(offsets()[middle]), key);
    if (order == 0) *is_equal = true;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void OrderedNode::widen(KeyBytes key, const KeySource& keys) {
  if (prefix_size == 0) return;
  const KeyBytes shared = prefix_bytes(keys);
  const size_t size = std::min(common_prefix(shared, key), shared.size());
  if (size >= prefix_size) return;
  const size_t delta = prefix_size - size;
  const uint64_t head = word_of(shared, size);
  for (unsigned i = 0; i < count; i++) words()[i] = widened(words()[i], head, delta);
  prefix_size = static_cast<uint16_t>(size);
}

void OrderedNode::tighten(const KeySource& keys) {
  if (count < 2) return;
  const uint64_t difference = words()[0] ^ words()[count - 1];
  if (difference != 0 && static_cast<unsigned>(std::countl_zero(difference)) / 8 < kSharedTooMuch) return;
  const KeyBytes first = keys.key_at(offsets()[0]);
  const size_t size = common_prefix(first, keys.key_at(offsets()[count - 1]));
  if (size <= prefix_size) return;
  set_prefix(first, size);
  for (unsigned i = 0; i < count; i++) words()[i] = word_of(keys.key_at(offsets()[i]), size);
}

void OrderedNode::put(unsigned at, KeyBytes key, uint64_t offset, uint32_t child, const KeySource& keys) {
  assert(count < capacity() && at <= count);
  if (count == 1) {
    // Of one key, everything would be prefix; with the second one it shows what is.
    const KeyBytes other = keys.key_at(offsets()[0]);
    set_prefix(other, common_prefix(other, key));
    words()[0] = word_of(other, prefix_size);
  } else {
    widen(key, keys);
  }
  open_gap(words(), at, count);
  open_gap(offsets(), at, count);
  words()[at] = word_of(key, prefix_size);
  offsets()[at] = offset;
  if (!is_leaf()) {
    open_gap(children(), at, count);
    children()[at] = child;
  }
  count++;
}

void OrderedNode::rename(unsigned at, KeyBytes key, uint64_t offset, const KeySource& keys) {
  // The first key may be where the prefix is read from.
  widen(key, keys);
  words()[at] = word_of(key, prefix_size);
  offsets()[at] = offset;
}

void OrderedNode::take_out(unsigned at) {
  close_gap(words(), at, count);
  close_gap(offsets(), at, count);
  if (!is_leaf()) close_gap(children(), at, count);
  count--;
}

void OrderedNode::split(unsigned at, OrderedNode* right, const KeySource& keys) {
  assert(right->level == level && right->count == 0 && at <= count);
  const unsigned moved = count - at;
  if (moved != 0) {
    std::memcpy(right->words(), words() + at, moved * sizeof(uint64_t));
    std::memcpy(right->offsets(), offsets() + at, moved * sizeof(uint64_t));
    if (!is_leaf()) std::memcpy(right->children(), children() + at, moved * sizeof(uint32_t));
    right->prefix_size = prefix_size;
    right->prefix = prefix;
    right->count = static_cast<uint16_t>(moved);
  }
  count = static_cast<uint16_t>(at);
  if (moved == 0) return;
  tighten(keys);
  right->tighten(keys);
}

void OrderedNode::absorb(const OrderedNode& neighbour, bool before, const KeySource& keys) {
  assert(neighbour.level == level && count + neighbour.count <= capacity());
  const KeyBytes theirs = neighbour.prefix_bytes(keys);
  widen(theirs, keys);
  const size_t delta = neighbour.prefix_size - prefix_size;
  const uint64_t head = word_of(theirs, prefix_size);
  const unsigned added = neighbour.count;
  const unsigned at = before ? 0 : count;
  if (before) {
    std::memmove(words() + added, words(), count * sizeof(uint64_t));
    std::memmove(offsets() + added, offsets(), count * sizeof(uint64_t));
    if (!is_leaf()) std::memmove(children() + added, children(), count * sizeof(uint32_t));
  }
  for (unsigned i = 0; i < added; i++) words()[at + i] = widened(neighbour.words()[i], head, delta);
  std::memcpy(offsets() + at, neighbour.offsets(), added * sizeof(uint64_t));
  if (!is_leaf()) std::memcpy(children() + at, neighbour.children(), added * sizeof(uint32_t));
  count = static_cast<uint16_t>(count + added);
}

void OrderedNode::fill(std::span<const uint64_t> from, const uint32_t* their_children, const KeySource& keys) {
  assert(count == 0 && from.size() <= capacity());
  count = static_cast<uint16_t>(from.size());
  std::copy(from.begin(), from.end(), offsets());
  if (!is_leaf()) std::copy(their_children, their_children + from.size(), children());
  const KeyBytes first = keys.key_at(from.front());
  const size_t size = count < 2 ? 0 : common_prefix(first, keys.key_at(from.back()));
  set_prefix(first, size);
  for (unsigned i = 0; i < count; i++) words()[i] = word_of(keys.key_at(from[i]), size);
}

}  // namespace mmcb
