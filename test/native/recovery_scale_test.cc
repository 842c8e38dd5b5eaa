// Recovery of large files: memory bounded by the tables, progress that only goes forward, and an abort at any moment that
// leaves the file as it was. MMCB_ENTRIES sets how many entries (by hand: 10000000).
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "support/engine_fixture.h"
#include "support/sanitizer.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

uint64_t entries_from_environment() {
  const char* entries = std::getenv("MMCB_ENTRIES");
  return entries == nullptr ? (kSanitized ? 700000 : 2000000) : std::strtoull(entries, nullptr, 10);
}

// Bytes of anonymous memory in use; 0 where the system does not tell.
uint64_t anonymous_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("RssAnon:", 0) == 0) return std::strtoull(line.c_str() + 8, nullptr, 10) << 10;
  }
  return 0;
}

struct Watch {
  // Phases in order, with what was last reported of each.
  std::vector<std::pair<std::string, uint64_t>> phases;
  uint64_t calls = 0;
  uint64_t most_memory = 0;
  uint64_t stop_at = ~0ull;  // the call that says no

  Progress progress() {
    return [this](const char* phase, uint64_t done, uint64_t total) {
      calls++;
      if (calls % 8 == 0) most_memory = std::max(most_memory, anonymous_memory());
      if (phases.empty() || phases.back().first != phase) phases.emplace_back(phase, 0);
      CHECK(done >= phases.back().second);
      CHECK(done <= total);
      phases.back().second = done;
      return calls < stop_at;
    };
  }
};

void measure(const std::string& path, Options options, RecoveryStatus status, uint64_t count) {
  const uint64_t before = anonymous_memory();
  Watch watch;
  std::unique_ptr<Engine> engine;
  REQUIRE(Engine::open(posix_platform(), path, options, watch.progress(), &engine).ok());
  CHECK(engine->recovery().status == status);
  CHECK(engine->count(KindFilter::kAll) == count);
  const Stats stats = engine->stats();
  CHECK(watch.calls >= stats.segments);
  REQUIRE(!watch.phases.empty());
  CHECK(watch.phases.back().first == "apply");
  if (before == 0) {
    MESSAGE("SKIPPED: this system does not tell how much anonymous memory is in use");
    return;
  }
  watch.most_memory = std::max(watch.most_memory, anonymous_memory());
  const uint64_t used = watch.most_memory > before ? watch.most_memory - before : 0;
  // For the rest a constant has to do, whatever the number of entries: blocks of up to 64 KiB that the key index has
  // outgrown, in each of its 256 shards, wait to be used again; and a sanitizer's own. A list with a word for each entry would
  // take 16 MiB more.
  constexpr uint64_t kAllowance = (kSanitized ? 32 : 24) << 20;
  CHECK(used <= stats.table_memory + stats.segments * 256 + kAllowance);
  MESSAGE(count, " entries, ", stats.file_size >> 20, " MiB: ", static_cast<uint64_t>(engine->recovery().milliseconds),
          " ms, ", used >> 10, " KiB of memory, of which tables ", stats.table_memory >> 10, " KiB, ", watch.calls,
          " reports in ", watch.phases.size(), " phases");
}

}  // namespace

TEST_CASE("recovery needs memory for its tables and no more, whatever there is to undo") {
  const uint64_t entries = entries_from_environment();
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  const std::string copy = folder.path("b.mmcb");
  Options options;
  options.segment_size = 256 << 10;
  const std::string value = random_text(entries > 5000000 ? 100 : 24, 1);
  {
    EngineUnderTest store(path, options);
    for (uint64_t i = 0; i < entries; i++)
      REQUIRE(store->set(IntKey(static_cast<int64_t>(i)), bytes(value), nullptr).ok());
    store.kill();
  }
  // A copy has another inode: it is read as of its last sync point, before all of this.
  std::filesystem::copy_file(path, copy);
  measure(copy, options, RecoveryStatus::kRolledBack, 0);
  std::filesystem::remove(copy);
  measure(path, options, RecoveryStatus::kReplayed, entries);
  {
    EngineUnderTest store(path, options);
    REQUIRE(store.sync().ok());
    // One mark each is to be set back, in every segment: every one but the last in each hundred goes.
    for (uint64_t i = 0; i < entries; i++) {
      if (i % 100 != 0) REQUIRE(store->erase(IntKey(static_cast<int64_t>(i))).ok());
    }
    store.kill();
  }
  std::filesystem::copy_file(path, copy);
  measure(copy, options, RecoveryStatus::kRolledBack, entries);
}

