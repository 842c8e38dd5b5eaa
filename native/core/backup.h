// Backup: a consistent copy of an open file as a new, compact file with the same addresses, while reads and writes go on.
//
// The copy is of a snapshot: the state at one moment. It is written beside the target and renamed when it is complete
// and durable, so that a target is either whole or not there.
//
// Thread safety: one call per Backup; the engine's other calls go on.
#pragma once

#include <memory>
#include <string>

#include "core/engine.h"
#include "core/walk.h"

namespace mmcb {

class Backup {
 public:
  Backup(Engine& source, Platform& target_platform) : source_(source), platform_(target_platform) {}

  // kIo with EEXIST where `target` exists and `overwrite` is not set; kCorrupt where the source is found damaged.
  Status run(const std::string& target, bool overwrite, const Progress& progress);

 private:
  // Throw std::bad_alloc.
  Status refuse(const std::string& target, bool overwrite);
  Status write(const std::string& target, bool overwrite, const Progress& progress);
  Status write_partial(const std::string& partial, const Progress& progress);
  Status copy(Engine& target, const Progress& progress);
  Status copy_entry(Engine& target, const WalkedEntry& entry);

  Engine& source_;
  Platform& platform_;
};

}  // namespace mmcb
