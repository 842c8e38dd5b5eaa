#include "harness/simulated_folder.h"

#include <cerrno>

#include "harness/mutation.h"

namespace mmcb::harness {

void SimulatedFolder::change(const Names& names) {
  live_ = names;
  pending_.push_back(names);
  if (listener_) listener_();
}

SimulatedFolder::Content SimulatedFolder::target_after_cut(Random& random) const {
  const uint64_t changes = random.below(pending_.size() + 1);
  return changes == 0 ? durable_.target : pending_[changes - 1].target;
}

Status SimulatedFolder::open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  if (path == target_) {
    if (live_.target != Content::kOld) return Status(Code::kIo, "simulated folder: no such file", ENOENT);
    return SimulatedPlatform(*old_).open(path, mode, file);
  }
  if (!live_.partial) change({live_.target, true});
  return SimulatedPlatform::open(path, mode, file);
}

Status SimulatedFolder::sync_directory_of(const std::string&) {
  if (mutation.is_sync_removed(true) || pending_.empty()) return Status();
  durable_ = pending_.back();
  pending_.clear();
  if (listener_) listener_();
  return Status();
}

Status SimulatedFolder::rename(const std::string&, const std::string& to) {
  if (to != target_ || !live_.partial) return Status(Code::kIo, "simulated folder: no such file", ENOENT);
  change({Content::kNew, false});
  return Status();
}

Status SimulatedFolder::remove(const std::string& path) {
  if (path == target_ || !live_.partial) return Status(Code::kIo, "simulated folder: no such file", ENOENT);
  change({live_.target, false});
  return Status();
}

}  // namespace mmcb::harness
