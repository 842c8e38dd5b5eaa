// Life: one file through openings, calls, sync points, crashes and recoveries, held against a Model at every opening. What
// happens, and when, is told by its callers; Life knows what may be found afterwards:
//
//   after a kill         every call that returned, and the one in flight whole or not at all
//   after a power cut    the last sync point, or a later one whose superblock had been stored
//   after a failed sync  the same, whatever the page cache shows
// In durability `process` the last two may cost; then the loss is told, and nothing is made up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/compactor.h"
#include "core/engine.h"
#include "core/step.h"
#include "core/sync_machine.h"
#include "fuzz/machine.h"
#include "fuzz/player.h"

namespace mmcb::fuzz {

class Life {
 public:
  // `aside` is where a crash is looked at before the file is opened again.
  Life(Machine& machine, Machine& aside, const Options& options);
  ~Life();
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  // The first opening; creates the file.
  void begin();

  // ---- While the file is open ----
  void act(uint8_t type, uint16_t which, uint32_t how);
  // One phase of a sync point; begins one where none is under way.
  void sync_step();
  void compaction_step(uint32_t how);
  void open_snapshot();
  void close_snapshots();
  void check();  // everything is as the model says, and verify finds nothing
  void back_up();
  void close_and_open();
  // The `nth` sync from now fails. The process ends, and the file is opened again.
  void fail_sync(uint64_t nth, const Machine::Survival& fate);

  // ---- The world stops ----
  // At the n-th step of the engine from now, inside whatever is going on then; 0: not at all.
  void stop_in(uint64_t steps) { steps_to_live_ = steps; }
  void stop();  // here and now
  // True once it has. Then only the next two may be called, and the opening that they make may be stopped again.
  bool stopped() const { return stopped_; }
  void survive_kill();
  // Of what was not on the disk, survives what is told.
  void survive_power_cut(uint8_t changes, const Machine::Survival& survival);

 private:
  enum class Crash : uint8_t { kNone, kKill, kPowerCut, kFailedSync };
  struct Stopped {};
  struct Point {
    uint64_t epoch = 0;
    Model model;
  };
  struct Watched {
    Engine::Snapshot snapshot;
    std::vector<std::pair<uint64_t, std::string>> versions;  // offset, and the data there
  };

  static void on_step(Step step);
  template <typename Call>
  void guard(Call&& call);
  void open(bool clean);
  Status try_open();
  void drop();
  void look_aside(Crash crash);
  void judge(Crash crash, const Model& found, const RecoveryReport& report);
  void begin_sync(bool closing);
  void sync_all();
  void check_versions();
  void must(const Status& status, const char* what) const;
  bool process_mode() const { return options_.durability == Durability::kProcess; }

  Machine& machine_;
  Machine& aside_;
  const Options options_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SyncMachine> sync_;
  std::unique_ptr<Compactor> compactor_;
  std::vector<Watched> snapshots_;
  Player player_{Model()};

  Point durable_;                // the last sync point that is on the disk for sure
  std::vector<Point> possible_;  // those whose superblock was stored since
  Point syncing_;                // the one under way, or what an opening makes durable
  bool compaction_waits_ = false;
  bool salvaging_ = false;    // an opening that salvages was cut short: what the file holds is not known
  bool quarantined_ = false;  // a salvage has set damage aside, and verify goes on finding it
  uint64_t steps_to_live_ = 0;
  bool stopped_ = false;
  uint8_t boot_ = 1;
};

}  // namespace mmcb::fuzz
