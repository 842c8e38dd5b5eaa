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
#include <string>
#include <unordered_map>
#include <vector>

#include "core/engine.h"

namespace mmcb {

class Batch {
 public:
  // Precondition: the engine's write lock is held, and writes are allowed.
  explicit Batch(Engine& engine) : engine_(engine) {}

  // Prepares one change after those before it. On failure nothing has happened and the batch must be dropped.
  Status prepare(BatchOperation& operation);
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
    std::string key;  // of a keyed entry: its bytes
  };

  Status write_version(Change& change, Bytes data);
  Change* pending(Address address);
  Change* pending(const Key& key);
  static std::string name_of(const Key& key);
  static Key key_of(const Change& change);
  void remember(Change change, const Key& key);
  // Makes the last change be found by its address and its key.
  void name_last(const Key& key);
  Status arm(const std::vector<std::byte>& list);
  // The commit: announces the digest, arms the list, does it, clears the journal. On failure nothing has happened.
  Status carry_out(const std::vector<std::byte>& list, uint64_t digest);

  Engine& engine_;
  std::vector<Change> changes_;
  std::unordered_map<uint64_t, size_t> by_address_;
  std::unordered_map<std::string, size_t> by_key_;
  uint64_t adds_ = 0;
  uint64_t updates_ = 0;
  uint64_t removes_ = 0;
  bool committed_ = false;
};

}  // namespace mmcb
