#include "harness/mutation.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "harness/simulated_disk.h"
#include "harness/world.h"

namespace mmcb::harness {
namespace {

std::vector<SimulatedDisk*>& watched() {
  static std::vector<SimulatedDisk*> disks;
  return disks;
}

StorePlace place_of(const StoreSite& site) {
  const char* const slash = std::strrchr(site.file, '/');
  return {std::string(slash != nullptr ? slash + 1 : site.file) + " " + site.function, site.line};
}

}  // namespace

void watch_stores_to(SimulatedDisk* disk) { watched().push_back(disk); }

void stop_watching(SimulatedDisk* disk) { std::erase(watched(), disk); }

HookScope::HookScope() {
  step_hook = [](Step step) { mutation.on_step(step); };
  store_hook = [](const StoreSite& site, std::byte* at, size_t length, bool done) {
    mutation.on_store(site, at, length, done);
  };
}

HookScope::~HookScope() {
  step_hook = nullptr;
  store_hook = nullptr;
}

void Mutation::on_step(Step step) {
  last_step_ = step;
  tell(step);
  last_step_ = step;  // an engine that the listener ran has had steps of its own
}

void Mutation::tell(Step step) {
  // What is being thrown away is not watched any more.
  if (current_listener == nullptr || std::uncaught_exceptions() != 0) return;
  const bool watching = swaps_ || enumerating_;
  Store last;
  if (watching) std::swap(last, last_);
  current_listener->on_step(step);
  if (watching) std::swap(last, last_);
}

void Mutation::on_store(const StoreSite& site, std::byte* at, size_t length, bool done) {
  bool in_file = false;
  if (!done) {
    for (SimulatedDisk* disk : watched()) in_file = disk->note_store(at, length) || in_file;
  }
  if (!swaps_ && !enumerating_) return;
  if (!done) {
    next_.length = in_file ? length : 0;
    if (!in_file) return;
    next_.site = site;
    next_.at = at;
    next_.before.assign(at, at + length);
    return;
  }
  if (next_.length == 0) return forget_store();
  // Stores to the same bytes keep their order on every machine.
  const bool overlap = next_.at < last_.at + last_.length && last_.at < next_.at + next_.length;
  std::swap(last_, next_);
  if (next_.length != 0 && !overlap) on_pair(next_, last_);
}

void Mutation::on_pair(const Store& first, const Store& second) {
  const StorePair pair{place_of(first.site), place_of(second.site)};
  if (enumerating_) pairs_seen_[pair]++;
  if (!swaps_ || pair.first != swapped_.first || pair.second != swapped_.second) return;
  const Store taken_back = first;
  const std::vector<std::byte> after(first.at, first.at + first.length);
  const auto store_noticed = [&](const std::vector<std::byte>& bytes) {
    for (SimulatedDisk* disk : watched()) disk->note_store(taken_back.at, taken_back.length);
    std::memcpy(taken_back.at, bytes.data(), bytes.size());
  };
  store_noticed(taken_back.before);
  swaps_made_++;
  tell(kStoresSwapped);
  store_noticed(after);
}

bool Mutation::is_sync_removed(bool of_directory) {
  if (removed_sync_.empty() && !enumerating_) return false;
  static constexpr const char* kActivities[] = {"running", "opening", "creating", "closing", "backup"};
  const char* const which = of_directory                            ? "directory"
                            : last_step_ == Step::kSyncBegun        ? "data"
                            : last_step_ == Step::kSuperblockStored ? "superblock"
                                                                    : "replayed";
  const std::string name = std::string(kActivities[static_cast<size_t>(activity)]) + ", " + which;
  if (enumerating_) syncs_seen_[name]++;
  return name == removed_sync_;
}

}  // namespace mmcb::harness
