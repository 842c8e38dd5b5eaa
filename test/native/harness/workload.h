// Workload: one engine and everything that is done to it, by chance: single calls, batches, sync points and compaction
// step by step with other calls in between, snapshots, closing and opening again, failing disks. Every call is told to the
// oracle before it is made and when it has returned.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/compactor.h"
#include "core/engine.h"
#include "core/saved_tables.h"
#include "core/sync_machine.h"
#include "harness/contents.h"
#include "harness/random.h"
#include "harness/world.h"

namespace mmcb::harness {

// What a run is like.
struct Profile {
  Options options;
  uint64_t names = 60;         // entries are kept near this number
  uint64_t short_value = 300;  // most values are shorter than this
  uint64_t long_value = 2500;  // few reach this
  bool huge_values = true;     // wider than the journal, wider than a segment
  bool faults = true;          // failing syncs, full disks
  uint64_t wide_values = 1;    // in three hundred of all values: around the size of a segment
  // How often things happen, in thousandths of all calls.
  uint64_t batches = 60;
  uint64_t clears = 3;
  uint64_t syncs = 170;
  uint64_t compactions = 80;
  uint64_t failing_syncs = 5;
  uint64_t closings = 5;
  uint64_t views = 12;
  uint64_t long_batches = 20;  // in thousandths of the batches: too long for the journal
  // What images are taken for, in hundredths of them; the others are those of power cuts.
  uint64_t kills = 25;
  uint64_t torn_copies = 10;
  uint64_t rot = 10;
  uint64_t restored_copies = 4;
  uint64_t salvage = 50;          // in hundredths of the damaged ones: opened with recovery 'salvage'
  uint64_t image_gap = 160;       // steps between two images, at most
  uint64_t longest_life = 12000;  // steps between two crashes, at most
  uint64_t start_over = 25;       // one crash in so many leaves nothing of the file
};

class Workload {
 public:
  Workload(const Profile& profile, uint64_t seed, SimulatedDisk& disk, World& world, Counters& counters);

  // Opens the file and checks it against the oracle. `clean`: it was closed in order.
  void open(bool clean);
  // Does one thing. Throws Failure; throws Crash{kFailedSync} where the disk failed and the process goes down with it.
  void act();
  // Inside a call that changes entries: the sync point under way goes on, as its own thread would. Only those phases that
  // take no lock. False where there is nothing to do.
  bool sync_beside_call();
  // Throws the engine away after a crash. The disk is dead.
  void abandon();
  // Reads everything and compares.
  void verify();

 private:
  struct Watched {
    Engine::Snapshot snapshot;
    std::vector<std::pair<uint64_t, Value>> versions;  // offset, and what is there
  };

  // A reader that stays pinned while others go on: what it looks at stays where it is.
  struct View {
    ReaderPin* pin = nullptr;  // null: none
    Name name;
    Value value;
    Bytes bytes;
  };

  void add();
  void update();
  void remove();
  void set();
  void erase();
  void batch();
  void clear();
  void sync_notch();
  void sync_all();
  void compaction_notch();
  // False where it found no room to move anything to.
  bool compact_all();
  void open_snapshot();
  void check_snapshot();
  void close_snapshots();
  void open_view();
  void close_view();
  void close_and_open();
  void fail_a_sync();

  // Makes a call that the oracle has been told of. Returns true when it was done.
  bool settle(const Status& status, const std::vector<Change>& changes, const char* what);
  void make_room();
  // An address names one entry for good.
  void expect_fresh(uint64_t address) const;
  void begin_sync(bool closing);
  Status step_machine();
  // The disk has failed, and the process goes down with it.
  [[noreturn]] void go_down();
  [[noreturn]] void fail(const std::string& what) const { throw Failure{what, "running engine", Image()}; }

  Value fresh_value();
  Bytes bytes_of(const Value& value, std::vector<std::byte>* buffer) const;
  Name fresh_key(Kind kind);
  // A name that the file holds now; false if it holds none.
  bool any_name(const State& state, Name* name, Held* held);

  const Profile profile_;
  Random random_;
  SimulatedDisk& disk_;
  SimulatedPlatform platform_;
  World& world_;
  Counters& counters_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SyncMachine> machine_;
  std::unique_ptr<Compactor> compactor_;
  bool compaction_waits_ = false;
  std::vector<Watched> snapshots_;
  View view_;
  bool in_machine_ = false;
  uint64_t epoch_ = 0;
  uint64_t next_value_ = 1;
  bool making_room_ = false;
};

}  // namespace mmcb::harness