TEST_CASE("opening can be aborted at any moment of the scan, and leaves the file as it was") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  {
    EngineUnderTest store(path, small_options());
    for (int i = 0; i < 3000; i++) REQUIRE(store->set(IntKey(i), bytes(random_text(80, i)), nullptr).ok());
    REQUIRE(store.sync().ok());
    for (int i = 0; i < 3000; i += 2) REQUIRE(store->set(IntKey(i), bytes(random_text(90, i)), nullptr).ok());
    store.kill();
  }
  const std::string killed = read_file(path);
  // In a copy the first reading does not agree with its digest: a second one follows. Both kinds are aborted.
  for (const bool copied : {false, true}) {
    CAPTURE(copied);
    const std::string file = copied ? folder.path("copy.mmcb") : path;
    if (copied) {
      std::string torn = killed;
      // As if the same file had lost what the page cache held: the digest of the newest state is wrong.
      torn[kStateDigest] ^= 1;
      torn[kStateDigestNext] ^= 1;
      write_file(path, torn);
    }
    const std::string contents = copied ? read_file(path) : killed;
    uint64_t scan_calls = 0;
    {
      Watch watch;
      Options read_only = small_options();
      read_only.read_only = true;
      std::unique_ptr<Engine> engine;
      REQUIRE(Engine::open(posix_platform(), path, read_only, watch.progress(), &engine).ok());
      CHECK(engine->recovery().status == (copied ? RecoveryStatus::kRolledBack : RecoveryStatus::kReplayed));
      CHECK(watch.phases.size() == (copied ? 3 : 2));
      scan_calls = (engine->stats().segments + 1) * (watch.phases.size() - 1);
      CHECK(watch.calls >= scan_calls / 2);
    }
    CHECK(read_file(path) == contents);
    uint64_t aborted = 0;
    for (uint64_t stop = 1;; stop++) {
      CAPTURE(stop);
      Watch watch;
      watch.stop_at = stop;
      std::unique_ptr<Engine> engine;
      const Status status = Engine::open(posix_platform(), path, small_options(), watch.progress(), &engine);
      if (status.ok()) {
        // Too late: the file was being changed.
        CHECK(watch.phases.back().first == "apply");
        break;
      }
      REQUIRE(status.code() == Code::kAborted);
      REQUIRE(watch.calls == stop);
      REQUIRE(watch.phases.back().first != "apply");
      REQUIRE(read_file(path) == contents);
      aborted++;
    }
    CHECK(aborted > 20);
    CHECK(EngineUnderTest(path, small_options())->count(KindFilter::kAll) == 3000);
  }
}

TEST_CASE("one entry of many megabytes does not hold an abort up") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  {
    EngineUnderTest store(path, Options());
    Address address;
    REQUIRE(store->add(bytes(std::string(100 << 20, 'x')), &address).ok());
  }
  Watch all;
  {
    std::unique_ptr<Engine> engine;
    REQUIRE(Engine::open(posix_platform(), path, Options(), all.progress(), &engine).ok());
    CHECK(engine->count(KindFilter::kAll) == 1);
    CHECK(all.calls > 12);  // one for each 8 MiB
  }
  Watch watch;
  watch.stop_at = 5;
  std::unique_ptr<Engine> engine;
  CHECK(Engine::open(posix_platform(), path, Options(), watch.progress(), &engine).code() == Code::kAborted);
  CHECK(watch.calls == 5);
}
