#include "harness/backup_run.h"

#include <cstdio>

#include "core/backup.h"
#include "core/sync_machine.h"
#include "harness/contents.h"
#include "harness/simulated_folder.h"

namespace mmcb::harness {
namespace {

constexpr const char* kTarget = "copy";

class BackupRun final : public StepListener {
 public:
  BackupRun(uint64_t seed, Counters& counters)
      : random_(seed ^ 0xbac0b),
        counters_(counters),
        source_disk_(seed),
        checker_disk_(seed ^ 0xd15c),
        source_(source_disk_) {
    source_disk_.set_inode(1);
    options_ = profile_of_seed(seed).options;
    options_.max_size = 0;
    ActivityScope activity(Activity::kCreating);
    if (!Engine::open(source_, "source", options_, Progress(), &engine_).ok()) std::abort();
  }

  void run(uint64_t backups) {
    for (uint64_t i = 0; i < backups; i++) {
      write(random_.below(40));
      if (random_.one_in(2) && !SyncMachine(*engine_).run().ok()) fail("a sync point of the source failed");
      back_up();
    }
  }

  uint64_t steps() const { return steps_; }
  Step last_step() const { return last_step_; }

 private:
  // Sees the engines' steps, and the folder's changes.
  void on_step(Step step) override {
    steps_++;
    last_step_ = step;
    if (!armed_) return;
    if (random_.percent(5)) file_->write_back_some();
    const bool always = step == Step::kSuperblockStored || step == Step::kSyncSuperblockDone || step == kStoresSwapped;
    if (always || random_.one_in(20)) check();
  }

  void back_up() {
    counters_.backups++;
    SimulatedDisk file(random_.next());
    SimulatedDisk old(random_.next());
    old.set_inode(2);
    file.leave_name_to_folder();
    const bool has_old = random_.one_in(2);
    SimulatedFolder folder(file, has_old ? &old : nullptr, kTarget);
    file_ = &file;
    folder_ = &folder;
    had_old_ = has_old;
    returned_ = false;
    expected_ = state_;
    folder.set_listener([this] {
      for (int i = 0; i < 4; i++) check();
    });
    const bool failing = random_.one_in(4);
    if (failing)
      random_.one_in(2) ? file.fail_sync_in(random_.between(1, 8)) : file.fail_allocate_in(random_.between(1, 4));
    Status status;
    {
      ListenerScope scope(this);
      ActivityScope activity(Activity::kBackup);
      armed_ = true;
      status = Backup(*engine_, folder).run(kTarget, has_old, [this](const char*, uint64_t, uint64_t) {
        armed_ = false;  // these are the source's steps
        write(random_.below(4));
        armed_ = true;
        return true;
      });
      armed_ = false;
    }
    if (!file.violation().empty()) fail("backup() broke a rule of the platform: " + file.violation());
    if (status.ok()) {
      returned_ = true;
      for (int i = 0; i < 8; i++) check();
    } else {
      if (!failing) fail(std::string("backup(): ") + code_name(status.code()) + " " + status.message());
      if (folder.is_littered()) fail("a backup that failed has left its unfinished file");
      if (folder.target_now() == SimulatedFolder::Content::kNew) fail("a backup that failed has replaced the target");
    }
    Contents contents;
    std::string wrong = read_contents(*engine_, false, &contents);
    if (wrong.empty()) wrong = difference(contents, state_);
    if (!wrong.empty()) fail("the source after a backup: " + wrong);
  }

