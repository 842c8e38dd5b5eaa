#include "core/compactor.h"

#include <algorithm>
#include <mutex>

#include "core/stores.h"
#include "core/walk.h"

namespace mmcb {
namespace {

// Compacting a segment with less garbage than this moves much to gain little.
constexpr uint64_t kWorthwhileShare = 5;   // kGarbage: a fifth
constexpr uint64_t kPressureShare = 20;    // kPressure: a twentieth
constexpr uint64_t kNoticeableShare = 64;  // kShortage, kAll: a sixty-fourth
// The write lock is held for about this many bytes of moves at a time.
constexpr uint64_t kChunk = 16 << 10;
// Freed segments wait for a sync point; asking for one each time this share of the file waits keeps the file from growing
// by more than that.
constexpr uint64_t kSyncShare = 16;
constexpr unsigned kMaxRounds = 4;

// A victim has at least one part in so many of garbage.
uint64_t victim_share(Compactor::Goal goal) {
  switch (goal) {
    case Compactor::Goal::kGarbage: return kWorthwhileShare;
    case Compactor::Goal::kPressure: return kPressureShare;
    default: return kNoticeableShare;
  }
}

}  // namespace

void Compactor::begin(Goal goal) {
  goal_ = goal;
  round_ = 0;
  trimmed_again_ = false;
  freed_since_sync_ = 0;
  done_bytes_ = 0;
  total_bytes_ = 0;
  report_ = CompactionReport{};
  begun_ = true;
  victims_.clear();
  std::lock_guard guard(engine_.lock_);
  report_.size_before = engine_.segments_.file_bytes();
}

void Compactor::choose_victims() {
  Engine& e = engine_;
  std::lock_guard guard(e.lock_);
  Segments& segments = e.segments_;
  const uint64_t size = segments.segment_size();
  victims_.clear();
  position_ = 0;

  struct Candidate {
    uint32_t segment;
    uint64_t gain;
  };
  std::vector<Candidate> candidates;
  uint32_t used = 0;
  for (uint32_t i = 0; i < segments.count(); i++) used += segments.at(i).state != Segment::State::kFree;
  for (uint32_t i = 0; i < segments.count(); i++) {
    const Segment& s = segments.at(i);
    const bool sealed = s.state == Segment::State::kSealed;
    const bool active = s.state == Segment::State::kActive;
    if (s.damaged || !(sealed || (active && goal_ == Goal::kAll))) continue;
    const uint64_t garbage = segments.garbage_of(i) + segments.excess_slack_of(i, e.options_.extension_factor);
    const uint64_t live = s.live_bytes + s.slack_bytes;
    if (goal_ != Goal::kAll) {
      if (s.run_length == 1 && garbage >= size / victim_share(goal_)) candidates.push_back({i, garbage});
    } else if (round_ == 0) {
      // Thinly filled segments are worth merging, too.
      if (s.run_length == 1 && (garbage >= size / kNoticeableShare || (sealed && live < size / 2))) {
        candidates.push_back({i, size - live});
      }
    } else if (s.run_length == 1 && i >= used) {
      candidates.push_back({i, i});  // behind where a file without holes would end: highest first
    }
  }
  // One thinly filled segment with no garbage would only be copied to another place.
  if (goal_ == Goal::kAll && round_ == 0 && candidates.size() == 1 &&
      segments.garbage_of(candidates[0].segment) < size / kNoticeableShare) {
    candidates.clear();
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.gain < b.gain; });
  if (goal_ == Goal::kPressure) {
    const size_t most = pressure_round(segments.count());
    if (candidates.size() > most) candidates.erase(candidates.begin(), candidates.end() - static_cast<ptrdiff_t>(most));
  }
  victims_.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    segments.seal(candidate.segment);
    segments.at(candidate.segment).victim = true;
    victims_.push_back(candidate.segment);
    total_bytes_ += size;
  }
}

void Compactor::look_ahead(uint64_t end) const {
  const Engine& e = engine_;
  const uint64_t stop = std::min(end, position_ + kChunk);
  for (uint64_t at = position_; at + EntryHeader::kSize <= stop;) {
    const EntryHeader h = decode_entry_header(e.volume_.at(at));
    // A guess: what is no entry is found out when its turn comes.
    if (h.crc == 0 || h.used_size() > h.total_size() || h.total_size() > end - at) return;
    e.slots_.prefetch(h.slot);
    const Key key{h.kind, {e.volume_.at(at) + EntryHeader::kSize, h.key_size}};
    if (h.kind == Kind::kStringKey || (h.kind == Kind::kIntKey && h.key_size == sizeof(int64_t))) {
      e.index_for(h.kind).prefetch(e.word_of(key));
    }
    at = entry_start(at + h.total_size());
  }
}

