// Chain: kill after kill on one file, each followed by a check of everything that was acknowledged.
//
// Ownership: a chain belongs to its process, which has no other thread (it forks). Its file goes away with a chain that
// found nothing wrong; of one that did, it stays as the failure left it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "core/options.h"
#include "harness/contents.h"
#include "harness/random.h"
#include "kill/shared.h"

namespace mmcb::harness::killing {

// What stays the same for the whole of a chain; what else there is to choose is drawn anew with each fresh file.
struct Setting {
  const char* name;
  bool by_step;  // the child kills itself at a chosen or random step; else it is killed at a random moment
  Durability durability;
  unsigned lanes;  // threads that write
};

struct Tally {
  uint64_t kills = 0;
  uint64_t files = 0;
  uint64_t calls = 0;          // acknowledged, and found
  uint64_t while_opening = 0;  // before the file was open: in creation or recovery
  uint64_t in_a_call = 0;      // at least one thread was
  uint64_t in_several = 0;     // several were
  uint64_t in[Call::kTypes] = {};
  uint64_t found_done = 0;  // calls that never returned and are in the file all the same
  uint64_t while_compacting = 0;
  uint64_t while_syncing = 0;
  uint64_t only_looked_at = 0;  // so that the next child recovers the file
  uint64_t closed_clean = 0;
  uint64_t largest_file = 0;
  uint64_t largest_rest = 0;  // that was in use when a file had been compacted in the end
  uint64_t steps[static_cast<size_t>(Step::kCount) + 1] = {};

  void add(const Tally& other);
};

class Chain {
 public:
  Chain(std::string path, const Setting& setting, uint64_t seed, Shared& shared, Tally& tally);

  // Dies where something is wrong.
  void run(uint64_t kills);

 private:
  void start_file();
  void kill_one();
  void choose_moment();
  pid_t await_moment(pid_t child, uint64_t opened, int* status);
  void check();
  void check_space();
  void settle(const Contents& contents);
  [[noreturn]] void fail(const std::string& what) const;

  const std::string path_;
  const Setting setting_;
  const uint64_t seed_;
  Random random_;
  Shared& shared_;
  Tally& tally_;
  Options options_;
  bool compacts_ = false;        // a thread of its own does nothing else
  bool is_new_ = true;           // no child has got the file open yet
  bool is_unrecovered_ = false;  // the last look at the file was no more than that
  State state_;
  uint64_t calls_[kMaxLanes] = {};  // those in state_
};

}  // namespace mmcb::harness::killing
