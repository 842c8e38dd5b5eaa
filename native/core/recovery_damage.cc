// Recovery, the report: what is damaged, where, and as far as it can be read which entries and keys that concerns.
#include <algorithm>
#include <utility>

#include "core/recovery.h"
#include "core/stores.h"

namespace mmcb {
namespace {

// Marks that are looked at for traces of entries behind the last whole one: a sector of them may be lost, and one more.
constexpr uint32_t kTraces = kSector / sizeof(uint64_t) + 8;

}  // namespace

void Recovery::note_damage(Damage damage) {
  RecoveryReport& report = engine_.recovery_;
  report.quarantined++;
  if (report.damage.size() < RecoveryReport::kMaxDamage) report.damage.push_back(std::move(damage));
}

void Recovery::describe(const EntryHeader& header, uint64_t offset, uint64_t limit, Damage* damage) {
  damage->has_entry = true;
  damage->address = header.address().to_integer();
  damage->entry_kind = header.kind;
  const uint64_t begin = offset + EntryHeader::kSize;
  const bool is_key = header.kind == Kind::kStringKey || (header.kind == Kind::kIntKey && header.key_size == 8);
  if (!is_key || begin + header.key_size > limit) return;
  if (key_bytes_ + header.key_size > RecoveryReport::kMaxKeyBytes) return;
  key_bytes_ += header.key_size;
  damage->has_key = true;
  damage->key.assign(reinterpret_cast<const char*>(context_.base + begin), header.key_size);
}

// One pass over the bytes: a header is believed to be one when its ordinal, its sizes, its slot and its padding fit. Nothing
// that is found here counts for anything but the report.
void Recovery::examine(uint32_t index, const SegmentHeader& segment, const WalkGap& gap, bool tail) {
  const uint64_t start = engine_.segments_.offset_of(index);
  const uint64_t run_end = start + static_cast<uint64_t>(segment.run_length) * superblock_.segment_size;
  const auto mark_of = [&](uint32_t ordinal) {
    return decode_mark(load64(context_.base + mark_offset(run_end, ordinal)), context_.seed, index, segment.incarnation,
                       ordinal);
  };
  const auto suspect = [&](Damage damage) {
    suspect_count_++;
    if (suspects_.size() < RecoveryReport::kMaxDamage) suspects_.push_back(std::move(damage));
  };
  // Entries of which not even the header is left stood in [from, to).
  const auto lost_headers = [&](uint32_t first, uint32_t end, uint64_t from, uint64_t to) {
    for (uint32_t ordinal = first; ordinal < end; ordinal++) {
      const Mark mark = mark_of(ordinal);
      if (mark.valid && mark.end_epoch != 0) continue;  // it was over with it
      if (tail && !mark.valid) continue;                // no trace that there was one
      Damage damage;
      damage.kind = DamageKind::kEntryHeader;
      damage.offset = from;
      damage.length = to - from;
      suspect(std::move(damage));
    }
  };

  uint32_t next = gap.first_ordinal;
  uint64_t behind = gap.begin;
  for (uint64_t at = entry_start(gap.begin); at + EntryHeader::kSize <= gap.end && next < gap.end_ordinal;) {
    const EntryHeader h = decode_entry_header(context_.base + at);
    const bool fits = h.ordinal >= next && h.ordinal < gap.end_ordinal && h.kind <= Kind::kRedoList &&
                      h.data_size <= h.capacity && (EntryHeader::kSize + h.key_size + uint64_t{h.capacity}) % 8 == 0 &&
                      (h.kind == Kind::kRedoList ? h.slot == kNoSlot : h.slot < slot_limit_) && h.epoch != 0 &&
                      at + h.total_size() <= std::min(tail ? run_end : gap.end, mark_offset(run_end, h.ordinal));
    // Behind the last whole entry there may be leftovers of earlier uses of the segment: they have no marks here, and are
    // older than this use.
    const Mark mark = fits ? mark_of(h.ordinal) : Mark{};
    const bool leftover = tail && !mark.valid && (segment.birth_epoch == 0 || h.epoch < segment.birth_epoch);
    if (!fits || leftover) {
      at = entry_start(at + 8);
      continue;
    }
    lost_headers(next, h.ordinal, behind, at);
    // What stands before a whole entry that counts was written before it.
    const bool cut_short = load32(context_.base + at) == 0 || (tail && power_was_lost_ && h.epoch > confirmed_epoch_);
    const bool over = (mark.valid && mark.end_epoch != 0) || h.kind == Kind::kRedoList;
    if (!cut_short && !over) {
      Damage damage;
      damage.kind = DamageKind::kEntryData;
      damage.offset = at;
      damage.length = h.total_size();
      describe(h, at, run_end, &damage);
      suspect(std::move(damage));
    }
    next = h.ordinal + 1u;
    behind = at + h.total_size();
    at = entry_start(behind);
  }
  lost_headers(next, gap.end_ordinal, behind, gap.end);
}

void Recovery::examine_tail(uint32_t index, const SegmentHeader& header, const WalkEnd& end) {
  const uint64_t start = engine_.segments_.offset_of(index);
  const uint64_t run_end = start + static_cast<uint64_t>(header.run_length) * superblock_.segment_size;
  // Headers lie in the first segment of a run.
  const uint64_t first_end = start + superblock_.segment_size;
  uint32_t last = end.ordinals;
  for (uint32_t ordinal = end.ordinals; ordinal < std::min(last + kTraces, kMaxOrdinals); ordinal++) {
    const uint64_t at = mark_offset(run_end, ordinal);
    if (at < start + end.used + EntryHeader::kSize) break;
    if (decode_mark(load64(context_.base + at), context_.seed, index, header.incarnation, ordinal).valid)
      last = ordinal + 1;
  }
  uint64_t limit = std::min(first_end, mark_offset(run_end, last));
  if (last == end.ordinals) {
    // No trace: only an entry that reached up to its mark can have been damaged together with it, and it is the next one.
    last++;
    limit = std::min(limit, entry_start(start + end.used) + EntryHeader::kSize);
  }
  examine(index, header, WalkGap{start + end.used, limit, end.ordinals, last}, true);
}

}  // namespace mmcb
