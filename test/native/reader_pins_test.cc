#include "core/reader_pins.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/platform/posix_platform.h"
#include "core/stores.h"
#include "support/forwarding_platform.h"

using mmcb::PinScope;
using mmcb::Platform;
using mmcb::posix_platform;
using mmcb::ReaderPin;
using mmcb::ReaderPins;

TEST_CASE("what is retired without readers is reclaimable at once") {
  ReaderPins pins;
  CHECK(pins.is_reclaimable(pins.retire()));
  ReaderPin* const idle = pins.add_reader();
  CHECK(pins.is_reclaimable(pins.retire()));
  pins.remove_reader(idle);
}

TEST_CASE("a pin holds back what is retired after it, and only that") {
  ReaderPins pins;
  ReaderPin* const reader = pins.add_reader();
  const uint64_t before = pins.retire();
  reader->pin();
  const uint64_t after = pins.retire();
  CHECK(pins.is_reclaimable(before));
  CHECK_FALSE(pins.is_reclaimable(after));
  reader->unpin();
  CHECK(pins.is_reclaimable(after));
  pins.remove_reader(reader);
}

TEST_CASE("pins nest: the outermost counts") {
  ReaderPins pins;
  ReaderPin* const reader = pins.add_reader();
  const PinScope outer(*reader);
  const uint64_t ticket = pins.retire();
  {
    const PinScope inner(*reader);
    CHECK_FALSE(pins.is_reclaimable(ticket));
  }
  CHECK_FALSE(pins.is_reclaimable(ticket));
}

TEST_CASE("the oldest of several readers decides") {
  ReaderPins pins;
  ReaderPin* const first = pins.add_reader();
  ReaderPin* const second = pins.add_reader();
  first->pin();
  const uint64_t ticket = pins.retire();
  second->pin();  // later than the ticket: does not count
  CHECK_FALSE(pins.is_reclaimable(ticket));
  first->unpin();
  CHECK(pins.is_reclaimable(ticket));
  second->unpin();
  pins.remove_reader(first);
  CHECK(pins.is_reclaimable(pins.retire()));
  pins.remove_reader(second);
}

// The writer keeps replacing a box and poisons each old one as soon as that is allowed. A reader that finds poison was
// overlooked. Under ThreadSanitizer the plain accesses to `value` prove the ordering as well.
TEST_CASE("nothing is reclaimed under a reader") {
  struct Box {
    uint64_t value = 1;
  };
  struct Retired {
    Box* box;
    uint64_t ticket;
  };
  constexpr int kReaders = 3;
  constexpr int kRounds = 5000;
  Platform* platform = nullptr;
  SUBCASE("with a barrier of its own") {}
  SUBCASE("with the writer's") {
    platform = &posix_platform();
    if (!platform->process_barrier()) MESSAGE("SKIPPED: this system cannot run a barrier in other threads");
  }
  ReaderPins pins(platform);
  std::vector<Box> boxes(64);
  std::atomic<Box*> current{&boxes[0]};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> poisoned{0};

  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      ReaderPin* const pin = pins.add_reader();
      while (!stop.load(std::memory_order_relaxed)) {
        const PinScope scope(*pin);
        const Box* const box = current.load(std::memory_order_acquire);
        for (int look = 0; look < 3; ++look) {
          if (box->value == 0) poisoned.fetch_add(1);
        }
      }
      pins.remove_reader(pin);
    });
  }
  std::vector<Retired> retired;
  std::vector<Box*> spare;
  for (size_t i = 1; i < boxes.size(); ++i) spare.push_back(&boxes[i]);
  for (int round = 0; round < kRounds; ++round) {
    while (spare.empty()) {
      for (size_t i = 0; i < retired.size();) {
        if (!pins.is_reclaimable(retired[i].ticket)) {
          ++i;
          continue;
        }
        retired[i].box->value = 0;
        spare.push_back(retired[i].box);
        retired[i] = retired.back();
        retired.pop_back();
      }
      if (spare.empty()) std::this_thread::yield();
    }
    Box* const next = spare.back();
    spare.pop_back();
    next->value = static_cast<uint64_t>(round) + 1;
    Box* const old = current.exchange(next, std::memory_order_acq_rel);
    retired.push_back({old, pins.retire()});
  }
  stop.store(true);
  for (auto& reader : readers) reader.join();
  CHECK(poisoned.load() == 0);
}

#if !MMCB_TSAN
TEST_CASE("where no barrier can be run, nothing is taken for reclaimable") {
  class Stubborn final : public mmcb::test::ForwardingPlatform {
   public:
    bool process_barrier() override { return works; }
    bool works = true;
  };
  Stubborn platform;
  ReaderPins pins(&platform);
  const uint64_t first = pins.retire();
  platform.works = false;
  CHECK_FALSE(pins.is_reclaimable(first));
  platform.works = true;
  CHECK(pins.is_reclaimable(first));
  // One barrier does for all that was retired before it.
  const uint64_t second = pins.retire();
  const uint64_t third = pins.retire();
  CHECK(pins.is_reclaimable(third));
  platform.works = false;
  CHECK(pins.is_reclaimable(second));
}
#endif
