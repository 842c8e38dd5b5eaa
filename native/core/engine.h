// Engine: one open file. Entries by address and by key, batches, sync points, snapshots. No threads of its own: Store
// (store.h) drives sync points and compaction; tests drive them step by step.
//
// Thread safety: every public call may come from any thread. Writers are serialised by one lock, held for the time of the
// memory work (and for growing the file), never during a sync. Reads take no lock: they pin (reader_pins.h), copy, and check the checksum of
// what they copied. A ReaderPin passed in belongs to the calling thread for the time of the call.
//
// Failure: a call that returns not-ok has changed nothing, unless it says otherwise. No call throws: memory that cannot be
// had is kNoMemory, and is asked for before anything is stored (docs/architecture.md, "Memory first").
//
// Loss of the file underneath (File::lost()): every write is kIo from then on, that one included which met it and may have
// happened in part, as under a kill; nothing is synced or published any more. Reads of single entries go on where the
// checksum vouches for what they return, and are kIo where it does not. Everything else is kIo.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/address.h"
#include "core/bytes.h"
#include "core/entry.h"
#include "core/format.h"
#include "core/journal.h"
#include "core/key_index.h"
#include "core/options.h"
#include "core/ordered_index.h"
#include "core/platform/platform.h"
#include "core/reader_pins.h"
#include "core/segments.h"
#include "core/slot_table.h"
#include "core/space_listener.h"
#include "core/spin_lock.h"
#include "core/status.h"
#include "core/volume.h"

namespace mmcb {

class OrderedKeys;
struct EngineInternals;

class Engine {
 public:
  // Opens or creates. `report` tells what recovery found. On failure nothing is left open, and a refused file is
  // byte-identical. Progress phases: "scan", where that did not agree with its digest "second scan" and so on, "apply".
  static Status open(Platform& platform, const std::string& path, const Options& options, const Progress& progress,
                     std::unique_ptr<Engine>* engine);
  // The same on a file that is open already (and not locked yet).
  static Status open(Platform& platform, const std::string& path, std::unique_ptr<File> file, const Options& options,
                     const Progress& progress, std::unique_ptr<Engine>* engine);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Platform& platform() { return platform_; }
  const std::string& path() const { return path_; }
  const Options& options() const { return options_; }
  const RecoveryReport& recovery() const { return recovery_; }
  FileIdentity identity() const { return identity_; }
  ReaderPins& pins() { return pins_; }

  // ---- Entries by address ----
  Status add(Bytes data, Address* address);
  // kNotFound; kTooLarge; kNoSpace; kFull; kFailed; kReadOnly. A keyed entry keeps its key.
  Status update(Address address, Bytes data);
  Status remove(Address address);

  // ---- Entries by key ---- (Key::kind is kIntKey or kStringKey)
  // Adds or replaces. `address` may be null.
  Status set(Key key, Bytes data, Address* address);
  Status erase(Key key);  // kNotFound where there is none
  uint64_t count(KindFilter kind) const;

  // ---- Reads ----
  // *size is the size of the data. The data is copied if it fits into target; else nothing is.
  // kNotFound, or kCorrupt when the entry's checksum does not hold.
  Status read(ReaderPin& pin, Address address, MutableBytes target, uint64_t* size) const;
  Status read(ReaderPin& pin, Key key, MutableBytes target, uint64_t* size) const;
  // Copies from `position` of the data; *copied is less than target.size() at its end.
  Status read_part(ReaderPin& pin, Address address, uint64_t position, MutableBytes target, uint64_t* copied) const;
  Status read_part(ReaderPin& pin, Key key, uint64_t position, MutableBytes target, uint64_t* copied) const;
  Status find(ReaderPin& pin, Key key, Address* address) const;
  // Brings the entries of these keys into the cache, their misses overlapped: for reading or changing many in a row, best in
  // groups of about 64. A hint: of what is not there, nothing is said.
  void prefetch(ReaderPin& pin, std::span<const Key> keys) const;
  // The same for addresses, as one group.
  void prefetch(ReaderPin& pin, std::span<const Address> addresses) const;
  bool contains(ReaderPin& pin, Address address) const;
  bool contains(ReaderPin& pin, Key key) const;
  Status info(Address address, EntryInfo* info) const;
  // True for an address that was handed out once and is live no more, as far as can be told.
  bool was_removed(Address address) const;
  // The data in place. Precondition: the pin is held (PinScope) for as long as the bytes are looked at; a concurrent
  // update of this very entry may be seen half done. Afterwards check_file() says whether they were there at all.
  Status view(ReaderPin& pin, Address address, Bytes* data) const;