  // The world stops here: what is under the target's name?
  void check() {
    ListenerScope quiet(nullptr);
    counters_.images++, counters_.backup_images++;
    const bool kill = random_.one_in(4);
    kind_ = kill ? "kill during a backup" : "power cut during a backup";
    using Content = SimulatedFolder::Content;
    const Content found = kill ? folder_->target_now() : folder_->target_after_cut(random_);
    if (found != Content::kNew) {
      if (returned_) fail("backup() has returned, and the target is not there");
      if (found == Content::kNothing && had_old_) fail("the older backup is gone, and the new one not there");
      return;
    }
    kill ? file_->live_image(&image_) : file_->make_image(&image_);
    checker_disk_.load(image_);
    checker_disk_.set_boot(++boot_);
    SimulatedPlatform platform(checker_disk_);
    ActivityScope activity(Activity::kOpening);
    std::unique_ptr<Engine> copy;
    const Status status = Engine::open(platform, kTarget, options_, Progress(), &copy);
    if (!status.ok()) fail(std::string("the target is refused: ") + code_name(status.code()) + " " + status.message());
    if (copy->recovery().status != RecoveryStatus::kClean) fail("the target was not closed in order");
    Contents contents;
    std::string wrong = read_contents(*copy, false, &contents);
    if (wrong.empty()) wrong = difference(contents, expected_);
    if (!wrong.empty()) fail("the target is not the state when the backup began: " + wrong);
    image_.clear();
  }

  void write(uint64_t calls) {
    for (; calls > 0; calls--) {
      mutation.forget_store();
      const Value value{++next_value_, random_.below(random_.one_in(10) ? 5000 : 300)};
      bytes_.resize(value.length);
      write_value(value, bytes_.data());
      const uint64_t roll = random_.below(10);
      if (roll < 5 || state_.named.empty()) {
        Address address;
        if (!engine_->add(bytes_, &address).ok()) continue;  // the disk is full
        state_.named.emplace({Kind::kPlain, address.to_integer()}, {value, address.to_integer()});
        continue;
      }
      const auto victim = state_.named.begin() + static_cast<std::ptrdiff_t>(random_.below(state_.named.size()));
      const Address address = Address::from_integer(victim->second.address);
      if (roll < 8 && state_.named.size() < 150) {
        if (engine_->update(address, bytes_).ok()) victim->second.value = value;
      } else if (engine_->remove(address).ok()) {
        state_.named.erase(victim);
      }
    }
  }

  [[noreturn]] void fail(const std::string& what) const { throw Failure{what, kind_, image_}; }

  Random random_;
  Counters& counters_;
  Options options_;
  SimulatedDisk source_disk_;
  SimulatedDisk checker_disk_;
  SimulatedPlatform source_;
  std::unique_ptr<Engine> engine_;
  State state_;
  State expected_;
  SimulatedDisk* file_ = nullptr;
  SimulatedFolder* folder_ = nullptr;
  bool armed_ = false;
  bool had_old_ = false;
  bool returned_ = false;
  uint64_t next_value_ = 0;
  uint64_t boot_ = 1;
  uint64_t steps_ = 0;
  Step last_step_ = Step::kCount;
  const char* kind_ = "backup";
  Image image_;
  std::vector<std::byte> bytes_;
};

}  // namespace

void run_backup_seed(uint64_t seed, uint64_t backups, const std::string& dump, Result& result) {
  BackupRun run(seed, result.counters);
  try {
    run.run(backups);
  } catch (const Failure& failure) {
    report_failure(failure, seed, run.steps(), run.last_step(), dump, result);
  }
  result.finished = true;
}

int run_backups(const Arguments& arguments) {
  constexpr uint64_t kBackups = 20;
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Result> results = run_seeds(
      arguments, [&](uint64_t seed, Result& result) { run_backup_seed(seed, kBackups, arguments.dump, result); });
  const auto again = [](const std::string& seed) { return "backup --seeds " + seed + ".." + seed; };
  Counters total;
  const uint64_t failures = sum_up(results, arguments, again, &total);
  std::printf("build %s\nbackups %llu, images %llu, %llu seeds, %.1f s: %s\n", build_hash().c_str(),
              printable(total.backups), printable(total.backup_images), printable(arguments.seeds()), since(start),
              failures != 0 ? "FAILED" : "ok");
  return print_verdict(results.size() - failures, failures);
}

}  // namespace mmcb::harness
