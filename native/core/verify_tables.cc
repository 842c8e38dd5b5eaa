// Verifier: slot table and key indexes. That each live entry is found through them is checked with the entries; here, that
// whatever they hold leads to such an entry.
#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/digest.h"
#include "core/ordered_keys.h"
#include "core/stores.h"
#include "core/verify.h"

namespace mmcb {
namespace {

// Slots between two looks at whether to go on.
constexpr uint32_t kSlotsAtATime = 4096;
constexpr size_t kKeysAtATime = 128;

}  // namespace

// Without the lock at first: most slots are right, and reading each entry's header under it would hold writers up.
void Verifier::check_slot(uint32_t slot) {
  Engine& e = engine_;
  Address address;
  uint64_t offset = 0;
  if (!e.slots_.live_at(slot, &address, &offset)) return;
  const auto leads_to_it = [&] {
    if (offset < e.segments_.head() || offset + EntryHeader::kSize > e.volume_.size()) return false;
    std::byte bytes[EntryHeader::kSize];
    copy_out(bytes, e.volume_.at(offset), sizeof bytes);
    const EntryHeader h = decode_entry_header(bytes);
    return h.address() == address && h.kind < Kind::kRedoList;
  };
  const uint32_t segment = offset < e.segments_.head() ? 0 : e.segments_.index_of(offset);
  const bool suspicious = segment < not_whole_.size() && not_whole_[segment];
  if (leads_to_it() && !suspicious) return;
  std::lock_guard guard(e.lock_);
  if (!e.slots_.live_at(slot, &address, &offset)) return;
  if (!leads_to_it()) {
    EntryHeader named;
    named.slot = address.slot;
    named.generation = address.generation;
    error("an address leads to no entry: its header is damaged, or the slot table", offset, &named);
    return;
  }
  // Also in a segment where everything is whole an entry could begin inside another one: then no walk has met it.
  EntryHeader header;
  const uint32_t now = e.segments_.index_of(offset);
  if (entry_holds(context_, offset, e.segments_.end_of(now), e.segments_.at(now).incarnation, 0, &header)) return;
  if (aborted_) return;
  header = decode_entry_header(e.volume_.at(offset));
  error("the checksum of a live entry does not hold", offset, &header);
}

Status Verifier::check_slots() {
  Engine& e = engine_;
  const uint32_t slots = e.slots_.size();
  done_ = 0;
  total_ = slots;
  uint64_t live = 0;
  uint64_t digest;
  {
    std::lock_guard guard(e.lock_);
    digest = e.digest_;
  }
  for (uint32_t slot = 0; slot < slots; slot++) {
    if (slot % kSlotsAtATime == 0) {
      done_ = slot;
      if (!go_on()) return Status(Code::kAborted);
    }
    Address address;
    uint64_t offset;
    if (e.slots_.live_at(slot, &address, &offset)) live++;
    check_slot(slot);
  }
  if (aborted_) return Status(Code::kAborted);
  std::lock_guard guard(e.lock_);
  const uint64_t count = e.count_.load(std::memory_order_relaxed);
  if (e.digest_ == digest && slots == e.slots_.size() && live != count) {
    error("the slot table has " + std::to_string(live) + " live slots and should have " + std::to_string(count), 0);
  }
  return Status();
}

void Verifier::check_cell(Kind kind, uint64_t word, uint64_t offset) {
  Engine& e = engine_;
  const auto holds = [&] {
    if (offset < e.segments_.head() || offset + EntryHeader::kSize > e.volume_.size()) return false;
    std::byte bytes[EntryHeader::kSize];
    copy_out(bytes, e.volume_.at(offset), sizeof bytes);
    const EntryHeader h = decode_entry_header(bytes);
    return h.kind == kind && (kind != Kind::kIntKey || h.key_size == 8) &&
           offset + EntryHeader::kSize + h.key_size <= e.volume_.size() && e.slots_.resolve(h.address()) == offset &&
           e.word_of({kind, {e.volume_.at(offset + EntryHeader::kSize), h.key_size}}) == word;
  };
  if (holds()) return;
  std::lock_guard guard(e.lock_);
  // It may have moved since the cell was read.
  const uint64_t now = e.index_for(kind).find(word, [&](uint64_t candidate) { return candidate == offset; });
  if (now != offset || holds()) return;
  const EntryHeader h =
      offset + EntryHeader::kSize <= e.volume_.size() ? decode_entry_header(e.volume_.at(offset)) : EntryHeader{};
  error("a key leads to no entry that has it: the entry is damaged, or the key index", offset, &h);
}

Status Verifier::check_keys(Kind kind) {
  Engine& e = engine_;
  const KeyIndex& index = e.index_for(kind);
  struct Cell {
    uint64_t word;
    uint64_t offset;
  };
  std::vector<Cell> cells;
  done_ = 0;
  total_ = KeyIndex::kShardCount;
  for (unsigned shard = 0; shard < KeyIndex::kShardCount; shard++) {
    done_ = shard;
    if (!go_on()) return Status(Code::kAborted);
    cells.clear();
    {
      // A copy, so that the entries need not be looked at under the lock.
      std::lock_guard guard(e.lock_);
      index.for_each_in(shard, [&](uint64_t word, uint64_t offset) { cells.push_back({word, offset}); });
    }
    for (const Cell& cell : cells) check_cell(kind, cell.word, cell.offset);
  }
  return Status();
}

// Entries that are removed or moved meanwhile keep their keys for as long as this is pinned: page by page.
Status Verifier::check_order() {
  Engine& e = engine_;
  const auto reader = std::unique_ptr<ReaderPin, std::function<void(ReaderPin*)>>(
      e.pins_.add_reader(), [&](ReaderPin* pin) { e.pins_.remove_reader(pin); });
  if (reader == nullptr) return Status(Code::kNoMemory);
  std::vector<std::byte> last;
  OrderedIndex::Start start;
  uint64_t offsets[kKeysAtATime];
  for (size_t found = kKeysAtATime; found == kKeysAtATime;) {
    if (!go_on()) return Status(Code::kAborted);
    const PinScope pinned(*reader);
    found = e.collect(nullptr, start, offsets);
    for (size_t i = 0; i < found; i++) {
      const KeyBytes key = e.ordered_keys_->key_at(offsets[i]);
      const bool comes_next = std::lexicographical_compare(last.begin(), last.end(), key.begin(), key.end());
      if (start.has_key && !comes_next) {
        error("a key stands in the wrong place of the order: the entry is damaged, or the ordered index", offsets[i]);
      }
      last.assign(key.begin(), key.end());
      start = {true, last, false, false};
    }
  }
  return Status();
}

void Verifier::check_counts(const Engine::Snapshot& snapshot) {
  Engine& e = engine_;
  const bool complete = count_ == snapshot.count && digest_ == snapshot.digest;
  if (!complete) {
    // Such places are harmless remains of calls cut short, unless something is missing.
    for (const uint64_t offset : first_gap_) error("no whole entry stands at offset " + std::to_string(offset), offset);
  }
  if (count_ != snapshot.count) {
    error("the file holds " + std::to_string(count_) + " whole live entries and should hold " +
              std::to_string(snapshot.count),
          0);
  } else if (digest_ != snapshot.digest) {
    error("the live entries are not the ones that were written (their digest differs)", 0);
  }
  std::lock_guard guard(e.lock_);
  if (!complete || e.digest_ != snapshot.digest) return;
  // Nothing has changed since: each index has exactly the entries of its kind.
  const OrderedIndex* const order = e.order_of(Kind::kStringKey);
  if (order != nullptr && order->size() != e.strings_.size()) {
    error("the ordered index holds " + std::to_string(order->size()) + " keys and should hold " +
              std::to_string(e.strings_.size()),
          0);
  }
  if (e.ints_.size() != count_by_kind_[static_cast<size_t>(Kind::kIntKey)] ||
      e.strings_.size() != count_by_kind_[static_cast<size_t>(Kind::kStringKey)]) {
    error("the key indexes hold " + std::to_string(e.ints_.size() + e.strings_.size()) + " keys, the file " +
              std::to_string(count_by_kind_[1] + count_by_kind_[2]),
          0);
  }
}

}  // namespace mmcb
