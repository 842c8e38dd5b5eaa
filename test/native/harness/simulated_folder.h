// SimulatedFolder: a folder that a backup is written into. Up to two names: the target, which may have held an older backup
// before, and the file that is written beside it. Changes of names reach the disk in order, but late, unless the folder is
// synced; the contents of a file do not wait for its name, nor its name for them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "harness/simulated_platform.h"

namespace mmcb::harness {

class SimulatedFolder final : public SimulatedPlatform {
 public:
  // `file` is the one that will be written; `old` the one that stands under the target's name, or null.
  SimulatedFolder(SimulatedDisk& file, SimulatedDisk* old, std::string target)
      : SimulatedPlatform(file), old_(old), target_(std::move(target)) {
    live_.target = durable_.target = old != nullptr ? Content::kOld : Content::kNothing;
  }

  enum class Content : uint8_t { kNothing, kOld, kNew };
  // What the target's name leads to: now, or after a power cut, for which `random` chooses.
  Content target_now() const { return live_.target; }
  Content target_after_cut(Random& random) const;
  bool is_littered() const { return live_.partial; }

  // Called after each change of a name.
  void set_listener(std::function<void()> listener) { listener_ = std::move(listener); }

  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override;
  Status sync_directory_of(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;

 private:
  struct Names {
    Content target = Content::kNothing;
    bool partial = false;
  };
  void change(const Names& names);

  SimulatedDisk* const old_;
  const std::string target_;
  Names live_;
  Names durable_;
  std::vector<Names> pending_;  // what the folder will be, change by change
  std::function<void()> listener_;
};

}  // namespace mmcb::harness
