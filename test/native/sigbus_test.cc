// Files cut short under their mapping, on a real file system. Each scenario runs in a child: without the SIGBUS guard it
// dies. (sigbus_handlers_test.cc is about other handlers, sigbus_engine_test.cc about what the engine makes of it.)
#include "core/platform/posix_sigbus_guard.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/child_process.h"
#include "support/engine_fixture.h"
#include "support/mapped_file.h"

using namespace mmcb;
using namespace mmcb::test;

TEST_CASE("pages cut off under a mapping read as zeros, and the file is lost: no call changes it any more") {
  TemporaryFolder folder;
  for (const uint64_t length : {uint64_t{0}, uint64_t{100}, kSystemPage, 3 * kSystemPage + 100, 15 * kSystemPage}) {
    CAPTURE(length);
    expect_well([&] {
      MappedFile mapped(folder.path("a"), 16 * kSystemPage);
      MMCB_EXPECT(mapped.ok);
      std::memset(mapped.base, 'a', 16 * kSystemPage);
      MMCB_EXPECT(mapped.file->check().ok());
      MMCB_EXPECT(mapped.cut(length));
      const uint64_t hole = (length + kSystemPage - 1) / kSystemPage * kSystemPage;
      MMCB_EXPECT(!mapped.file->lost());
      if (length % kSystemPage != 0) MMCB_EXPECT(mapped.at(length) == 0);  // no fault, no notice
      MMCB_EXPECT(!mapped.file->lost());
      for (uint64_t at = hole; at < 16 * kSystemPage; at += 100) MMCB_EXPECT(mapped.at(at) == 0);
      MMCB_EXPECT(mapped.file->lost());
      for (uint64_t at = 0; at < length; at++) MMCB_EXPECT(mapped.at(at) == 'a');
      mapped.at(hole) = 'b';
      MMCB_EXPECT(mapped.at(hole) == 'b');

      const auto refused = [&](const Status& status) {
        return status.code() == Code::kIo && status.system_error() == EIO &&
               status.message().find(mapped.path + ": the file was truncated") == 0;
      };
      MMCB_EXPECT(refused(mapped.file->check()));
      MMCB_EXPECT(refused(mapped.file->sync()));
      MMCB_EXPECT(refused(mapped.file->allocate(0, 32 * kSystemPage)));
      MMCB_EXPECT(refused(mapped.file->truncate(0)));
      MMCB_EXPECT(refused(mapped.file->punch_hole(0, kSystemPage)));
      MMCB_EXPECT(refused(mapped.file->map(mapped.base, 0, kSystemPage, MapMode::kShared)));
      mapped.file->populate(mapped.base, 0, 16 * kSystemPage, Populate::kWriteSmallFolios);
      MMCB_EXPECT(read_file(mapped.path) == std::string(length, 'a'));
      return 0;
    });
  }
}

TEST_CASE("a store is contained as a load is, and so is a private mapping, of pages changed before, too") {
  TemporaryFolder folder;
  write_file(folder.path("a"), std::string(16 * kSystemPage, 'a'));
  expect_well([&] {
    MappedFile mapped(folder.path("a"), 16 * kSystemPage);
    MMCB_EXPECT(mapped.ok && mapped.cut(kSystemPage));
    mapped.at(9 * kSystemPage) = 'b';
    MMCB_EXPECT(mapped.file->lost());
    mapped.at(kSystemPage) = 'b';
    MMCB_EXPECT(mapped.at(9 * kSystemPage) == 0);  // the second hole took it with it
    MMCB_EXPECT(read_file(mapped.path).size() == kSystemPage);
    return 0;
  });
  write_file(folder.path("a"), std::string(16 * kSystemPage, 'a'));
  expect_well([&] {
    MappedFile mapped(folder.path("a"), 16 * kSystemPage, MapMode::kPrivate);
    MMCB_EXPECT(mapped.ok);
    mapped.at(8 * kSystemPage) = 'b';
    MMCB_EXPECT(mapped.cut(kSystemPage));
    MMCB_EXPECT(mapped.at(8 * kSystemPage) == 0);
    MMCB_EXPECT(mapped.file->lost());
    MMCB_EXPECT(mapped.file->check().code() == Code::kIo);
    return 0;
  });
}

TEST_CASE("a file that is shorter is found out without touching it, before anything is done to it") {
  TemporaryFolder folder;
  const auto with_cut_file = [&](auto&& action) {
    expect_well([&] {
      MappedFile mapped(folder.path("a"), 16 * kSystemPage);
      MMCB_EXPECT(mapped.ok && mapped.cut(16 * kSystemPage - 1));
      const Status status = action(mapped);
      MMCB_EXPECT(status.code() == Code::kIo && status.system_error() == EIO);
      MMCB_EXPECT(mapped.file->lost());
      MMCB_EXPECT(read_file(mapped.path).size() == 16 * kSystemPage - 1);
      return 0;
    });
  };
  with_cut_file([](MappedFile& m) { return m.file->check(); });
  with_cut_file([](MappedFile& m) { return m.file->sync(); });
  with_cut_file([](MappedFile& m) { return m.file->allocate(16 * kSystemPage, kSystemPage); });
  with_cut_file([](MappedFile& m) { return m.file->truncate(17 * kSystemPage); });
  with_cut_file([](MappedFile& m) { return m.file->punch_hole(0, kSystemPage); });
  with_cut_file([](MappedFile& m) { return m.file->map(m.base, 0, kSystemPage, MapMode::kShared); });
}

