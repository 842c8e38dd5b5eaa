// The SIGBUS guard among other handlers of the signal: those that were there before it, and those that come after.
#include "core/platform/posix_sigbus_guard.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <type_traits>

#include "support/child_process.h"
#include "support/engine_fixture.h"
#include "support/mapped_file.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

// A mapping that is nobody's business: its second page is gone.
volatile char* foreign_hole(const std::string& path, void* wanted = nullptr) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(2 * kSystemPage)) != 0) return nullptr;
  const int flags = MAP_SHARED | (wanted != nullptr ? MAP_FIXED : 0);
  void* const base = ::mmap(wanted, 2 * kSystemPage, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (base == MAP_FAILED || ::ftruncate(fd, static_cast<off_t>(kSystemPage)) != 0) return nullptr;
  return static_cast<volatile char*>(base) + kSystemPage;
}

template <typename Function>
void handle_sigbus(Function function, int flags = 0) {
  struct sigaction action {};
  if constexpr (std::is_same_v<Function, void (*)(int)>) {
    action.sa_handler = function;
  } else {
    action.sa_sigaction = function;
    flags |= SA_SIGINFO;
  }
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGUSR1);
  ::sigaction(SIGBUS, &action, nullptr);
}
void handle_by(void (*function)(int), int flags = 0) { handle_sigbus(function, flags); }
void handle_by(void (*function)(int, siginfo_t*, void*), int flags = 0) { handle_sigbus(function, flags); }

// What handlers of the "host program" below note down.
std::atomic<int> calls{0};
std::atomic<void*> seen_address{nullptr};
std::atomic<bool> usr1_was_blocked{false};
std::atomic<bool> bus_was_blocked{false};
sigjmp_buf way_out;
struct sigaction saved {};

void note_mask() {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  usr1_was_blocked = sigismember(&mask, SIGUSR1) == 1;
  bus_was_blocked = sigismember(&mask, SIGBUS) == 1;
}
void leave(int, siginfo_t* info, void*) {
  calls++;
  seen_address = info->si_addr;
  note_mask();
  siglongjmp(way_out, 1);
}
void leave_plainly(int) {
  calls++;
  note_mask();
  siglongjmp(way_out, 1);
}
void count_only(int) { calls++; }
// As a careful library does: what is not its own goes to whom it found.
void count_and_pass_on(int signal, siginfo_t* info, void* context) {
  if (++calls > 100) ::_exit(100);
  if ((saved.sa_flags & SA_SIGINFO) != 0) {
    saved.sa_sigaction(signal, info, context);
  } else if (saved.sa_handler == SIG_DFL) {
    ::signal(SIGBUS, SIG_DFL);
  } else {
    saved.sa_handler(signal);
  }
}

// Touches; 1 where a handler of the host jumped out of it.
int touch(volatile char* at) {
  if (sigsetjmp(way_out, 1) != 0) return 1;
  *at = 'x';
  return 0;
}

}  // namespace

TEST_CASE("a SIGBUS that is not about a file of ours does what it would have done") {
  TemporaryFolder folder;
  const auto with_handler = [&](auto&& install, auto&& body) {
    return in_child([&] {
      install();
      MappedFile mapped(folder.path("ours"), 4 * kSystemPage);
      MMCB_EXPECT(mapped.ok);
      volatile char* const hole = foreign_hole(folder.path("theirs"));
      MMCB_EXPECT(hole != nullptr);
      const int result = body(hole);
      MMCB_EXPECT(result == 0);
      // And ours is contained all the same.
      MMCB_EXPECT(mapped.cut(0) && mapped.at(kSystemPage) == 0 && mapped.file->lost());
      return 0;
    });
  };
  const auto by_default = [] { ::signal(SIGBUS, SIG_DFL); };
  const auto ignored = [] { ::signal(SIGBUS, SIG_IGN); };
  CHECK(with_handler(by_default, [](volatile char* hole) { return touch(hole); }) == kBySigbus);
  CHECK(with_handler(by_default, [](volatile char*) { return ::raise(SIGBUS); }) == kBySigbus);
  CHECK(with_handler(by_default, [](volatile char*) { return ::kill(::getpid(), SIGBUS); }) == kBySigbus);
  CHECK(with_handler(ignored, [](volatile char* hole) { return touch(hole); }) == kBySigbus);
  CHECK(with_handler(ignored, [](volatile char*) { return ::raise(SIGBUS); }) == kWell);

  const auto jumps_out = [](volatile char* hole) {
    for (int i = 1; i <= 100; i++) {
      MMCB_EXPECT(touch(hole) == 1);
      MMCB_EXPECT(calls == i);
      MMCB_EXPECT(usr1_was_blocked);
    }
    return 0;
  };
  CHECK(with_handler([] { handle_by(leave_plainly); },
                     [&](volatile char* hole) {
                       MMCB_EXPECT(jumps_out(hole) == 0 && bus_was_blocked);
                       return 0;
                     }) == kWell);
  CHECK(with_handler([] { handle_by(leave, SA_NODEFER); },
                     [&](volatile char* hole) {
                       MMCB_EXPECT(jumps_out(hole) == 0 && !bus_was_blocked);
                       MMCB_EXPECT(seen_address == const_cast<char*>(hole));
                       return 0;
                     }) == kWell);
  CHECK(with_handler([] { handle_by(count_only); },
                     [](volatile char*) {
                       for (int i = 1; i <= 3; i++) MMCB_EXPECT(::raise(SIGBUS) == 0 && calls == i);
                       return 0;
                     }) == kWell);
#if defined(__linux__)
  // One that was sent with an address of ours in it is no fault.
  expect_well([&] {
    handle_by(count_only);
    MappedFile mapped(folder.path("ours"), 4 * kSystemPage);
    MMCB_EXPECT(mapped.ok);
    siginfo_t forged{};
    forged.si_signo = SIGBUS;
    forged.si_code = SI_QUEUE;
    forged.si_addr = mapped.base + kSystemPage;
    mapped.at(kSystemPage) = 'a';
    MMCB_EXPECT(::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::gettid(), SIGBUS, &forged) == 0);
    MMCB_EXPECT(calls == 1 && !mapped.file->lost() && mapped.at(kSystemPage) == 'a');
    return 0;
  });
