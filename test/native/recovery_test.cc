// Recovery: files that are built to be wrong in one place, and openings that are cut short. What random crashes do not
// reach; what they do is the power-cut harness's.
#include "core/recovery.h"

#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/stores.h"
#include "support/engine_fixture.h"
#include "support/failing_platform.h"
#include "support/power_cut_file.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

std::byte* at(std::string& file, uint64_t offset) { return reinterpret_cast<std::byte*>(file.data()) + offset; }

template <typename Edit>
void edit_superblock(std::string& file, uint64_t offset, Edit&& edit) {
  Superblock superblock;
  REQUIRE(decode(at(file, offset), &superblock) == SuperblockVerdict::kValid);
  edit(superblock);
  std::byte bytes[Superblock::kSize];
  encode(superblock, bytes);
  std::memcpy(at(file, offset), bytes, sizeof bytes);
}

template <typename Edit>
void edit_superblocks(std::string& file, Edit&& edit) {
  for (const uint64_t offset : kSuperblockOffset) edit_superblock(file, offset, edit);
}

struct Case {
  explicit Case(Options wanted = small_options()) : options(wanted), path(folder.path("a.mmcb")) {
    EngineUnderTest store(path, options);
    for (int i = 0; i < 200; i++) {
      addresses.emplace_back();
      REQUIRE(store->add(bytes(random_text(150, i)), &addresses.back()).ok());
      EntryInfo info;
      REQUIRE(store->info(addresses.back(), &info).ok());
      offsets.push_back(info.offset);
      REQUIRE(store->set(IntKey(i), bytes("number"), nullptr).ok());
      const std::string name = "name " + std::to_string(i);
      REQUIRE(store->set(string_key(name), bytes("text"), nullptr).ok());
    }
    REQUIRE(store.sync().ok());
    // After the sync point: an update in place, which leaves its record in the journal, and some removals.
    Address fresh;
    REQUIRE(store->add(bytes("one"), &fresh).ok());
    REQUIRE(store->update(fresh, bytes("two")).ok());
    addresses.push_back(fresh);
    REQUIRE(store->remove(addresses[7]).ok());
    store.kill();
    file = read_file(path);
  }
  // Closed in order.
  void close() {
    { EngineUnderTest store(path, options); }
    file = read_file(path);
  }
  Status open(Platform& platform = posix_platform(), const Progress& progress = Progress()) {
    engine.reset();
    return Engine::open(platform, path, options, progress, &engine);
  }

  Options options;
  TemporaryFolder folder;
  std::string path;
  std::vector<Address> addresses;
  std::vector<uint64_t> offsets;
  std::string file;
  std::unique_ptr<Engine> engine;
};

constexpr uint64_t kHead = head_size(kMinSegmentSize, kMinJournalSize);

}  // namespace

TEST_CASE("a newer version in either superblock is refused, whatever the other says") {
  for (const uint64_t offset : kSuperblockOffset) {
    Case c;
    edit_superblock(c.file, offset, [](Superblock& s) { s.format_version = kFormatVersion + 1; });
    put(c.path, c.file);
    CHECK(c.open().code() == Code::kVersion);
    CHECK(read_file(c.path) == c.file);
  }
}

