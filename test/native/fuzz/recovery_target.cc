#include "fuzz/recovery_target.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>

#include "core/backup.h"
#include "core/compactor.h"
#include "core/sync_machine.h"
#include "fuzz/base_images.h"
#include "fuzz/image_edits.h"
#include "fuzz/player.h"

namespace mmcb::fuzz {
namespace {

// Choices of a case, from the bits of its second byte.
enum Mode : uint8_t {
  kSalvage = 1,
  kOtherBoot = 2,
  kOtherDurability = 4,
  kReadOnlyFirst = 8,
  kForged = 16,
  kFailSync = 32,  // the fault_at-th sync of the first opening fails
  kKill = 64,      // the process dies at the fault_at-th step of the first opening
  kBackup = 128,
};

struct Killed {};
uint64_t steps_to_live = 0;
bool sealed = false;  // an opening that fell had stored its superblock

// What becomes of one image.
class RecoveryCase {
 public:
  RecoveryCase(Machine& machine, const BaseImage& base, uint8_t mode) : machine_(machine), base_(base), mode_(mode) {}

  Image image;
  Damage damage;

  void run(uint8_t fault_at, uint8_t seed) {
    options_ = base_.options;
    sealed = false;
    if ((mode_ & kSalvage) != 0) options_.recovery = RecoveryMode::kSalvage;
    if ((mode_ & kOtherDurability) != 0) {
      const bool process = options_.durability == Durability::kProcess;
      options_.durability = process ? Durability::kInterval : Durability::kProcess;
    }
    machine_.put("file", image);
    machine_.set_boot((mode_ & kOtherBoot) != 0 ? 99 : 1);
    if ((mode_ & kReadOnlyFirst) != 0) open_read_only();
    if ((mode_ & (kFailSync | kKill)) != 0) open_and_fall(fault_at);
    open();
    if (engine_ == nullptr) return;
    play(seed);
    close_and_reopen();
  }

 private:
  bool forged() const { return (mode_ & kForged) != 0; }

  Status try_open(const Options& options) { return Engine::open(machine_, "file", options, nullptr, &engine_); }

  void expect_refusal(const Status& status, const Image& before, bool read_only = false) {
    switch (status.code()) {
      case Code::kCorrupt:
      case Code::kVersion: break;
      case Code::kNotMmcb:
        // What a creation cut short leaves becomes a store when it is opened for writing, and is none before.
        if (read_only && is_blank()) break;
        if (std::any_of(std::begin(kSuperblockOffset), std::end(kSuperblockOffset),
                        [&](uint64_t at) { return has_magic(before, at); }))
          fail("refused as not one of ours, and the magic is there");
        break;
      case Code::kFull:      // epochs or slots used up: only ever in a forged file
      case Code::kNoMemory:  // larger than the address space
        if (forged()) break;
        [[fallthrough]];
      default: fail("refused with " + describe(status));
    }
    if (machine_.live("file") != before) fail("a refused file was changed: " + describe(status));
  }

  void open_read_only() {
    Options options = options_;
    options.read_only = true;
    const Status status = try_open(options);
    if (!status.ok()) {
      expect_refusal(status, image, true);
    } else {
      const Model model = read_model(*engine_);
      judge(model);
      Address address;
      if (engine_->add({}, &address).code() != Code::kReadOnly) fail("a read-only store takes an entry");
      engine_.reset();
    }
    if (machine_.live("file") != image) fail("a file opened with readOnly was changed");
  }

  // An opening that does not come to its end. Nobody has been told of any loss yet.
  void open_and_fall(uint8_t fault_at) {
    if ((mode_ & kFailSync) != 0) machine_.fail_sync_in(1 + fault_at % 6);
    if ((mode_ & kKill) != 0) steps_to_live = 1 + fault_at;
    sealed = false;
    step_hook = [](Step step) {
      if (step == Step::kSuperblockStored) sealed = true;
      if (steps_to_live != 0 && --steps_to_live == 0) throw Killed{};
    };
    try {
      (void)try_open(options_);
    } catch (const Killed&) {
      machine_.die();
    }
    step_hook = nullptr;
    steps_to_live = 0;
    engine_.reset();
    machine_.revive();
  }

