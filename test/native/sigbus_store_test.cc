// What opening, verify, backup and a store with its threads make of a file that is cut short, overwritten or deleted. Each scenario
// runs in a child that has to stay alive, and that an alarm ends if it hangs.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/platform/posix_platform.h"
#include "core/store.h"
#include "core/verify.h"
#include "support/child_process.h"
#include "support/engine_fixture.h"
#include "support/forwarding_platform.h"
#include "support/lost_file.h"
#include "support/sanitizer.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

// A file that is cut short as soon as the engine has asked for its size.
class CutAfterSize final : public ForwardingFile {
 public:
  CutAfterSize(std::unique_ptr<File> file, std::string path, uint64_t length)
      : ForwardingFile(std::move(file)), path_(std::move(path)), length_(length) {}
  Status size(uint64_t* bytes) override {
    MMCB_TRY(ForwardingFile::size(bytes));
    cut(path_, length_);
    return Status();
  }

 private:
  const std::string path_;
  const uint64_t length_;
};

// A file that is cut short just before it grows, once that is asked for: it is as long as it should be afterwards.
class CutBeforeGrowing final : public ForwardingFile {
 public:
  CutBeforeGrowing(std::unique_ptr<File> file, std::string path, const uint64_t* length)
      : ForwardingFile(std::move(file)), path_(std::move(path)), length_(length) {}
  Status allocate(uint64_t offset, uint64_t length) override {
    if (*length_ == kNever || offset < kHead) return ForwardingFile::allocate(offset, length);
    cut(path_, *length_);
    // Past the check that the file makes itself.
    return ::truncate(path_.c_str(), static_cast<off_t>(offset + length)) == 0 ? Status() : Status(Code::kIo);
  }
  static constexpr uint64_t kNever = ~uint64_t{0};

 private:
  const std::string path_;
  const uint64_t* const length_;
};

}  // namespace

TEST_CASE("a file cut short while it is opened is not opened, and not touched") {
  TemporaryFolder folder;
  std::string whole;
  {
    Filled filled(folder.path("whole"));
    filled.store->kill();
    whole = read_file(folder.path("whole"));
  }
  for (const uint64_t length : lengths(whole.size())) {
    for (const bool read_only : {false, true}) {
      for (const RecoveryMode recovery : {RecoveryMode::kStrict, RecoveryMode::kSalvage}) {
        CAPTURE(length);
        expect_well([&] {
          const std::string path = folder.path("a");
          Options options = small_options();
          options.read_only = read_only;
          options.recovery = recovery;
          const OpenMode mode = read_only ? OpenMode::kReadOnly : OpenMode::kReadWrite;
          std::unique_ptr<Engine> engine;
          // Before the first byte is read; and in the middle of the scan, for every segment.
          for (uint64_t segment = 0;; segment++) {
            write_file(path, whole);
            std::unique_ptr<File> file;
            MMCB_EXPECT(posix_platform().open(path, mode, &file).ok());
            bool done = segment == 0;
            if (done) file = std::make_unique<CutAfterSize>(std::move(file), path, length);
            const auto at_segment = [&](const char* phase, uint64_t at, uint64_t) {
              if (!done && std::string(phase) == "scan" && at >= segment - 1) done = cut(path, length);
              return true;
            };
            const Status status = Engine::open(posix_platform(), path, std::move(file), options, at_segment, &engine);
            if (!done) return segment > 10 ? 0 : __LINE__;  // more than there are
            MMCB_EXPECT(is_loss(status));
            MMCB_EXPECT(engine == nullptr);
            MMCB_EXPECT(read_file(path) == whole.substr(0, length));
          }
        });
      }
    }
  }
}

TEST_CASE("a file cut short at the moment when it grows is lost, although it is long enough afterwards") {
  TemporaryFolder folder;
  for (const uint64_t length : {uint64_t{0}, kHead + kMinSegmentSize + 8, kHead + 3 * kMinSegmentSize - 8}) {
    CAPTURE(length);
    expect_well([&] {
      const std::string path = folder.path("g" + std::to_string(length));
      uint64_t cut_to = CutBeforeGrowing::kNever;
      std::unique_ptr<File> file;
      MMCB_EXPECT(posix_platform().open(path, OpenMode::kReadWrite, &file).ok());
      file = std::make_unique<CutBeforeGrowing>(std::move(file), path, &cut_to);
      std::unique_ptr<Engine> engine;
      MMCB_EXPECT(Engine::open(posix_platform(), path, std::move(file), small_options(), nullptr, &engine).ok());
      Status status;
      for (int i = 0; status.ok() && i < 100'000; i++) {
        if (engine->stats().segments >= 4) cut_to = length;
        Address address;
        status = engine->add(bytes(Filled::value(i % 500)), &address);
      }
      MMCB_EXPECT(is_loss(status));
      MMCB_EXPECT(is_loss(engine->refusal()));
      return 0;
    });
  }
}

TEST_CASE("verify and backup of a file that is cut short meanwhile fail with the loss, and leave no copy") {
  TemporaryFolder folder;
  for (uint64_t at = 0; at < 8; at++) {
    CAPTURE(at);
    const auto scenario = [&](bool backup) {
      return in_child([&] {
        Filled filled(folder.path((backup ? "b" : "v") + std::to_string(at)));
        const auto progress = [&](const char*, uint64_t done, uint64_t) {
          return done != at || cut(filled.path, kHead + 3 * kMinSegmentSize + 200);
        };
        VerifyReport report;
        const std::string copy = filled.path + "-copy";
        const Status status = backup ? Backup(**filled.store, posix_platform()).run(copy, false, progress)
                                     : Verifier(**filled.store).run(progress, &report);
        MMCB_EXPECT(is_loss(status));
        MMCB_EXPECT(::access(copy.c_str(), F_OK) != 0);
        return expect_fenced(filled);
      });
    };
    CHECK(scenario(false) == kWell);
    CHECK(scenario(true) == kWell);
  }
}

