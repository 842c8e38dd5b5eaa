#include "core/reader_pins.h"

#include <algorithm>
#include <cassert>
#include <new>

#include "core/stores.h"

namespace mmcb {

namespace {

// ThreadSanitizer does not know of barriers that another thread runs.
#if MMCB_TSAN
Platform* barrier_of(Platform*) { return nullptr; }
#else
Platform* barrier_of(Platform* platform) {
  return platform != nullptr && platform->process_barrier() ? platform : nullptr;
}
#endif

}  // namespace

// Why no reader is overlooked: a writer first hides a thing, then advances the clock, then looks at `since_`. If it finds
// an old value there (0, or of an earlier pin), its look precedes our store in the single order of these operations; so
// our second reading of the clock sees the advance, hence also the hiding, and cannot return the thing any more.
//
// Without a barrier of our own, the writer has one run in every thread between its advance and its look (Dice, Huang and
// Yang, "Asymmetric Dekker Synchronization", 2001). It falls before our store, and then our second reading sees the
// advance, or behind it, and then the writer sees the store.
void ReaderPin::pin() {
  if (depth_++ != 0) return;
  uint64_t now = clock_.load(std::memory_order_relaxed);
  for (;;) {
    if (has_barrier_) {
      since_.store(now, std::memory_order_seq_cst);
    } else {
      since_.store(now, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    const uint64_t again = clock_.load(std::memory_order_seq_cst);
    if (again == now) return;
    now = again;
  }
}

void ReaderPin::unpin() {
  assert(depth_ > 0);
  // Release: our last look happens before the reuse that a writer allows itself when it reads 0.
  if (--depth_ == 0) since_.store(0, std::memory_order_release);
}

ReaderPins::ReaderPins(Platform* platform) : platform_(barrier_of(platform)) {}

ReaderPin* ReaderPins::add_reader() {
  try {
    std::unique_ptr<ReaderPin> reader(new ReaderPin(clock_, platform_ == nullptr));
    const std::lock_guard<std::mutex> lock(mutex_);
    readers_.push_back(std::move(reader));
    return readers_.back().get();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void ReaderPins::remove_reader(ReaderPin* reader) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = std::find_if(readers_.begin(), readers_.end(), [&](const auto& r) { return r.get() == reader; });
  assert(found != readers_.end());
  if (found == readers_.end()) return;
  std::swap(*found, readers_.back());
  readers_.pop_back();
}

uint64_t ReaderPins::retire() { return clock_.fetch_add(1, std::memory_order_seq_cst) + 1; }

bool ReaderPins::is_reclaimable(uint64_t ticket) {
  if (platform_ != nullptr && ticket > barrier_at_) {
    const uint64_t now = clock_.load(std::memory_order_seq_cst);
    if (!platform_->process_barrier()) return false;  // later, then
    barrier_at_ = now;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::none_of(readers_.begin(), readers_.end(), [&](const auto& reader) {
    const uint64_t since = reader->since_.load(std::memory_order_seq_cst);
    return since != 0 && since < ticket;
  });
}

}  // namespace mmcb
