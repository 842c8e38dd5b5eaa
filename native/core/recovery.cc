#include "core/recovery.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "core/journal.h"
#include "core/stores.h"

namespace mmcb {
namespace {

// Slots that were taken and given back without an entry.
constexpr uint64_t kSlotAllowance = 4096;

}  // namespace

Status Recovery::run() {
  MMCB_TRY(read_superblock());
  MMCB_TRY(decide());
  if (highest_epoch_ + 1 >= kMaxEpoch && !engine_.options_.read_only) {
    return Status(Code::kFull,
                  engine_.path_ + " has used up its 2^40 epochs; open it with readOnly and copy it with backup()");
  }
  if (other_superblock_damaged_) {
    // It may have been the newer one: then this is the sync point before.
    Damage damage;
    damage.kind = DamageKind::kSuperblock;
    damage.offset = kSuperblockOffset[(superblock_.sequence + 1) & 1];
    damage.length = Superblock::kSize;
    note_damage(std::move(damage));
  }
  engine_.recovery_.entries = count_;
  engine_.recovery_.durable_epoch = superblock_.durable_epoch;
  return apply();
}

// ---- Superblock -----------------------------------------------------------------------------------------------------------------

Status Recovery::read_superblock() {
  Engine& e = engine_;
  const std::string& path = e.path_;
  const uint64_t readable = std::min(file_size_, kStateOffset);
  MMCB_TRY(e.volume_.map(readable, MapMode::kPrivate));
  if (readable < kPage + Superblock::kSize) {
    // Too short for two superblocks: ours and cut off, or not ours.
    const bool ours =
        readable >= kFileMagic.size() && std::memcmp(e.volume_.at(0), kFileMagic.data(), kFileMagic.size()) == 0;
    if (ours)
      return Status(Code::kCorrupt, path + " is an mmcb file cut off after " + std::to_string(file_size_) + " bytes");
    return Status(Code::kNotMmcb, path + " is not an mmcb file; it was left untouched");
  }
  Superblock found[2];
  SuperblockVerdict verdict[2];
  for (size_t i = 0; i < 2; i++) verdict[i] = decode_in_place(e.volume_.at(0), i, &found[i]);
  const auto either = [&](SuperblockVerdict v) { return verdict[0] == v || verdict[1] == v; };
  if (either(SuperblockVerdict::kNewer)) {
    const uint32_t version = found[verdict[0] == SuperblockVerdict::kNewer ? 0 : 1].format_version;
    return Status(Code::kVersion, path + " has format version " + std::to_string(version) + ", newer than " +
                                      std::to_string(kFormatVersion) + "; upgrade mmcb. It was left untouched");
  }
  if (!either(SuperblockVerdict::kValid)) {
    // The one that was being written when the process died has the magic, too: the file is ours, and the other one is gone.
    if (either(SuperblockVerdict::kDamaged) || either(SuperblockVerdict::kUnfinished))
      return Status(Code::kCorrupt, "both superblocks of " + path + " are damaged");
    return Status(Code::kNotMmcb, path + " is not an mmcb file; it was left untouched");
  }
  const bool second = verdict[1] == SuperblockVerdict::kValid &&
                      (verdict[0] != SuperblockVerdict::kValid || found[1].sequence > found[0].sequence);
  superblock_ = found[second ? 1 : 0];
  // The other one is the one before, or was just being written, or has never been.
  const SuperblockVerdict other = verdict[second ? 0 : 1];
  const bool is_first = superblock_.sequence == 1;
  const Superblock& beside = found[second ? 0 : 1];
  const bool belongs = other == SuperblockVerdict::kValid && is_predecessor(beside, superblock_);
  other_superblock_damaged_ =
      !belongs && other != SuperblockVerdict::kUnfinished && !(other == SuperblockVerdict::kForeign && is_first);
  other_superblock_refused_ = other == SuperblockVerdict::kUnfinished && !is_first;
  // Unfinished, or made void when its sync failed: its epoch may have been given to entries.
  if (other_superblock_refused_ && is_predecessor(superblock_, beside) && beside.durable_epoch < kMaxEpoch)
    refused_epoch_ = beside.durable_epoch;
  if (belongs && (superblock_.flags & kFlagUnconfirmed) != 0) {
    previous_ = beside;
    has_previous_ = true;
  }
  use(superblock_);
  e.seed_ = file_seed(superblock_.file_id);

  const uint64_t head = head_size(superblock_.segment_size, superblock_.journal_size);
  // The power may have failed before the disk knew how long the file had become.
  if (is_too_short() && has_previous_ && !is_same_boot()) go_back();
  if (file_size_ < head || (is_too_short() && e.options_.recovery == RecoveryMode::kStrict)) {
    const uint64_t needed = head + static_cast<uint64_t>(superblock_.segment_count) * superblock_.segment_size;
    return Status(Code::kCorrupt, path + " is truncated: " + std::to_string(file_size_) + " bytes of at least " +
                                      std::to_string(needed) + "; restore a backup, or open with recovery 'salvage'");
  }
  MMCB_TRY(e.segments_.initialize(superblock_.segment_size, head, e.seed_, e.options_.max_size));
  e.journal_.initialize(&e.volume_, e.seed_, superblock_.journal_size, !e.volatile_);
  if ((superblock_.flags & kFlagClean) != 0) {
    MMCB_TRY(e.volume_.map(file_size_, MapMode::kPrivate));
    has_saved_tables_ = saved_tables_.find(file_size_, superblock_);
  }
  const uint64_t end = has_saved_tables_ ? saved_tables_.start() : file_size_;
  const uint64_t whole = head + (end - head) / superblock_.segment_size * superblock_.segment_size;
  return prepare(whole);
}

void Recovery::use(const Superblock& superblock) {
  superblock_ = superblock;
  engine_.superblock_ = superblock;
  engine_.damage_ = superblock.damage;
}

void Recovery::go_back() {
  refused_epoch_ = superblock_.durable_epoch;
  other_superblock_refused_ = true;
  has_previous_ = false;
  use(previous_);
}

// Whether the page cache of whoever stored the superblock may still be there.
bool Recovery::is_same_boot() const {
  const Uuid boot = engine_.platform_.boot_id();
  return boot != Uuid{} && boot == superblock_.boot_id && superblock_.identity == engine_.identity_;
}

bool Recovery::is_too_short() const {
  return file_size_ < head_size(superblock_.segment_size, superblock_.journal_size) +
                          static_cast<uint64_t>(superblock_.segment_count) * superblock_.segment_size;
}

// Maps the file privately, afresh, with empty tables: the state before a scan.
Status Recovery::prepare(uint64_t length) {
  Engine& e = engine_;
  MMCB_TRY(e.volume_.map(length, MapMode::kPrivate));
  context_ = {e.volume_.at(0), e.seed_, superblock_.segment_size, e.segments_.head(), this};
  e.reset_tables();
  MMCB_TRY(e.slots_.initialize());
  MMCB_TRY(e.ints_.initialize(e.seed_));
  MMCB_TRY(e.strings_.initialize(e.seed_));
  const uint64_t generation =
      std::max<uint64_t>(superblock_.generation_floor, load64(e.volume_.at(kStateGeneration)) & kGenerationMask);
  if (!MMCB_BUG(kGenerationFloorLost))
    e.slots_.set_generation_floor(static_cast<uint32_t>(generation + 1) & kGenerationMask);
  running_[0] = load64(e.volume_.at(kStateDigest));
  running_[1] = load64(e.volume_.at(kStateDigestNext));
  state_is_sound_ = load64(e.volume_.at(kStateFailed)) == kSoundMark;
  // Every slot used since the superblock belongs to an entry appended since.
  slot_limit_ = superblock_.slot_count + length / EntryHeader::kSize + kSlotAllowance;
  const auto segments = static_cast<uint32_t>((length - e.segments_.head()) / superblock_.segment_size);
  to_apply_.assign(segments, false);
  suspects_.clear();
  suspect_count_ = 0;
  key_bytes_ = 0;
  doubts_ = 0;
  digest_ = 0;
  count_ = 0;
  confirmed_epoch_ = has_previous_ ? previous_.durable_epoch : superblock_.durable_epoch;
  highest_epoch_ = std::max(superblock_.durable_epoch, refused_epoch_);
  e.data_size_ = 0;
  e.recovery_ = RecoveryReport{};
  return e.segments_.rebuild_begin(segments);
}

// ---- Decision -------------------------------------------------------------------------------------------------------------------

bool Recovery::matches_durable() const {
  return (digest_ == superblock_.live_digest && count_ == superblock_.live_count) || MMCB_BUG(kDigestIgnored);
}

bool Recovery::matches_running() const {
  if (MMCB_BUG(kDigestIgnored)) return true;
  // Zero is the digest of nothing, and what a lost page says. Whether the page was lost, its mark tells.
  if (digest_ == 0 && !state_is_sound_ && !MMCB_BUG(kLostStateTrusted)) return false;
  return digest_ == running_[0] || digest_ == running_[1];
}

bool Recovery::agrees_with(Reading reading) const {
  return reading == Reading::kNewest ? matches_running() : matches_durable();
}

std::string Recovery::mismatch() const {
  std::string where;
  for (size_t i = 0; i < std::min<size_t>(suspects_.size(), 3); i++)
    where += (i == 0 ? ", damaged at offset " : ", ") + std::to_string(suspects_[i].offset);
  return engine_.path_ + " is damaged: as of its last sync point it held " + std::to_string(superblock_.live_count) +
         " entries, of which " + std::to_string(count_) + " were found whole" +
         (count_ == superblock_.live_count ? ", not all of them the right ones" : "") + where +
         (suspect_count_ > 3 ? " and elsewhere" : "") +
         "; restore a backup, or open with recovery 'salvage' to take what is whole";
}

Status Recovery::attempt_once(Reading reading, Doubt doubt, bool replay) {
  Engine& e = engine_;
  if (scans_ != 0) MMCB_TRY(prepare(e.volume_.size()));
  scans_++;
  doubt_ = doubt;
  power_was_lost_ = !replay && !was_process_mode();
  // In process mode segments are used again before their end is on the disk: after a power cut a trailer beside a lost header
  // says nothing about what was live.
  trailers_count_ = replay || !was_process_mode() || (superblock_.flags & kFlagClean) != 0;
  replay_journal_ = replay && Journal::is_armed(e.volume_.at(0));
  if (replay_journal_) Journal::replay(e.volume_.at(0), e.volume_.size(), superblock_);
  return scan(reading);
}

Status Recovery::attempt(Reading reading, bool replay, bool* agrees) {
  MMCB_TRY(attempt_once(reading, Doubt::kExclude, replay));
  if (!agrees_with(reading) && doubts_ != 0) MMCB_TRY(attempt_once(reading, Doubt::kInclude, replay));
  *agrees = agrees_with(reading);
  return Status();
}

Status Recovery::decide() {
  Engine& e = engine_;
  const bool clean = (superblock_.flags & kFlagClean) != 0;
  const bool failed = load64(e.volume_.at(kStateFailed)) == kFailedMark;
  const bool same_boot = is_same_boot() && !failed;

  if (failed) {
    const uint64_t length = e.volume_.size();
    MMCB_TRY(keep_pages(length));
    MMCB_TRY(prepare(length));
  }
  bool agrees = false;
  if (clean && !failed) MMCB_TRY(take_saved_tables(&agrees));
  if (agrees) return Status();
  if (!clean && same_boot) {
    MMCB_TRY(attempt(Reading::kNewest, true, &agrees));
    e.recovery_.status = RecoveryStatus::kReplayed;
    if (agrees) return Status();
  }
  // In process mode there is no exact older state to return to: after a power cut what is whole is taken, and said so.
  if (!(was_process_mode() && !clean)) {
    MMCB_TRY(attempt(Reading::kAsOfDurable, false, &agrees));
    e.recovery_.status = clean ? RecoveryStatus::kClean : RecoveryStatus::kRolledBack;
    if (has_previous_ && !same_boot) MMCB_TRY(decide_unconfirmed(&agrees));
    if (agrees) return Status();
    if (e.options_.recovery == RecoveryMode::kStrict) return Status(Code::kCorrupt, mismatch());
  }
  const bool page_cache_survived = !clean && same_boot;
  return salvage(page_cache_survived || was_process_mode() ? Reading::kNewest : Reading::kAsOfDurable,
                 page_cache_survived);
}

// After the scan of an unconfirmed superblock: where something is missing, or was being written when the power failed, it goes back
// to the one before, if that has all it needs, and nothing is wrong with it. Else it is damage, to something that both need.
Status Recovery::decide_unconfirmed(bool* agrees) {
  const bool newest_agrees = *agrees;
  if (newest_agrees && engine_.recovery_.quarantined == 0) return Status();
  const Superblock newest = superblock_;
  go_back();
  if (!is_too_short()) {
    MMCB_TRY(attempt(Reading::kAsOfDurable, false, agrees));
    engine_.recovery_.status = RecoveryStatus::kRolledBack;
    if (*agrees && (!newest_agrees || engine_.recovery_.quarantined == 0)) return Status();
  }
  refused_epoch_ = 0;
  other_superblock_refused_ = false;
  use(newest);
  MMCB_TRY(attempt(Reading::kAsOfDurable, false, agrees));
  engine_.recovery_.status = RecoveryStatus::kRolledBack;
  return Status();
}

// Who opens for salvage wants to know of damage, and that only a scan tells.
Status Recovery::take_saved_tables(bool* taken) {
  Engine& e = engine_;
  const Options& options = e.options_;
  const bool wanted =
      options.saved_tables_from != Options::kNoSavedTables && options.recovery != RecoveryMode::kSalvage;
  // A copy may have taken a while, and hold pages from before the closing: only its digest knows.
  if (!has_saved_tables_ || !wanted || superblock_.identity != e.identity_) return Status();
  const uint64_t length = e.volume_.size();
  MMCB_TRY(e.volume_.map(file_size_, MapMode::kPrivate));
  MMCB_TRY(saved_tables_.load(progress_, taken));
  if (!*taken) return prepare(length);
  MMCB_TRY(e.volume_.map(length, MapMode::kPrivate));
  digest_ = superblock_.live_digest;
  count_ = superblock_.live_count;
  e.data_size_ = saved_tables_.data_size();
  limit_ = superblock_.durable_epoch;
  e.recovery_.status = RecoveryStatus::kClean;
  return Status();
}

// After a failed sync the kernel takes pages for written that are not on the disk. It may drop them at any time, and no sync
// writes them: what salvage found in them would go back to what it was; and where a recovery before this one has voided an
// entry, and its own sync has failed, the entry would come back. So all pages become dirty again before they are read.
Status Recovery::keep_pages(uint64_t length) {
  Engine& e = engine_;
  if (e.options_.read_only || MMCB_BUG(kFailedPagesNotKept)) return Status();
  MMCB_TRY(e.volume_.map(length, MapMode::kShared));
  for (uint64_t offset = 0; offset < length; offset += kPage) touch64(e.volume_.at(offset));
  MMCB_STEP(kRecoveryPagesKept);
  return Status();
}

// No digest vouches for what this finds. After a power cut nothing newer than E is taken even so: which of it reached the
// disk is chance.
Status Recovery::salvage(Reading reading, bool replay) {
  RecoveryReport& report = engine_.recovery_;
  MMCB_TRY(attempt_once(reading, Doubt::kSalvage, replay));
  report.status = RecoveryStatus::kSalvaged;
  report.lost = superblock_.live_count > count_ ? superblock_.live_count - count_ : 0;
  if (reading == Reading::kNewest) {
    // What has been added since E hides what is missing from the count: then each damaged entry that has no other version
    // counts as lost, those that may have been removed before included.
    const auto is_gone = [&](const Damage& damage) {
      if (damage.has_entry) return engine_.slots_.resolve(Address::from_integer(damage.address)) == 0;
      return damage.kind == DamageKind::kEntryHeader;
    };
    uint64_t gone = suspect_count_ - suspects_.size() + report.quarantined - report.damage.size();
    for (const auto* list : {&suspects_, &report.damage}) {
      gone += static_cast<uint64_t>(std::count_if(list->begin(), list->end(), is_gone));
    }
    report.lost = std::max(report.lost, gone);
  }
  for (Damage& suspect : suspects_) {
    if (report.damage.size() < RecoveryReport::kMaxDamage) report.damage.push_back(std::move(suspect));
  }
  report.quarantined += suspect_count_;
  suspects_.clear();
  return Status();
}

}  // namespace mmcb
