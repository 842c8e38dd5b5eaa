// Recovery, the tables: what the entries that the scan finds make of them, in the order of the file.
#include <algorithm>
#include <utility>

#include "core/digest.h"
#include "core/recovery.h"

namespace mmcb {
namespace {

// Which of two versions of a slot is the newer one. Generations and versions wrap; two that meet are never far apart.
bool is_newer(const EntryHeader& a, const EntryHeader& b) {
  if (a.generation != b.generation) return ((a.generation - b.generation) & kGenerationMask) <= kGenerationMask / 2;
  return static_cast<int32_t>(a.version - b.version) > 0;
}

// Entries whose places in the tables are asked for together.
constexpr size_t kGroup = 64;

}  // namespace

Status Recovery::scan_entries(uint32_t index, uint64_t run_end, std::span<const KeyedEntry> entries) {
  Engine& e = engine_;
  while (!entries.empty()) {
    const auto group = entries.first(std::min(entries.size(), kGroup));
    entries = entries.subspan(group.size());
    for (const KeyedEntry& keyed : group) {
      e.slots_.prefetch(keyed.entry.header.slot);
      if (keyed.key_word != 0) e.index_for(keyed.entry.header.kind).prefetch(keyed.key_word);
    }
    for (const KeyedEntry& keyed : group) MMCB_TRY(scan_entry(index, run_end, keyed));
  }
  return Status();
}

void Recovery::expect_keys() {
  Engine& e = engine_;
  if (count_ == 0) return;
  // No more entries than the file has room for.
  const double all = static_cast<double>(std::min(superblock_.live_count, e.volume_.size() / EntryHeader::kSize));
  for (KeyIndex* keys : {&e.ints_, &e.strings_})
    keys->expect(static_cast<uint64_t>(all * static_cast<double>(keys->size()) / static_cast<double>(count_)));
}

Status Recovery::scan_entry(uint32_t index, uint64_t run_end, const KeyedEntry& keyed) {
  Engine& e = engine_;
  const WalkedEntry& entry = keyed.entry;
  const EntryHeader& h = entry.header;
  note_epoch(h.epoch);
  if (entry.mark.valid) note_epoch(entry.mark.end_epoch);
  if (h.epoch > limit_) {
    needs_apply(index);
    e.recovery_.discarded++;
    return Status();
  }
  if (h.kind == Kind::kRedoList) return Status();
  if (h.slot >= slot_limit_) {
    // Whole, and impossible: nothing that ever wrote to this file wrote it.
    needs_apply(index);
    Damage damage;
    damage.kind = DamageKind::kEntryHeader;
    damage.offset = entry.offset;
    damage.length = EntryHeader::kSize;
    describe(h, entry.offset, run_end, &damage);
    note_damage(std::move(damage));
    return Status();
  }
  if (!entry.mark.valid && !(doubt_ == Doubt::kSalvage && MMCB_BUG(kSalvageRevives))) {
    needs_apply(index);
    doubts_++;
    Damage damage;
    damage.kind = DamageKind::kEntryMark;
    damage.offset = mark_offset(run_end, h.ordinal);
    damage.length = sizeof(uint64_t);
    describe(h, entry.offset, run_end, &damage);
    note_damage(std::move(damage));
    // Whether it was live is not known, and guessing could bring back what was deleted.
    return doubt_ == Doubt::kInclude ? take_live(index, keyed) : e.slots_.note_dead(h.address());
  }
  const bool dead = entry.mark.end_epoch != 0 && (entry.mark.end_epoch <= limit_ || MMCB_BUG(kEndMarkWithoutEpoch));
  if (dead) return e.slots_.note_dead(h.address());
  if (entry.mark.end_epoch != 0) needs_apply(index);
  return take_live(index, keyed);
}

// Takes a live entry out of the tables again: another one is newer.
void Recovery::drop_live(const EntryHeader& header, uint64_t offset) {
  Engine& e = engine_;
  const Bytes key{context_.base + offset + EntryHeader::kSize, header.key_size};
  if (header.kind != Kind::kPlain) e.index_for(header.kind).erase(e.word_of({header.kind, key}), offset);
  const uint32_t segment = e.segments_.index_of(offset);
  e.segments_.remove_live(segment, header);
  e.data_size_ -= header.data_size;
  digest_ -= digest_of(header);
  count_--;
  needs_apply(segment);
}

Status Recovery::take_live(uint32_t segment, const KeyedEntry& keyed) {
  Engine& e = engine_;
  const WalkedEntry& entry = keyed.entry;
  const EntryHeader& h = entry.header;
  Address present;
  uint64_t other = 0;
  if (e.slots_.live_at(h.slot, &present, &other)) {
    // Two versions without an end mark: the process died between publishing one and ending the other.
    const EntryHeader old = decode_entry_header(context_.base + other);
    if (!is_newer(h, old)) {
      needs_apply(segment);
      return Status();
    }
    drop_live(old, other);
  }
  if (h.kind != Kind::kPlain) {
    // A key that was removed and added again, with the mark of the removal lost: the later one counts. (Where nothing is
    // lost there is no such thing; in a forged file it would leave two cells of one key in the index.)
    KeyIndex& index = e.index_for(h.kind);
    KeyIndex::Vacancy vacancy;
    const auto is_rival = [&](uint64_t offset) { return e.ends_search(key_of(entry), offset); };
    const uint64_t rival = index.find(keyed.key_word, is_rival, &vacancy);
    if (rival == 0) {
      MMCB_TRY(index.insert(keyed.key_word, entry.offset, vacancy));
    } else {
      const EntryHeader old = decode_entry_header(context_.base + rival);
      if (old.epoch > h.epoch) {
        needs_apply(segment);
        if (other != 0) e.slots_.release(present);  // what was there is dropped already, and does not resolve any more
        return e.slots_.note_dead(h.address());
      }
      drop_live(old, rival);
      e.slots_.release(old.address());
      MMCB_TRY(index.insert(keyed.key_word, entry.offset));
    }
  }
  bool conflict = false;
  MMCB_TRY(e.slots_.restore(h.address(), entry.offset, &conflict));
  if (conflict) e.slots_.publish(h.address(), entry.offset);
  e.segments_.add_live(segment, h);
  e.data_size_ += h.data_size;
  digest_ += digest_of(h);
  count_++;
  return Status();
}

}  // namespace mmcb
