// Batch: several changes that take effect together or not at all, under process death, power cuts and failures.
//
// New versions are written first, without their checksums: they are not there yet. Then the stores that make them be
// there, and the old versions gone, go into the journal as a list; arming the journal is the commit. Then the stores are
// done and the journal is cleared. A list too long for the journal lies in an entry of Kind::kRedoList, to which the
// journal points. All of it happens in one epoch, so that a power cut takes all or nothing, too.
//
// Memory: all that a batch allocates, it allocates before it commits. What prepare() and commit() cannot get throws
// std::bad_alloc, like any other failure before anything has happened: drop the batch.
//
// Thread safety: runs under the engine's write lock. Concurrent readers may see some of the changes before the others.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/engine.h"
#include "core/word_table.h"

namespace mmcb {

class Batch {
 public:
  // Precondition: the engine's write lock is held, and writes are allowed.
  explicit Batch(Engine& engine) : engine_(engine) {}

  // Prepares changes, each after those before it; their keys and data must stay until the batch is gone. On failure nothing
  // has happened and the batch must be dropped.
  Status prepare(std::span<BatchOperation> operations);
  // Prepares the removal of a live entry.
  void prepare_removal(const Engine::Found& found);
  // Commits. On failure nothing has happened.
  Status commit();
  // Removes everything, at once. Instead of prepare() and commit().
  Status clear_all(uint64_t* removed);
  // Gives back what prepare() took. Called by the destructor unless committed.
#if MMCB_STEPS
  ~Batch() noexcept(false);  // steps may throw there, too
#else
  ~Batch();
#endif

 private:
  // What becomes of one address.
  struct Change {
    Address address;
    bool existed = false;  // before the batch
    bool ends = false;     // gone after the batch
    Engine::Found old;     // if existed
    Place place;           // of the new version, unless `ends`
    EntryHeader header;
    Bytes key;          // of a keyed entry: its bytes, in the old version or the caller's
    uint64_t word = 0;  // and their word in the index
  };
  // Operations that are looked up at once, so that their cache misses overlap.
  static constexpr size_t kGroup = 16;

  void look_ahead(std::span<BatchOperation> group, uint64_t* words) const;
  Status prepare(BatchOperation& operation, uint64_t word);
  Status require(const Key& key, uint64_t word, Bytes data);
  Status write_version(Change& change, Bytes data);
  Change* pending(Address address);
  // Only what did not exist before: the others are found by their address.
  Change* pending(const Key& key, uint64_t word);
  Change change_of(const Engine::Found& found) const;
  Status arm(const std::vector<std::byte>& list);
  // The commit: announces the digest, arms the list, does it, clears the journal. On failure nothing has happened.
  Status carry_out(const std::vector<std::byte>& list, uint64_t digest);

  Engine& engine_;
  std::vector<Change> changes_;
  WordTable table_;  // numbers of changes, by address, and those of new keys by their word, too
  uint64_t adds_ = 0;
  uint64_t updates_ = 0;
  uint64_t removes_ = 0;
  bool committed_ = false;
};

}  // namespace mmcb
