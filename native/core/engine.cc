// Engine: opening, creating, snapshots, space, statistics.
#include "core/engine.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>

#include "core/compactor.h"
#include "core/ordered_keys.h"
#include "core/recovery.h"
#include "core/stores.h"
#include "core/sync_machine.h"

namespace mmcb {
namespace {

// Far more than files grow to, far less than a process can reserve: a hundred stores fit.
constexpr uint64_t kDefaultAddressSpace = 1ull << 40;
// A file left behind by a crash while it was created is all zeros; one longer than this is not ours to judge.
constexpr uint64_t kMaxBlankFile = 64 << 20;

// Under steady writes with policy 'space' the file is held to this times live data times extension factor (the promise is
// 1.5, everything counted), and some segments for the streams' open ends: as long as that leaves compaction an eighth over
// what it could bring the file down to. Entries so small that their headers weigh more get a third, since their bound is
// out of reach anyway: with an eighth, compaction moves four entries for each one that is written.
constexpr double kSpaceFactor = 1.44;
constexpr uint64_t kSpareShare = 8;
constexpr uint64_t kSmallEntriesShare = 3;
// But never so near to it that compaction moves everything to gain nothing.
constexpr uint64_t kLeastShare = 12;
// Bytes that aligning an entry to 8 costs on average.
constexpr uint64_t kAlignment = 4;
constexpr uint64_t kSpareSegments = 3;
// Writers held up go on when the file is smaller than that by this share of live and slack bytes.
constexpr uint64_t kReliefShare = 24;
// How far ahead of the writers pages are brought in.
constexpr uint64_t kPrefaultBytes = 32 << 20;

bool is_zero(const std::byte* bytes, uint64_t length) {
  return std::all_of(bytes, bytes + length, [](std::byte b) { return b == std::byte{0}; });
}

// All zeros, but for a first superblock that was still being written.
bool is_blank(const std::byte* bytes, uint64_t length) {
  const uint64_t first = kSuperblockOffset[1];
  const uint64_t behind = first + Superblock::kSize;
  if (length < behind) return is_zero(bytes, length);
  Superblock ignored;
  const bool begun = decode(bytes + first, &ignored) == SuperblockVerdict::kUnfinished;
  return is_zero(bytes, first) && (begun || is_zero(bytes + first, Superblock::kSize)) &&
         is_zero(bytes + behind, length - behind);
}

}  // namespace

Engine::Engine(Platform& platform)
    : platform_(platform),
      volume_(platform),
      pins_(&platform),
      segments_(volume_, platform, pins_),
      slots_(platform),
      ints_(platform, pins_, true),
      strings_(platform, pins_, false) {}

Engine::~Engine() = default;

void Engine::reset_tables() {
  std::destroy_at(&slots_);
  std::construct_at(&slots_, platform_);
  std::destroy_at(&ints_);
  std::construct_at(&ints_, platform_, pins_, true);
  std::destroy_at(&strings_);
  std::construct_at(&strings_, platform_, pins_, false);
}

Status Engine::open(Platform& platform, const std::string& path, const Options& options, const Progress& progress,
                    std::unique_ptr<Engine>* engine) {
  std::unique_ptr<File> file;
  MMCB_TRY(platform.open(path, options.read_only ? OpenMode::kReadOnly : OpenMode::kReadWrite, &file));
  return open(platform, path, std::move(file), options, progress, engine);
}

Status Engine::open(Platform& platform, const std::string& path, std::unique_ptr<File> file, const Options& options,
                    const Progress& progress, std::unique_ptr<Engine>* engine) {
  return guarded([&] { return open_file(platform, path, std::move(file), options, progress, engine); });
}

Status Engine::open_file(Platform& platform, const std::string& path, std::unique_ptr<File> file,
                         const Options& options, const Progress& progress, std::unique_ptr<Engine>* result) {
  if (Status locked = file->lock(options.read_only ? LockMode::kShared : LockMode::kExclusive); !locked.ok()) {
    if (locked.code() != Code::kLocked) return locked;
    return describe(Code::kLocked, locked.system_error(), path, " is open for writing in another process");
  }
  uint64_t size = 0;
  MMCB_TRY(file->size(&size));

  std::unique_ptr<Engine> engine(new Engine(platform));
  engine->path_ = path;
  engine->options_ = options;
  engine->identity_ = file->identity();
  engine->volatile_ = file->is_volatile();
  if (size > kMaxFileSize) return Status(Code::kTooLarge, path + " is larger than any mmcb file can be");
  const uint64_t wanted = std::min(
      kMaxFileSize, options.address_space != 0 ? options.address_space : std::max(kDefaultAddressSpace, 4 * size));
  MMCB_TRY(engine->volume_.attach(std::move(file), wanted, std::max<uint64_t>(2 * size, 256 << 20)));

  bool blank = size == 0;
  if (!blank && size <= kMaxBlankFile) {
    MMCB_TRY(engine->volume_.map(size, MapMode::kPrivate));
    blank = is_blank(engine->volume_.at(0), size);
    // Blank because somebody is cutting it short at this moment: not ours to fill.
    MMCB_TRY(engine->check_file_size());
  }
  if (blank) {
    if (options.read_only) return Status(Code::kNotMmcb, path + " is empty; open it for writing first");
    MMCB_TRY(engine->create(path));
  } else {
    const uint64_t started = platform.monotonic_ns();
    Status status = Recovery(*engine, size, progress).run();
    // What was found in a file that has gone meanwhile, or not found, says nothing.
    MMCB_TRY(engine->check_file_size());
    MMCB_TRY(status);
    MMCB_TRY(engine->secure_name());
    engine->recovery_.milliseconds = static_cast<double>(platform.monotonic_ns() - started) / 1e6;
  }
  if (options.ordered) MMCB_TRY(engine->order_keys());
  *result = std::move(engine);
  return Status();
}

Status Engine::create(const std::string& path) {
  const uint64_t least = head_size(options_.segment_size, options_.journal_size) + options_.segment_size;
  if (options_.max_size != 0 && options_.max_size < least) {
    return describe(Code::kInvalidArgument, 0, "maxSize is too small: a file takes at least ", least, " bytes");
  }
  Status status = guarded([&] { return create_head(path); });
  if (!status.ok()) {
    // What is left is an empty file, which the next opening makes into a store.
    (void)volume_.file().unmap(volume_.at(0), 0, volume_.size());
    (void)volume_.file().truncate(0);
  }
  return status;
}

Status Engine::create_head(const std::string& path) {
  const uint64_t head = head_size(options_.segment_size, options_.journal_size);
  Superblock& s = superblock_;
  s.segment_size = options_.segment_size;
  s.journal_size = options_.journal_size;
  platform_.random(s.file_id.data(), s.file_id.size());
  s.created_ms = platform_.wall_clock_ms();
  seed_ = file_seed(s.file_id);

  // A blank file was mapped to look at it.
  MMCB_TRY(volume_.file().unmap(volume_.at(0), 0, volume_.size()));
  MMCB_TRY(volume_.file().truncate(0));
  MMCB_TRY(volume_.file().allocate(0, head));
  MMCB_TRY(volume_.map(head, MapMode::kShared));
  MMCB_TRY(segments_.initialize(s.segment_size, head, seed_, options_.max_size));
  MMCB_TRY(slots_.initialize());
  MMCB_TRY(ints_.initialize(seed_));
  MMCB_TRY(strings_.initialize(seed_));
  journal_.initialize(&volume_, seed_, s.journal_size, !volatile_);
  volume_.populate(0, head, Populate::kWriteSmallFolios);
  MMCB_STEP(kHeadWritten);
  // Before there is a superblock: what has one is never asked again whether its folder knows it.
  if (!volatile_) MMCB_TRY(platform_.sync_directory_of(path));
  // Twice, so that both places hold a superblock from the beginning: one that is missing later is known to be lost.
  for (int i = 0; i < 2; i++) MMCB_TRY(SyncMachine(*this).run());
  // Only now: without a superblock, a file that is not blank would be nobody's.
  store64(volume_.at(kStateFailed), kSoundMark);
  const uint64_t initial =
      options_.max_size == 0 ? options_.initial_size : std::min(options_.initial_size, options_.max_size);
  MMCB_TRY(segments_.reserve_file(initial / s.segment_size * s.segment_size));
  recovery_.status = RecoveryStatus::kCreated;
  recovery_.durable_epoch = durable_epoch_.load();
  return Status();
}

// Whoever created the file may have died before its name was on the disk, and then no sync point of it would survive. Not so
// where it was closed in order: then somebody opened it before.
Status Engine::secure_name() {
  if (volatile_ || options_.read_only || recovery_.status == RecoveryStatus::kClean) return Status();
  Status status = platform_.sync_directory_of(path_);
  // A folder that this user may not read cannot be synced by this user.
  return status.system_error() == EACCES ? Status() : status;
}

// ---- Snapshots -----------------------------------------------------------------------------------------------------------------

Status Engine::open_snapshot(Snapshot* snapshot) {
  std::lock_guard guard(lock_);
  // What needs memory comes first: an epoch that was begun is never given back.
  MMCB_TRY(guarded([&] {
    note_extents(snapshot);
    snapshots_.reserve(snapshots_.size() + 1);
    return Status();
  }));
  snapshot->epoch = next_epoch();
  snapshot->count = count_.load(std::memory_order_relaxed);
  snapshot->digest = digest_;
  snapshots_.push_back(snapshot->epoch);
  return Status();
}

void Engine::note_extents(Snapshot* snapshot) const {
  snapshot->extents.clear();
  for (uint32_t i = 0; i < segments_.count(); i++) {
    const Segment& s = segments_.at(i);
    if (s.state == Segment::State::kActive || s.state == Segment::State::kSealed) {
      snapshot->extents.push_back({i, s.run_length, s.incarnation, s.used});
    }
  }
}

void Engine::close_snapshot(const Snapshot& snapshot) {
  std::lock_guard guard(lock_);
  snapshots_.erase(std::find(snapshots_.begin(), snapshots_.end(), snapshot.epoch));
  release_space();
}

// ---- Space and failure -----------------------------------------------------------------------------------------------------------

bool Engine::waits_for_readers() {
  std::lock_guard guard(lock_);
  return release_space();
}

bool Engine::release_space() {
  return segments_.release_ended(overwrites_durable() ? kMaxEpoch : durable_epoch_.load(std::memory_order_relaxed),
                                 oldest_snapshot());
}

Status Engine::trim(bool keep_reserve) {
  // Cutting a file to a length that it has no more would make it longer.
  MMCB_TRY(check_file_size());
  MMCB_TRY(cut_off(keep_reserve));
  Segments::HoleSearch search{keep_reserve};
  while (!search.is_done) {
    std::lock_guard guard(lock_);
    MMCB_TRY(writable());
    MMCB_TRY(segments_.punch_next(&search));
  }
  return Status();
}

Status Engine::cut_off(bool keep_reserve) {
  std::lock_guard guard(lock_);
  MMCB_TRY(writable());
  release_space();
  const uint32_t floor =
      MMCB_BUG(kTruncateBeforeSuperblock) ? 0 : std::max(superblock_.segment_count, syncing_segments_);
  Status status = segments_.trim(floor, keep_reserve);
  // The durable superblock still counts segments that are free by now: one more sync point, and they can go, too.
  if (segments_.could_trim_to(0, keep_reserve) < segments_.count()) note_change();
  return status;
}

bool Engine::could_trim_more(bool keep_reserve) const {
  std::lock_guard guard(lock_);
  return segments_.could_trim_to(0, keep_reserve) < segments_.count();
}

void Engine::set_space_listener(SpaceListener* listener) {
  std::lock_guard guard(lock_);
  space_listener_ = listener;
  if (listener == nullptr) {
    throttled_.store(false);
    segments_.set_observer(nullptr);
    return;
  }
  segments_.set_observer([this] {
    space_listener_->segment_taken();
    if (options_.compaction != CompactionPolicy::kSpace) return;
    segments_.set_growth_bound(segments_.head() + space_limit());
    // Under a snapshot compaction would only add copies: what it empties cannot be used again.
    if (used_space() > wanted_space() && snapshots_.empty()) {
      throttled_.store(true, std::memory_order_release);
      space_listener_->space_short();
    }
  });
}

bool Engine::has_snapshots() const {
  std::lock_guard guard(lock_);
  return !snapshots_.empty();
}

bool Engine::is_space_short() const {
  std::lock_guard guard(lock_);
  // Lower than where the holding up begins, so that it does not begin again at once.
  return used_space() > wanted_space() - ideal_space() / kReliefShare;
}

uint64_t Engine::ideal_space() const {
  const double slack = static_cast<double>(data_size_) * (options_.extension_factor - 1);
  return segments_.live_bytes() + static_cast<uint64_t>(slack) + kAlignment * count_.load(std::memory_order_relaxed);
}

uint64_t Engine::space_limit() const {
  const uint64_t ideal = ideal_space();
  const auto by_data =
      static_cast<uint64_t>(kSpaceFactor * options_.extension_factor * static_cast<double>(data_size_));
  const uint64_t segment = segments_.segment_size();
  const uint64_t by_share = ideal + ideal / kSpareShare + kSpareSegments * segment;
  // Of this, some free segments are not for writers.
  const uint64_t spare = segments_.spare_segments() * segment;
  if (by_data >= by_share + spare) return by_data - spare;
  return ideal + ideal / kSmallEntriesShare + kSpareSegments * segment;
}

uint64_t Engine::wanted_space() const {
  const uint64_t ideal = ideal_space();
  const uint64_t limit = space_limit();
  // A round of compaction fills new segments before it frees the old ones.
  const uint64_t round = Compactor::pressure_round(segments_.count()) * segments_.segment_size();
  return std::max(limit - std::min(limit, round), ideal + ideal / kLeastShare);
}

uint64_t Engine::used_space() const {
  return static_cast<uint64_t>(segments_.count() - segments_.free_segments()) * segments_.segment_size();
}

void Engine::prefault() {
  std::vector<uint32_t> next;
  {
    std::lock_guard guard(lock_);
    (void)segments_.grow_ahead();
    // Where there is no memory for the list, nothing is brought in.
    (void)guarded([&] {
      next = segments_.next_unfaulted(static_cast<uint32_t>(kPrefaultBytes / segments_.segment_size()));
      return Status();
    });
  }
  // Without the lock: a segment that is taken or given back meanwhile is not harmed, the hint just comes to nothing.
  for (const uint32_t segment : next) {
    // The marks first. A writer who takes the segment before this is noted does it himself.
    segments_.prepare_marks(segment);
    std::lock_guard guard(lock_);
    segments_.note_faulted(segment);
  }
  for (const uint32_t segment : next) {
    volume_.populate(segments_.offset_of(segment), segments_.segment_size(), Populate::kWrite);
  }
}

void Engine::poison(Status status) {
  std::lock_guard guard(lock_);
  failure_ = std::move(status);
  failed_.store(true, std::memory_order_relaxed);
  failed_syncs_++;
  if (volume_.is_lost()) return;
  // Not where the failure meets the very first sync point: a file without a superblock has to stay blank.
  if (durable_epoch_.load(std::memory_order_relaxed) != 0 && !MMCB_BUG(kFailureNotMarked)) {
    store64(volume_.at(kStateFailed), kFailedMark);
  }
  MMCB_STEP(kFailureMarked);
}

Status Engine::failure() const {
  MMCB_TRY(check_file());
  std::lock_guard guard(lock_);
  return failure_;
}

Status Engine::refusal() const {
  MMCB_TRY(check_file());
  std::lock_guard guard(lock_);
  if (failure_.ok()) return Status();
  return describe(Code::kFailed, failure_.system_error(), "a sync failed earlier: ", failure_.message());
}

bool Engine::has_unsynced_changes() const {
  if (dirty_.load(std::memory_order_relaxed)) return true;
  if (!damage_met_.load(std::memory_order_relaxed)) return false;
  std::lock_guard guard(lock_);
  return !damage_dated_;
}

// ---- Damage ------------------------------------------------------------------------------------------------------------------------

void Engine::remember_damage() {
  if (!damage_met_.exchange(false) || damage_dated_) return;
  damage_.last_ms = platform_.wall_clock_ms();
  if (!damage_.is_set) damage_.first_ms = damage_.last_ms;
  damage_.is_set = true;
  damage_dated_ = true;
  note_change();
}

DamageMarker Engine::damage() {
  std::lock_guard guard(lock_);
  remember_damage();
  return damage_;
}

Status Engine::acknowledge_damage() {
  std::lock_guard guard(lock_);
  MMCB_TRY(writable());
  damage_met_.store(false);
  damage_dated_ = false;
  if (!damage_.is_set) return Status();
  damage_ = DamageMarker{};
  note_change();
  return Status();
}

// ---- Statistics ----------------------------------------------------------------------------------------------------------------------

Stats Engine::stats() const {
  std::lock_guard guard(lock_);
  const Segments::Totals totals = segments_.totals();
  Stats s;
  s.count = count_.load(std::memory_order_relaxed);
  s.int_count = ints_.size();
  s.string_count = strings_.size();
  s.removed_count = totals.ordinals > s.count ? totals.ordinals - s.count : 0;
  s.data_size = data_size_;
  s.entry_size = segments_.live_and_slack();
  s.live_bytes = totals.live_bytes;
  s.slack_bytes = totals.slack_bytes;
  s.garbage_bytes = totals.garbage_bytes;
  s.free_bytes = totals.free_bytes;
  s.file_size = segments_.file_bytes();
  s.segment_size = segments_.segment_size();
  s.segments = segments_.count();
  s.adds = adds_;
  s.updates = updates_;
  s.removes = removes_;
  s.updates_in_place = updates_in_place_;
  s.relocations = relocations_;
  s.compactions = compactions_;
  s.compacted_entries = compacted_entries_;
  s.syncs = syncs_;
  s.failed_syncs = failed_syncs_;
  s.open_epoch = open_epoch_.load(std::memory_order_relaxed);
  s.durable_epoch = durable_epoch_.load(std::memory_order_relaxed);
  s.damaged = damage_.is_set || damage_met_.load(std::memory_order_relaxed);
  s.table_memory = slots_.memory() + ints_.memory() + strings_.memory();
  if (const OrderedIndex* order = ordered_.load(std::memory_order_relaxed)) s.table_memory += order->memory();
  return s;
}

}  // namespace mmcb
