// Opening with a second thread that walks ahead comes to the same as opening with one: tables, report, the order of what it
// says, progress. On whole files, after kills, rolled back, and on damaged ones.
#include <doctest/doctest.h>

#include <filesystem>
#include <sstream>
#include <string>

#include "core/walk_ahead.h"
#include "support/engine_fixture.h"
#include "support/forwarding_platform.h"
#include "support/sanitizer.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

class CountingThreads final : public ForwardingPlatform {
 public:
  explicit CountingThreads(bool has_threads) : has_threads_(has_threads) {}

  Status start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) override {
    if (!has_threads_) return Status(Code::kNoMemory, "no threads here");
    started++;
    return ForwardingPlatform::start_thread(std::move(body), thread);
  }

  int started = 0;

 private:
  const bool has_threads_;
};

Options options_for(bool salvage) {
  Options options;
  options.segment_size = 64 << 10;
  options.read_only = true;  // so that the file can be opened again as it is
  if (salvage) options.recovery = RecoveryMode::kSalvage;
  return options;
}

// Everything that can be seen of an opening, as text. `aborted_at`: the progress call that says no.
std::string opened(Platform& platform, const std::string& path, bool salvage, uint64_t aborted_at = ~0ull) {
  std::ostringstream text;
  uint64_t calls = 0;
  const Progress progress = [&](const char* phase, uint64_t done, uint64_t total) {
    text << phase << ' ' << done << '/' << total << '\n';
    return ++calls < aborted_at;
  };
  std::unique_ptr<Engine> engine;
  const Status status = Engine::open(platform, path, options_for(salvage), progress, &engine);
  text << code_name(status.code()) << ' ' << status.message() << '\n';
  if (!status.ok()) return text.str();
  const RecoveryReport& report = engine->recovery();
  text << static_cast<int>(report.status) << ' ' << report.entries << ' ' << report.lost << ' ' << report.quarantined
       << ' ' << report.discarded << ' ' << report.durable_epoch << '\n';
  for (const Damage& damage : report.damage) {
    text << static_cast<int>(damage.kind) << ' ' << damage.offset << ' ' << damage.length << ' ' << damage.address
         << ' ' << damage.key << '\n';
  }
  const Stats stats = engine->stats();
  text << stats.count << ' ' << stats.int_count << ' ' << stats.string_count << ' ' << stats.removed_count << ' '
       << stats.data_size << ' ' << stats.live_bytes << ' ' << stats.slack_bytes << ' ' << stats.garbage_bytes << ' '
       << stats.free_bytes << ' ' << stats.open_epoch << ' ' << stats.table_memory << '\n';
  uint64_t cursor = 0;
  uint64_t offset = 0;
  Address address;
  while (engine->next(KindFilter::kAll, &cursor, &address, &offset))
    text << address.to_integer() << ' ' << offset << '\n';
  return text.str();
}

// The helper is there and makes no difference.
void compare(const char* state, const std::string& path, bool salvage) {
  CAPTURE(state);
  CountingThreads without(false);
  CountingThreads with(true);
  const std::string expected = opened(without, path, salvage);
  // The helper may be early or late.
  constexpr int kRuns = kSanitized ? 1 : 3;
  for (int run = 0; run < kRuns; run++) {
    const std::string found = opened(with, path, salvage);
    CHECK(found.size() == expected.size());
    CHECK((found == expected));
  }
  CHECK(with.started >= kRuns);
  for (uint64_t stop = 1; stop < 400; stop += kSanitized ? 299 : 57)
    CHECK((opened(with, path, salvage, stop) == opened(without, path, salvage, stop)));
}

// 16 MiB and more of entries of all kinds and some runs, with a sync point in the middle; then updates and removals, and no
// other one.
void write_store(const std::string& path) {
  Options options = options_for(false);
  options.read_only = false;
  EngineUnderTest store(path, options);
  std::vector<Address> addresses;
  const auto change = [&](int round) {
    for (int i = 0; i < 20000; i++) {
      const std::string data = random_text(20 + i % 300, static_cast<uint64_t>(i + round));
      REQUIRE(store->set(IntKey(i * 3), bytes(data), nullptr).ok());
      REQUIRE(store->set(string_key("key " + std::to_string(i)), bytes(data), nullptr).ok());
      Address address;
      REQUIRE(store->add(bytes(data), &address).ok());
      addresses.push_back(address);
      if (i % 3 == 0) REQUIRE(store->remove(addresses[addresses.size() / 2 + static_cast<size_t>(i) / 3]).ok());
      if (i % 1000 == 7) REQUIRE(store->add(bytes(random_text(150000, 1)), &address).ok());
    }
  };
  change(0);
  REQUIRE(store.sync().ok());
  for (int i = 0; i < 20000; i += 7) REQUIRE(store->erase(IntKey(i * 3)).ok());
  for (int i = 0; i < 20000; i += 2)
    REQUIRE(store->set(string_key("key " + std::to_string(i)), bytes(random_text(90, 5)), nullptr).ok());
  store.kill();
}

}  // namespace

// One store, looked at in turn in every state: to write it takes longest.
TEST_CASE("a helper that walks ahead changes nothing about an opening") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  write_store(path);
  const std::string killed = read_file(path);

  compare("after a kill", path, false);

  std::filesystem::copy_file(path, folder.path("copy.mmcb"));
  compare("rolled back to the last sync point", folder.path("copy.mmcb"), false);

  std::string damaged = killed;
  for (size_t i = 0; i < 40; i++) {
    const size_t at = (512 << 10) + i * 377003;
    for (size_t k = 0; k < 40; k++) damaged[at + k] = static_cast<char>(i * 31 + k);
  }
  write_file(path, damaged);
  compare("damaged", path, true);
  compare("damaged", path, false);

  write_file(path, killed);
  Options options = options_for(false);
  options.read_only = false;
  std::unique_ptr<Engine> engine;
  REQUIRE(Engine::open(posix_platform(), path, options, nullptr, &engine).ok());
  REQUIRE(SyncMachine(*engine).run(true).ok());
  engine.reset();
  compare("closed in order", path, false);
}

TEST_CASE("a helper is not needed: without a thread or its memory it says so") {
  CountingThreads without(false);
  WalkContext context;
  context.segment_size = kDefaultSegmentSize;
  CHECK(!WalkAhead(without, context, 0).start());
  CountingThreads with(true);
  WalkAhead helper(with, context, 0);
  REQUIRE(helper.start());
  CHECK(helper.has_room());
  CHECK(helper.take(3, SegmentHeader()) == nullptr);
}
