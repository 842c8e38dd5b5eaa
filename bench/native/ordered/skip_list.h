// A skip list over offsets, after LevelDB's (db/skiplist.h): towers of links, branching by four. What the B+tree of
// OrderedIndex is measured against.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "core/ordered_node.h"

namespace mmcb::bench {

class SkipList {
 public:
  explicit SkipList(const KeySource& keys) : keys_(keys), head_(make(0, kMaxHeight)) {}

  void insert(KeyBytes key, uint64_t offset) {
    Node* before[kMaxHeight];
    find(key, before);
    int height = 1;
    while (height < kMaxHeight && random_() % 4 == 0) height++;
    Node* const node = make(offset, height);
    for (int i = 0; i < height; i++) {
      if (before[i] == nullptr) before[i] = head_;
      node->next[i] = before[i]->next[i];
      before[i]->next[i] = node;
    }
  }

  size_t collect(KeyBytes from, std::span<uint64_t> offsets) {
    size_t taken = 0;
    for (const Node* node = find(from, nullptr); node != nullptr && taken < offsets.size(); node = node->next[0]) {
      offsets[taken++] = node->offset;
    }
    return taken;
  }

  uint64_t memory() const { return memory_; }

 private:
  static constexpr int kMaxHeight = 12;
  struct Node {
    uint64_t offset;
    Node* next[1];  // as many as the node is high
  };

  Node* make(uint64_t offset, int height) {
    const size_t size = sizeof(uint64_t) + static_cast<size_t>(height) * sizeof(Node*);
    if (used_ + size > kBlock) {
      blocks_.push_back(std::make_unique<std::byte[]>(kBlock));
      used_ = 0;
    }
    auto* const node = reinterpret_cast<Node*>(blocks_.back().get() + used_);
    used_ += size;
    memory_ += size;
    node->offset = offset;
    std::memset(node->next, 0, static_cast<size_t>(height) * sizeof(Node*));
    return node;
  }

  // The first node that is not below the key, and the ones before it at each height.
  Node* find(KeyBytes key, Node** before) {
    Node* at = head_;
    for (int level = kMaxHeight - 1;; level--) {
      for (Node* next = at->next[level]; next != nullptr && is_below(next->offset, key); next = at->next[level])
        at = next;
      if (before != nullptr) before[level] = at;
      if (level == 0) return at->next[0];
    }
  }

  bool is_below(uint64_t offset, KeyBytes key) const {
    const KeyBytes other = keys_.key_at(offset);
    const int order = std::memcmp(other.data(), key.data(), std::min(other.size(), key.size()));
    return order != 0 ? order < 0 : other.size() < key.size();
  }

  static constexpr size_t kBlock = 1 << 20;
  const KeySource& keys_;
  std::mt19937 random_{1};
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  size_t used_ = kBlock;
  uint64_t memory_ = 0;
  Node* head_;
};

}  // namespace mmcb::bench
