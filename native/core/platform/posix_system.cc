// The part of PosixPlatform that is about the system at large: threads, the boot id, random numbers, clocks.
#include <fcntl.h>
#include <signal.h>
#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#endif
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <system_error>
#include <thread>
#include <utility>

#include "core/platform/posix_platform.h"
#include "core/platform/posix_support.h"

namespace mmcb {

using posix::Descriptor;
using posix::uninterrupted;

namespace {

class PosixThread final : public Thread {
 public:
  explicit PosixThread(std::function<void()> body)
      : thread_([body = std::move(body)] {
          // A fault in a thread that blocks the signal ends the process, whoever would handle it.
          sigset_t faults;
          sigemptyset(&faults);
          sigaddset(&faults, SIGBUS);
          ::pthread_sigmask(SIG_UNBLOCK, &faults, nullptr);
          body();
        }) {}
  void join() override { thread_.join(); }

 private:
  std::thread thread_;
};

Uuid read_boot_id() {
  char text[64] = {};
#if defined(__linux__)
  const Descriptor fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return Uuid{};
  if (uninterrupted([&] { return ::read(fd.get(), text, sizeof text - 1); }) < 36) return Uuid{};
#elif defined(__APPLE__)
  size_t length = sizeof text - 1;
  if (::sysctlbyname("kern.bootsessionuuid", text, &length, nullptr, 0) != 0) return Uuid{};
#endif
  Uuid id{};
  size_t nibbles = 0;
  for (const char* c = text; *c != '\0' && nibbles < 32; ++c) {
    int value = 0;
    if (*c >= '0' && *c <= '9') {
      value = *c - '0';
    } else if (*c >= 'a' && *c <= 'f') {
      value = *c - 'a' + 10;
    } else if (*c >= 'A' && *c <= 'F') {
      value = *c - 'A' + 10;
    } else {
      continue;
    }
    id[nibbles / 2] = static_cast<uint8_t>(id[nibbles / 2] << 4 | value);
    ++nibbles;
  }
  return nibbles == 32 ? id : Uuid{};
}

uint64_t clock_ns(clockid_t clock) {
  struct timespec now {};
  ::clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Status PosixPlatform::start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) {
  try {
    *thread = std::make_unique<PosixThread>(std::move(body));
    return Status();
  } catch (const std::system_error& error) {
    return describe(Code::kNoMemory, error.code().value(), "a thread could not be started: ", error.what());
  } catch (const std::bad_alloc&) {
    return Status(Code::kNoMemory, "a thread could not be started: not enough memory");
  }
}

Uuid PosixPlatform::boot_id() {
  static const Uuid id = read_boot_id();
  return id;
}

void PosixPlatform::random(void* target, size_t length) {
  auto* at = static_cast<unsigned char*>(target);
  while (length > 0) {
    const size_t chunk = std::min<size_t>(length, 256);  // getentropy's limit
    if (::getentropy(at, chunk) != 0) {
      // Only under a sandbox that forbids it. The engine needs numbers that differ, not secrets.
      static std::atomic<uint64_t> counter{0};
      for (size_t i = 0; i < chunk; ++i) {
        uint64_t mixed = clock_ns(CLOCK_MONOTONIC) + 0x9e3779b97f4a7c15ull * (counter.fetch_add(1) + 1);
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
        at[i] = static_cast<unsigned char>(mixed >> 56);
      }
    }
    at += chunk;
    length -= chunk;
  }
}

uint64_t PosixPlatform::wall_clock_ms() { return clock_ns(CLOCK_REALTIME) / 1'000'000; }

uint64_t PosixPlatform::monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }

bool PosixPlatform::process_barrier() {
#if defined(__linux__)
  // Registered once: without that the kernel would have to interrupt threads that are none of ours (Linux 4.14).
  static const bool is_registered = ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  return is_registered && ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
#else
  return false;
#endif
}

}  // namespace mmcb
