// The write path of Engine: single entries. Everything here runs under the write lock.
//
// The order of stores is the protocol (docs/design.md, "One entry, store by store"):
//   new entry:   crc = 0, header, key, data, mark = live | digest_next | crc | digest
//   relocation:  the same for the new version, then end mark of the old one before `digest`
//   removal:     digest_next | end mark | digest
//   in place:    digest_next | journal armed | entry | journal cleared | digest
// A kill between any two leaves the state before or after, never between; a reader sees old or new by the checksum.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "core/digest.h"
#include "core/engine.h"
#include "core/stores.h"

namespace mmcb {

// ---- Public calls ---------------------------------------------------------------------------------------------------------

template <typename Body>
Status Engine::change(Body&& body) {
  std::lock_guard guard(lock_);
  if (!may_write()) return writable();
  Status status = body();
  // What looks like damage may be a file cut short in the middle of a page, which no fault tells of.
  if (status.code() == Code::kCorrupt || volume_.is_lost()) [[unlikely]]
    MMCB_TRY(check_file_size());
  return status;
}

Status Engine::add(Bytes data, Address* address) {
  const Key key;
  MMCB_TRY(check_sizes(key, data));
  throttle();
  return change([&] {
    MMCB_TRY(insert_new(key, 0, {}, data, address));
    adds_++;
    return Status();
  });
}

Status Engine::update(Address address, Bytes data) {
  throttle();
  // The miss on the entry's line is taken before the lock, not under it.
  if (const uint64_t offset = slots_.resolve(address); offset != 0) __builtin_prefetch(volume_.at(offset), 1);
  return with_update_space([&] {
    return change([&] {
      Found found;
      MMCB_TRY(locate(address, &found));
      // The new version takes the key over: a damaged one must not get a checksum that holds.
      if (found.header.key_size != 0) MMCB_TRY(check_found(found));
      MMCB_TRY(update_found(found, data));
      updates_++;
      return Status();
    });
  });
}

Status Engine::remove(Address address) {
  if (const uint64_t offset = slots_.resolve(address); offset != 0) __builtin_prefetch(volume_.at(offset), 1);
  return change([&] {
    Found found;
    MMCB_TRY(locate(address, &found));
    // By a damaged key its cell in the index would not be found, and would lead to whatever comes to stand here next.
    if (found.header.key_size != 0) MMCB_TRY(check_found(found));
    MMCB_TRY(reserve_order(found.header.kind, 0, 1));
    remove_found(found);
    removes_++;
    return Status();
  });
}

Status Engine::set(Key key, Bytes data, Address* address) {
  MMCB_TRY(check_sizes(key, data));
  throttle();
  const uint64_t word = word_of(key);
  index_for(key.kind).prefetch(word);
  return with_update_space([&] {
    return change([&] {
      Found found;
      KeyIndex::Vacancy vacancy;
      Status status = locate(key, word, &found, &vacancy);
      if (status.ok()) {
        if (address != nullptr) *address = found.address;
        MMCB_TRY(update_found(found, data));
        updates_++;
        return Status();
      }
      if (status.code() != Code::kNotFound) return status;
      Address fresh;
      MMCB_TRY(insert_new(key, word, vacancy, data, &fresh));
      if (address != nullptr) *address = fresh;
      adds_++;
      return Status();
    });
  });
}

Status Engine::erase(Key key) {
  const uint64_t word = word_of(key);
  index_for(key.kind).prefetch(word);
  return change([&] {
    Found found;
    MMCB_TRY(locate(key, word, &found));
    MMCB_TRY(reserve_order(key.kind, 0, 1));
    remove_found(found);
    removes_++;
    return Status();
  });
}

// ---- Accounting -------------------------------------------------------------------------------------------------------------

void Engine::account_new(uint32_t segment, const EntryHeader& header) {
  segments_.add_live(segment, header);
  data_size_ += header.data_size;
  count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void Engine::account_gone(uint32_t segment, const EntryHeader& header) {
  segments_.remove_live(segment, header);
  data_size_ -= header.data_size;
  count_.store(count_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

void Engine::announce_digest(uint64_t next) {
  digest_next_ = next;
  store64(volume_.at(kStateDigestNext), next);
  MMCB_STEP(kDigestNext);
}

void Engine::settle_digest() {
  digest_ = digest_next_;
  store64(volume_.at(kStateDigest), digest_);
  MMCB_STEP(kDigestDone);
  note_change();
}

// ---- Stores -------------------------------------------------------------------------------------------------------------------

Status Engine::take_place(Stream stream, uint64_t size, Place* place) {
  const uint64_t epoch = open_epoch_.load(std::memory_order_relaxed);
  Status status = segments_.allocate(stream, size, epoch, place);
  if (!status.lacks_space()) return status;
  // Space that has become reusable since the last sync point may do. Without any the disk need not be asked again: that
  // takes a full file system milliseconds.
  const uint32_t free = segments_.free_segments();
  release_space();
  return segments_.free_segments() == free ? std::move(status) : segments_.allocate(stream, size, epoch, place);
}

Status Engine::place_update(uint64_t old_size, EntryHeader* header, Place* place) {
  const uint64_t size = header->total_size();
  if (size > old_size || segments_.is_large(size)) return place_entry(Stream::kFresh, header, place);
  header->epoch = open_epoch_.load(std::memory_order_relaxed);
  if (!segments_.place_in_active(Stream::kFresh, size, place) &&
      !(is_full_ && segments_.place_in_active(Stream::kUpdates, size, place))) {
    Status status = take_place(Stream::kFresh, size, place);
    is_full_ = status.lacks_space();
    if (is_full_ && take_place(Stream::kUpdates, size, place).ok()) status = Status();
    if (status.lacks_space()) return std::move(status).for_update();
    MMCB_TRY(status);
  }
  header->ordinal = place->ordinal;
  return Status();
}

void Engine::fill(const Place& place, EntryHeader* header, Bytes key, Bytes data) {
  std::byte bytes[EntryHeader::kSize];
  encode(*header, bytes);
  // The checksum is taken from the source: bytes just stored would have to come back through the store buffer.
  header->crc = entry_crc(entry_seed(seed_, place.offset, place.incarnation), bytes, key.data(), key.size(),
                          data.data(), data.size());
  std::byte* at = volume_.at(place.offset);
  store32(at, 0);
  MMCB_STEP(kEntryInvalidated);
  copy_in(at + 4, bytes + 4, EntryHeader::kSize - 4);
  MMCB_STEP(kEntryHeader);
  copy_in(at + EntryHeader::kSize, key.data(), key.size());
  MMCB_STEP(kEntryKey);
  std::byte* data_at = at + EntryHeader::kSize + key.size();
#if MMCB_STEPS
  copy_in(data_at, data.data(), data.size() / 2);
  MMCB_STEP(kEntryDataHalf);
  copy_in(data_at + data.size() / 2, data.data() + data.size() / 2, data.size() - data.size() / 2);
#else
  copy_in(data_at, data.data(), data.size());
#endif
  MMCB_STEP(kEntryData);
  store64(volume_.at(place.mark), encode_mark(seed_, place.segment, place.incarnation, place.ordinal, 0));
  MMCB_STEP(kEntryMark);
}

void Engine::publish(const Place& place, const EntryHeader& header) {
  store32(volume_.at(place.offset), header.crc);
  MMCB_STEP(kEntryPublished);
}

void Engine::end_entry(const Found& found) {
  const uint32_t segment = segments_.index_of(found.offset);
  store64(volume_.at(mark_offset(segments_.end_of(segment), found.header.ordinal)),
          encode_mark(seed_, segment, segments_.at(segment).incarnation, found.header.ordinal,
                      open_epoch_.load(std::memory_order_relaxed)));
  MMCB_STEP(kEntryEnded);
}

// ---- Single changes -------------------------------------------------------------------------------------------------------------

Status Engine::insert_new(const Key& key, uint64_t word, const KeyIndex::Vacancy& vacancy, Bytes data,
                          Address* address) {
  EntryHeader header;
  header.kind = key.kind;
  header.key_size = static_cast<uint16_t>(key.bytes.size());
  header.data_size = static_cast<uint32_t>(data.size());
  header.capacity = capacity_for(key.bytes.size(), data.size());
  MMCB_TRY(reserve_order(key.kind, 1, 0));
  Address fresh;
  MMCB_TRY(slots_.acquire(&fresh));
  header.slot = fresh.slot;
  header.generation = fresh.generation;
  Place place;
  if (Status status = place_entry(Stream::kFresh, &header, &place); !status.ok()) {
    slots_.abandon(fresh);
    end_sealed_if_empty();
    return status;
  }
  fill(place, &header, key.bytes, data);
  if (Status whole = check_file(); !whole.ok()) {
    slots_.abandon(fresh);
    return whole;
  }
  if (key.kind != Kind::kPlain) {
    // The last step that can fail comes before the entry is there. A reader that finds it now sees no checksum yet, and
    // tries again.
    if (Status status = index_for(key.kind).insert(word, place.offset, vacancy); !status.ok()) {
      slots_.abandon(fresh);
      end_sealed_if_empty();
      return status;
    }
  }
  if (slots_.highest_generation() != stored_generation_) {
    stored_generation_ = slots_.highest_generation();
    store64(volume_.at(kStateGeneration), stored_generation_);
  }
  if (MMCB_BUG(kDigestAnnouncedLate)) publish(place, header);
  announce_digest(digest_ + digest_of(header));
  publish(place, header);
  slots_.publish(fresh, place.offset);
  if (OrderedIndex* order = order_of(key.kind)) order->insert(key.bytes, place.offset);
  account_new(place.segment, header);
  settle_digest();
  end_sealed_if_empty();
  *address = fresh;
  return Status();
}

bool Engine::may_update_in_place(const Found& found, uint64_t data_size) const {
  const EntryHeader& h = found.header;
  // By capacity and not by size, so that an entry either can or cannot ever change in place (read_part relies on it).
  if (data_size > h.capacity || !journal_.fits_entry(EntryHeader::kSize + h.key_size + uint64_t{h.capacity}))
    return false;
  if (h.epoch == open_epoch_.load(std::memory_order_relaxed)) return true;
  if (MMCB_BUG(kUpdateDurableInPlace)) return true;
  if (MMCB_BUG(kUpdateSyncingInPlace) && h.epoch > durable_epoch_.load(std::memory_order_relaxed)) return true;
  return overwrites_durable() && h.epoch > newest_snapshot();
}

Status Engine::update_found(const Found& found, Bytes data) {
  if (data.size() > kMaxDataSize) return check_sizes(Key{}, data);
  if (may_update_in_place(found, data.size())) {
    MMCB_TRY(update_in_place(found, data));
    updates_in_place_++;
    return Status();
  }
  MMCB_TRY(relocate(found, data, Stream::kFresh));
  relocations_++;
  return Status();
}

Status Engine::update_in_place(const Found& found, Bytes data) {
  EntryHeader header = found.header;
  header.data_size = static_cast<uint32_t>(data.size());
  header.epoch = open_epoch_.load(std::memory_order_relaxed);
  header.version++;
  const uint32_t segment = segments_.index_of(found.offset);
  const Bytes key = key_of(found);
  std::byte bytes[EntryHeader::kSize];
  encode(header, bytes);
  header.crc = entry_crc(entry_seed(seed_, found.offset, segments_.at(segment).incarnation), bytes, key.data(),
                         key.size(), data.data(), data.size());
  std::memcpy(bytes, &header.crc, sizeof header.crc);
  MMCB_TRY(check_file());

  announce_digest(digest_ - digest_of(found.header) + digest_of(header));
  journal_.arm_entry(found.offset, bytes, key.data(), key.size(), data.data(), data.size());
  std::byte* at = volume_.at(found.offset);
  // The order does not matter: until the journal is cleared, a kill is repaired from it, and readers go by the checksum.
  copy_in(at, bytes, EntryHeader::kSize);
  MMCB_STEP(kJournalApplyHalf);
  copy_in(at + EntryHeader::kSize + key.size(), data.data(), data.size());
  MMCB_STEP(kJournalApplied);
  journal_.clear();
  segments_.change_live(segment, found.header, header);
  data_size_ += header.data_size;
  data_size_ -= found.header.data_size;
  settle_digest();
  return Status();
}

Status Engine::relocate(const Found& found, Bytes data, Stream stream) {
  EntryHeader header = found.header;
  header.data_size = static_cast<uint32_t>(data.size());
  header.capacity = capacity_for(header.key_size, data.size());
  header.version++;
  MMCB_TRY(reserve_order(header.kind, 0, 1));
  Place place;
  MMCB_TRY(stream == Stream::kCold ? place_entry(stream, &header, &place)
                                   : place_update(found.header.total_size(), &header, &place));
  const Bytes key = key_of(found);
  fill(place, &header, key, data);
  // Key, and when compacting data, come from the file: nothing read from a hole gets a checksum that holds.
  MMCB_TRY(check_file());
  announce_digest(digest_ - digest_of(found.header) + digest_of(header));
  publish(place, header);
  slots_.publish(found.address, place.offset);
  if (header.kind != Kind::kPlain) index_for(header.kind).move(word_of(found), found.offset, place.offset);
  if (OrderedIndex* order = order_of(header.kind)) order->move(key, found.offset, place.offset);
  end_entry(found);
  account_gone(segments_.index_of(found.offset), found.header);
  account_new(place.segment, header);
  settle_digest();
  end_if_empty(segments_.index_of(found.offset));
  end_sealed_if_empty();
  return Status();
}

void Engine::end_sealed_if_empty() {
  for (uint32_t segment = segments_.take_filled(); segment != Segments::kNone; segment = segments_.take_filled()) {
    end_if_empty(segment);
  }
}

void Engine::end_if_empty(uint32_t segment) {
  const Segment& s = segments_.at(segment);
  if (s.live_entries != 0 || s.state != Segment::State::kSealed || s.damaged) return;
  segments_.end(segment, open_epoch_.load(std::memory_order_relaxed));
  if (overwrites_durable()) release_space();
}

void Engine::remove_found(const Found& found) {
  announce_digest(digest_ - digest_of(found.header));
  if (found.header.kind != Kind::kPlain) {
    index_for(found.header.kind).erase(word_of(found), found.offset);
    if (OrderedIndex* order = order_of(found.header.kind)) order->erase(key_of(found), found.offset);
  }
  slots_.release(found.address);
  end_entry(found);
  account_gone(segments_.index_of(found.offset), found.header);
  settle_digest();
  end_if_empty(segments_.index_of(found.offset));
}

}  // namespace mmcb
