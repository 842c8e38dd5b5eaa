// Saved tables: an opening that takes them comes to the same as one that scans; they are taken only where they belong to the
// file as it is, and whatever is wrong with them leads to a scan.
#include "core/saved_tables.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "core/store.h"
#include "support/engine_fixture.h"
#include "support/failing_platform.h"
#include "support/reader.h"
#include "support/sanitizer.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

constexpr uint64_t kNever = Options::kNoSavedTables;

Options options_with(uint64_t saved_tables_from) {
  Options options = small_options();
  options.segment_size = 64 << 10;
  options.saved_tables_from = saved_tables_from;
  return options;
}

// Whether an opening took the tables, as its progress tells.
struct Phases {
  bool tables = false;
  bool scan = false;
  Progress progress = [this](const char* phase, uint64_t done, uint64_t total) {
    tables |= std::string(phase) == "tables" && done == total;
    scan |= std::string(phase) == "scan";
    return true;
  };
};

// Everything that can be seen of a store, as text.
std::string contents_of(Engine& engine) {
  std::ostringstream text;
  const Stats s = engine.stats();
  text << s.count << ' ' << s.int_count << ' ' << s.string_count << ' ' << s.removed_count << ' ' << s.data_size << ' '
       << s.live_bytes << ' ' << s.slack_bytes << ' ' << s.garbage_bytes << ' ' << s.free_bytes << ' ' << s.file_size
       << ' ' << s.open_epoch << ' ' << s.durable_epoch << '\n';
  Reader reader(engine);
  uint64_t cursor = 0;
  uint64_t offset = 0;
  Address address;
  std::string data(1 << 18, ' ');
  while (engine.next(KindFilter::kAll, &cursor, &address, &offset)) {
    EntryHeader header;
    const MutableBytes target(reinterpret_cast<std::byte*>(data.data()), data.size());
    const Status status = engine.read_entry(reader, address, target, &header);
    text << address.to_integer() << ' ' << offset << ' ' << code_name(status.code()) << ' '
         << crc32c(0, data.data(), header.key_size + size_t{header.data_size}) << '\n';
  }
  return text.str();
}

std::string opened(const std::string& path, const Options& given, Phases* phases) {
  Options options = given;
  options.read_only = true;  // so that the file can be opened again as it is
  std::unique_ptr<Engine> engine;
  const Status status = Engine::open(posix_platform(), path, options, phases->progress, &engine);
  if (!status.ok()) return std::string(code_name(status.code())) + ' ' + status.message();
  return contents_of(*engine);
}

// Entries of all kinds, some runs, removed ones, and keys that make a shard go over to the stronger hash.
void fill(EngineUnderTest& store) {
  std::vector<Address> addresses;
  for (int i = 0; i < 3000; i++) {
    const std::string data = random_text(20 + static_cast<size_t>(i % 300), static_cast<uint64_t>(i));
    REQUIRE(store->set(IntKey(i * 3), bytes(data), nullptr).ok());
    REQUIRE(store->set(IntKey(int64_t{i} << 40), bytes("x"), nullptr).ok());
    REQUIRE(store->set(string_key("key " + std::to_string(i)), bytes(data), nullptr).ok());
    Address address;
    REQUIRE(store->add(bytes(data), &address).ok());
    addresses.push_back(address);
    if (i % 3 == 0) REQUIRE(store->remove(addresses[static_cast<size_t>(i) / 3 * 2]).ok());
    if (i % 1000 == 7) REQUIRE(store->add(bytes(random_text(150000, 1)), &address).ok());
    if (i == 1500) REQUIRE(store.sync().ok());
  }
  for (int i = 0; i < 3000; i += 7) REQUIRE(store->erase(IntKey(i * 3)).ok());
}

void write_store(const std::string& path, uint64_t saved_tables_from = 0) {
  EngineUnderTest store(path, options_with(saved_tables_from));
  fill(store);
}

// The tables at the end of a file, with one part changed as an attacker would.
class ForgedTables {
 public:
  explicit ForgedTables(std::string* file) : file_(*file) {
    start_ = word64(footer() + 32);
    directory_ = word64(footer() + 40);
    const uint32_t slots = word32(directory_ + 8);
    for (uint64_t slot = 0; slot < slots; slot += kSlotsPerPart)
      lengths_.push_back(std::min<uint64_t>(kSlotsPerPart, slots - slot) * 8);
    for (size_t shard = 0; shard < kShards; shard++)
      lengths_.push_back(uint64_t{word32(directory_ + 40 + 4 * shard) & 0x7fffffff} * 16);
    lengths_.push_back(uint64_t{word32(directory_ + 32)} * 64);
  }