TEST_CASE("a superblock that does not belong where it stands is damage: the other one counts, and that is reported") {
  const auto copy = [](std::string& file, size_t from, size_t to) {
    file.replace(kSuperblockOffset[to], kSector, std::string(file, kSuperblockOffset[from], kSector));
  };
  using Edit = std::function<void(std::string & file, size_t newest, size_t other)>;
  const struct {
    const char* what;
    bool newest_is_gone;
    Edit edit;
  } cases[] = {
      {"the newest, in the place of the other one", false,
       [&](std::string& file, size_t newest, size_t other) { copy(file, newest, other); }},
      {"the other one, in the place of the newest", true,
       [&](std::string& file, size_t newest, size_t other) { copy(file, other, newest); }},
      {"a newer one, in the wrong place", false,
       [](std::string& file, size_t, size_t other) {
         edit_superblock(file, kSuperblockOffset[other], [](Superblock& s) { s.sequence += 3; });
       }},
      {"an old one", false,
       [](std::string& file, size_t, size_t other) {
         edit_superblock(file, kSuperblockOffset[other], [](Superblock& s) { s.sequence -= 2; });
       }},
      {"one of another file", false,
       [](std::string& file, size_t, size_t other) {
         edit_superblock(file, kSuperblockOffset[other], [](Superblock& s) { s.file_id[3] ^= 1; });
       }},
  };
  for (const auto& wrong : cases) {
    for (const bool power_cut : {false, true}) {
      CAPTURE(wrong.what);
      CAPTURE(power_cut);
      Case c;
      REQUIRE(c.open().ok());
      REQUIRE(SyncMachine(*c.engine).run().ok());
      c.engine.reset();
      c.file = read_file(c.path);
      Superblock found[2];
      for (size_t i = 0; i < 2; i++)
        REQUIRE(decode(at(c.file, kSuperblockOffset[i]), &found[i]) == SuperblockVerdict::kValid);
      const size_t newest = found[1].sequence > found[0].sequence ? 1 : 0;
      wrong.edit(c.file, newest, 1 - newest);
      put(c.path, c.file);
      ForgetfulPlatform forgetful;
      REQUIRE((power_cut ? c.open(forgetful) : c.open()).ok());
      const RecoveryReport& report = c.engine->recovery();
      CHECK(report.status == (power_cut ? RecoveryStatus::kRolledBack : RecoveryStatus::kReplayed));
      // Removed between the two sync points.
      CHECK(c.engine->was_removed(c.addresses[7]) == !(power_cut && wrong.newest_is_gone));
      REQUIRE(report.quarantined == 1);
      CHECK(report.damage[0].kind == DamageKind::kSuperblock);
      CHECK(report.damage[0].offset == kSuperblockOffset[wrong.newest_is_gone ? newest : 1 - newest]);
      CHECK(report.marker.is_set);
      VerifyReport verified;
      REQUIRE(Verifier(*c.engine).run(nullptr, &verified).ok());
      CHECK(verified.errors.empty());
      c.engine.reset();
      REQUIRE(c.open().ok());
      CHECK(c.engine->recovery().quarantined == 0);
      c.engine.reset();  // before its platform goes
    }
  }
}

TEST_CASE("a superblock half written, and the other one lost: ours, and damaged") {
  for (const uint64_t lost : {uint64_t{0}, kPage}) {
    Case c;
    std::memset(at(c.file, lost), 0, kSector);
    std::memset(at(c.file, kPage - lost) + Superblock::kSize - 4, 0, 4);
    put(c.path, c.file);
    CHECK(c.open().code() == Code::kCorrupt);
    CHECK(read_file(c.path) == c.file);
  }
}

TEST_CASE("a short file is ours only if it begins like ours") {
  Case c;
  write_file(c.path, std::string(100, 'x'));
  CHECK(c.open().code() == Code::kNotMmcb);
  write_file(c.path, c.file.substr(0, 100));
  CHECK(c.open().code() == Code::kCorrupt);
  write_file(c.path, c.file.substr(0, 5));
  CHECK(c.open().code() == Code::kNotMmcb);
}

TEST_CASE("an opening that fails anywhere leaves nothing behind, and the next one finds the same") {
  const auto open_with_failures = [](Case& c, RecoveryStatus status) {
    for (const SystemCall call :
         {SystemCall::kMap, SystemCall::kReserve, SystemCall::kCommit, SystemCall::kSync, SystemCall::kAllocate}) {
      for (unsigned nth = 1; nth < 100; nth++) {
        CAPTURE(static_cast<int>(call));
        CAPTURE(nth);
        put(c.path, c.file);
        FailingPlatform platform;
        platform.fail(call, nth);
        const Status opened = c.open(platform);
        if (platform.withdraw()) {
          REQUIRE(opened.ok());
          c.engine.reset();  // before its platform goes
          break;
        }
        if (opened.ok()) {
          CHECK(
              (call == SystemCall::kReserve && nth != 2));  // less address space will do, but not for the incarnations
          c.engine.reset();
          continue;
        }
        CHECK(c.engine == nullptr);
        if (call == SystemCall::kSync) continue;  // what was being recovered is a failed sync's now
        REQUIRE(c.open().ok());
        CHECK(c.engine->recovery().status == status);
        CHECK(c.engine->count(KindFilter::kAll) == 600);
      }
    }
  };
  SUBCASE("killed") {
    Case c;
    open_with_failures(c, RecoveryStatus::kReplayed);
  }
  SUBCASE("closed in order") {
    Case c;
    c.close();
    open_with_failures(c, RecoveryStatus::kClean);
  }
  SUBCASE("with a state that does not agree") {
    Case c;
    std::memset(at(c.file, kStateDigest), 1, 16);
    open_with_failures(c, RecoveryStatus::kRolledBack);
  }
  SUBCASE("salvaged") {
    Options options = small_options();
    options.recovery = RecoveryMode::kSalvage;
    Case c(options);
    std::memset(at(c.file, kStateDigest), 1, 16);
    edit_superblocks(c.file, [](Superblock& s) { s.live_digest++; });
    open_with_failures(c, RecoveryStatus::kSalvaged);
  }
}

