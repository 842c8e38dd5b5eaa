#include "core/batch.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <mutex>

#include "core/digest.h"
#include "core/journal.h"
#include "core/stores.h"

namespace mmcb {
namespace {

// What a store of up to eight bytes takes in a list.
constexpr size_t kStoreSize = JournalStore::kSize + sizeof(uint64_t);

// Returns where the next one goes.
std::byte* append_store(std::byte* at, uint64_t offset, const void* bytes, uint32_t length) {
  encode(JournalStore{offset, length}, at);
  std::memcpy(at + JournalStore::kSize, bytes, length);
  return at + kStoreSize;
}

bool is_keyed(const BatchOperation& operation) {
  using Type = BatchOperation::Type;
  return operation.type == Type::kSet || operation.type == Type::kInsert || operation.type == Type::kDelete ||
         operation.type == Type::kDiscard || operation.type == Type::kRequire;
}

}  // namespace

#if MMCB_STEPS
Batch::~Batch() noexcept(false) {
#else
Batch::~Batch() {
#endif
  if (committed_) return;
  for (const Change& change : changes_) {
    if (!change.existed) engine_.slots_.abandon(change.address);
  }
  // What was written will never be there: segments that hold nothing else are free.
  engine_.end_sealed_if_empty();
}

Batch::Change* Batch::pending(Address address) {
  const uint32_t found =
      table_.find(address.to_integer(), [&](uint32_t number) { return changes_[number].address == address; });
  return found == WordTable::kNone ? nullptr : &changes_[found];
}

Batch::Change* Batch::pending(const Key& key, uint64_t word) {
  const uint32_t found = table_.find(word, [&](uint32_t number) {
    const Change& change = changes_[number];
    return !change.existed && !change.ends && change.header.kind == key.kind &&
           std::equal(change.key.begin(), change.key.end(), key.bytes.begin(), key.bytes.end());
  });
  return found == WordTable::kNone ? nullptr : &changes_[found];
}

Batch::Change Batch::change_of(const Engine::Found& found) const {
  Change change;
  change.address = found.address;
  change.existed = true;
  change.old = found;
  change.header = found.header;
  if (found.header.kind == Kind::kPlain) return change;
  change.key = engine_.key_of(found);
  change.word = engine_.word_of(found);
  return change;
}

// Writes the (next) new version of a change. One written earlier in this batch stays behind, never to be seen.
Status Batch::write_version(Change& change, Bytes data) {
  EntryHeader header = change.header;
  header.data_size = static_cast<uint32_t>(data.size());
  header.capacity = engine_.capacity_for(header.key_size, data.size());
  header.version++;
  MMCB_TRY(change.existed ? engine_.place_update(change.old.header.total_size(), &header, &change.place)
                          : engine_.place_entry(Stream::kFresh, &header, &change.place));
  engine_.fill(change.place, &header, change.key, data);
  if (MMCB_BUG(kBatchPublishesEarly)) engine_.publish(change.place, header);
  change.header = header;
  return Status();
}

void Batch::look_ahead(std::span<BatchOperation> group, uint64_t* words) const {
  const Engine& e = engine_;
  for (size_t i = 0; i < group.size(); i++) {
    words[i] = is_keyed(group[i]) ? e.word_of(group[i].key) : 0;
    if (words[i] != 0) e.index_for(group[i].key.kind).prefetch(words[i]);
  }
  for (size_t i = 0; i < group.size(); i++) {
    const BatchOperation& operation = group[i];
    if (words[i] != 0) {
      e.prefetch_entry(operation.key.kind, words[i]);
    } else if (operation.type != BatchOperation::Type::kAdd) {
      if (const uint64_t offset = e.slots_.resolve(operation.address); offset != 0) e.prefetch_entry(offset);
    }
  }
}

Status Batch::prepare(std::span<BatchOperation> operations) {
  changes_.reserve(operations.size());
  table_.reserve(2 * operations.size());
  while (!operations.empty()) {
    const auto group = operations.first(std::min(kGroup, operations.size()));
    operations = operations.subspan(group.size());
    uint64_t words[kGroup];
    look_ahead(group, words);
    for (size_t i = 0; i < group.size(); i++) MMCB_TRY(prepare(group[i], words[i]));
  }
  return Status();
}

Status Batch::prepare(BatchOperation& operation, uint64_t word) {
  using Type = BatchOperation::Type;
  const bool keyed = is_keyed(operation);
  const Key key = keyed ? operation.key : Key{};
  if (operation.type == Type::kRequire) return require(key, word, operation.data);
  const bool writes =
      operation.type != Type::kRemove && operation.type != Type::kDelete && operation.type != Type::kDiscard;
  if (writes) MMCB_TRY(engine_.check_sizes(key, operation.data));

  // What the address or key stands for after the operations before this one.
  Change* change = nullptr;
  if (operation.type != Type::kAdd) change = keyed ? pending(key, word) : pending(operation.address);
  if (change == nullptr && operation.type != Type::kAdd) {
    Engine::Found found;
    Status status = keyed ? engine_.locate(key, word, &found) : engine_.locate(operation.address, &found);
    if (status.ok() && !keyed && found.header.key_size != 0) status = engine_.check_found(found);
    if (status.ok()) {
      // An earlier operation may have named it already.
      change = pending(found.address);
      if (change == nullptr) {
        changes_.push_back(change_of(found));
        table_.insert(found.address.to_integer(), static_cast<uint32_t>(changes_.size() - 1));
        change = &changes_.back();
      }
    } else if (status.code() != Code::kNotFound) {
      return status;
    }
  }
  const bool exists = change != nullptr && !change->ends;

  if (!writes) {
    if (!exists && operation.type == Type::kDiscard) return Status();
    if (!exists) return Status(Code::kNotFound, "no entry has this address: it was removed or never given out");
    change->ends = true;
    removes_++;
    return Status();
  }
  if (exists) {
    if (operation.type == Type::kInsert) return Status(Code::kExists, "an entry has this key already");
    operation.address = change->address;
    updates_++;
    return write_version(*change, operation.data);
  }
  if (operation.type == Type::kUpdate) {
    return Status(Code::kNotFound, "no entry has this address: it was removed or never given out");
  }
  // What it takes, the destructor gives back, also where memory for finding it again cannot be had.
  Change& fresh = changes_.emplace_back();
  fresh.existed = true;
  MMCB_TRY(engine_.slots_.acquire(&fresh.address));
  fresh.existed = false;
  fresh.header.slot = fresh.address.slot;
  fresh.header.generation = fresh.address.generation;
  fresh.header.kind = key.kind;
  fresh.header.key_size = static_cast<uint16_t>(key.bytes.size());
  fresh.key = key.bytes;
  fresh.word = word;
  const auto number = static_cast<uint32_t>(changes_.size() - 1);
  table_.insert(fresh.address.to_integer(), number);
  if (keyed) table_.insert(word, number);
  operation.address = fresh.address;
  adds_++;
  return write_version(fresh, operation.data);
}

Status Batch::require(const Key& key, uint64_t word, Bytes data) {
  Engine::Found found;
  const Change* change = pending(key, word);
  if (change == nullptr) {
    MMCB_TRY(engine_.locate(key, word, &found));
    change = pending(found.address);
  }
  if (change != nullptr) {
    if (change->ends) return Status(Code::kNotFound, "the batch itself has removed what it requires");
    found.offset = change->place.offset;
    found.header = change->header;
  }
  if (data.empty()) return Status();
  const Bytes present{engine_.volume_.at(found.offset) + EntryHeader::kSize + found.header.key_size,
                      found.header.data_size};
  if (std::ranges::equal(present, data)) return Status();
  return Status(Code::kNotFound, "the entry that the batch requires has other data");
}

void Batch::prepare_removal(const Engine::Found& found) {
  Change& change = changes_.emplace_back(change_of(found));
  change.ends = true;
  removes_++;
}

Status Batch::arm(const std::vector<std::byte>& list) {
  Engine& e = engine_;
  if (e.journal_.fits_list(list.size())) {
    e.journal_.arm_stores(list.data(), list.size());
    return Status();
  }
  // 50 million changes and more: more than a test can hold in memory.
  if (MMCB_NEVER(list.size() > kMaxDataSize)) return Status(Code::kTooLarge, "the batch is too long; split it");
  EntryHeader header;
  header.kind = Kind::kRedoList;
  header.data_size = static_cast<uint32_t>(list.size());
  header.capacity = static_cast<uint32_t>(align8(list.size()));
  Place place;
  MMCB_TRY(e.place_update(header.total_size(), &header, &place));  // garbage as soon as it is carried out
  e.fill(place, &header, {}, list);
  if (!MMCB_BUG(kRedoListNotPublished)) e.publish(place, header);
  e.journal_.arm_redo_list(place.offset);
  return Status();
}

Status Batch::carry_out(const std::vector<std::byte>& list, uint64_t digest) {
  Engine& e = engine_;
  MMCB_TRY(e.check_file());
  e.announce_digest(digest);
  if (Status status = arm(list); !status.ok()) {
    e.announce_digest(e.digest_);
    return status;
  }
  Journal::apply(e.volume_.at(0), list.data(), list.size());
  MMCB_STEP(kJournalApplied);
  e.journal_.clear();
  committed_ = true;
  return Status();
}

Status Batch::commit() {
  if (changes_.empty()) return Status();
  Engine& e = engine_;
  std::vector<std::byte> list(changes_.size() * 2 * kStoreSize);
  std::byte* end = list.data();
  uint64_t digest = e.digest_;
  KeyIndex::Demand inserts[2];
  bool has_inserts[2] = {false, false};
  uint64_t ordered_inserts = 0;
  uint64_t ordered_others = 0;
  for (const Change& change : changes_) {
    const EntryHeader& h = change.header;
    if (h.kind == Kind::kStringKey) ++(change.existed ? ordered_others : ordered_inserts);
    if (!change.ends) {
      end = append_store(end, change.place.offset, &h.crc, sizeof h.crc);
      digest += digest_of(h);
      if (!change.existed && h.kind != Kind::kPlain) {
        const size_t index = h.kind == Kind::kIntKey ? 0 : 1;
        e.index_for(h.kind).count_in(&inserts[index], change.word);
        has_inserts[index] = true;
      }
    }
    if (change.existed) {
      const uint32_t segment = e.segments_.index_of(change.old.offset);
      const uint64_t word = encode_mark(e.seed_, segment, e.segments_.at(segment).incarnation,
                                        change.old.header.ordinal, e.open_epoch_.load(std::memory_order_relaxed));
      end = append_store(end, e.mark_offset_of(change.old), &word, sizeof word);
      digest -= digest_of(change.old.header);
    }
  }
  list.resize(static_cast<size_t>(end - list.data()));
  // What can fail comes before the commit.
  if (has_inserts[0]) MMCB_TRY(e.ints_.reserve(inserts[0]));
  if (has_inserts[1]) MMCB_TRY(e.strings_.reserve(inserts[1]));
  MMCB_TRY(e.reserve_order(Kind::kStringKey, ordered_inserts, ordered_others));
  MMCB_TRY(carry_out(list, digest));
  for (const Change& change : changes_) {
    const EntryHeader& h = change.header;
    const uint32_t old_segment = change.existed ? e.segments_.index_of(change.old.offset) : 0;
    OrderedIndex* const order = e.order_of(h.kind);
    if (change.ends) {
      if (!change.existed) {
        e.slots_.abandon(change.address);
        continue;
      }
      if (h.kind != Kind::kPlain) e.index_for(h.kind).erase(change.word, change.old.offset);
      if (order != nullptr) order->erase(change.key, change.old.offset);
      e.slots_.release(change.address);
    } else {
      e.slots_.publish(change.address, change.place.offset);
      e.account_new(change.place.segment, h);
      if (h.kind != Kind::kPlain) {
        if (change.existed) {
          e.index_for(h.kind).move(change.word, change.old.offset, change.place.offset);
        } else {
          [[maybe_unused]] const Status inserted = e.index_for(h.kind).insert(change.word, change.place.offset);
          assert(inserted.ok());  // room was reserved
        }
        if (order != nullptr && change.existed) order->move(change.key, change.old.offset, change.place.offset);
        if (order != nullptr && !change.existed) order->insert(change.key, change.place.offset);
      }
    }
    if (change.existed) e.account_gone(old_segment, change.old.header);
  }
  e.settle_digest();
  for (const Change& change : changes_) {
    if (change.existed) e.end_if_empty(e.segments_.index_of(change.old.offset));
  }
  e.end_sealed_if_empty();
  if (e.slots_.highest_generation() != e.stored_generation_) {
    e.stored_generation_ = e.slots_.highest_generation();
    store64(e.volume_.at(kStateGeneration), e.stored_generation_);
  }
  e.adds_ += adds_;
  e.updates_ += updates_;
  e.relocations_ += updates_;
  e.removes_ += removes_;
  return Status();
}

Status Engine::batch(std::span<BatchOperation> operations) {
  throttle();
  return with_update_space([&]() -> Status {
    std::lock_guard guard(lock_);
    MMCB_TRY(writable());
    Status status = guarded([&]() -> Status {
      Batch batch(*this);
      MMCB_TRY(batch.prepare(operations));
      return batch.commit();
    });
    MMCB_TRY(check_file());
    return status;
  });
}

// Ends every segment instead of every entry: the list is as short as the file has segments.
Status Batch::clear_all(uint64_t* removed) {
  Engine& e = engine_;
  const uint64_t epoch = e.open_epoch_.load(std::memory_order_relaxed);
  std::vector<std::byte> list(e.segments_.count() * kStoreSize);
  std::byte* end = list.data();
  std::vector<uint32_t> ended;
  for (uint32_t i = 0; i < e.segments_.count(); i++) {
    const Segment::State state = e.segments_.at(i).state;
    if (state != Segment::State::kActive && state != Segment::State::kSealed) continue;
    uint64_t offset;
    uint64_t word;
    e.segments_.end_store(i, epoch, &offset, &word);
    end = append_store(end, offset, &word, sizeof word);
    ended.push_back(i);
  }
  list.resize(static_cast<size_t>(end - list.data()));
  MMCB_TRY(carry_out(list, 0));
  *removed = 0;
  uint64_t cursor = 0;
  Engine::Found found;
  while (e.next(KindFilter::kAll, &cursor, &found.address, &found.offset)) {
    found.header = decode_entry_header(e.volume_.at(found.offset));
    if (found.header.kind != Kind::kPlain) {
      e.index_for(found.header.kind).erase(e.word_of(found), found.offset);
    }
    e.slots_.release(found.address);
    ++*removed;
  }
  if (OrderedIndex* order = e.order_of(Kind::kStringKey)) order->clear();
  for (const uint32_t segment : ended) e.segments_.end(segment, epoch, true);
  e.count_.store(0, std::memory_order_relaxed);
  e.data_size_ = 0;
  e.removes_ += *removed;
  e.settle_digest();
  e.end_sealed_if_empty();
  if (e.overwrites_durable()) e.release_space();
  return Status();
}

Status Engine::clear(KindFilter kind, uint64_t* removed) {
  return guarded([&] { return clear_now(kind, removed); });
}

Status Engine::clear_now(KindFilter kind, uint64_t* removed) {
  std::lock_guard guard(lock_);
  MMCB_TRY(writable());
  Batch batch(*this);
  *removed = 0;
  if (count(kind) == 0) return Status();
  const auto run = [&] {
    if (count(kind) == count(KindFilter::kAll)) return batch.clear_all(removed);
    uint64_t cursor = 0;
    Found found;
    while (next(kind, &cursor, &found.address, &found.offset)) {
      MMCB_TRY(locate(found.address, &found));
      batch.prepare_removal(found);
      ++*removed;
    }
    return batch.commit();
  };
  Status status = run();
  MMCB_TRY(check_file());
  return status;
}

}  // namespace mmcb