  void open() {
    const Image before = machine_.live("file");
    if (Status status = try_open(options_); !status.ok()) {
      explain("refused: %s", describe(status).c_str());
      engine_.reset();
      return expect_refusal(status, before);
    }
    const RecoveryReport& report = engine_->recovery();
    explain("opened: status %d, epoch %llu, %llu entries, lost %llu, quarantined %llu, discarded %llu",
            static_cast<int>(report.status), static_cast<unsigned long long>(report.durable_epoch),
            static_cast<unsigned long long>(report.entries), static_cast<unsigned long long>(report.lost),
            static_cast<unsigned long long>(report.quarantined), static_cast<unsigned long long>(report.discarded));
    const Model model = read_model(*engine_);
    judge(model);
    player_.reset(model);
    if (report.entries != model.size() && report.status != RecoveryStatus::kCreated)
      fail("the report counts other than the iteration");
    // What was damaged in an exact state has been put right.
    untouched_ = report.quarantined == 0 || report.status != RecoveryStatus::kSalvaged;
    expect_sound("after opening");
  }

  static bool has_magic(const Image& image, uint64_t at) {
    return at + (at == 0 ? kFileMagic.size() : Superblock::kSize) <= image.size() &&
           std::memcmp(image.data() + at, kFileMagic.data(), kFileMagic.size()) == 0;
  }

  // But for the place of the superblock that is written first.
  bool is_blank() const {
    for (size_t i = 0; i < image.size(); i++) {
      if (image[i] != std::byte{0} && (i < kPage || i >= kPage + Superblock::kSize)) return false;
    }
    return true;
  }

  static bool reports_loss(const RecoveryReport& report) {
    return report.status == RecoveryStatus::kSalvaged || report.lost != 0 || report.quarantined != 0;
  }

  // Damage is no reason to make things up, nor to lose them without a word. (Of a forged file nothing can be said.)
  void judge(const Model& model) const {
    if (forged()) return;
    const RecoveryReport& report = engine_->recovery();
    // All zeros is what a creation that was cut short leaves: that becomes a new file (docs/format.md, "Compatibility").
    if (report.status == RecoveryStatus::kCreated) {
      if (!is_blank()) fail("a file that is not blank was created anew");
      return;
    }
    for (const auto& [address, record] : model) {
      if (base_.written.count(fingerprint(address, record)) == 0)
        fail("address " + std::to_string(address) + " holds what was never written there");
    }
    if (reports_loss(report)) return;
    // What was salvaged is what the file holds, once a sync point says so; it died with the report in its hand.
    if (sealed) return;
    if (difference(model, base_.durable).empty()) return;
    if ((mode_ & kOtherBoot) == 0 &&
        (difference(model, base_.newest).empty() || difference(model, base_.in_flight).empty()))
      return;
    // Every sector of a sync point may have been lost, its superblock with them.
    if (damage.older && std::any_of(base_.before.begin(), base_.before.end(),
                                    [&](const Model& before) { return difference(model, before).empty(); }))
      return;
    fail("a loss that is not reported: " + difference(model, base_.durable));
  }

  void expect_sound(const char* when) {
    if (!untouched_) return;
    if (std::string errors = verify(*engine_); !errors.empty()) fail(std::string("verify ") + when + ": " + errors);
  }

  void must(const Status& status, const char* what) {
    if (!status.ok()) fail(std::string(what) + ": " + describe(status));
  }