TEST_CASE("whoever asks for progress may stop the opening, and the file is as before") {
  Case c;
  for (const uint64_t stop : {0ull, 1ull, ~0ull}) {
    CHECK(c.open(posix_platform(), [&](const char* phase, uint64_t done, uint64_t total) {
             CHECK(std::string(phase) == "scan");
             return done != stop && (stop != ~0ull || done != total);
           }).code() == Code::kAborted);
    CHECK(read_file(c.path) == c.file);
  }
  uint64_t calls = 0;
  CHECK(c.open(posix_platform(), [&](const char*, uint64_t, uint64_t) { return ++calls != 0; }).ok());
  CHECK(calls > 2);
}

TEST_CASE("a superblock whose digest or count nobody can find is refused, or salvaged if asked to") {
  const auto refused = [](auto&& edit) {
    Case c;
    c.close();
    edit_superblocks(c.file, edit);
    put(c.path, c.file);
    const Status status = c.open();
    CHECK(status.code() == Code::kCorrupt);
    c.options.recovery = RecoveryMode::kSalvage;
    CHECK(c.open().ok());
    CHECK(c.engine->recovery().status == RecoveryStatus::kSalvaged);
    CHECK(c.engine->count(KindFilter::kAll) == 600);
    return status.message();
  };
  CHECK(refused([](Superblock& s) { s.live_digest++; }).find("not all of them the right ones") != std::string::npos);
  CHECK(refused([](Superblock& s) { s.live_count++; }).find("of which 600 were found") != std::string::npos);
}

TEST_CASE("without a boot id the page cache is not trusted") {
  ForgetfulPlatform platform;
  Case c;
  REQUIRE(c.open(platform).ok());
  CHECK(c.engine->recovery().status == RecoveryStatus::kRolledBack);
  EntryInfo info;
  CHECK(c.engine->info(c.addresses[7], &info).ok());  // removed after E
}

TEST_CASE("a file closed in order is that, whatever mode it was written in") {
  Case c;
  c.close();
  edit_superblocks(c.file, [](Superblock& s) { s.flags |= kFlagProcessMode; });
  put(c.path, c.file);
  REQUIRE(c.open().ok());
  CHECK(c.engine->recovery().status == RecoveryStatus::kClean);
}

TEST_CASE("a killed file goes on under either durability, and can be looked at with its journal armed") {
  Case c;
  store32(at(c.file, kJournalOffset), 1);  // the record is still there
  put(c.path, c.file);
  c.options.read_only = true;
  REQUIRE(c.open().ok());
  CHECK(c.engine->recovery().status == RecoveryStatus::kReplayed);
  CHECK(c.engine->count(KindFilter::kAll) == 600);
  c.engine.reset();
  CHECK(read_file(c.path) == c.file);
  c.options.read_only = false;
  c.options.durability = Durability::kProcess;
  REQUIRE(c.open().ok());
  CHECK(c.engine->recovery().status == RecoveryStatus::kReplayed);
  CHECK(c.engine->count(KindFilter::kAll) == 600);
  CHECK(c.engine->add(bytes("x"), &c.addresses[0]).ok());
}

TEST_CASE("a file at the end of its epochs is not opened for writing") {
  Case c;
  c.close();
  edit_superblocks(c.file, [](Superblock& s) { s.durable_epoch = kMaxEpoch - 1; });
  put(c.path, c.file);
  CHECK(c.open().code() == Code::kFull);
  c.options.read_only = true;
  REQUIRE(c.open().ok());
  CHECK(c.engine->count(KindFilter::kAll) == 600);
}

