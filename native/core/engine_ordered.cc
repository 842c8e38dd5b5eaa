// Engine: string keys in order. The index is made on demand and kept up by every change of a string key, under the write
// lock; what is not there costs a change one look at a pointer.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "core/batch.h"
#include "core/engine.h"
#include "core/ordered_keys.h"
#include "core/stores.h"

namespace mmcb {
namespace {

// Entries that a removal of a range asks the index for at a time.
constexpr size_t kAtATime = 128;

int compare(KeyBytes a, KeyBytes b) {
  const int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

}  // namespace

KeyBytes OrderedKeys::key_at(uint64_t offset) const {
  // An update in place stores the whole header, this as well, though it never changes.
  uint16_t size = 0;
  copy_out(&size, volume_.at(offset) + EntryHeader::kKeySizeOffset, sizeof size);
  const uint64_t start = offset + EntryHeader::kSize;
  return {volume_.at(start), static_cast<size_t>(std::min<uint64_t>(size, volume_.size() - start))};
}

Status Engine::order_keys() {
  return guarded([&]() -> Status {
    const std::lock_guard guard(lock_);
    if (has_ordered_keys()) return Status();
    auto keys = std::make_unique<OrderedKeys>(platform_, volume_);
    MMCB_TRY(keys->index().initialize());
    std::vector<uint64_t> offsets;
    offsets.reserve(strings_.size());
    strings_.for_each([&](uint64_t, uint64_t offset) { offsets.push_back(offset); });
    // In the order of the file, where the entries lie one behind another.
    std::sort(offsets.begin(), offsets.end());
    MMCB_TRY(keys->index().build(std::move(offsets)));
    MMCB_TRY(check_file());
    ordered_keys_ = std::move(keys);
    ordered_.store(&ordered_keys_->index(), std::memory_order_release);
    return Status();
  });
}

// ---- Reading ------------------------------------------------------------------------------------------------------------------

Status Engine::open_ordered_snapshot(OrderedSnapshot* snapshot) {
  const std::lock_guard guard(lock_);
  OrderedIndex* const order = order_of(Kind::kStringKey);
  // What needs memory comes first: an epoch that was begun is never given back.
  MMCB_TRY(order->reserve_snapshot());
  MMCB_TRY(guarded([&] {
    if (snapshots_.size() == snapshots_.capacity()) snapshots_.reserve(2 * snapshots_.size() + 8);
    return Status();
  }));
  snapshot->epoch = next_epoch();
  snapshots_.push_back(snapshot->epoch);
  snapshot->index = order->open_snapshot();
  return Status();
}

void Engine::close_ordered_snapshot(const OrderedSnapshot& snapshot) {
  const std::lock_guard guard(lock_);
  order_of(Kind::kStringKey)->close_snapshot(snapshot.index);
  snapshots_.erase(std::find(snapshots_.begin(), snapshots_.end(), snapshot.epoch));
  release_space();
}

size_t Engine::collect(const OrderedSnapshot* snapshot, const OrderedIndex::Start& start,
                       std::span<uint64_t> offsets) const {
  const OrderedIndex* const order = ordered_.load(std::memory_order_acquire);
  return order->collect(snapshot == nullptr ? nullptr : &snapshot->index, start, offsets);
}

uint64_t Engine::find_in(const OrderedSnapshot& snapshot, KeyBytes key) const {
  uint64_t offset = 0;
  OrderedIndex::Start start;
  start.has_key = true;
  start.key = key;
  if (collect(&snapshot, start, {&offset, 1}) == 0) return 0;
  return compare(ordered_keys_->key_at(offset), key) == 0 ? offset : 0;
}

// ---- Removing -----------------------------------------------------------------------------------------------------------------

Status Engine::clear_range(const OrderedIndex::Start& start, const OrderedIndex::End* end, uint64_t limit,
                           uint64_t* removed) {
  *removed = 0;
  return guarded([&]() -> Status {
    const std::lock_guard guard(lock_);
    MMCB_TRY(writable());
    Batch batch(*this);
    uint64_t offsets[kAtATime];
    OrderedIndex::Start from = start;
    bool is_done = false;
    while (!is_done && *removed < limit) {
      const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kAtATime, limit - *removed));
      const size_t found = collect(nullptr, from, {offsets, wanted});
      is_done = found < wanted;
      for (size_t i = 0; i < found; i++) {
        const KeyBytes key = ordered_keys_->key_at(offsets[i]);
        if (end != nullptr) {
          const int order = start.is_reverse ? compare(end->key, key) : compare(key, end->key);
          is_done = order > 0 || (order == 0 && !end->is_inclusive);
          if (is_done) break;
        }
        Found entry;
        MMCB_TRY(read_header(offsets[i], &entry));
        MMCB_TRY(check_version_locked(offsets[i]));
        batch.prepare_removal(entry);
        ++*removed;
      }
      if (found != 0) from = {true, ordered_keys_->key_at(offsets[found - 1]), false, start.is_reverse};
    }
    if (*removed == 0) return Status();
    Status status = batch.commit();
    MMCB_TRY(check_file());
    return status;
  });
}

}  // namespace mmcb