TEST_CASE("a file overwritten in place is not mixed with what was in it: the next sync point tells") {
  TemporaryFolder folder;
  for (const bool older_copy : {false, true}) {
    CAPTURE(older_copy);
    expect_well([&] {
      Filled filled(folder.path(older_copy ? "a" : "b"));
      std::string other = read_file(filled.path);
      if (!older_copy) {
        Filled another(folder.path("another"));
        other = read_file(another.path);
      }
      MMCB_EXPECT(filled.store->sync().ok());
      MMCB_EXPECT(filled.store->sync().ok());
      write_file(filled.path, other);  // to nothing first, and then as long as before: as cp does
      Address address;
      const Status status = (*filled.store)->add(bytes("x"), &address);
      MMCB_EXPECT(status.ok() || is_loss(status));
      MMCB_EXPECT(is_loss(filled.store->sync()));
      return expect_fenced(filled);
    });
  }
}

TEST_CASE("a store with its threads at work, cut short: every call returns, with the loss in the end") {
  TemporaryFolder folder;
  for (const uint64_t length : {uint64_t{0}, kHead + 5 * kMinSegmentSize + 300}) {
    for (int round = 0; round < (kSanitized ? 2 : 4); round++) {
      CAPTURE(length);
      expect_well([&] {
        Options options = small_options();
        options.sync_interval_ms = 1;
        options.compaction = CompactionPolicy::kSpace;
        options.compaction_interval_ms = 2;
        const std::string path = folder.path("s" + std::to_string(length) + "-" + std::to_string(round));
        std::shared_ptr<Store> store;
        MMCB_EXPECT(Store::open(path, options, nullptr, &store).ok());
        std::atomic<int> errors{0};
        store->add_listener([&](const StoreEvent& event) {
          if (event.type == StoreEvent::Type::kError && is_loss(event.error)) errors++;
        });
        std::atomic<bool> wrong{false};
        std::vector<std::thread> threads;
        for (int thread = 0; thread < 2; thread++) {
          threads.emplace_back([&, thread] {
            Status status;
            for (int i = 0; status.ok(); i++) {
              const int64_t key = thread * 1000 + i % 300;
              status = store->engine().set(IntKey(key), bytes(Filled::value(i % 500)), nullptr);
              if (status.ok() && i % 50 == 49) status = store->flush();
            }
            if (!is_loss(status)) {
              std::fprintf(stderr, "%s: %s\n", code_name(status.code()), status.message().c_str());
              wrong = true;
            }
          });
        }
        // Long enough that something is cut off, too: a file may also be made longer.
        for (Stats stats; stats.syncs < 10 || stats.file_size <= length; stats = store->engine().stats()) {
          std::this_thread::yield();
        }
        MMCB_EXPECT(cut(path, length));
        for (std::thread& thread : threads) thread.join();
        MMCB_EXPECT(!wrong);
        const Status flushed = store->flush();
        if (!is_loss(flushed)) std::fprintf(stderr, "%s: %s\n", code_name(flushed.code()), flushed.message().c_str());
        MMCB_EXPECT(is_loss(flushed));
        const std::string left = read_file(path);
        MMCB_EXPECT(is_loss(store->close()));
        MMCB_EXPECT(read_file(path) == left);
        return 0;
      });
    }
  }
}

TEST_CASE("an idle store that is cut short says so when it is asked to flush, and when it is closed") {
  TemporaryFolder folder;
  expect_well([&] {
    std::shared_ptr<Store> store;
    MMCB_EXPECT(Store::open(folder.path("a"), small_options(), nullptr, &store).ok());
    MMCB_EXPECT(store->engine().set(IntKey(1), bytes("value"), nullptr).ok());
    // What is free is given back behind it: that may make the file as long again as it was.
    MMCB_EXPECT(store->flush().ok());
    MMCB_EXPECT(cut(folder.path("a"), kHead));
    MMCB_EXPECT(is_loss(store->flush()));
    const std::string left = read_file(folder.path("a"));
    MMCB_EXPECT(is_loss(store->close()));
    MMCB_EXPECT(read_file(folder.path("a")) == left);
    return 0;
  });
}

TEST_CASE("a deleted file goes on working, and its listeners are told once") {
  TemporaryFolder folder;
  expect_well([&] {
    std::shared_ptr<Store> store;
    MMCB_EXPECT(Store::open(folder.path("a"), small_options(), nullptr, &store).ok());
    int told = 0;
    store->add_listener([&](const StoreEvent& event) {
      if (event.type != StoreEvent::Type::kError) return;
      if (event.error.code() == Code::kIo && event.error.system_error() == ENOENT) told++;
    });
    MMCB_EXPECT(::unlink(folder.path("a").c_str()) == 0);
    for (int i = 0; i < 3; i++) {
      MMCB_EXPECT(store->engine().set(IntKey(i), bytes("value"), nullptr).ok());
      MMCB_EXPECT(store->flush().ok());
    }
    MMCB_EXPECT(store->backup(folder.path("kept"), false, nullptr).ok());
    MMCB_EXPECT(store->close().ok());
    MMCB_EXPECT(told == 1);
    MMCB_EXPECT(EngineUnderTest(folder.path("kept"), small_options())->count(KindFilter::kIntKey) == 3);
    return 0;
  });
}