  // Iteration in slot order: finds the first live entry of `kind` at slot >= *cursor, sets *cursor behind it and returns
  // true; false at the end. Precondition: pinned, if the caller looks at the offset. Once the file is lost, entries may
  // be passed over: ask check_file() behind.
  bool next(KindFilter kind, uint64_t* cursor, Address* address, uint64_t* offset) const;
  // Key and data of an entry found by next(), the key first: both, checked, if they fit; the key alone if only that fits.
  // The header tells the sizes. kNotFound when the entry has gone meanwhile.
  Status read_entry(ReaderPin& pin, Address address, MutableBytes target, EntryHeader* header) const;

  // ---- String keys in order (engine_ordered.cc) ---- byte by byte; none of these before order_keys()
  // Builds the index that keeps the order, unless it is there: O(n log n), under the write lock. It stays, and is kept up,
  // until the engine ends. kNoMemory.
  Status order_keys();
  bool has_ordered_keys() const { return ordered_.load(std::memory_order_acquire) != nullptr; }
  // What was live at one moment, in order. Readable (collect(), read_version()) until it is closed, soon: as for a Snapshot.
  struct OrderedSnapshot {
    uint64_t epoch = 0;
    OrderedIndex::Snapshot index;
  };
  Status open_ordered_snapshot(OrderedSnapshot* snapshot);
  void close_ordered_snapshot(const OrderedSnapshot& snapshot);
  // Fills in where the next entries in order are; how many there were. `snapshot` null: as of now, and then the caller is
  // pinned from before the call until its last look at the entries.
  size_t collect(const OrderedSnapshot* snapshot, const OrderedIndex::Start& start, std::span<uint64_t> offsets) const;
  // As read_entry(), of the version at an offset from collect(), under the same precondition.
  Status read_collected(uint64_t offset, MutableBytes target, EntryHeader* header) const;
  // Its data alone: as read().
  Status read_data_of(uint64_t offset, MutableBytes target, uint64_t* size) const;
  // Brings it in ahead of that.
  void prefetch_collected(uint64_t offset) const { prefetch_entry(offset); }
  // The place of a key in a snapshot; 0 where it is not in there.
  uint64_t find_in(const OrderedSnapshot& snapshot, KeyBytes key) const;

  // ---- Batches ----
  // All or nothing, in order, under process death and power cuts. Fills in the addresses of kAdd and kSet.
  Status batch(std::span<BatchOperation> operations);
  // Removes every live entry of a kind, all or nothing.
  Status clear(KindFilter kind, uint64_t* removed);
  // Removes entries with string keys from `start` on, up to the bound `end` (null: none) and at most `limit`, all or nothing.
  Status clear_range(const OrderedIndex::Start& start, const OrderedIndex::End* end, uint64_t limit, uint64_t* removed);

  // ---- Snapshots ----
  // A snapshot keeps every entry as it is now readable by offset: no update in place over it, no reuse of its space.
  // Close it soon: garbage piles up behind it.
  struct Snapshot {
    uint64_t epoch = 0;
    uint64_t count = 0;
    uint64_t digest = 0;
    std::vector<SegmentExtent> extents;  // where its entries are
  };
  Status open_snapshot(Snapshot* snapshot);
  void close_snapshot(const Snapshot& snapshot);
  bool has_snapshots() const;
  // Frees what nothing needs any more; true when a reader in the middle of a call stands in the way of more.
  bool waits_for_readers();
  // Checks the version at `offset`: kCorrupt where its checksum does not hold. O(its size).
  // Precondition of both: a snapshot in which it is live is open.
  Status check_version(uint64_t offset) const;
  // Copies part of the data of the version at `offset`.
  Status read_version(uint64_t offset, uint64_t position, MutableBytes target, uint64_t* copied) const;

  // Gives free space back to the file system, but for a reserve if wanted. Takes the write lock for one segment at a time.
  Status trim(bool keep_reserve);
  // True when another sync point would let trim() give back more.
  bool could_trim_more(bool keep_reserve) const;

  // `listener` outlives the engine or is replaced by null. Not thread-safe: set before the engine is shared.
  void set_space_listener(SpaceListener* listener);
  void set_throttled(bool throttled) { throttled_.store(throttled, std::memory_order_release); }
  bool is_throttled() const { return throttled_.load(std::memory_order_acquire); }
  // True while writers held up by policy 'space' are to wait on.
  bool is_space_short() const;
  // Brings pages of the free segments that will be taken next in, ahead of the writers.
  void prefault();