  void change(std::mt19937_64& random) {
    static constexpr uint64_t kWords[] = {0,          1,          ~0ull,     1ull << 42, (1ull << 42) - 1,
                                          1ull << 63, 0x7fffffff, 0xfffffffe};
    if (random() % 8 == 0) {
      poke(directory_ + random() % 10 * 4, random);
    } else {
      size_t part = random() % 3 == 0 ? lengths_.size() - 1 : random() % lengths_.size();
      while (lengths_[part] == 0) part = random() % lengths_.size();
      uint64_t at = start_;
      for (size_t i = 0; i < part; i++) at += lengths_[i];
      const uint64_t word = at + random() % (lengths_[part] / 8) * 8;
      const uint64_t value = random() % 2 == 0 ? kWords[random() % 8] : word64(word) ^ 1ull << random() % 64;
      std::memcpy(file_.data() + word, &value, sizeof value);
      const uint32_t crc = crc32c(0, file_.data() + at, lengths_[part]);
      std::memcpy(file_.data() + checksums() + 4 * part, &crc, sizeof crc);
    }
    const uint32_t directory_crc = crc32c(0, file_.data() + directory_, checksums() - directory_ + 4 * lengths_.size());
    std::memcpy(file_.data() + footer() + 52, &directory_crc, sizeof directory_crc);
    Superblock superblock;
    REQUIRE(decode(reinterpret_cast<const std::byte*>(file_.data()), &superblock) == SuperblockVerdict::kValid);
    const uint32_t footer_crc = crc32c(file_seed(superblock.file_id), file_.data() + footer(), 60);
    std::memcpy(file_.data() + footer() + 60, &footer_crc, sizeof footer_crc);
  }

 private:
  static constexpr uint64_t kSlotsPerPart = 32 << 10;
  static constexpr size_t kShards = 512;

  void poke(uint64_t at, std::mt19937_64& random) {
    const auto value = static_cast<uint32_t>(random() % 2 == 0 ? word32(at) ^ 1u << random() % 32 : random());
    std::memcpy(file_.data() + at, &value, sizeof value);
  }
  uint64_t footer() const { return file_.size() - 64; }
  uint64_t checksums() const { return directory_ + 40 + 4 * kShards; }
  uint64_t word64(uint64_t at) const {
    uint64_t value;
    std::memcpy(&value, file_.data() + at, sizeof value);
    return value;
  }
  uint32_t word32(uint64_t at) const {
    uint32_t value;
    std::memcpy(&value, file_.data() + at, sizeof value);
    return value;
  }

  std::string& file_;
  uint64_t start_ = 0;
  uint64_t directory_ = 0;
  std::vector<uint64_t> lengths_;
};

void expect_tables(const std::string& path, bool taken) {
  Phases with;
  Phases without;
  const std::string expected = opened(path, options_with(kNever), &without);
  CHECK((opened(path, options_with(0), &with) == expected));
  CHECK(with.tables == taken);
  CHECK(with.scan == !taken);
  CHECK(!without.tables);
}

}  // namespace

TEST_CASE("an opening with saved tables comes to the same as a scan") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  write_store(path);
  expect_tables(path, true);

  // And goes on like any other.
  EngineUnderTest store(path, options_with(0));
  CHECK(store->recovery().status == RecoveryStatus::kClean);
  CHECK(store.verify().empty());
  for (int i = 0; i < 3000; i += 2) {
    REQUIRE(store->set(IntKey(i * 3), bytes(random_text(200, 3)), nullptr).ok());
    REQUIRE(store->erase(string_key("key " + std::to_string(i))).ok());
    Address address;
    REQUIRE(store->add(bytes("again"), &address).ok());
  }
  REQUIRE(store.compact().ok());
  CHECK(store.verify().empty());
  store.reopen();
  CHECK(store.verify().empty());
  store.crash();
  CHECK(store.verify().empty());
}

TEST_CASE("tables are cut off before anything is changed, and a kill leaves none") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  write_store(path);
  const uint64_t closed = std::filesystem::file_size(path);
  EngineUnderTest store(path, options_with(0));
  CHECK(std::filesystem::file_size(path) < closed);
  REQUIRE(store->set(IntKey(1), bytes("changed"), nullptr).ok());
  store.kill();
  Phases phases;
  CHECK(opened(path, options_with(0), &phases).find("CORRUPT") == std::string::npos);
  CHECK(!phases.tables);
}

TEST_CASE("a copy is scanned: some of its pages may be older than the tables") {
  TemporaryFolder folder;
  write_store(folder.path("a.mmcb"));
  std::filesystem::copy_file(folder.path("a.mmcb"), folder.path("copy.mmcb"));
  expect_tables(folder.path("copy.mmcb"), false);
}