// Moves entries of the last victim until `budget` is used up or it is empty.
Status Compactor::move_some(uint64_t budget) {
  Engine& e = engine_;
  const uint32_t victim = victims_.back();
  Segments& segments = e.segments_;
  const WalkContext context{e.volume_.at(0), e.seed_, segments.segment_size(), segments.head()};
  uint64_t moved = 0;
  for (;;) {
    std::lock_guard guard(e.lock_);
    MMCB_TRY(e.writable());
    // Emptied by others meanwhile, and perhaps trimmed away, or even in use again.
    const bool gone = victim >= segments.count() || segments.at(victim).state != Segment::State::kSealed ||
                      !segments.at(victim).victim;
    if (gone) {
      victims_.pop_back();
      position_ = 0;
      done_bytes_ += segments.segment_size();
      return Status();
    }
    Segment& s = segments.at(victim);
    const uint64_t start = segments.offset_of(victim);
    const uint64_t end = start + s.used;
    if (position_ == 0) position_ = entry_start(start + kSegmentHeaderSize);
    look_ahead(end);
    uint64_t chunk = 0;
    // The last move ends the segment.
    while (chunk < kChunk && position_ < end && s.live_entries != 0) {
      const EntryHeader h = decode_entry_header(context.base + position_);
      Engine::Found found{h.address(), position_, h};
      if (h.crc == 0 || e.slots_.resolve(h.address()) != position_) {
        // Dead, or not an entry at all: only its length matters, and only if it can be believed.
        EntryHeader whole;
        const bool holds = entry_holds(context, position_, segments.end_of(victim), s.incarnation, 0, &whole);
        position_ = entry_start(position_ + (holds ? whole.total_size() : 8));
        chunk += holds ? 64 : 1;
        continue;
      }
      EntryHeader checked;
      if (!entry_holds(context, position_, segments.end_of(victim), s.incarnation, 0, &checked)) {
        MMCB_TRY(e.check_file_size());
        // Copying it would give wrong bytes a right checksum. It stays where it is, and its segment with it.
        s.damaged = true;
        s.victim = false;
        e.note_damage();
        victims_.pop_back();
        return describe(Code::kCorrupt, 0, "the entry at offset ", position_,
                        " is damaged; its segment was not compacted");
      }
      const Bytes data{context.base + position_ + EntryHeader::kSize + h.key_size, h.data_size};
      MMCB_TRY(e.relocate(found, data, Stream::kCold));
      MMCB_STEP(kCompactionMoved);
      position_ = entry_start(position_ + h.total_size());
      chunk += h.total_size();
      report_.moved_entries++;
      report_.moved_bytes += h.total_size();
      e.compacted_entries_++;
    }
    MMCB_TRY(e.check_file());
    moved += chunk;
    if (s.state == Segment::State::kSealed && s.live_entries == 0) {
      segments.end(victim, e.open_epoch_.load(std::memory_order_relaxed));
      e.note_change();
      if (MMCB_BUG(kCompactionFreesSource)) segments.release_ended(kMaxEpoch, ~0ull);
    }
    if (s.state != Segment::State::kSealed || position_ >= end) {
      if (s.state == Segment::State::kSealed) {
        // Live entries that the walk did not meet: not compactable.
        s.victim = false;
        s.damaged = true;
      } else {
        report_.freed_segments++;
        freed_since_sync_++;
      }
      if (e.overwrites_durable()) e.release_space();
      victims_.pop_back();
      position_ = 0;
      done_bytes_ += segments.segment_size();
      return Status();
    }
    if (moved >= budget) return Status();
  }
}

Status Compactor::step(uint64_t budget, Next* next) {
  return guarded([&] { return take_step(budget, next); });
}

Status Compactor::take_step(uint64_t budget, Next* next) {
  Engine& e = engine_;
  if (begun_) {
    {
      // Also where there is nothing to move: a compaction that did nothing after a failed sync has not gone well.
      std::lock_guard guard(e.lock_);
      MMCB_TRY(e.writable());
    }
    choose_victims();
    begun_ = false;
  }
  const uint64_t sync_after = std::max<uint64_t>(4, e.volume_.size() / e.segments_.segment_size() / kSyncShare);
  if (!victims_.empty() && freed_since_sync_ < sync_after) {
    *next = Next::kMore;
    Status status = move_some(budget);
    if (!status.lacks_space() || freed_since_sync_ == 0) return status;
    // There is no room left to move to, but what was emptied becomes free with a sync point.
  }
  if (freed_since_sync_ != 0) {
    freed_since_sync_ = 0;
    *next = Next::kNeedsSync;
    return Status();
  }
  // A sync point has passed: what was freed can be used again, for kAll by what stands at the file's end. Only then is the
  // rest given back: holes would have to be filled again.
  if (goal_ == Goal::kAll && ++round_ < kMaxRounds) {
    choose_victims();
    if (!victims_.empty()) {
      *next = Next::kMore;
      return Status();
    }
  }
  const bool keep_reserve = goal_ != Goal::kAll;
  MMCB_TRY(e.trim(keep_reserve));
  if (!trimmed_again_ && e.could_trim_more(keep_reserve)) {
    trimmed_again_ = true;
    *next = Next::kNeedsSync;
    return Status();
  }
  std::lock_guard guard(e.lock_);
  e.compactions_++;
  report_.size_after = e.segments_.file_bytes();
  *next = Next::kDone;
  return Status();
}

void Compactor::abandon() {
  std::lock_guard guard(engine_.lock_);
  for (const uint32_t victim : victims_) {
    if (victim < engine_.segments_.count()) engine_.segments_.at(victim).victim = false;
  }
  victims_.clear();
}

}  // namespace mmcb