TEST_CASE("every thread that meets the hole goes on, and sees the flag with its first zero") {
  TemporaryFolder folder;
  expect_well([&] {
    for (int round = 0; round < 40; round++) {
      MappedFile mapped(folder.path("a"), 256 * kSystemPage);
      MMCB_EXPECT(mapped.ok);
      std::memset(mapped.base, 'a', 256 * kSystemPage);
      std::atomic<int> ready{0};
      std::atomic<bool> wrong{false};
      std::vector<std::thread> threads;
      for (uint64_t i = 0; i < 8; i++) {
        threads.emplace_back([&, i] {
          ready++;
          for (uint64_t at = i;; at = (at + 61) % 256) {
            const char c = mapped.at(at * kSystemPage);
            if (c == 'a') continue;
            if (c != 0 || !mapped.file->lost()) wrong = true;
            return;
          }
        });
      }
      while (ready != 8) std::this_thread::yield();
      const bool done = mapped.cut(0);
      for (std::thread& thread : threads) thread.join();
      MMCB_EXPECT(done && !wrong);
    }
    return 0;
  });
}

TEST_CASE("of many files, more than fit into one part of the table, the one that is cut is lost and no other") {
  TemporaryFolder folder;
  expect_well([&] {
    std::vector<std::unique_ptr<MappedFile>> files;
    for (int i = 0; i < 100; i++) {
      files.push_back(std::make_unique<MappedFile>(folder.path("f" + std::to_string(i)), 2 * kSystemPage));
      MMCB_EXPECT(files.back()->ok);
    }
    for (const size_t gone : {3u, 50u, 80u}) files[gone].reset();
    files[80] = std::make_unique<MappedFile>(folder.path("again"), 2 * kSystemPage);
    for (const size_t i : {0u, 31u, 32u, 80u, 99u}) {
      MMCB_EXPECT(files[i]->cut(0) && files[i]->at(kSystemPage) == 0 && files[i]->file->lost());
    }
    size_t lost = 0;
    for (const auto& file : files) lost += file != nullptr && file->file->lost();
    MMCB_EXPECT(lost == 5);
    return 0;
  });
}

TEST_CASE("growing and shrinking of our own, beside syncs, is never taken for a loss") {
  TemporaryFolder folder;
  expect_well([&] {
    MappedFile mapped(folder.path("a"), 4 * kSystemPage);
    MMCB_EXPECT(mapped.ok);
    std::atomic<bool> stop{false};
    std::atomic<bool> wrong{false};
    std::thread checker([&] {
      while (!stop) {
        if (!mapped.file->check().ok()) wrong = true;
      }
    });
    int failed_at = 0;
    for (int round = 0; round < 500 && failed_at == 0; round++) {
      const bool grown = mapped.file->allocate(4 * kSystemPage, 8 * kSystemPage).ok() &&
                         mapped.file->map(mapped.base, 4 * kSystemPage, 8 * kSystemPage, MapMode::kShared).ok();
      if (!grown) failed_at = __LINE__;
      mapped.at(11 * kSystemPage) = 'x';
      const bool shrunk = mapped.file->unmap(mapped.base, 4 * kSystemPage, 8 * kSystemPage).ok() &&
                          mapped.file->truncate(4 * kSystemPage).ok();
      if (!shrunk) failed_at = __LINE__;
    }
    // Also where something is mapped behind the new end that nobody looks at.
    if (!mapped.file->truncate(2 * kSystemPage).ok()) failed_at = __LINE__;
    stop = true;
    checker.join();
    MMCB_EXPECT(failed_at == 0 && !wrong && !mapped.file->lost());
    return 0;
  });
}

TEST_CASE("a thread of ours takes the fault although it was started with all signals blocked") {
  TemporaryFolder folder;
  expect_well([&] {
    MappedFile mapped(folder.path("a"), 4 * kSystemPage);
    MMCB_EXPECT(mapped.ok && mapped.cut(0));
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    std::unique_ptr<Thread> thread;
    MMCB_EXPECT(posix_platform().start_thread([&] { mapped.at(kSystemPage) = 'x'; }, &thread).ok());
    thread->join();
    MMCB_EXPECT(mapped.file->lost());
    return 0;
  });
}

TEST_CASE("a file is deleted when its last name is gone, and not when it has another") {
  TemporaryFolder folder;
  MappedFile mapped(folder.path("a"), kSystemPage);
  REQUIRE(mapped.ok);
  REQUIRE(posix_platform().rename(folder.path("a"), folder.path("b")).ok());
  CHECK_FALSE(mapped.file->is_deleted());
  write_file(folder.path("c"), "another");
  REQUIRE(posix_platform().rename(folder.path("c"), folder.path("b")).ok());
  CHECK(mapped.file->is_deleted());
  CHECK(mapped.file->sync().ok());
  CHECK(mapped.file->check().ok());
}
