// ImageChecker: opens images of the file as they are left by power cuts, kills, torn copies and damage, and checks that
// each is what was promised (invariants I1-I7). It has a disk of its own; the running engine is not touched.
//
// Every check throws Failure when an invariant does not hold.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/engine.h"
#include "harness/contents.h"
#include "harness/random.h"
#include "harness/world.h"

namespace mmcb::harness {

// What was found in an image that opened.
struct Outcome {
  bool is_failed_one = false;  // that of World::failed_epoch
  State state;
  uint64_t epoch = 0;              // the durable epoch that it opened at
  bool created = false;            // there was no file yet
  bool in_flight_applied = false;  // after a kill: the call in flight is in the file
  std::vector<Change> applied;     // that call, with the addresses found
};

// A copy that somebody made of the file while it was open, with the states that it may be opened in.
struct OldCopy {
  Image image;
  uint64_t boot = 0;
  std::vector<State> states;
  // Taken inside an opening, while the state page still told of the life before the crash: beside later pages it may bring
  // back an earlier state, with every checksum right.
  bool recovering = false;
};

// How many steps an opening took, and which of them stood between two swapped stores (mutation.h; 0: none).
struct OpeningSteps {
  uint64_t count = 0;
  uint64_t swapped = 0;
};

class ImageChecker {
 public:
  ImageChecker(const Options& options, uint64_t seed, Counters& counters);

  // The image of a power cut opens at a sync point, exactly.
  Outcome check_power_cut(const World& world, const Image& image);
  // After the process has died, and nothing else: every call that returned is there, the one in flight whole or not.
  Outcome check_kill(const World& world, const SimulatedDisk& disk);
  // After a failed sync: the sync point, whatever the boot id says.
  Outcome check_failed_sync(const World& world, const SimulatedDisk& disk, const Image& image);
  // A copy of the live file, made without care and opened under the same boot id.
  void check_torn_copy(const World& world, const Image& image, uint64_t boot);
  // The same with a copy made earlier in this boot: it, or parts of it, are put over the file as it is `now`.
  void check_restored_copy(const World& world, const OldCopy& old, const Image& now);
  // Damages an image and opens it: never wrong bytes, never a silent loss. `older` may be null.
  void check_rot(const World& world, Image image, uint64_t boot, const OldCopy* older);

  // Which of the optional second parts a check has; drawn by chance, off for the exhaustive mode.
  void set_extras(bool extras) { extras_ = extras; }
  // How many of a hundred damaged images are opened with recovery 'salvage'.
  void set_salvage_share(uint64_t percent) { salvage_share_ = percent; }

 private:
  // Everything that opening gives.
  struct Opened {
    Status status;
    std::unique_ptr<Engine> engine;
    Contents contents;
    uint64_t epoch() const { return engine->recovery().durable_epoch; }
  };

  // For as long as it lives, openings scan: whoever takes saved tables meets damage, and a mixture of two states, when he reads.
  class ScanScope {
   public:
    explicit ScanScope(Options& options) : options_(options), before_(options.saved_tables_from) {
      options.saved_tables_from = Options::kNoSavedTables;
    }
    ~ScanScope() { options_.saved_tables_from = before_; }
    ScanScope(const ScanScope&) = delete;
    ScanScope& operator=(const ScanScope&) = delete;

   private:
    Options& options_;
    const uint64_t before_;
  };

  Opened open(RecoveryMode mode, bool tolerant);
  Opened must_open();
  void reset(const Image& image, uint64_t boot);
  [[noreturn]] void fail(const std::string& what) const;
  // What the opening said, and what was expected, for a failure's text.
  static std::string describe(const World& world, const Opened& opened);
  void expect_no_difference(const Contents& contents, const State& state, const std::string& what) const;

  Outcome judge_power_cut(const World& world, const Opened& opened) const;
  Outcome judge_salvage(const World& world, const Opened& opened) const;
  Outcome judge_kill(const World& world, const Opened& opened) const;
  bool is_prefix(const World& world, const Contents& contents) const;
  static bool reports_loss(const RecoveryReport& report);

  void extras_after(const World& world, Opened opened, const Outcome& outcome, const SimulatedDisk* disk,
                    const Image& image, const OpeningSteps& steps);
  void reopen(Opened opened, const Outcome& outcome);
  void go_on(Opened opened, const Outcome& outcome);
  void cut_again(const World& world, const Outcome& first, const SimulatedDisk* disk, const Image& image,
                 const OpeningSteps& steps);
  bool damage(Image* image, const Image* older);
  void expect_nothing_revived(const World& world, const State& state) const;
  void verify(const Opened& opened, bool damaged);

  Options options_;
  Random random_;
  Counters& counters_;
  SimulatedDisk disk_;
  SimulatedPlatform platform_;
  bool extras_ = true;
  uint64_t salvage_share_ = 50;
  const char* kind_ = "";
  const Image* image_ = nullptr;
  uint64_t next_boot_ = 1000;
};

}  // namespace mmcb::harness