#endif
  // One that wants to be called once is called once.
  CHECK(with_handler([] { handle_by(count_only, static_cast<int>(SA_RESETHAND)); },
                     [](volatile char*) {
                       MMCB_EXPECT(::raise(SIGBUS) == 0 && calls == 1);
                       return ::raise(SIGBUS);
                     }) == kBySigbus);
}

TEST_CASE("a handler that takes our place without passing faults on holds us up for a second, not for ever") {
  TemporaryFolder folder;
  CHECK(in_child(
            [&] {
              MappedFile mapped(folder.path("a"), 4 * kSystemPage);
              MMCB_EXPECT(mapped.ok);
              handle_by(count_only);  // as libuv's does, for process.on('SIGBUS')
              MMCB_EXPECT(mapped.cut(0));
              MMCB_EXPECT(mapped.at(kSystemPage) == 0);  // spins until the watcher looks
              MMCB_EXPECT(mapped.file->lost() && calls > 0);
              const int before = calls;
              MMCB_EXPECT(::raise(SIGBUS) == 0 && calls == before + 1);
              return 0;
            },
            20) == kWell);
  // The next occasion puts it right at once, also where the newer handler has gone again.
  CHECK(in_child([&] {
          MappedFile mapped(folder.path("a"), 4 * kSystemPage);
          MMCB_EXPECT(mapped.ok);
          for (int round = 0; round < 20; round++) {
            handle_by(count_only);
            MMCB_EXPECT(mapped.file->sync().ok());
            ::signal(SIGBUS, SIG_DFL);
            MMCB_EXPECT(mapped.file->sync().ok());
          }
          MMCB_EXPECT(mapped.cut(0) && mapped.at(kSystemPage) == 0);
          MMCB_EXPECT(calls == 0);
          return ::raise(SIGBUS);
        }) == kBySigbus);
}

TEST_CASE("handlers that each have the other for predecessor do not call each other for ever") {
  TemporaryFolder folder;
  const auto chained = [&](auto&& body) {
    return in_child([&] {
      MappedFile mapped(folder.path("a"), 4 * kSystemPage);
      MMCB_EXPECT(mapped.ok);
      ::sigaction(SIGBUS, nullptr, &saved);  // ours
      handle_by(count_and_pass_on);
      MMCB_EXPECT(mapped.file->check().ok());  // ours again, over it
      const int result = body();
      MMCB_EXPECT(result == 0);
      MMCB_EXPECT(mapped.cut(0) && mapped.at(kSystemPage) == 0 && mapped.file->lost());
      return 0;
    });
  };
  ::signal(SIGBUS, SIG_DFL);
  CHECK(chained([&] {
          volatile char* const hole = foreign_hole(folder.path("theirs"));
          MMCB_EXPECT(hole != nullptr);
          return touch(hole);
        }) == kBySigbus);
  handle_by(leave_plainly);  // the oldest of the three
  CHECK(chained([&] {
          volatile char* const hole = foreign_hole(folder.path("theirs"));
          MMCB_EXPECT(hole != nullptr);
          for (int i = 1; i <= 40; i++) MMCB_EXPECT(touch(hole) == 1 && calls == 2 * i);
          return 0;
        }) == kWell);
  ::signal(SIGBUS, SIG_DFL);
}

TEST_CASE("addresses that a closed file has left are nobody's") {
  TemporaryFolder folder;
  CHECK(in_child([&] {
          ::signal(SIGBUS, SIG_DFL);
          auto mapped = std::make_unique<MappedFile>(folder.path("a"), 4 * kSystemPage);
          MMCB_EXPECT(mapped->ok);
          std::byte* const base = mapped->base;
          mapped.reset();
          volatile char* const hole = foreign_hole(folder.path("theirs"), base);
          MMCB_EXPECT(hole == reinterpret_cast<volatile char*>(base) + kSystemPage);
          return touch(hole);
        }) == kBySigbus);
}
