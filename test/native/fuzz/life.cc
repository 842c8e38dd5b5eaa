#include "fuzz/life.h"

#include <algorithm>

#include "core/backup.h"

namespace mmcb::fuzz {
namespace {

Life* current = nullptr;

// Versions that a snapshot is watched by.
constexpr size_t kWatched = 12;

}  // namespace

Life::Life(Machine& machine, Machine& aside, const Options& options)
    : machine_(machine), aside_(aside), options_(options) {
  current = this;
  step_hook = on_step;
  machine_.set_boot(boot_);
}

Life::~Life() {
  step_hook = nullptr;
  current = nullptr;
  machine_.die();
  drop();
}

void Life::on_step(Step step) {
  Life& life = *current;
  if (life.stopped_) return;
  if (step == Step::kSuperblockStored) life.possible_.push_back(life.syncing_);
  if (life.steps_to_live_ == 0 || --life.steps_to_live_ != 0) return;
  life.stopped_ = true;
  life.machine_.die();
  throw Stopped();
}

template <typename Call>
void Life::guard(Call&& call) {
  try {
    call();
  } catch (const Stopped&) {
    drop();
  }
}

void Life::drop() {
  compactor_.reset();
  sync_.reset();
  snapshots_.clear();
  engine_.reset();
}

void Life::must(const Status& status, const char* what) const {
  if (!status.ok()) fail(std::string(what) + ": " + describe(status));
}

// ---- Opening -----------------------------------------------------------------------------------------------------------

void Life::begin() {
  guard([&] { open(false); });
}

// Opening needs no room, on a full disk neither. Where the file system asks for some all the same, it is refused and has
// changed nothing, and with room it opens.
Status Life::try_open() {
  const uint64_t refusals = machine_.needless_refusals();
  const Image before = machine_.is_full() ? machine_.live("file") : Image();
  Status status = Engine::open(machine_, "file", options_, nullptr, &engine_);
  if (status.code() != Code::kNoSpace || machine_.needless_refusals() == refusals) return status;
  explain("refused: %s", describe(status).c_str());
  if (machine_.live("file") != before) fail("a file was changed that could not be opened on a full disk");
  machine_.make_room();
  return Engine::open(machine_, "file", options_, nullptr, &engine_);
}

void Life::open(bool clean) {
  syncing_ = {0, player_.model()};
  must(try_open(), "open()");
  const RecoveryReport& report = engine_->recovery();
  if (clean && report.status != RecoveryStatus::kClean) fail("closed in order, and not clean");
  const uint64_t epoch = engine_->stats().durable_epoch;
  explain("opened: status %d, durable epoch %llu", static_cast<int>(report.status),
          static_cast<unsigned long long>(epoch));
  if (epoch < durable_.epoch) fail("the durable epoch has gone back");
  if (epoch != report.durable_epoch) {
    durable_ = {epoch, player_.model()};  // recovery has made a sync point
  } else if (epoch != durable_.epoch) {
    const auto same = [&](const Point& point) { return point.epoch == epoch; };
    const auto point = std::find_if(possible_.begin(), possible_.end(), same);
    durable_ = point != possible_.end() ? *point : Point{epoch, player_.model()};
  }
  possible_.clear();
  salvaging_ = false;
  sync_ = std::make_unique<SyncMachine>(*engine_);
  compaction_waits_ = false;
  check();
}

// What is left is opened in a copy first. That tells what the file holds; the file itself may then stop again.
void Life::look_aside(Crash crash) {
  drop();
  const Image image = machine_.live("file");
  aside_.reset(0xa51de + boot_);
  aside_.set_boot(boot_);
  aside_.put("file", image);
  const uint64_t steps = std::exchange(steps_to_live_, 0);
  stopped_ = true;  // so that the steps of the copy do not count
  std::unique_ptr<Engine> engine;
  must(Engine::open(aside_, "file", options_, nullptr, &engine), "open() after a crash");
  const Model found = read_model(*engine);
  judge(crash, found, engine->recovery());
  if (std::string errors = verify(*engine); !errors.empty() && !quarantined_) fail("verify after a crash: " + errors);
  engine.reset();
  steps_to_live_ = steps;
  stopped_ = false;
  machine_.revive();
  guard([&] { open(false); });
}

void Life::judge(Crash crash, const Model& found, const RecoveryReport& report) {
  explain("aside: status %d, epoch %llu, %zu entries", static_cast<int>(report.status),
          static_cast<unsigned long long>(report.durable_epoch), found.size());
  const bool salvaged = report.status == RecoveryStatus::kSalvaged;
  if (salvaged && !process_mode()) fail("salvaged, in durability 'interval'");
  if (report.quarantined != 0 && !salvaged && !quarantined_) fail("damage is reported where there is none");
  quarantined_ = quarantined_ || report.quarantined != 0;
  if (crash == Crash::kKill && !salvaging_ && !salvaged) {
    if (!player_.settle(found)) fail("after a kill: " + difference(found, player_.model()));
    return;
  }
  if (salvaged || salvaging_) {
    // Only what some call has written, but no more than that can be said.
    for (const auto& [address, record] : found) {
      if (!player_.was_written(record)) fail("salvage made up address " + std::to_string(address));
    }
    salvaging_ = true;
  } else {
    const auto same = [&](const Point& point) { return difference(found, point.model).empty(); };
    if (!same(durable_) && std::none_of(possible_.begin(), possible_.end(), same)) {
      fail("not the last sync point: " + difference(found, durable_.model));
    }
  }
  player_.reset(found);
  // A failed sync leaves a page cache that may hold more than the disk: there, the last sync point stays possible.
  if (crash == Crash::kPowerCut || salvaging_) {
    durable_.model = found;
    durable_.epoch = report.status == RecoveryStatus::kCreated ? 0 : report.durable_epoch;
    possible_.clear();
  }
}

void Life::survive_kill() { look_aside(Crash::kKill); }

void Life::survive_power_cut(uint8_t changes, const Machine::Survival& survival) {
  machine_.cut_power(changes, survival);
  machine_.set_boot(++boot_);
  look_aside(Crash::kPowerCut);
}

void Life::stop() {
  machine_.die();
  stopped_ = true;
  drop();
}

// ---- While it is open --------------------------------------------------------------------------------------------------

void Life::act(uint8_t type, uint16_t which, uint32_t how) {
  guard([&] { player_.act(*engine_, type, which, how); });
}

void Life::begin_sync(bool closing) {
  syncing_.model = player_.model();
  must(sync_->begin(closing), "SyncMachine::begin()");
  syncing_.epoch = sync_->epoch();
}

void Life::sync_step() {
  guard([&] {
    if (sync_->phase() == SyncMachine::Phase::kIdle) return begin_sync(false);
    must(sync_->step(), "SyncMachine::step()");
    if (sync_->phase() != SyncMachine::Phase::kIdle) return;
    durable_ = syncing_;
    possible_.clear();
    compaction_waits_ = false;
  });
}

void Life::sync_all() {
  while (!stopped_ && sync_->phase() != SyncMachine::Phase::kIdle) sync_step();
}

void Life::compaction_step(uint32_t how) {
  if (compactor_ != nullptr && compaction_waits_) return sync_step();
  guard([&] {
    if (compactor_ == nullptr) {
      static constexpr Compactor::Goal kGoals[] = {Compactor::Goal::kAll, Compactor::Goal::kGarbage,
                                                   Compactor::Goal::kPressure};
      compactor_ = std::make_unique<Compactor>(*engine_);
      compactor_->begin(kGoals[how % 3]);
    }
    Compactor::Next next = Compactor::Next::kDone;
    const Status status = compactor_->step(how % 20000, &next);
    if (!status.ok() && status.code() != Code::kNoSpace && status.code() != Code::kFull) must(status, "compaction");
    compaction_waits_ = status.ok() && next == Compactor::Next::kNeedsSync;
    if (status.ok() && next != Compactor::Next::kDone) return;
    compactor_->abandon();
    compactor_.reset();
  });
}

void Life::open_snapshot() {
  if (snapshots_.size() >= 3) return close_snapshots();
  Watched watched;
  must(engine_->open_snapshot(&watched.snapshot), "open_snapshot()");
  if (watched.snapshot.count != player_.model().size()) fail("a snapshot counts other than the model");
  for (const auto& [address, record] : player_.model()) {
    if (watched.versions.size() == kWatched) break;
    EntryInfo info;
    must(engine_->info(Address::from_integer(address), &info), "info()");
    watched.versions.emplace_back(info.offset, record.data);
  }
  snapshots_.push_back(std::move(watched));
}

void Life::check_versions() {
  for (const Watched& watched : snapshots_) {
    for (const auto& [offset, data] : watched.versions) {
      std::string copy(data.size() + 1, '\0');
      uint64_t copied = 0;
      must(engine_->read_version(offset, 0, {reinterpret_cast<std::byte*>(copy.data()), copy.size()}, &copied),
           "read_version()");
      if (copied != data.size() || copy.compare(0, copied, data) != 0) fail("a version of a snapshot has changed");
    }
  }
}

void Life::close_snapshots() {
  check_versions();
  for (const Watched& watched : snapshots_) engine_->close_snapshot(watched.snapshot);
  snapshots_.clear();
}

void Life::check() {
  if (std::string wrong = difference(read_model(*engine_), player_.model()); !wrong.empty()) fail(wrong);
  if (std::string errors = verify(*engine_); !errors.empty() && !quarantined_) fail("verify: " + errors);
  check_versions();
}

// Its steps are not those of the file: it cannot be stopped here.
void Life::back_up() {
  const uint64_t steps = std::exchange(steps_to_live_, 0);
  const std::vector<Point> possible = possible_;
  must(Backup(*engine_, aside_).run("copy", true, nullptr), "backup");
  std::unique_ptr<Engine> copy;
  must(Engine::open(aside_, "copy", options_, nullptr, &copy), "opening the backup");
  if (std::string wrong = difference(read_model(*copy), player_.model()); !wrong.empty()) fail("backup: " + wrong);
  copy.reset();
  aside_.erase("copy");
  possible_ = possible;
  steps_to_live_ = steps;
}

void Life::close_and_open() {
  close_snapshots();
  if (compactor_ != nullptr) compactor_->abandon();
  compactor_.reset();
  sync_all();
  if (stopped_) return;
  guard([&] { begin_sync(true); });
  sync_all();
  guard([&] {
    if (stopped_) return;
    must(engine_->trim(false), "trim()");
    drop();
    open(true);
  });
}

void Life::fail_sync(uint64_t nth, const Machine::Survival& fate) {
  sync_all();
  if (stopped_) return;
  // The world stops afterwards and not in between: up to the failure it would only have been a kill.
  const uint64_t steps = std::exchange(steps_to_live_, 0);
  machine_.fail_sync_in(nth, fate);
  begin_sync(false);
  Status status;
  while (status.ok() && sync_->phase() != SyncMachine::Phase::kIdle) status = sync_->step();
  if (status.ok()) fail("a sync point succeeded although the disk failed");
  Address address;
  if (engine_->add({}, &address).code() != Code::kFailed) fail("a write after a failed sync is not refused");
  if (std::string wrong = difference(read_model(*engine_), player_.model()); !wrong.empty())
    fail("after a failed sync: " + wrong);
  steps_to_live_ = steps;
  machine_.die();
  drop();
  machine_.evict_lost();
  look_aside(Crash::kFailedSync);
}

}  // namespace mmcb::fuzz
