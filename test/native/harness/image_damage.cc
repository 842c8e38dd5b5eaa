// Images that no crash leaves: copies made without care, copies put back, and damage.
#include <algorithm>
#include <cstring>

#include "core/verify.h"
#include "harness/image_checker.h"

namespace mmcb::harness {

// ---- Copies --------------------------------------------------------------------------------------------------------------

void ImageChecker::check_torn_copy(const World& world, const Image& image, uint64_t boot) {
  kind_ = "torn copy";
  counters_.images++, counters_.torn_copies++;
  reset(image, boot);
  ListenerScope scope(nullptr);
  Opened opened = open(RecoveryMode::kStrict, false);
  if (!opened.status.ok()) {
    // With an unconfirmed superblock that is newer than some of the data. In this boot the power has not failed, so it is damage.
    const bool may_be_refused = world.unconfirmed || (world.syncing_at_once && world.superblock_stored);
    if (!may_be_refused || opened.status.code() != Code::kCorrupt)
      fail(std::string("refused: ") + code_name(opened.status.code()) + " " + opened.status.message());
    counters_.torn_refused++;
    return;
  }
  if (std::string wrong = check_stats(*opened.engine, opened.contents); !wrong.empty()) fail(wrong);
  if (difference(opened.contents, world.oracle.current()).empty()) return;
  if (world.oracle.in_flight() && difference(opened.contents, world.oracle.at(~0ull, true)).empty()) return;
  if (options_.durability == Durability::kProcess) {
    counters_.torn_rolled_back++;
    judge_salvage(world, opened);
    return;
  }
  const uint64_t epoch = opened.epoch();
  if ((world.may_open_at(epoch) && difference(opened.contents, world.oracle.at(epoch, false)).empty()) ||
      (world.may_go_back_to(epoch) && difference(opened.contents, world.oracle.before_durable()).empty())) {
    counters_.torn_rolled_back++;
    return;
  }
  if (!is_prefix(world, opened.contents))
    fail("a torn copy was accepted: it holds no state that ever was" + describe(world, opened));
  counters_.torn_prefixes++;
}

// Somebody puts an older copy back, or is interrupted while doing so, in the same boot. What opens is one of the states that
// either had; a mixture is refused.
void ImageChecker::check_restored_copy(const World& world, const OldCopy& old, const Image& now) {
  kind_ = "restored copy";
  const ScanScope scan(options_);
  counters_.images++, counters_.restored_copies++;
  Image image = old.image;
  const bool whole = random_.one_in(3) || old.recovering;
  if (!whole) {
    image.resize(std::max(old.image.size(), now.size()));
    const bool by_sector = random_.one_in(2);
    const uint64_t front = random_.below(now.size() / kDiskPage + 1) * kDiskPage;
    for (uint64_t at = 0; at + kDiskSector <= now.size(); at += kDiskSector) {
      if (by_sector ? random_.one_in(8) : at >= front) std::memcpy(image.data() + at, now.data() + at, kDiskSector);
    }
  }
  reset(image, old.boot);
  ListenerScope scope(nullptr);
  Opened opened = open(RecoveryMode::kStrict, false);
  if (!opened.status.ok()) {
    // A mixture may have no superblock at all.
    if (whole || (opened.status.code() != Code::kCorrupt && opened.status.code() != Code::kNotMmcb)) {
      fail(std::string("refused: ") + code_name(opened.status.code()) + " " + opened.status.message());
    }
    counters_.restored_refused++;
    return;
  }
  const bool reported = reports_loss(opened.engine->recovery());
  if (options_.durability == Durability::kProcess && reported) return;
  for (const State& state : old.states) {
    if (difference(opened.contents, state).empty()) return;
  }
  if (!is_prefix(world, opened.contents)) fail("a mixture of two copies was accepted" + describe(world, opened));
}

// ---- Damage --------------------------------------------------------------------------------------------------------------

// Returns true where what is there now was there once, at that place, under a checksum that holds: only what is missing
// can tell.
bool ImageChecker::damage(Image* image, const Image* older) {
  const uint64_t sectors = image->size() / kDiskSector;
  if (sectors == 0) return false;
  if (random_.one_in(20)) {
    // Not to nothing: an empty file is a new file.
    const uint64_t unit = random_.one_in(2) ? kDiskSector : 1;
    image->resize(std::max(random_.below(image->size()) / unit * unit, kDiskSector));
    return false;
  }
  // Half of the damage hits the parts of the file that are in use most: its beginning.
  const auto sector = [&] {
    return random_.below(random_.one_in(2) ? sectors : std::min<uint64_t>(sectors, 64)) * kDiskSector;
  };
  bool stale = false;
  const uint64_t faults = random_.between(1, 4);
  for (uint64_t n = faults; n > 0; n--) {
    const uint64_t offset = sector();
    std::byte* const at = image->data() + offset;
    const uint64_t page = offset / kDiskPage * kDiskPage;
    // A state page from when the store was empty vouches for a file in which nothing is found. That takes two faults.
    const bool was_there = older != nullptr && page >= kStateOffset && (page != kStateOffset || faults == 1) &&
                           page + kDiskPage <= std::min(older->size(), image->size());
    switch (random_.below(7)) {
      case 4:  // a page is lost
        if (page + kDiskPage <= image->size()) std::memset(image->data() + page, 0, kDiskPage);
        break;
      case 5:  // a write never came: what was there before is there. (Of superblocks: as if the power had failed before it.)
        if (!was_there) break;
        std::memcpy(image->data() + page, older->data() + page, kDiskPage);
        stale = true;
        break;
      case 6: {  // a write went astray: it is missing at its own place, and has overwritten another
        if (!was_there) break;
        std::memcpy(image->data() + sector(), at, kDiskSector);
        std::memcpy(at, older->data() + offset, kDiskSector);
        stale = true;
        break;
      }
      case 0: at[random_.below(kDiskSector)] ^= static_cast<std::byte>(1u << random_.below(8)); break;
      case 1: std::memset(at, random_.one_in(2) ? 0 : 0xff, kDiskSector); break;
      case 2: std::memmove(at, image->data() + sector(), kDiskSector); break;
      default: random_.fill(at, random_.between(1, kDiskSector)); break;
    }
  }
  return stale;
}

void ImageChecker::check_rot(const World& world, Image image, uint64_t boot, const OldCopy* older) {
  kind_ = "rot";
  const ScanScope scan(options_);
  counters_.images++, counters_.rot++;
  const bool stale = damage(&image, older != nullptr ? &older->image : nullptr);
  const Image damaged = image;
  const bool same_boot = random_.one_in(2);
  reset(damaged, same_boot ? boot : next_boot_++);
  ListenerScope scope(nullptr);
  const bool salvage = random_.percent(salvage_share_) || options_.durability == Durability::kProcess;
  Opened opened = open(salvage ? RecoveryMode::kSalvage : RecoveryMode::kStrict, true);
  if (!opened.status.ok()) {
    const Code code = opened.status.code();
    if (code != Code::kCorrupt && code != Code::kNotMmcb && code != Code::kVersion) {
      fail(std::string("damage is refused with ") + code_name(code) + " " + opened.status.message());
    }
    Image after;
    disk_.live_image(&after);
    if (after != damaged) fail("a refused file was changed");
    counters_.rot_refused++;
    image_ = nullptr;
    return;
  }
  const bool reported = reports_loss(opened.engine->recovery()) || opened.contents.unreadable != 0;
  if (reported) counters_.rot_reported++;
  State state;
  if (std::string wrong = state_of(opened.contents, world.oracle, &state); !wrong.empty()) fail(wrong);
  if (!stale) expect_nothing_revived(world, state);
  if (random_.one_in(4)) verify(opened, reported);
  const uint64_t epoch = opened.epoch();
  const bool exact =
      difference(opened.contents, world.oracle.at(world.oracle.durable_epoch(), false)).empty() ||
      (world.may_open_at(epoch) && difference(opened.contents, world.oracle.at(epoch, false)).empty()) ||
      ((same_boot || options_.durability == Durability::kProcess) && is_prefix(world, opened.contents)) ||
      (world.may_go_back_to(epoch) && difference(opened.contents, world.oracle.before_durable()).empty()) ||
      (reported && epoch >= world.oracle.epoch_before_durable() && epoch < world.oracle.durable_epoch() &&
       difference(opened.contents, world.oracle.before_durable()).empty());
  if (!exact && !salvage) fail("damage, and a strict opening that is not exact" + describe(world, opened));
  if (!exact && !reported) fail("damage, and a loss that is not reported" + describe(world, opened));
  image_ = nullptr;
}

// Whatever was removed for good before the last two sync points stays removed, also where only some of the file is whole.
void ImageChecker::expect_nothing_revived(const World& world, const State& state) const {
  for (const auto& [name, held] : state.named) {
    if (held.value.length < sizeof(uint64_t)) continue;  // too short to be told from others under the same name
    if (!world.oracle.was_live_lately(held.value)) {
      fail(to_string(name) + " is back: value #" + std::to_string(held.value.id) + " was removed or replaced long ago");
    }
  }
}

// verify() sees what recovery and reading see.
void ImageChecker::verify(const Opened& opened, bool damaged) {
  counters_.verified++;
  VerifyReport report;
  if (const Status status = Verifier(*opened.engine).run(Progress(), &report); !status.ok()) {
    fail(std::string("verify(): ") + code_name(status.code()) + " " + status.message());
  }
  if (!damaged && !report.errors.empty())
    fail("verify() finds damage that recovery did not: " + report.errors[0].message);
  if (opened.contents.unreadable != 0 && report.errors.empty())
    fail("verify() does not see an entry that cannot be read");
  if (report.entries != opened.contents.entries.size() + opened.contents.unreadable && report.errors.empty()) {
    fail("verify() counts " + std::to_string(report.entries) + " entries, there are " +
         std::to_string(opened.contents.entries.size()));
  }
}

}  // namespace mmcb::harness