TEST_CASE("salvage sets damage aside and says where") {
  Options options = small_options();
  options.recovery = RecoveryMode::kSalvage;
  Case c(options);
  c.close();
  uint64_t wanted = 1;
  uint64_t offset = 0;
  SUBCASE("a segment whose mark is lost: its entries have marks of their own") {
    offset = kHead + kSegmentMarkOffset;
    std::memset(at(c.file, offset), 0, 8);
    wanted = 600;
  }
  SUBCASE("an entry whose mark is lost") {
    offset = mark_offset(kHead + kMinSegmentSize, decode_entry_header(at(c.file, c.offsets[0])).ordinal);
    std::memset(at(c.file, offset), 0, 8);
    wanted = 599;
  }
  SUBCASE("an entry with a slot that nobody can have given out") {
    offset = c.offsets[0];
    Superblock superblock;
    REQUIRE(decode(at(c.file, 0), &superblock) == SuperblockVerdict::kValid);
    const uint32_t seed = file_seed(superblock.file_id);
    SegmentHeader segment;
    REQUIRE(decode(at(c.file, kHead), seed, &segment));
    EntryHeader header = decode_entry_header(at(c.file, offset));
    header.slot = 0xfffffff0;
    std::byte encoded[EntryHeader::kSize];
    encode(header, encoded);
    header.crc = entry_crc(entry_seed(seed, offset, segment.incarnation), encoded, nullptr, 0,
                           at(c.file, offset + EntryHeader::kSize), header.data_size);
    std::memcpy(encoded, &header.crc, sizeof header.crc);
    std::memcpy(at(c.file, offset), encoded, sizeof encoded);
    wanted = 599;
  }
  put(c.path, c.file);
  // No digest is to vouch for the state without the damage.
  edit_superblocks(c.file, [](Superblock& s) { s.live_digest++; });
  put(c.path, c.file);
  REQUIRE(c.open().ok());
  const RecoveryReport& report = c.engine->recovery();
  CHECK(report.status == RecoveryStatus::kSalvaged);
  CHECK(c.engine->count(KindFilter::kAll) == wanted);
  CHECK(report.lost == 600 - wanted);
  REQUIRE(report.damage.size() == 1);
  CHECK(report.damage[0].offset == offset);
}

TEST_CASE("a header that speaks for more segments than there are is not believed") {
  Options options = small_options();
  options.recovery = RecoveryMode::kSalvage;
  Case c(options);
  c.close();
  Superblock superblock;
  REQUIRE(decode(at(c.file, 0), &superblock) == SuperblockVerdict::kValid);
  const uint32_t seed = file_seed(superblock.file_id);
  SegmentHeader segment;
  REQUIRE(decode(at(c.file, kHead), seed, &segment));
  segment.run_length = 10'000;
  std::byte encoded[SegmentHeader::kSize];
  encode(segment, seed, encoded);
  std::memcpy(at(c.file, kHead), encoded, sizeof encoded);
  put(c.path, c.file);
  REQUIRE(c.open().ok());
  // Its trailer says what is right, and the digest agrees.
  CHECK(c.engine->recovery().status == RecoveryStatus::kClean);
  CHECK(c.engine->count(KindFilter::kAll) == 600);
  CHECK(c.engine->recovery().quarantined == 1);
}

TEST_CASE("of very much damage only the beginning is listed, and all of it counted") {
  Options options = small_options();
  options.recovery = RecoveryMode::kSalvage;
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  std::vector<uint64_t> offsets;
  {
    EngineUnderTest store(path, options);
    for (int i = 0; i < 2400; i++) {
      Address address;
      REQUIRE(store->add(bytes("small"), &address).ok());
      EntryInfo info;
      REQUIRE(store->info(address, &info).ok());
      offsets.push_back(info.offset);
    }
  }
  std::string file = read_file(path);
  for (size_t i = 0; i < offsets.size(); i += 2) {
    const uint64_t segment = (offsets[i] - kHead) / kMinSegmentSize;
    const EntryHeader header = decode_entry_header(at(file, offsets[i]));
    std::memset(at(file, mark_offset(kHead + (segment + 1) * kMinSegmentSize, header.ordinal)), 0, 8);
  }
  edit_superblocks(file, [](Superblock& s) { s.live_digest++; });  // no digest is to vouch for them
  put(path, file);
  EngineUnderTest store(path, options);
  CHECK(store->recovery().quarantined >= 1200);
  CHECK(store->recovery().damage.size() == RecoveryReport::kMaxDamage);
  CHECK(store->count(KindFilter::kAll) == 1200);
}