  Stats stats() const;
  // What is remembered of damage. Kept in the file from the next sync point on.
  DamageMarker damage();
  // Forgets it. kReadOnly, kFailed.
  Status acknowledge_damage();
  // The error of the failed sync after which writes are refused, or that of the loss of the file, or ok.
  Status failure() const;
  // Why writes are refused: kIo where the file is lost, kFailed after a failed sync; or ok.
  Status refusal() const;
  // kIo where part of the file is gone from under the mapping. One load.
  Status check_file() const { return volume_.is_lost() ? volume_.check() : Status(); }
  // The same, and asks the file system whether the file is as long as it should be.
  Status check_file_size() const { return volume_.check(); }
  bool is_lost() const { return volume_.is_lost(); }
  // The file has no name any more: what is written ends with this process.
  bool is_deleted() { return volume_.file().is_deleted(); }
  bool has_unsynced_changes() const;

  // The word that stands for a key in the key index of its kind, in a file with this seed.
  static uint64_t word_of(const Key& key, uint32_t seed);

 private:
  friend struct EngineInternals;  // tests that damage what is in memory
  friend class Backup;
  friend class Batch;
  friend class Compactor;
  friend class Recovery;
  friend class SavedTables;
  friend class SyncMachine;
  friend class Verifier;

  explicit Engine(Platform& platform);

  // A live entry as the write path finds it.
  struct Found {
    Address address;
    uint64_t offset = 0;
    EntryHeader header;
    uint64_t word = 0;  // of its key, as far as somebody has asked for it already; none is 0
  };

  // Holds a writer up while compaction makes room. Without the lock.
  void throttle() {
    if (throttled_.load(std::memory_order_relaxed)) [[unlikely]]
      space_listener_->wait_for_space();
  }

  // ---- Write path (engine_write.cc); all under lock_ ----
  // Why no change may be made now; ok where may_write().
  Status writable() const;
  bool may_write() const {
    return !volume_.is_lost() && !failed_.load(std::memory_order_relaxed) && !options_.read_only;
  }
  // Runs one change under the lock. A change that met a hole in the file has failed, whatever it says.
  template <typename Body>
  Status change(Body&& body);
  // Makes an attempt, without the lock, and another one where it found no space for an update and it has been tried to make some.
  template <typename Attempt>
  Status with_update_space(Attempt&& attempt) {
    // A loop, so that there is one call, which is made in place.
    for (bool again = false;; again = true) {
      Status status = attempt();
      if (!status.is_worth_space() || again || !make_space()) [[likely]]
        return status;
    }
  }
  bool make_space() { return space_listener_ != nullptr && space_listener_->make_space(); }
  // Resolves and reads the header; kNotFound, or kCorrupt where the header cannot be this entry's.
  Status locate(Address address, Found* found) const;
  Status read_header(uint64_t offset, Found* found) const;
  // Where there is none, `*vacancy` is for insert_new().
  Status locate(const Key& key, uint64_t word, Found* found, KeyIndex::Vacancy* vacancy) const;
  Status locate(const Key& key, uint64_t word, Found* found) const {
    KeyIndex::Vacancy ignored;
    return locate(key, word, found, &ignored);
  }
  Status check_sizes(const Key& key, Bytes data) const {
    return key.bytes.size() <= kMaxKeySize && data.size() <= kMaxDataSize ? Status() : too_large(key, data);
  }
  Status too_large(const Key& key, Bytes data) const;
  uint32_t capacity_for(size_t key_size, uint64_t data_size) const;
  bool may_update_in_place(const Found& found, uint64_t data_size) const;
  // `vacancy`: what locate() said of the key, unless it is plain.
  Status insert_new(const Key& key, uint64_t word, const KeyIndex::Vacancy& vacancy, Bytes data, Address* address);
  Status update_found(const Found& found, Bytes data);
  Status update_in_place(const Found& found, Bytes data);
  // Writes a new version of an entry elsewhere.
  Status relocate(const Found& found, Bytes data, Stream stream);
  void remove_found(const Found& found);
  // Ends a sealed segment that holds nothing live any more: its space comes back without compaction. Only between
  // changes: a segment may hold entries that are written and not yet there.
  void end_if_empty(uint32_t segment);
  // The same for the segments that this change has filled up.
  void end_sealed_if_empty();

