// What the policies do about a file, by its figures.
#include "core/compaction_trigger.h"

#include <doctest/doctest.h>

using namespace mmcb;

namespace {

constexpr uint64_t kMiB = 1 << 20;

Options with(CompactionPolicy policy) {
  Options options;
  options.compaction = policy;
  return options;
}

// A file of 100 MiB: what is neither garbage nor free serves somebody.
Stats figures(uint64_t count, uint64_t garbage_mib, uint64_t free_mib) {
  Stats stats;
  stats.count = count;
  stats.adds = count;
  stats.file_size = 100 * kMiB;
  stats.segments = 50;
  stats.garbage_bytes = garbage_mib * kMiB;
  stats.free_bytes = free_mib * kMiB;
  return stats;
}

// So many entries fewer; the garbage that they leave, in MiB.
void remove(Stats* stats, uint64_t entries, uint64_t garbage_mib) {
  stats->count -= entries;
  stats->removes += entries;
  stats->garbage_bytes += garbage_mib * kMiB;
}

using Goal = Compactor::Goal;

}  // namespace

TEST_CASE("policy 'disabled' never compacts, 'time' whenever there is garbage") {
  CompactionTrigger trigger;
  const Stats much = figures(1000, 60, 0);
  CHECK_FALSE(trigger.ask(with(CompactionPolicy::kDisabled), much).has_value());
  CHECK(trigger.ask(with(CompactionPolicy::kTime), much) == Goal::kGarbage);
  CHECK_FALSE(trigger.ask(with(CompactionPolicy::kTime), figures(1000, 0, 60)).has_value());
}

TEST_CASE(
    "policy 'space' compacts where there is much garbage and little free, and moves together what is mostly unused") {
  const Options space = with(CompactionPolicy::kSpace);
  CompactionTrigger trigger;
  CHECK_FALSE(trigger.ask(space, figures(1000, 39, 0)).has_value());
  CHECK(trigger.ask(space, figures(1000, 40, 0)) == Goal::kGarbage);
  CHECK_FALSE(trigger.ask(space, figures(1000, 30, 30)).has_value());
  CHECK(trigger.ask(space, figures(1000, 30, 40)) == Goal::kAll);
  CHECK_FALSE(trigger.ask(space, figures(1000, 30, 40)).has_value());  // the same state again
  Stats small = figures(1000, 0, 80);
  small.segments = 8;
  CHECK_FALSE(trigger.ask(space, small).has_value());
}

TEST_CASE("policy 'space' leaves a file alone that is being emptied, until that is over") {
  const Options space = with(CompactionPolicy::kSpace);
  CompactionTrigger trigger;
  Stats now = figures(1600, 35, 0);
  CHECK_FALSE(trigger.ask(space, now).has_value());
  remove(&now, 200, 10);
  CHECK_FALSE(trigger.ask(space, now).has_value());  // 200 of the 1400 that are left
  remove(&now, 200, 10);
  CHECK_FALSE(trigger.ask(space, now).has_value());
  CHECK(trigger.ask(space, now) == Goal::kGarbage);  // none since
  remove(&now, 70, 1);
  CHECK(trigger.ask(space, now) == Goal::kGarbage);  // a few: 70 of 1130
  remove(&now, 400, 10);
  now.adds += 400;
  now.count += 400;
  CHECK(trigger.ask(space, now) == Goal::kGarbage);  // as many came as went
  remove(&now, now.count, 30);
  CHECK(trigger.ask(space, now) == Goal::kGarbage);  // empty: nothing to wait for
}
