// Damage to every single sector of a file: opened strictly, the file is exact or refused; salvaged, it keeps every entry
// that the sector has nothing to do with, and reports the others.
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/recovery.h"
#include "core/stores.h"
#include "core/verify.h"
#include "harness/mutation.h"
#include "harness/simulated_platform.h"
#include "support/engine_fixture.h"
#include "support/sanitizer.h"

using namespace mmcb;
using namespace mmcb::test;
using mmcb::harness::Image;
using mmcb::harness::SimulatedDisk;
using mmcb::harness::SimulatedPlatform;

namespace {

struct Entry {
  Kind kind = Kind::kPlain;
  std::string key;
  std::string value;
  std::set<std::string> older;  // values that the entry once had
  uint64_t offset = 0;
  uint64_t size = 0;     // header, key and data
  uint64_t legible = 0;  // header and key
  uint64_t mark = 0;
};
using Model = std::map<uint64_t, Entry>;  // by address

struct Sample {
  Image image;
  Model entries;         // as of the last sync point
  Model entries_before;  // as of the one before, values only
};

Key key_of(const Entry& entry) { return {entry.kind, bytes(entry.key)}; }

enum class Ending { kClosed, kPowerCut, kKilled };

constexpr uint64_t kBoot = 1;

// Every kind of entry, dead ones among them, spread over a dozen segments.
Sample make_sample(Ending ending) {
  const bool clean = ending == Ending::kClosed;
  Sample sample;
  SimulatedDisk disk(1);
  disk.set_boot(kBoot);
  SimulatedPlatform platform(disk);
  Options options = small_options();
  std::unique_ptr<Engine> engine;
  REQUIRE(Engine::open(platform, "image", options, nullptr, &engine).ok());
  std::vector<uint64_t> addresses;
  const auto put = [&](Kind kind, std::string key, std::string value) {
    Address address;
    if (kind == Kind::kPlain) {
      REQUIRE(engine->add(bytes(value), &address).ok());
    } else {
      REQUIRE(engine->set({kind, bytes(key)}, bytes(value), &address).ok());
    }
    Entry entry;
    entry.kind = kind;
    entry.key = std::move(key);
    entry.value = std::move(value);
    sample.entries[address.to_integer()] = entry;
    addresses.push_back(address.to_integer());
  };
  const auto int_key = [](int64_t number) {
    return std::string(reinterpret_cast<const char*>(&number), sizeof number);
  };
  for (int i = 0; i < 120; i++) {
    const uint64_t size = i % 9 == 0 ? 700 : static_cast<uint64_t>(20 + 3 * i);
    if (i % 3 == 0) put(Kind::kPlain, "", random_text(size, i));
    if (i % 3 == 1) put(Kind::kIntKey, int_key(i), random_text(size, i));
    if (i % 3 == 2) put(Kind::kStringKey, "key " + std::to_string(i), random_text(size, i));
  }
  put(Kind::kPlain, "", random_text(40000, 1000));  // a run
  put(Kind::kStringKey, "wide", random_text(20000, 1001));
  REQUIRE(SyncMachine(*engine).run().ok());
  if (ending == Ending::kPowerCut) sample.entries_before = sample.entries;
  const auto update = [&](uint64_t address, std::string value) {
    Entry& entry = sample.entries.at(address);
    REQUIRE(engine->update(Address::from_integer(address), bytes(value)).ok());
    entry.older.insert(std::exchange(entry.value, value));
  };
  for (size_t i = 0; i < 120; i += 7) update(addresses[i], random_text(100 + i, 2000 + i));
  for (size_t i = 3; i < 120; i += 10) {
    REQUIRE(engine->remove(Address::from_integer(addresses[i])).ok());
    sample.entries.erase(addresses[i]);
  }
  if (clean) sample.entries_before = sample.entries;
  REQUIRE(SyncMachine(*engine).run().ok());
  const auto locate = [&] {
    for (auto& [address, entry] : sample.entries) {
      EntryInfo info;
      REQUIRE(engine->info(Address::from_integer(address), &info).ok());
      const uint64_t head = head_size(options.segment_size, options.journal_size);
      const uint64_t start = head + (info.offset - head) / options.segment_size * options.segment_size;
      const uint64_t segments =
          info.header.total_size() > options.segment_size - kSegmentOverhead - 8
              ? (kSegmentOverhead + info.header.total_size() + 8 + options.segment_size - 1) / options.segment_size
              : 1;
      entry.offset = info.offset;
      entry.legible = EntryHeader::kSize + info.header.key_size;
      entry.size = entry.legible + info.header.data_size;
      entry.mark = mark_offset(start + segments * options.segment_size, info.header.ordinal);
    }
  };
  if (clean) {
    for (size_t i = 5; i < 120; i += 11) {
      if (sample.entries.count(addresses[i]) != 0) update(addresses[i], random_text(90, 3000 + i));
    }
    REQUIRE(SyncMachine(*engine).run(true).ok());
    locate();
    engine.reset();
  } else if (ending == Ending::kPowerCut) {
    locate();
    // After E: these have to go again.
    for (int i = 0; i < 40; i++) {
      Address address;
      REQUIRE(engine->add(bytes(random_text(150, 4000 + i)), &address).ok());
    }
    engine.reset();
  } else {
    sample.entries_before = sample.entries;
    for (int i = 0; i < 40; i++) put(Kind::kPlain, "", random_text(150, 4000 + i));
    for (size_t i = 2; i < 120; i += 11) {
      if (sample.entries.count(addresses[i]) != 0) update(addresses[i], random_text(80 + i, 5000 + i));
    }
    locate();
    engine.reset();
  }
  if (clean) {
    disk.durable_image(&sample.image);
  } else {
    disk.live_image(&sample.image);
  }
  return sample;
}

struct Opened {
  Status status;
  std::unique_ptr<Engine> engine;
  std::optional<Reader> reader;
};

void open(SimulatedPlatform& platform, RecoveryMode mode, Opened* opened) {
  Options options = small_options();
  options.recovery = mode;
  opened->status = Engine::open(platform, "image", options, nullptr, &opened->engine);
  if (opened->status.ok()) opened->reader.emplace(*opened->engine);
}

// "<CODE>" where it cannot be read.
std::string read(Opened& opened, uint64_t address) {
  std::string text(64 << 10, ' ');
  uint64_t size = 0;
  const Status status = opened.engine->read(*opened.reader, Address::from_integer(address),
                                            {reinterpret_cast<std::byte*>(text.data()), text.size()}, &size);
  if (!status.ok()) return std::string("<") + code_name(status.code()) + ">";
  text.resize(size);
  return text;
}

bool holds_exactly(Opened& opened, const Model& model) {
  if (opened.engine->count(KindFilter::kAll) != model.size()) return false;
  for (const auto& [address, entry] : model) {
    if (read(opened, address) != entry.value) return false;
    Address found;
    if (entry.kind != Kind::kPlain &&
        (!opened.engine->find(*opened.reader, key_of(entry), &found).ok() || found.to_integer() != address))
      return false;
  }
  return true;
}

std::string first_error(Opened& opened) {
  VerifyReport report;
  const Status status = Verifier(*opened.engine).run(nullptr, &report);
  if (!status.ok()) return status.message();
  return report.errors.empty() ? "" : report.errors[0].message;
}

enum class Harm { kZero, kOnes, kBit, kOtherSector, kRandom, kCount };

Image damaged(const Image& image, uint64_t sector, Harm harm, uint64_t seed) {
  Image result = image;
  std::byte* at = result.data() + sector * kSector;
  std::mt19937_64 random(seed * 1000003 + sector);
  switch (harm) {
    case Harm::kZero: std::memset(at, 0, kSector); break;
    case Harm::kOnes: std::memset(at, 0xff, kSector); break;
    case Harm::kBit: at[random() % kSector] ^= static_cast<std::byte>(1u << random() % 8); break;
    case Harm::kOtherSector:
      std::memcpy(at, image.data() + random() % (image.size() / kSector) * kSector, kSector);
      break;
    default:
      for (uint64_t i = 0; i < kSector; i++) at[i] = static_cast<std::byte>(random());
      break;
  }
  return result;
}

struct Counts {
  uint64_t images = 0;
  uint64_t untouched = 0;  // strict: exact, nothing to report
  uint64_t exact = 0;      // strict: exact, and the damage is reported
  uint64_t before = 0;     // strict: the sync point before, and the damage is reported
  uint64_t refused = 0;
  uint64_t lost = 0;   // salvage: entries
  uint64_t stale = 0;  // salvage: entries that came back as an older version
  uint64_t named = 0;  // of both, those whose address (and key) the report names
};

void check_strict(const Sample& sample, Ending ending, const Image& image, SimulatedPlatform& platform,
                  SimulatedDisk& disk, Counts* counts) {
  Opened opened;
  open(platform, RecoveryMode::kStrict, &opened);
  if (!opened.status.ok()) {
    CHECK(opened.status.code() == Code::kCorrupt);
    Image after;
    disk.live_image(&after);
    CHECK(after == image);
    counts->refused++;
    return;
  }
  const RecoveryReport& report = opened.engine->recovery();
  CHECK(report.lost == 0);
  CHECK(report.damage.size() == report.quarantined);
  CHECK(report.marker.is_set == (report.quarantined != 0));
  const bool exact = holds_exactly(opened, sample.entries);
  if (!exact) {
    // The newest superblock is gone, and what it counted with it, and that is reported; or what was newer than the last
    // sync point is not whole any more, and the file says that it has returned there.
    CHECK(holds_exactly(opened, sample.entries_before));
    CHECK(report.status == RecoveryStatus::kRolledBack);
    if (ending != Ending::kKilled) {
      REQUIRE(report.quarantined == 1);
      CHECK(report.damage[0].kind == DamageKind::kSuperblock);
    }
    counts->before++;
  } else {
    (report.quarantined == 0 ? counts->untouched : counts->exact)++;
  }
  CHECK(first_error(opened) == "");
}

// What the report says about an entry, by its address or, where that cannot be read, by nothing.
const Damage* named(const RecoveryReport& report, uint64_t address) {
  for (const Damage& damage : report.damage) {
    if (damage.has_entry && damage.address == address) return &damage;
  }
  return nullptr;
}

void check_salvage(const Sample& sample, Ending ending, uint64_t sector, SimulatedPlatform& platform, Counts* counts) {
  const uint64_t begin = sector * kSector;
  const uint64_t end = begin + kSector;
  uint64_t missing = 0;
  DamageMarker marker;
  {
    Opened opened;
    open(platform, RecoveryMode::kSalvage, &opened);
    REQUIRE_MESSAGE(opened.status.ok(), opened.status.message());
    const RecoveryReport& report = opened.engine->recovery();
    const bool back_to_before = !holds_exactly(opened, sample.entries) && holds_exactly(opened, sample.entries_before);
    for (const auto& [address, found] : sample.entries) {
      const auto& entry = found;  // CAPTURE is a lambda, and clang 14 lets none capture a binding
      const std::string value = read(opened, address);
      if (value == entry.value) continue;
      if (back_to_before && (report.quarantined != 0 || report.status == RecoveryStatus::kRolledBack)) continue;
      const bool touched =
          (entry.offset < end && entry.offset + entry.size > begin) || (entry.mark >= begin && entry.mark < end);
      CAPTURE(entry.offset);
      CAPTURE(entry.key);
      CHECK(touched);
      if (value == "<NOT_FOUND>") {
        missing++;
        counts->lost++;
      } else {
        CHECK(entry.older.count(value) == 1);
        counts->stale++;
      }
      // Never silently; and by name, where header and key are still there.
      CHECK(report.quarantined + report.lost != 0);
      const Damage* const damage = named(report, address);
      if (damage != nullptr) counts->named++;
      if (entry.offset >= end || entry.offset + entry.legible <= begin) {
        REQUIRE(damage != nullptr);
        CHECK(damage->entry_kind == entry.kind);
        CHECK(damage->has_key == (entry.kind != Kind::kPlain));
        CHECK(damage->key == entry.key);
      }
    }
    // After a kill there is no count to go by, and a header that names another entry misleads.
    if (missing != 0) CHECK(report.lost + (ending == Ending::kKilled ? report.quarantined : 0) != 0);
    if (sector >= kStateOffset / kSector && ending != Ending::kKilled) CHECK(report.lost == missing);
    CHECK(report.damage.size() == report.quarantined);
    marker = report.marker;
    CHECK(marker.is_set == (report.quarantined != 0 || report.lost != 0));
    CHECK(marker.lost == report.lost);
    CHECK(marker.places == report.quarantined);
    CHECK(opened.engine->stats().damaged == marker.is_set);
    CHECK(first_error(opened) == "");
    // The process dies here: what it was told, the next one is told, too.
  }
  Opened again;
  open(platform, RecoveryMode::kStrict, &again);
  REQUIRE_MESSAGE(again.status.ok(), again.status.message());
  CHECK(again.engine->recovery().quarantined == 0);
  CHECK(again.engine->recovery().marker == marker);
  CHECK(first_error(again) == "");
}

void check_every_sector(Ending ending) {
  const harness::HookScope hooks;  // by which the simulated disk learns what the engine has stored
  const Sample sample = make_sample(ending);
  const uint64_t boot = ending == Ending::kKilled ? kBoot : kBoot + 1;
  const uint64_t seed = seed_from_environment();
  Counts counts;
  SimulatedDisk disk(seed);
  SimulatedPlatform platform(disk);
  for (uint64_t sector = 0; sector < sample.image.size() / kSector; sector++) {
    constexpr int kHarms = static_cast<int>(Harm::kCount);
    for (int harm = 0; harm < kHarms; harm++) {
      if (kSanitized && harm != static_cast<int>(sector % kHarms)) continue;  // each sector in one way
      const Image image = damaged(sample.image, sector, static_cast<Harm>(harm), seed);
      CAPTURE(seed);
      CAPTURE(sector);
      CAPTURE(harm);
      counts.images++;
      disk.load(image);
      disk.set_boot(boot);
      check_strict(sample, ending, image, platform, disk, &counts);
      disk.load(image);
      disk.set_boot(boot);
      check_salvage(sample, ending, sector, platform, &counts);
    }
  }
  MESSAGE(counts.images, " damaged images; strict: ", counts.untouched, " not concerned, ", counts.exact,
          " exact and reported, ", counts.before, " the sync point before, ", counts.refused,
          " refused; salvage: ", counts.lost, " entries lost, ", counts.stale, " older ones back, ", counts.named,
          " of them named");
  // The test must have met each of these.
  CHECK(counts.untouched != 0);
  CHECK(counts.exact != 0);
  CHECK(counts.refused != 0);
  CHECK(counts.lost != 0);
}

}  // namespace