TEST_CASE("few entries, damage that is known, and salvage: no tables") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  write_store(path, 100'000);
  expect_tables(path, false);
  write_store(folder.path("b.mmcb"));
  Options salvage = options_with(0);
  salvage.recovery = RecoveryMode::kSalvage;
  Phases phases;
  opened(folder.path("b.mmcb"), salvage, &phases);
  CHECK(!phases.tables);
  CHECK(phases.scan);
}

TEST_CASE("tables that are not whole lead to a scan") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  write_store(path);
  const std::string whole = read_file(path);
  uint64_t start = 0;
  std::memcpy(&start, whole.data() + whole.size() - 64 + 32, sizeof start);
  REQUIRE(start < whole.size());
  constexpr size_t kPlaces = kThreadSanitizer ? 4 : kSanitized ? 20 : 60;
  for (size_t i = 0; i < kPlaces; i++) {
    CAPTURE(i);
    CAPTURE(whole.size());
    CAPTURE(start);
    std::string damaged = whole;
    size_t at = start + (whole.size() - start) * i / kPlaces;
    while (i + 1 < kPlaces && damaged[at] == 0) at++;  // padding is nobody's
    if (i + 1 == kPlaces) at = whole.size() - 1;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    CAPTURE(at);
    write_file(path, damaged);
    expect_tables(path, false);
  }
  for (const size_t cut : {size_t{1}, size_t{4096}, size_t{64 << 10}, whole.size() - start}) {
    CAPTURE(cut);
    write_file(path, whole.substr(0, whole.size() - cut));
    expect_tables(path, false);
  }
  write_file(path, whole);
  expect_tables(path, true);
}

TEST_CASE("forged tables, their checksums repaired, never lead out of the file") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  write_store(path);
  const std::string whole = read_file(path);
  const uint64_t seed = seed_from_environment();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  uint64_t taken = 0;
  constexpr int kForged = kThreadSanitizer ? 20 : kSanitized ? 70 : 200;
  for (int i = 0; i < kForged; i++) {
    CAPTURE(i);
    std::string forged = whole;
    ForgedTables tables(&forged);
    tables.change(random);
    write_file(path, forged);
    Phases phases;
    Options options = options_with(0);
    options.read_only = true;
    std::unique_ptr<Engine> engine;
    if (!Engine::open(posix_platform(), path, options, phases.progress, &engine).ok()) continue;
    taken += phases.tables ? 1 : 0;
    contents_of(*engine);
    VerifyReport report;
    (void)Verifier(*engine).run(nullptr, &report);
  }
  CHECK(taken > kForged / 10);  // else the checksums were not repaired
}

TEST_CASE("an opening that loads tables can be called off") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  write_store(path);
  std::unique_ptr<Engine> engine;
  const std::string before = read_file(path);
  CHECK(Engine::open(
            posix_platform(), path, options_with(0),
            [](const char* phase, uint64_t done, uint64_t) { return std::string(phase) != "tables" || done < 5; },
            &engine)
            .code() == Code::kAborted);
  CHECK(engine == nullptr);
  CHECK((read_file(path) == before));
  expect_tables(path, true);
}

TEST_CASE("a full disk at closing costs the tables and nothing else") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  FailingPlatform platform;
  std::unique_ptr<Engine> engine;
  REQUIRE(Engine::open(platform, path, options_with(0), nullptr, &engine).ok());
  for (int i = 0; i < 2000; i++) REQUIRE(engine->set(IntKey(i), bytes("value"), nullptr).ok());
  REQUIRE(SyncMachine(*engine).run(true).ok());
  REQUIRE(engine->trim(false).ok());
  const uint64_t length = std::filesystem::file_size(path);
  platform.fail(SystemCall::kAllocate);
  CHECK(SavedTables(*engine).save().code() == Code::kNoSpace);
  engine.reset();
  CHECK(std::filesystem::file_size(path) == length);
  expect_tables(path, false);
}

TEST_CASE("closing a store saves its tables, and opening it takes them") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  Options options = options_with(100);
  for (int round = 0; round < 3; round++) {
    Phases phases;
    std::shared_ptr<Store> store;
    REQUIRE(Store::open(path, options, phases.progress, &store).ok());
    CHECK(phases.tables == (round > 0));
    {
      Reader reader(store->engine());
      for (int i = 0; i < 500 * round; i++) {
        uint64_t size = 0;
        CHECK(store->engine().read(reader, IntKey(i), {}, &size).ok());
      }
    }
    for (int i = 0; i < 500; i++) REQUIRE(store->engine().set(IntKey(500 * round + i), bytes("value"), nullptr).ok());
    VerifyReport report;
    CHECK(store->verify({}, nullptr, &report).ok());
    CHECK(report.error_count == 0);
    CHECK(store->close().ok());
  }
}
