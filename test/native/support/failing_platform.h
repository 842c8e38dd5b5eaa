// FailingPlatform: any Platform, with the i-th call of a kind made to fail (once, or from then on), and with an account of
// everything that was opened and not given back.
//
// A failing call does nothing, or (`late`) does its work and says that it failed: what a sync, a hole, a truncation or a
// rename may do on a real system. What the contract of Platform promises of a failing call is kept.
//
// Thread safety: as Platform says; arm() and disarm() while no call is under way.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "support/forwarding_platform.h"

namespace mmcb::test {

// Every call that can fail.
#define MMCB_CALL_LIST(X) \
  X(kOpen)                \
  X(kLock)                \
  X(kSize)                \
  X(kAllocate)            \
  X(kTruncate)            \
  X(kPunchHole)           \
  X(kSync)                \
  X(kMap)                 \
  X(kUnmap)               \
  X(kSyncDirectory)       \
  X(kRename)              \
  X(kRemove)              \
  X(kReserve)             \
  X(kCommit)              \
  X(kStartThread)

enum class SystemCall : uint8_t {
#define MMCB_CALL_NAME(name) name,
  MMCB_CALL_LIST(MMCB_CALL_NAME)
#undef MMCB_CALL_NAME
      kCount
};
inline constexpr size_t kSystemCalls = static_cast<size_t>(SystemCall::kCount);

const char* name_of(SystemCall call);
// How a call fails: errno, the likeliest first.
std::vector<int> errors_of(SystemCall call);

struct Fault {
  SystemCall call = SystemCall::kSync;
  uint64_t nth = 0;  // the first is 1; 0: none fails
  bool for_ever = false;
  bool late = false;
  int error = 0;  // errno

  // The code that Platform has for it.
  Code code() const;
};

class Faults {
 public:
  // Counts anew from here. A fault may strike while the injection is on (Scope).
  void arm(const Fault& fault);
  void disarm() { arm(Fault()); }
  const Fault& fault() const { return fault_; }

  class Scope {
   public:
    explicit Scope(Faults& faults) : faults_(faults) { faults_.on_++; }
    ~Scope() { faults_.on_--; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Faults& faults_;
  };

  uint64_t calls(SystemCall call) const { return calls_[static_cast<size_t>(call)].load(); }
  uint64_t hits() const { return hits_.load(); }
  // Called when a fault strikes, before the failing call returns.
  void set_on_hit(std::function<void()> on_hit) { on_hit_ = std::move(on_hit); }

  // What is open now: files, reservations of address space, threads that were not joined.
  int64_t open_files() const { return files_.load(); }
  int64_t reservations() const { return reservations_.load(); }
  int64_t threads() const { return threads_.load(); }

 private:
  friend class FailingPlatform;
  friend class FailingFile;
  friend class FailingThread;

  // Runs a call, or makes it fail.
  template <typename Body>
  Status run(SystemCall call, Body&& body);
  bool strikes(SystemCall call);

  Fault fault_;
  std::atomic<int> on_{0};
  std::atomic<uint64_t> calls_[kSystemCalls] = {};
  std::atomic<uint64_t> hits_{0};
  std::function<void()> on_hit_;
  std::atomic<int64_t> files_{0};
  std::atomic<int64_t> reservations_{0};
  std::atomic<int64_t> threads_{0};
};

class FailingPlatform final : public ForwardingPlatform {
 public:
  explicit FailingPlatform(Platform& real = posix_platform()) : ForwardingPlatform(real) {}

  Faults& faults() { return faults_; }
  // For tests of one failure: the n-th call from now on fails, once, as it likeliest does.
  void fail(SystemCall call, uint64_t nth = 1);
  // True when it has not come yet; it does not come any more.
  bool withdraw();

  // Another number is another boot of the machine; 0: what the real platform says.
  void set_boot(uint8_t boot) { boot_ = boot; }
  // Random numbers follow from the seed from here on.
  void set_seed(uint64_t seed);
  // For tests of holes in small files: on a disk that is not full they may be as small as a segment.
  void set_hole_unit(uint64_t bytes) { hole_unit_ = bytes; }
  // A sync that is not to fail does nothing: tests look at the page cache, and the disk is slow.
  void set_skipping_syncs(bool skipping) { skipping_syncs_ = skipping; }

  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override;
  Status sync_directory_of(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status reserve(uint64_t length, std::byte** base) override;
  Status commit(std::byte* address, uint64_t length, bool huge) override;
  void release(std::byte* base, uint64_t length) override;
  Status start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) override;
  Uuid boot_id() override;
  void random(void* target, size_t length) override;

 private:
  friend class FailingFile;

  Faults faults_;
  std::optional<Faults::Scope> always_;
  std::atomic<bool> skipping_syncs_{false};
  uint8_t boot_ = 0;
  std::atomic<uint64_t> hole_unit_{1};
  std::mutex random_mutex_;
  bool seeded_ = false;
  std::mt19937_64 random_;
};

}  // namespace mmcb::test