  // Takes a place and completes the header for it, without storing anything.
  Status place_entry(Stream stream, EntryHeader* header, Place* place) {
    header->epoch = open_epoch_.load(std::memory_order_relaxed);
    const uint64_t size = header->total_size();
    if (!segments_.place_in_active(stream, size, place)) [[unlikely]]
      MMCB_TRY(take_place(stream, size, place));
    header->ordinal = place->ordinal;
    return Status();
  }
  // The same for what takes the place of a version of `old_size` bytes in all, which becomes garbage: where that is as much as is
  // wanted, there is a place when new entries have none any more.
  Status place_update(uint64_t old_size, EntryHeader* header, Place* place);
  Status take_place(Stream stream, uint64_t size, Place* place);
  // Stores everything of an entry but its checksum: it is not there yet. Sets header->crc.
  void fill(const Place& place, EntryHeader* header, Bytes key, Bytes data);
  // Stores the checksum: now it is there.
  void publish(const Place& place, const EntryHeader& header);
  // Stores an end mark.
  void end_entry(const Found& found);
  uint64_t mark_offset_of(const Found& found) const;
  // Brings in what ending this version will touch, while its checksum is being taken: its mark and its slot lie elsewhere.
  void prefetch_ending(const Found& found) const;
  // Brings in the first lines of the entry at `offset`.
  void prefetch_entry(uint64_t offset, uint64_t lines = 3) const {
    for (uint64_t line = 0; line < lines; line++) __builtin_prefetch(volume_.at(offset + 64 * line));
  }
  // The same for a key, whose cell was asked for before. Any cell with its word will do: a wrong guess costs a cache line, not
  // a wrong answer. Precondition: pinned, or under the lock.
  void prefetch_entry(Kind kind, uint64_t word) const {
    const uint64_t offset = index_for(kind).find(word, [](uint64_t) { return true; });
    if (offset != 0) prefetch_entry(offset);
  }
  void announce_digest(uint64_t next);
  void settle_digest();
  void note_change() { dirty_.store(true, std::memory_order_relaxed); }
  // Damage was met: the next sync point says so in the file. From any thread, under the lock or not.
  void note_damage() const { damage_met_.store(true, std::memory_order_relaxed); }
  // Takes what note_damage() noted over into the marker. Under lock_.
  void remember_damage();
  Bytes key_of(const Found& found) const;
  void account_new(uint32_t segment, const EntryHeader& header);
  void account_gone(uint32_t segment, const EntryHeader& header);

  KeyIndex& index_for(Kind kind) { return kind == Kind::kIntKey ? ints_ : strings_; }
  const KeyIndex& index_for(Kind kind) const { return kind == Kind::kIntKey ? ints_ : strings_; }
  uint64_t word_of(const Key& key) const { return word_of(key, seed_); }
  uint64_t word_of(const Found& found) const {
    return found.word != 0 ? found.word : word_of({found.header.kind, key_of(found)});
  }
  // ---- Order (engine_ordered.cc); under lock_ ----
  // The index that keeps entries of this kind in order; null where nothing does.
  OrderedIndex* order_of(Kind kind) const {
    return kind == Kind::kStringKey ? ordered_.load(std::memory_order_relaxed) : nullptr;
  }
  // Makes sure that the change of an entry of this kind will find memory there.
  Status reserve_order(Kind kind, uint64_t inserts, uint64_t others) const {
    OrderedIndex* const order = order_of(kind);
    return order == nullptr ? Status() : order->reserve(inserts, others);
  }
  void close_order(const OrderedSnapshot& snapshot);

  Status check_version_locked(uint64_t offset) const;
  // The same of what was found just now, at less cost.
  Status check_found(const Found& found) const;
  Status check_entry(uint64_t offset, uint64_t run_end) const;
  uint64_t find_offset(const Key& key) const { return find_offset(key, word_of(key)); }
  uint64_t find_offset(const Key& key, uint64_t word) const;
  // Whether a search for the key ends at the entry at `offset`, which has the same key word.
  bool ends_search(const Key& key, uint64_t offset) const;
  // True where a whole entry stands at `offset`, whatever its key. Without the lock.
  bool is_whole(uint64_t offset) const;

  // ---- Read path (engine_read.cc) ----
  enum class Copied : uint8_t { kDone, kChanged };
  Copied copy_entry(uint64_t offset, Address expected, MutableBytes target, bool with_key, EntryHeader* header) const;
  template <typename Resolve>
  Status read_resolved(Resolve&& resolve, MutableBytes target, bool with_key, EntryHeader* header) const;
  // What is said of an entry that is not whole, or not found: not the entry's fault where the file is lost.
  Status damaged_at(uint64_t offset) const;
  Status not_found() const { return volume_.is_lost() ? volume_.check() : Status(Code::kNotFound); }
  template <typename Resolve>
  Status read_part_resolved(ReaderPin& pin, Resolve&& resolve, uint64_t position, MutableBytes target,
                            uint64_t* copied) const;

