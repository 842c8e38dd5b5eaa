#include "core/compaction_trigger.h"

#include <utility>

namespace mmcb {
namespace {

// Policy 'space' moves a file of more segments than this together when more than this share of it serves nobody.
constexpr uint64_t kSmallFile = 8;
constexpr double kShrinkShare = 2.0 / 3;
// A file is being emptied when between two looks at it more went than came, by more than this share of what is left.
constexpr uint64_t kEmptyingShare = 16;

// Of an empty file there is nothing to move, and nothing to wait for.
bool is_being_emptied(uint64_t added, uint64_t removed, uint64_t left) {
  return left != 0 && removed > added && removed - added > left / kEmptyingShare;
}

}  // namespace

std::optional<Compactor::Goal> CompactionTrigger::ask(const Options& options, const Stats& now) {
  if (options.compaction == CompactionPolicy::kDisabled) return std::nullopt;
  if (options.compaction == CompactionPolicy::kTime) {
    return now.garbage_bytes != 0 ? std::optional(Compactor::Goal::kGarbage) : std::nullopt;
  }
  const uint64_t added = now.adds - std::exchange(adds_, now.adds);
  const uint64_t removed = now.removes - std::exchange(removes_, now.removes);
  // What would be moved now is gone soon, and its segments come free by themselves: once that is over, there is time.
  if (is_being_emptied(added, removed, now.count)) return std::nullopt;
  const auto file = static_cast<double>(now.file_size);
  const auto garbage = static_cast<double>(now.garbage_bytes);
  const auto free = static_cast<double>(now.free_bytes);
  if (garbage >= options.deletion_threshold * (file - free) && free < options.required_free_space * file) {
    return Compactor::Goal::kGarbage;
  }
  if (now.segments > kSmallFile && garbage + free > kShrinkShare * file && now.removes != shrunk_at_) {
    // Most of the file serves nobody: move what lives to its front and cut the rest off. Once per state of the file, in
    // case something (a snapshot, a long run) stands in the way.
    shrunk_at_ = now.removes;
    return Compactor::Goal::kAll;
  }
  return std::nullopt;
}

}  // namespace mmcb
