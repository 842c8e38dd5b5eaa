#include "core/platform/posix_sigbus_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <new>
#include <thread>

#include "core/platform/posix_platform.h"
#include "core/platform/posix_support.h"

namespace mmcb::posix {

// One guarded range, as the handler sees it. `version` is odd while the slot changes hands. The slot of a range that a
// thread can fault in is not changing hands, so the handler may pass over one that is.
struct RangeSlot {
  std::atomic<uint32_t> version{0};
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> length{0};  // 0: nothing is mapped, or the slot is not in use
  std::atomic<std::atomic<bool>*> lost{nullptr};
  bool used = false;  // under the guard's mutex
};

namespace {

constexpr auto kWatchInterval = std::chrono::seconds(1);

// ---- What the handler reads: static, changed by atomic stores only, never given back ------------------------------------------

struct SlotChunk {
  static constexpr size_t kSlots = 32;
  RangeSlot slots[kSlots];
  std::atomic<SlotChunk*> next{nullptr};
};

// The handlers that were there before ours, oldest first. Foreign signals go on to the last one. If that one saved ours
// as its own predecessor and calls it, they go on to the one before.
struct Chain {
  static constexpr size_t kMost = 8;
  size_t count = 0;
  struct sigaction actions[kMost] = {};
  mutable std::atomic<bool> used_up[kMost] = {};  // SA_RESETHAND: it has been called
  Chain* older = nullptr;                         // all that were ever published, so that one is found again
};

SlotChunk first_chunk;
std::atomic<const Chain*> chain{nullptr};
std::atomic<uintptr_t> page_mask{4095};

// Calls of earlier handlers under way, by the signal frame that they were given: nested, ours was called by one of them.
struct Passing {
  std::atomic<void*> context{nullptr};
  std::atomic<uintptr_t> frame{0};
  std::atomic<size_t> depth{0};
};
constexpr size_t kMostPassing = 32;
Passing passing[kMostPassing];
std::atomic<uint32_t> next_passing{0};

// ---- The handler: async-signal-safe -------------------------------------------------------------------------------------------

// A plain system call: sanitizers put wrappers around mmap() that are no good in a handler.
bool plug(uintptr_t from, uintptr_t length) {
  const int protection = PROT_READ | PROT_WRITE;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
#if defined(__linux__) && defined(SYS_mmap)
  return ::syscall(SYS_mmap, from, length, protection, flags, -1, 0) != -1;
#else
  return ::mmap(reinterpret_cast<void*>(from), length, protection, flags, -1, 0) != MAP_FAILED;
#endif
}

// True where the access may be repeated.
bool contain(const siginfo_t* info) {
  // Not a fault (somebody sent it), or not about a page that is missing.
  if (info->si_code <= 0 || info->si_code == BUS_ADRALN) return false;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (SlotChunk* chunk = &first_chunk; chunk != nullptr; chunk = chunk->next.load(std::memory_order_acquire)) {
    for (RangeSlot& slot : chunk->slots) {
      const uint32_t version = slot.version.load(std::memory_order_acquire);
      const uintptr_t begin = slot.begin.load(std::memory_order_acquire);
      const uintptr_t length = slot.length.load(std::memory_order_acquire);
      std::atomic<bool>* const lost = slot.lost.load(std::memory_order_acquire);
      if ((version & 1) != 0 || slot.version.load(std::memory_order_relaxed) != version) continue;
      const uintptr_t mask = page_mask.load(std::memory_order_relaxed);
      const uintptr_t end = (begin + length + mask) & ~mask;
      if (length == 0 || address < begin || address >= end) continue;
      // First the flag, then the zeros: who reads a zero finds the flag set.
      lost->store(true, std::memory_order_seq_cst);
      const uintptr_t page = address & ~mask;
      // Short of memory (strict overcommit counts the whole range), one page at a time will do.
      return plug(page, end - page) || plug(page, mask + 1);
    }
  }
  return false;
}

void set_default() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigaction(SIGBUS, &action, nullptr);
}

// What the system would have done: a fault returns, happens again and ends the process; a signal that was sent is sent
// again, and arrives when this handler has returned.
void act_by_default(const siginfo_t* info) {
  set_default();
  if (info->si_code <= 0) ::raise(SIGBUS);
}

void call_earlier(const Chain& earlier, size_t index, int signal, siginfo_t* info, void* context) {
  const struct sigaction& action = earlier.actions[index];
  const bool is_plain = (action.sa_flags & SA_SIGINFO) == 0;
  const bool once = (action.sa_flags & SA_RESETHAND) != 0;
  if ((is_plain && action.sa_handler == SIG_DFL) || (once && earlier.used_up[index].exchange(true))) {
    return act_by_default(info);
  }
  if (is_plain && action.sa_handler == SIG_IGN) {
    // A fault cannot be ignored: the system ends the process then, too.
    if (info->si_code > 0) act_by_default(info);
    return;
  }
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &action.sa_mask, &before);
  if ((action.sa_flags & SA_NODEFER) != 0) {
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGBUS);
    ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  }
  if (is_plain) {
    action.sa_handler(signal);
  } else {
    action.sa_sigaction(signal, info, context);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// Goes on to the handler that was installed last before ours. A handler that was installed over ours, and that ours was
// then installed over again, may call ours as its own predecessor: in the same signal frame, deeper in the stack. Then it
// is the turn of the next older one. (The frame alone does not tell: one that a handler left by longjmp is used again.)
void pass_on(int signal, siginfo_t* info, void* context) {
  const Chain* const earlier = chain.load(std::memory_order_acquire);
  if (earlier == nullptr) return act_by_default(info);
  const auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  Passing* mine = nullptr;
  for (Passing& other : passing) {
    if (other.context.load(std::memory_order_relaxed) == context) mine = &other;
  }
  const bool is_known = mine != nullptr;
  if (!is_known) mine = &passing[next_passing.fetch_add(1, std::memory_order_relaxed) % kMostPassing];
  const uintptr_t outer_frame = mine->frame.load(std::memory_order_relaxed);
  const size_t outer_depth = mine->depth.load(std::memory_order_relaxed);
  const bool is_nested = is_known && frame < outer_frame;
  const size_t depth = is_nested ? outer_depth + 1 : 0;
  if (depth >= earlier->count) return act_by_default(info);
  mine->frame.store(frame, std::memory_order_relaxed);
  mine->depth.store(depth, std::memory_order_relaxed);
  mine->context.store(context, std::memory_order_relaxed);
  call_earlier(*earlier, earlier->count - 1 - depth, signal, info, context);
  if (is_nested) {
    mine->frame.store(outer_frame, std::memory_order_relaxed);
    mine->depth.store(outer_depth, std::memory_order_relaxed);
  } else {
    mine->context.store(nullptr, std::memory_order_relaxed);
  }
}

void on_sigbus(int signal, siginfo_t* info, void* context) {
  const int before = errno;
  if (!contain(info)) pass_on(signal, info, context);
  errno = before;
}

// ---- Installing it ------------------------------------------------------------------------------------------------------------

bool is_ours(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_sigbus;
}

bool is_same(const struct sigaction& a, const struct sigaction& b) {
  constexpr int kTelling = SA_SIGINFO | SA_NODEFER | SA_RESETHAND;
  if ((a.sa_flags & SA_SIGINFO) != 0) {
    return ((a.sa_flags ^ b.sa_flags) & kTelling) == 0 && a.sa_sigaction == b.sa_sigaction;
  }
  if ((b.sa_flags & SA_SIGINFO) != 0 || a.sa_handler != b.sa_handler) return false;
  return a.sa_handler == SIG_DFL || a.sa_handler == SIG_IGN || ((a.sa_flags ^ b.sa_flags) & kTelling) == 0;
}

bool is_same(const Chain& a, const Chain& b) {
  return a.count == b.count && std::equal(a.actions, a.actions + a.count, b.actions,
                                          [](const auto& x, const auto& y) { return is_same(x, y); });
}

// Everything here is under `mutex`.
struct Guard {
  std::mutex mutex;
  Chain* published = nullptr;  // the newest of all chains; see Chain::older
  size_t ranges = 0;

  std::condition_variable wake;
  std::thread watcher;
  pid_t watcher_process = 0;  // a fork has this memory and not the thread; 0: none
  uint64_t watch = 0;         // which watcher is the present one; an older one ends

  // Never destroyed: threads may outlive the static destructors of the process.
  static Guard& instance() {
    static Guard* const guard = new Guard;
    return *guard;
  }

  void keep_installed();
  void publish(const struct sigaction& last);
  RangeSlot* take_slot();
  void start_watcher();
  std::thread stop_watcher();
};

void Guard::keep_installed() {
  struct sigaction current {};
  if (::sigaction(SIGBUS, nullptr, &current) != 0 || is_ours(current)) return;
  page_mask.store(posix_platform().page_size() - 1, std::memory_order_relaxed);
  // Before ours can be called.
  publish(current);
  struct sigaction ours {};
  ours.sa_sigaction = on_sigbus;
  // On the alternate stack where the thread has one: a runtime that gives its threads small stacks asks for that. And calls
  // that a sent signal interrupts are resumed, or not, as they would have been.
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (current.sa_flags & SA_RESTART);
  sigemptyset(&ours.sa_mask);
  struct sigaction replaced {};
  if (::sigaction(SIGBUS, &ours, &replaced) == 0 && !is_ours(replaced) && !is_same(replaced, current)) {
    publish(replaced);  // installed by another thread just now
  }
}

void Guard::publish(const struct sigaction& last) {
  auto* next = new (std::nothrow) Chain;
  if (next == nullptr) return;
  if (const Chain* now = chain.load(std::memory_order_relaxed); now != nullptr) {
    // One that is known already is back: what came after it has gone.
    while (next->count < now->count && !is_same(now->actions[next->count], last)) {
      next->actions[next->count] = now->actions[next->count];
      next->used_up[next->count].store(now->used_up[next->count].load());
      next->count++;
    }
    if (next->count == Chain::kMost) next->count--;
  }
  next->actions[next->count++] = last;
  for (const Chain* known = published; known != nullptr; known = known->older) {
    if (!is_same(*known, *next)) continue;
    delete next;
    known->used_up[known->count - 1].store(false);
    chain.store(known, std::memory_order_release);
    return;
  }
  next->older = published;
  published = next;
  chain.store(next, std::memory_order_release);
}

RangeSlot* Guard::take_slot() {
  for (SlotChunk* chunk = &first_chunk;; chunk = chunk->next.load(std::memory_order_relaxed)) {
    for (RangeSlot& slot : chunk->slots) {
      if (slot.used) continue;
      slot.used = true;
      return &slot;
    }
    if (chunk->next.load(std::memory_order_relaxed) != nullptr) continue;
    auto* more = new (std::nothrow) SlotChunk;
    if (more == nullptr) return nullptr;
    chunk->next.store(more, std::memory_order_release);
  }
}

void Guard::start_watcher() {
  if (watcher_process == ::getpid()) return;
  if (watcher.joinable()) new std::thread(std::move(watcher));  // the parent's, which there is no joining here
  try {
    watcher = std::thread([this, mine = ++watch] {
      std::unique_lock lock(mutex);
      while (!wake.wait_for(lock, kWatchInterval, [&] { return watch != mine; })) keep_installed();
    });
    watcher_process = ::getpid();
  } catch (...) {
    // No thread to be had: the other occasions have to do.
  }
}

std::thread Guard::stop_watcher() {
  if (watcher_process != ::getpid()) return {};
  watcher_process = 0;
  watch++;
  wake.notify_all();
  return std::move(watcher);
}

std::atomic<bool> any_range{false};

}  // namespace

