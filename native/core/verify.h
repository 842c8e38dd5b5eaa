// Verifier: everything that can be checked about an open file without knowing what ought to be in it: checksums and marks
// of every live entry, the digest and count of the live set, that tables and entries name each other, that no two entries
// overlap, that the bytes add up. Reads and writes go on meanwhile; what is checked is a snapshot.
//
// Thread safety: one call per Verifier; the engine's other calls go on.
#pragma once

#include "core/engine.h"
#include "core/walk.h"

namespace mmcb {

class Verifier {
 public:
  explicit Verifier(Engine& engine) : engine_(engine) {}

  // Fills the report; damage is in its errors, not in the status. kAborted when progress says so.
  Status run(const Progress& progress, VerifyReport* report);

 private:
  // Throws std::bad_alloc.
  Status check(const Progress& progress);
  void check_entry(const Engine::Snapshot& snapshot, const WalkedEntry& entry);
  void check_superblocks();
  Status check_space();
  void error(std::string message, uint64_t offset, uint64_t address = ~0ull);

  Engine& engine_;
  VerifyReport* report_ = nullptr;
  uint64_t digest_ = 0;
  uint64_t count_ = 0;
  std::vector<uint64_t> skipped_;  // offsets where the walk met bytes that are no whole entry
};

}  // namespace mmcb