  void compact() {
    Compactor compactor(*engine_);
    compactor.begin(Compactor::Goal::kAll);
    for (int rounds = 0;; rounds++) {
      if (rounds > 20'000) fail("compaction does not come to an end");
      Compactor::Next next = Compactor::Next::kDone;
      const Status status = compactor.step(1 << 16, &next);
      if (!status.ok() && status.code() != Code::kNoSpace && status.code() != Code::kFull) must(status, "compaction");
      if (!status.ok() || next == Compactor::Next::kDone) return compactor.abandon();
      if (next == Compactor::Next::kNeedsSync) must(SyncMachine(*engine_).run(), "sync");
    }
  }

  void back_up() {
    must(Backup(*engine_, machine_).run("copy", true, nullptr), "backup");
    Options options = options_;
    options.recovery = RecoveryMode::kStrict;
    std::unique_ptr<Engine> copy;
    must(Engine::open(machine_, "copy", options, nullptr, &copy), "opening the backup");
    if (std::string wrong = difference(read_model(*copy), player_.model()); !wrong.empty()) fail("backup: " + wrong);
    if (std::string errors = verify(*copy); !errors.empty()) fail("backup: verify: " + errors);
    copy.reset();
    machine_.erase("copy");
  }

  void play(uint8_t seed) {
    Dice dice(seed);
    for (uint64_t n = seed % 32; n > 0; n--) {
      player_.act(*engine_, static_cast<uint8_t>(dice.below(Player::kTypes)), static_cast<uint16_t>(dice.next()),
                  static_cast<uint32_t>(dice.next() >> 8));
      if (dice.one_in(8)) must(SyncMachine(*engine_).run(), "sync");
    }
    if ((seed & 32) != 0) compact();
    if ((mode_ & kBackup) != 0 && untouched_) back_up();
    expect_model("after further calls");
    expect_sound("after further calls");
  }

  void expect_model(const char* when) {
    if (std::string wrong = difference(read_model(*engine_), player_.model()); !wrong.empty())
      fail(std::string(when) + ": " + wrong);
  }

  // Whatever it was before: now it is a file like any other.
  void close_and_reopen() {
    must(SyncMachine(*engine_).run(true), "closing");
    must(engine_->trim(false), "trimming");
    engine_.reset();
    Options options = options_;
    options.recovery = RecoveryMode::kStrict;
    must(try_open(options), "opening again");
    if (engine_->recovery().status != RecoveryStatus::kClean) fail("closed in order, and not clean");
    expect_model("after closing and opening");
    expect_sound("after closing and opening");
    engine_.reset();
  }

  Machine& machine_;
  const BaseImage& base_;
  const uint8_t mode_;
  Options options_;
  std::unique_ptr<Engine> engine_;
  Player player_{Model()};
  bool untouched_ = false;  // no damage was left where it is: verify has nothing to find
};

}  // namespace

void run_recovery(const uint8_t* data, size_t size) {
  static Machine machine;
  Input input(data, size);
  const std::vector<BaseImage>& bases = base_images();
  const BaseImage& base = bases[input.u8() % bases.size()];
  const uint8_t mode = input.u8();
  const uint8_t fault_at = input.u8();
  const uint8_t repairs = input.u8();
  const uint8_t seed = input.u8();
  input.u8();
  input.u16();
  machine.reset(0xf11e);
  explain("base '%s', %s%s%s%s%s%s%s%s at %u, repairs %x, seed %u", base.name.c_str(),
          mode & kForged ? "forged" : "damaged", mode & kSalvage ? ", salvage" : ", strict",
          mode & kOtherBoot ? ", other boot" : ", same boot", mode & kOtherDurability ? ", other durability" : "",
          mode & kReadOnlyFirst ? ", read-only first" : "", mode & kFailSync ? ", failing sync" : "",
          mode & kKill ? ", kill" : "", mode & kBackup ? ", backup" : "", fault_at, repairs, seed);
  RecoveryCase one(machine, base, mode);
  one.image = base.image;
  if ((mode & kForged) != 0) {
    forge_image(input, base, repairs, &one.image);
  } else {
    one.damage = damage_image(input, base, &one.image);
  }
  one.run(fault_at, seed);
}

}  // namespace mmcb::fuzz
