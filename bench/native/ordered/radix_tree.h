// An adaptive radix tree over offsets (Leis, Kemper and Neumann, "The Adaptive Radix Tree", 2013): nodes of 4, 16, 48 and 256
// children, one byte of the key each; single-child paths are left out, and read from a leaf where they are needed. Keys must
// not be prefixes of others. What the B+tree of OrderedIndex is measured against: inserting, seeking and scanning only.
#pragma once

#include <emmintrin.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "core/ordered_node.h"

namespace mmcb::bench {

class RadixTree {
 public:
  explicit RadixTree(const KeySource& keys) : keys_(keys) {}
  ~RadixTree() { free_below(root_); }
  RadixTree(const RadixTree&) = delete;
  RadixTree& operator=(const RadixTree&) = delete;

  void insert(KeyBytes key, uint64_t offset) {
    Child* at = &root_;
    size_t depth = 0;
    for (;;) {
      if (*at == 0) {
        *at = leaf(offset);
        return;
      }
      const KeyBytes other = keys_.key_at(first_below(*at));
      const size_t prefix_end = is_leaf(*at) ? other.size() : depth + node(*at)->prefix;
      size_t differs = depth;
      while (differs < prefix_end && other[differs] == key[differs]) differs++;
      if (differs < prefix_end) {
        // The path forks before the node: a node of its own for the fork.
        Node* const fork = make(4);
        fork->prefix = static_cast<uint32_t>(differs - depth);
        if (!is_leaf(*at)) node(*at)->prefix -= static_cast<uint32_t>(differs - depth) + 1;
        const Child below = *at;
        *at = child_of(fork);
        add(at, byte_at(other, differs), below);
        add(at, byte_at(key, differs), leaf(offset));
        return;
      }
      depth = prefix_end;
      Child* const next = find(node(*at), byte_at(key, depth));
      if (next == nullptr) {
        add(at, byte_at(key, depth), leaf(offset));
        return;
      }
      at = next;
      depth++;
    }
  }

  size_t collect(KeyBytes from, std::span<uint64_t> offsets) const {
    Taken taken{offsets, 0};
    if (root_ != 0) collect_from(root_, from, 0, &taken);
    return taken.count;
  }

  uint64_t memory() const { return memory_; }

 private:
  // An offset times two plus one, or a pointer to a node.
  using Child = uint64_t;
  struct Node {
    uint16_t kind;  // 4, 16, 48, 256
    uint16_t count;
    uint32_t prefix;
  };
  struct Node4 : Node {
    uint8_t bytes[4];
    Child children[4];
  };
  struct Node16 : Node {
    uint8_t bytes[16];
    Child children[16];
  };
  struct Node48 : Node {
    uint8_t index[256];  // 1 + place; 0: none
    Child children[48];
  };
  struct Node256 : Node {
    Child children[256];
  };
  struct Taken {
    std::span<uint64_t> offsets;
    size_t count;
    bool is_full() const { return count == offsets.size(); }
  };

  static Child leaf(uint64_t offset) { return offset << 1 | 1; }
  static bool is_leaf(Child child) { return (child & 1) != 0; }
  static Node* node(Child child) { return reinterpret_cast<Node*>(child); }
  static Child child_of(Node* n) { return reinterpret_cast<Child>(n); }
  static uint8_t byte_at(KeyBytes key, size_t at) { return static_cast<uint8_t>(key[at]); }
  static size_t size_of(uint16_t kind) {
    return kind == 4 ? sizeof(Node4) : kind == 16 ? sizeof(Node16) : kind == 48 ? sizeof(Node48) : sizeof(Node256);
  }

  Node* make(uint16_t kind) {
    auto* const made = static_cast<Node*>(::operator new(size_of(kind)));
    std::memset(made, 0, size_of(kind));
    made->kind = kind;
    memory_ += size_of(kind);
    return made;
  }
  void drop(Node* n) {
    memory_ -= size_of(n->kind);
    ::operator delete(n);
  }

  Child* find(Node* n, uint8_t byte) const {
    switch (n->kind) {
      case 4: {
        auto* const n4 = static_cast<Node4*>(n);
        for (int i = 0; i < n4->count; i++) {
          if (n4->bytes[i] == byte) return &n4->children[i];
        }
        return nullptr;
      }
      case 16: {
        auto* const n16 = static_cast<Node16*>(n);
        const __m128i equal = _mm_cmpeq_epi8(_mm_set1_epi8(static_cast<char>(byte)),
                                             _mm_loadu_si128(reinterpret_cast<const __m128i*>(n16->bytes)));
        const unsigned found = static_cast<unsigned>(_mm_movemask_epi8(equal)) & ((1u << n16->count) - 1);
        return found == 0 ? nullptr : &n16->children[__builtin_ctz(found)];
      }
      case 48: {
        auto* const n48 = static_cast<Node48*>(n);
        return n48->index[byte] == 0 ? nullptr : &n48->children[n48->index[byte] - 1];
      }
      default: {
        Child* const child = &static_cast<Node256*>(n)->children[byte];
        return *child == 0 ? nullptr : child;
      }
    }
  }

