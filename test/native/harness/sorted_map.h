// SortedMap: the few functions of std::map that the oracle needs, in one vector. States are copied for every image, and
// entries chosen by chance; both are cheap here.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

namespace mmcb::harness {

template <typename Key, typename Value>
class SortedMap {
 public:
  using Entry = std::pair<Key, Value>;
  using iterator = typename std::vector<Entry>::iterator;
  using const_iterator = typename std::vector<Entry>::const_iterator;

  iterator begin() { return entries_.begin(); }
  iterator end() { return entries_.end(); }
  const_iterator begin() const { return entries_.begin(); }
  const_iterator end() const { return entries_.end(); }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

  iterator find(const Key& key) {
    const iterator at = place(key);
    return at != end() && at->first == key ? at : end();
  }
  const_iterator find(const Key& key) const { return const_cast<SortedMap*>(this)->find(key); }
  size_t count(const Key& key) const { return find(key) != end() ? 1 : 0; }
  const Value& at(const Key& key) const {
    const const_iterator found = find(key);
    if (found == end()) throw std::out_of_range("SortedMap::at()");
    return found->second;
  }
  std::pair<iterator, bool> emplace(const Key& key, const Value& value) {
    const iterator at = place(key);
    if (at != end() && at->first == key) return {at, false};
    return {entries_.insert(at, Entry(key, value)), true};
  }
  Value& operator[](const Key& key) { return emplace(key, Value()).first->second; }
  void erase(iterator at) { entries_.erase(at); }
  void erase(const Key& key) {
    if (const iterator at = find(key); at != end()) entries_.erase(at);
  }

 private:
  iterator place(const Key& key) {
    return std::lower_bound(entries_.begin(), entries_.end(), key,
                            [](const Entry& entry, const Key& wanted) { return entry.first < wanted; });
  }

  std::vector<Entry> entries_;
};

}  // namespace mmcb::harness