TEST_CASE("damage to any one sector of a closed file: exact or refused; salvaged but for what the sector held") {
  check_every_sector(Ending::kClosed);
}

TEST_CASE("damage to any one sector of a file after a power cut: the same") { check_every_sector(Ending::kPowerCut); }

TEST_CASE("damage to any one sector of a file whose process was killed: the same") {
  check_every_sector(Ending::kKilled);
}

TEST_CASE("a lost segment header and lost marks are made good where the digest proves what was there") {
  const harness::HookScope hooks;
  SimulatedDisk disk(1);
  SimulatedPlatform platform(disk);
  {
    std::unique_ptr<Engine> engine;
    REQUIRE(Engine::open(platform, "image", small_options(), nullptr, &engine).ok());
    for (int i = 0; i < 300; i++) REQUIRE(engine->set(IntKey(i), bytes(random_text(100, i)), nullptr).ok());
    REQUIRE(SyncMachine(*engine).run(true).ok());
  }
  Image whole;
  disk.durable_image(&whole);
  const uint64_t head = head_size(kMinSegmentSize, kMinJournalSize);
  struct {
    const char* what;
    uint64_t offset;
    uint64_t length;
    DamageKind kind;
    uint64_t places;
    int content = 0;
  } const cases[] = {
      {"a header", head + kMinSegmentSize, kSegmentHeaderSize, DamageKind::kSegmentHeader, 1},
      {"a segment's mark", head + kMinSegmentSize + kSegmentMarkOffset, 8, DamageKind::kSegmentMark, 1},
      {"a trailer", head + kMinSegmentSize - 8, 8, DamageKind::kSegmentHeader, 1, 0xff},
      {"a trailer, as if the segment had ended", head + kMinSegmentSize - 8, 8, DamageKind::kSegmentHeader, 0},
      {"ten marks", mark_offset(head + kMinSegmentSize, 19), 80, DamageKind::kEntryMark, 10},
  };
  for (const auto& lost : cases) {
    CAPTURE(lost.what);
    Image image = whole;
    std::memset(image.data() + lost.offset, lost.content, lost.length);
    disk.load(image);
    disk.set_boot(2);
    for (const bool again : {false, true}) {
      Opened opened;
      open(platform, RecoveryMode::kStrict, &opened);
      REQUIRE_MESSAGE(opened.status.ok(), opened.status.message());
      const RecoveryReport& report = opened.engine->recovery();
      CHECK(opened.engine->count(KindFilter::kIntKey) == 300);
      CHECK(report.lost == 0);
      CHECK(report.quarantined == (again ? 0 : lost.places));
      REQUIRE(report.damage.size() == report.quarantined);
      if (report.quarantined != 0) CHECK(report.damage[0].kind == lost.kind);
      if (lost.kind == DamageKind::kEntryMark && !again) {
        CHECK(report.damage[0].has_key);
        CHECK(report.damage[0].key == std::string("\x0a\0\0\0\0\0\0\0", 8));
      }
      CHECK(report.marker.places == lost.places);
      CHECK(first_error(opened) == "");
    }
  }
}
