#include "core/verify.h"

#include <mutex>
#include <utility>

#include "core/digest.h"
#include "core/stores.h"

namespace mmcb {

void Verifier::error(std::string message, uint64_t offset, const EntryHeader* entry) {
  report_->error_count++;
  engine_.note_damage();
  if (report_->errors.size() >= RecoveryReport::kMaxDamage) return;
  VerifyError found;
  found.message = std::move(message);
  found.offset = offset;
  if (entry != nullptr) {
    found.address = entry->address().to_integer();
    found.entry_kind = entry->kind;
    const uint64_t begin = offset + EntryHeader::kSize;
    const bool is_key = entry->kind == Kind::kStringKey || (entry->kind == Kind::kIntKey && entry->key_size == 8);
    if (is_key && begin + entry->key_size <= engine_.volume_.size() &&
        key_bytes_ + entry->key_size <= RecoveryReport::kMaxKeyBytes) {
      key_bytes_ += entry->key_size;
      found.has_key = true;
      found.key.assign(reinterpret_cast<const char*>(engine_.volume_.at(begin)), entry->key_size);
    }
  }
  report_->errors.push_back(std::move(found));
}

bool Verifier::go_on() {
  if (!aborted_ && *progress_) aborted_ = !(*progress_)(phase_, done_, total_);
  return !aborted_;
}

Status Verifier::run(const Progress& progress, VerifyReport* report) {
  report_ = report;
  progress_ = &progress;
  return guarded([&] { return check(); });
}

Status Verifier::check() {
  Engine& e = engine_;
  VerifyReport* const report = report_;
  const uint64_t started = e.platform_.monotonic_ns();
  check_head();
  check_superblocks();
  MMCB_TRY(e.check_file_size());
  check_space();

  Engine::Snapshot snapshot;
  MMCB_TRY(e.open_snapshot(&snapshot));
  const SnapshotScope scope(e, snapshot);
  context_ = {e.volume_.at(0), e.seed_, e.segments_.segment_size(), e.segments_.head(), this};
  Status status = walk(snapshot);
  if (status.ok()) {
    phase_ = "tables";
    status = check_slots();
    if (status.ok()) status = check_keys(Kind::kIntKey);
    if (status.ok()) status = check_keys(Kind::kStringKey);
    if (status.ok() && engine_.has_ordered_keys()) status = check_order();
    if (status.ok()) check_counts(snapshot);
  }
  // What is missing because the file was cut short is no damage that a report could list.
  MMCB_TRY(e.check_file_size());
  MMCB_TRY(status);
  report->entries = count_;
  report->marker = e.damage();
  report->milliseconds = static_cast<double>(e.platform_.monotonic_ns() - started) / 1e6;
  return Status();
}

Status Verifier::walk(const Engine::Snapshot& snapshot) {
  total_ = snapshot.extents.size();
  uint64_t behind = 0;
  for (const SegmentExtent& extent : snapshot.extents) {
    if (!go_on()) return Status(Code::kAborted);
    if (extent.segment < behind) {
      error("segment " + std::to_string(extent.segment) + " lies in the run before it",
            engine_.segments_.offset_of(extent.segment));
    }
    behind = uint64_t{extent.segment} + extent.run_length;
    not_whole_.resize(behind);
    walk_segment(snapshot, extent);
    if (aborted_) return Status(Code::kAborted);
    done_++;
  }
  if (!go_on()) return Status(Code::kAborted);
  return Status();
}

void Verifier::walk_segment(const Engine::Snapshot& snapshot, const SegmentExtent& extent) {
  Engine& e = engine_;
  const std::string name = "segment " + std::to_string(extent.segment);
  const uint64_t start = e.segments_.offset_of(extent.segment);
  const uint64_t end = start + uint64_t{extent.run_length} * context_.segment_size;
  Segment before;
  {
    std::lock_guard guard(e.lock_);
    before = e.segments_.at(extent.segment);
  }
  SegmentHeader header;
  Mark mark;
  if (!read_segment(context_, extent.segment, ~0u, &header, &mark) || header.incarnation != extent.incarnation ||
      header.run_length != extent.run_length) {
    error("the header of " + name + " is damaged", start);
    header = {extent.incarnation, extent.run_length, 0, extent.segment};
  } else if (!mark.valid) {
    error("the mark of " + name + " is damaged", start + kSegmentMarkOffset);
  } else if (mark.end_epoch != 0 && mark.end_epoch <= snapshot.epoch) {
    error("the mark of " + name + " says that it has ended, and it is in use", start + kSegmentMarkOffset);
  }
  const uint64_t trailer = load64(context_.base + end - kSegmentTrailerSize);
  const uint64_t mark_now = load64(context_.base + start + kSegmentMarkOffset);
  // What has ended meanwhile has no trailer.
  const bool has_ended =
      decode_mark(mark_now, e.seed_, extent.segment, header.incarnation, kSegmentOrdinal).end_epoch != 0;
  if (trailer != encode_trailer(e.seed_, extent.segment + extent.run_length - 1, extent.incarnation) &&
      !(trailer == 0 && has_ended))
    error("the trailer of " + name + " is damaged", end - kSegmentTrailerSize);

  report_->bytes += extent.used;
  segment_entries_ = segment_live_bytes_ = segment_slack_bytes_ = 0;
  segment_changed_ = false;
  const auto not_whole = [&](uint64_t offset) {
    not_whole_[extent.segment] = true;
    if (first_gap_.size() < RecoveryReport::kMaxDamage) first_gap_.push_back(offset);
  };
  const WalkEnd walked = walk_run(
      context_, extent.segment, header, start + extent.used,
      [&](const WalkedEntry& entry) { check_entry(snapshot, entry); },
      [&](const WalkGap& gap) { not_whole(gap.begin); });
  if (walked.used < extent.used) not_whole(start + walked.used);
  check_accounting(snapshot, extent, before);
}

void Verifier::check_entry(const Engine::Snapshot& snapshot, const WalkedEntry& entry) {
  const EntryHeader& h = entry.header;
  if (h.kind == Kind::kRedoList) return;
  if (h.epoch > snapshot.epoch) {
    segment_changed_ = true;
    return;
  }
  if (!entry.mark.valid) {
    error("the mark of an entry is damaged", entry.offset, &h);
    return;
  }
  if (entry.mark.end_epoch != 0 && entry.mark.end_epoch <= snapshot.epoch) return;
  count_++;
  count_by_kind_[static_cast<size_t>(h.kind)]++;
  digest_ += digest_of(h);
  segment_entries_++;
  segment_live_bytes_ += Segments::footprint(h);
  segment_slack_bytes_ += Segments::slack_of(h);
  if (entry.mark.end_epoch != 0) {
    segment_changed_ = true;  // ended since the snapshot
    return;
  }
  check_reachable(entry);
}

// The tables must lead to a live entry, unless it has been ended since its mark was read.
void Verifier::check_reachable(const WalkedEntry& entry) {
  Engine& e = engine_;
  const EntryHeader& h = entry.header;
  std::lock_guard guard(e.lock_);
  if (e.slots_.resolve(h.address()) != entry.offset) {
    segment_changed_ = true;
    const uint32_t segment = e.segments_.index_of(entry.offset);
    const Mark now = decode_mark(load64(e.volume_.at(mark_offset(e.segments_.end_of(segment), h.ordinal))), e.seed_,
                                 segment, e.segments_.at(segment).incarnation, h.ordinal);
    const bool segment_ended = e.segments_.at(segment).state == Segment::State::kEnded;
    if (!segment_ended && (!now.valid || now.end_epoch == 0))
      error("a live entry cannot be reached by its address", entry.offset, &h);
    return;
  }
  if (h.kind != Kind::kPlain) {
    const Bytes key{e.volume_.at(entry.offset + EntryHeader::kSize), h.key_size};
    if (e.find_offset({h.kind, key}) != entry.offset)
      error("a live entry cannot be reached by its key", entry.offset, &h);
  }
}

// The counters of a segment that nobody has changed meanwhile must be what its entries add up to.
void Verifier::check_accounting(const Engine::Snapshot& snapshot, const SegmentExtent& extent, const Segment& before) {
  Engine& e = engine_;
  std::lock_guard guard(e.lock_);
  const Segment& s = e.segments_.at(extent.segment);
  const auto same = [](const Segment& a, const Segment& b) {
    return a.incarnation == b.incarnation && a.state == b.state && a.used == b.used && a.ordinals == b.ordinals &&
           a.live_entries == b.live_entries && a.live_bytes == b.live_bytes && a.slack_bytes == b.slack_bytes;
  };
  if (segment_changed_ || not_whole_[extent.segment] || !same(s, before) || s.incarnation != extent.incarnation ||
      s.used != extent.used) {
    return;
  }
  if (s.live_entries != segment_entries_ || s.live_bytes != segment_live_bytes_ ||
      s.slack_bytes != segment_slack_bytes_) {
    error("the live and slack bytes of segment " + std::to_string(extent.segment) +
              " are not those of its entries (epoch " + std::to_string(snapshot.epoch) + ")",
          e.segments_.offset_of(extent.segment));
  }
}

}  // namespace mmcb