Status GuardedRange::claim(std::byte* base) {
  Guard& guard = Guard::instance();
  const std::lock_guard lock(guard.mutex);
  slot_ = guard.take_slot();
  if (slot_ == nullptr) return Status(Code::kNoMemory, "no memory to guard a mapping");
  base_ = base;
  slot_->version.fetch_add(1, std::memory_order_relaxed);
  slot_->begin.store(reinterpret_cast<uintptr_t>(base), std::memory_order_release);
  slot_->length.store(0, std::memory_order_release);
  slot_->lost.store(&lost_, std::memory_order_release);
  slot_->version.fetch_add(1, std::memory_order_release);
  any_range.store(true, std::memory_order_relaxed);
  guard.ranges++;
  guard.keep_installed();
  guard.start_watcher();
  return Status();
}

void GuardedRange::release() {
  if (slot_ == nullptr) return;
  Guard& guard = Guard::instance();
  std::thread watcher;
  {
    const std::lock_guard lock(guard.mutex);
    slot_->version.fetch_add(1, std::memory_order_relaxed);
    slot_->length.store(0, std::memory_order_release);
    slot_->lost.store(nullptr, std::memory_order_release);
    slot_->version.fetch_add(1, std::memory_order_release);
    slot_->used = false;
    if (--guard.ranges == 0) watcher = guard.stop_watcher();
  }
  if (watcher.joinable()) watcher.join();
  slot_ = nullptr;
  base_ = nullptr;
  length_.store(0, std::memory_order_release);
}

void GuardedRange::set_length(uint64_t length) {
  length_.store(length, std::memory_order_release);
  slot_->length.store(length, std::memory_order_release);
}

void keep_sigbus_guard() {
  if (!any_range.load(std::memory_order_relaxed)) return;
  struct sigaction current {};
  if (::sigaction(SIGBUS, nullptr, &current) != 0 || is_ours(current)) return;
  Guard& guard = Guard::instance();
  const std::lock_guard lock(guard.mutex);
  guard.keep_installed();
}

}  // namespace mmcb::posix