  // ---- Epochs, snapshots, space (engine.cc) ----
  // Frees what nothing needs any more. True when pinned readers stand in the way of more. Under lock_.
  bool release_space();
  // Truncates what is free at the end of the file.
  Status cut_off(bool keep_reserve);
  uint64_t oldest_snapshot() const { return snapshots_.empty() ? ~0ull : snapshots_.front(); }
  uint64_t newest_snapshot() const { return snapshots_.empty() ? 0 : snapshots_.back(); }
  uint64_t next_epoch() { return open_epoch_.fetch_add(1, std::memory_order_relaxed); }
  // Makes the tables empty again, before a second scan.
  void reset_tables();
  void note_extents(Snapshot* snapshot) const;
  Status create(const std::string& path);
  Status create_head(const std::string& path);
  Status secure_name();
  static Status open_file(Platform& platform, const std::string& path, std::unique_ptr<File> file,
                          const Options& options, const Progress& progress, std::unique_ptr<Engine>* engine);
  Status clear_now(KindFilter kind, uint64_t* removed);
  bool overwrites_durable() const { return volatile_ || options_.durability == Durability::kProcess; }
  // Bytes of segments in use, and how many policy 'space' wants them to be at most under steady writes. Under lock_.
  uint64_t used_space() const;
  uint64_t ideal_space() const;  // of the live entries, each with the slack of a fresh one
  uint64_t wanted_space() const;
  uint64_t space_limit() const;  // for the whole file
  void poison(Status status);

  Platform& platform_;
  std::string path_;
  Options options_;
  FileIdentity identity_;
  RecoveryReport recovery_;
  bool volatile_ = false;
  uint32_t seed_ = 0;

  Volume volume_;
  ReaderPins pins_;
  Segments segments_;
  SlotTable slots_;
  KeyIndex ints_;
  KeyIndex strings_;
  std::unique_ptr<OrderedKeys> ordered_keys_;    // what ordered_ points into
  std::atomic<OrderedIndex*> ordered_{nullptr};  // null: nobody has asked for order. Set once.
  Journal journal_;

  mutable SpinLock lock_;          // guards everything below but the atomics, and all stores into the mapping
  Superblock superblock_;          // the newest one on the disk
  uint32_t syncing_segments_ = 0;  // segment count of the sync point under way: not to be truncated
  DamageMarker damage_;            // what the next superblock will say
  bool damage_dated_ = false;      // its last_ms was set since opening: once is enough, whatever is read how often
  uint64_t digest_ = 0;
  uint64_t digest_next_ = 0;
  uint32_t stored_generation_ = 0;
  std::vector<uint64_t> snapshots_;  // epochs, ascending
  Status failure_;
  bool is_full_ = false;  // there was no space for a new entry when an update was last at its end
  std::atomic<bool> failed_{false};
  std::atomic<bool> dirty_{false};
  mutable std::atomic<bool> damage_met_{false};
  std::atomic<bool> throttled_{false};
  SpaceListener* space_listener_ = nullptr;
  std::atomic<uint64_t> open_epoch_{1};
  std::atomic<uint64_t> durable_epoch_{0};
  std::atomic<uint64_t> count_{0};

  // Counters for stats(), under lock_.
  uint64_t data_size_ = 0;
  uint64_t adds_ = 0;
  uint64_t updates_ = 0;
  uint64_t removes_ = 0;
  uint64_t updates_in_place_ = 0;
  uint64_t relocations_ = 0;
  uint64_t compactions_ = 0;
  uint64_t compacted_entries_ = 0;
  uint64_t syncs_ = 0;
  uint64_t failed_syncs_ = 0;
};

// Closes an open snapshot at the end of a scope.
class SnapshotScope {
 public:
  SnapshotScope(Engine& engine, const Engine::Snapshot& snapshot) : engine_(engine), snapshot_(snapshot) {}
  ~SnapshotScope() { engine_.close_snapshot(snapshot_); }
  SnapshotScope(const SnapshotScope&) = delete;
  SnapshotScope& operator=(const SnapshotScope&) = delete;

 private:
  Engine& engine_;
  const Engine::Snapshot& snapshot_;
};

}  // namespace mmcb