  template <typename Small>
  static void add_sorted(Small* n, uint8_t byte, Child child) {
    int at = 0;
    while (at < n->count && n->bytes[at] < byte) at++;
    std::memmove(n->bytes + at + 1, n->bytes + at, static_cast<size_t>(n->count - at));
    std::memmove(n->children + at + 1, n->children + at, static_cast<size_t>(n->count - at) * sizeof(Child));
    n->bytes[at] = byte;
    n->children[at] = child;
    n->count++;
  }

  void add(Child* at, uint8_t byte, Child child) {
    Node* n = node(*at);
    if (n->count == n->kind) n = grow(at);
    switch (n->kind) {
      case 4: add_sorted(static_cast<Node4*>(n), byte, child); break;
      case 16: add_sorted(static_cast<Node16*>(n), byte, child); break;
      case 48: {
        auto* const n48 = static_cast<Node48*>(n);
        n48->children[n48->count] = child;
        n48->index[byte] = static_cast<uint8_t>(++n48->count);
        break;
      }
      default: static_cast<Node256*>(n)->children[byte] = child; n->count++;
    }
  }

  Node* grow(Child* at) {
    Node* const old = node(*at);
    Node* const larger = make(old->kind == 4 ? 16 : old->kind == 16 ? 48 : 256);
    larger->prefix = old->prefix;
    *at = child_of(larger);
    for_each(old, 0, [&](uint8_t byte, Child child) {
      add(at, byte, child);
      return true;
    });
    drop(old);
    return larger;
  }

  // Children from `from` on, in order, until `visit` says no.
  template <typename Visit>
  static void for_each(const Node* n, int from, Visit&& visit) {
    const auto small = [&](const auto* s) {
      for (int i = 0; i < s->count; i++) {
        if (s->bytes[i] >= from && !visit(s->bytes[i], s->children[i])) return;
      }
    };
    if (n->kind == 4) return small(static_cast<const Node4*>(n));
    if (n->kind == 16) return small(static_cast<const Node16*>(n));
    for (int byte = from; byte < 256; byte++) {
      Child child = 0;
      if (n->kind == 48) {
        const auto* const n48 = static_cast<const Node48*>(n);
        if (n48->index[byte] != 0) child = n48->children[n48->index[byte] - 1];
      } else {
        child = static_cast<const Node256*>(n)->children[byte];
      }
      if (child != 0 && !visit(static_cast<uint8_t>(byte), child)) return;
    }
  }

  uint64_t first_below(Child child) const {
    while (!is_leaf(child)) {
      Child first = 0;
      for_each(node(child), 0, [&](uint8_t, Child found) {
        first = found;
        return false;
      });
      child = first;
    }
    return child >> 1;
  }

  void collect_all(Child child, Taken* taken) const {
    if (taken->is_full()) return;
    if (is_leaf(child)) {
      taken->offsets[taken->count++] = child >> 1;
      return;
    }
    for_each(node(child), 0, [&](uint8_t, Child below) {
      collect_all(below, taken);
      return !taken->is_full();
    });
  }

  void collect_from(Child child, KeyBytes from, size_t depth, Taken* taken) const {
    const KeyBytes first = keys_.key_at(first_below(child));
    const size_t end = is_leaf(child) ? first.size() : depth + node(child)->prefix;
    const int order = std::memcmp(first.data() + depth, from.data() + depth, std::min(end, from.size()) - depth);
    if (order < 0) return;
    if (order > 0 || is_leaf(child)) return collect_all(child, taken);
    const int next = byte_at(from, end);
    for_each(node(child), next, [&](uint8_t byte, Child below) {
      if (byte == next) {
        collect_from(below, from, end + 1, taken);
      } else {
        collect_all(below, taken);
      }
      return !taken->is_full();
    });
  }

  void free_below(Child child) {
    if (child == 0 || is_leaf(child)) return;
    for_each(node(child), 0, [&](uint8_t, Child below) {
      free_below(below);
      return true;
    });
    drop(node(child));
  }

  const KeySource& keys_;
  Child root_ = 0;
  uint64_t memory_ = 0;
};

}  // namespace mmcb::bench
