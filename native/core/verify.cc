#include "core/verify.h"

#include <mutex>

#include "core/digest.h"
#include "core/stores.h"

namespace mmcb {

void Verifier::error(std::string message, uint64_t offset, uint64_t address) {
  if (report_->errors.size() < RecoveryReport::kMaxDamage)
    report_->errors.push_back({std::move(message), offset, address});
}

Status Verifier::run(const Progress& progress, VerifyReport* report) {
  report_ = report;
  return guarded([&] { return check(progress); });
}

Status Verifier::check(const Progress& progress) {
  Engine& e = engine_;
  VerifyReport* const report = report_;
  const uint64_t started = e.platform_.monotonic_ns();
  check_superblocks();
  MMCB_TRY(check_space());

  Engine::Snapshot snapshot;
  MMCB_TRY(e.open_snapshot(&snapshot));
  const SnapshotScope scope(e, snapshot);
  const WalkContext context{e.volume_.at(0), e.seed_, e.segments_.segment_size(), e.segments_.head()};
  for (size_t i = 0; i < snapshot.extents.size(); i++) {
    if (progress && !progress("verify", i, snapshot.extents.size())) return Status(Code::kAborted);
    const SegmentExtent& extent = snapshot.extents[i];
    const uint64_t start = e.segments_.offset_of(extent.segment);
    SegmentHeader header;
    Mark mark;
    if (!read_segment(context, extent.segment, ~0u, &header, &mark) || header.incarnation != extent.incarnation) {
      error("the header of segment " + std::to_string(extent.segment) + " is damaged", start);
      header = {extent.incarnation, extent.run_length, 0, extent.segment};
    } else if (!mark.valid) {
      error("the mark of segment " + std::to_string(extent.segment) + " is damaged", start + kSegmentMarkOffset);
    }
    report->bytes += extent.used;
    const WalkEnd end = walk_run(context, extent.segment, header, start + extent.used,
                                 [&](const WalkedEntry& entry) { check_entry(snapshot, entry); });
    if (end.skipped != 0) skipped_.push_back(end.first_skip);
    if (end.used < extent.used) skipped_.push_back(start + end.used);
  }
  // What is missing because the file was cut short is no damage that a report could list.
  MMCB_TRY(e.check_file_size());
  if (progress) progress("verify", snapshot.extents.size(), snapshot.extents.size());
  report->entries = count_;
  if (count_ != snapshot.count || digest_ != snapshot.digest) {
    // Such places are harmless remains of calls cut short, unless something is missing.
    for (const uint64_t offset : skipped_) error("no whole entry stands at offset " + std::to_string(offset), offset);
  }
  if (count_ != snapshot.count) {
    error("the file holds " + std::to_string(count_) + " whole live entries and should hold " +
              std::to_string(snapshot.count),
          0);
  } else if (digest_ != snapshot.digest) {
    error("the live entries are not the ones that were written (their digest differs)", 0);
  }
  report->milliseconds = static_cast<double>(e.platform_.monotonic_ns() - started) / 1e6;
  return Status();
}

void Verifier::check_entry(const Engine::Snapshot& snapshot, const WalkedEntry& entry) {
  Engine& e = engine_;
  const EntryHeader& h = entry.header;
  if (h.kind == Kind::kRedoList || h.epoch > snapshot.epoch) return;
  const uint64_t address = h.address().to_integer();
  if (!entry.mark.valid) {
    error("the mark of an entry is damaged", entry.offset, address);
    return;
  }
  if (entry.mark.end_epoch != 0 && entry.mark.end_epoch <= snapshot.epoch) return;
  count_++;
  digest_ += digest_of(h);
  if (entry.mark.end_epoch != 0) return;  // ended since the snapshot
  // The tables must lead here, unless the entry has been ended since its mark was read.
  std::lock_guard guard(e.lock_);
  if (e.slots_.resolve(h.address()) != entry.offset) {
    const uint32_t segment = e.segments_.index_of(entry.offset);
    const Mark now = decode_mark(load64(e.volume_.at(mark_offset(e.segments_.end_of(segment), h.ordinal))), e.seed_,
                                 segment, e.segments_.at(segment).incarnation, h.ordinal);
    const bool segment_ended = e.segments_.at(segment).state == Segment::State::kEnded;
    if (!segment_ended && (!now.valid || now.end_epoch == 0))
      error("a live entry cannot be reached by its address", entry.offset, address);
    return;
  }
  if (h.kind != Kind::kPlain) {
    const Bytes key{e.volume_.at(entry.offset + EntryHeader::kSize), h.key_size};
    if (e.find_offset({h.kind, key}) != entry.offset)
      error("a live entry cannot be reached by its key", entry.offset, address);
  }
}

void Verifier::check_superblocks() {
  Engine& e = engine_;
  std::lock_guard guard(e.lock_);
  const uint64_t at = kSuperblockOffset[e.superblock_.sequence & 1];
  Superblock found;
  // The other one may be being written just now.
  if (decode(e.volume_.at(at), &found) != SuperblockVerdict::kValid) error("the superblock is damaged", at);
}

Status Verifier::check_space() {
  Engine& e = engine_;
  std::lock_guard guard(e.lock_);
  const Segments::Totals t = e.segments_.totals();
  if (t.live_bytes + t.slack_bytes + t.garbage_bytes + t.free_bytes != e.segments_.file_bytes()) {
    error("live, slack, garbage and free bytes do not add up to the size of the file", 0);
  }
  uint64_t size = 0;
  MMCB_TRY(e.volume_.file().size(&size));
  if (size < e.segments_.file_bytes()) error("the file is shorter than its contents", size);
  return Status();
}

}  // namespace mmcb
