#include "core/slot_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/platform/posix_platform.h"
#include "support/failing_platform.h"

using mmcb::Address;
using mmcb::Code;
using mmcb::kGenerationMask;
using mmcb::kNoSlot;
using mmcb::posix_platform;
using mmcb::SlotTable;

TEST_CASE("an address resolves from publish to release, and never again") {
  SlotTable table(posix_platform(), 0);
  REQUIRE(table.initialize().ok());
  CHECK(table.size() == 0);
  CHECK(table.resolve(Address{0, 0}) == 0);
  CHECK(table.resolve(Address{}) == 0);

  Address address;
  REQUIRE(table.acquire(&address).ok());
  CHECK(table.size() == 1);
  CHECK(table.resolve(address) == 0);
  table.publish(address, 4096);
  CHECK(table.resolve(address) == 4096);
  table.publish(address, (uint64_t{1} << 45) - 8);
  CHECK(table.resolve(address) == (uint64_t{1} << 45) - 8);
  CHECK(table.resolve(Address{address.slot, address.generation + 1}) == 0);
  CHECK(table.resolve(Address{address.slot + 1, address.generation}) == 0);

  table.release(address);
  CHECK(table.resolve(address) == 0);
  Address again;
  REQUIRE(table.acquire(&again).ok());
  CHECK(again.slot == address.slot);
  CHECK(again.generation == address.generation + 1);
  CHECK(table.highest_generation() == again.generation);
  table.publish(again, 8);
  CHECK(table.resolve(address) == 0);
  CHECK(table.resolve(again) == 8);
}

TEST_CASE("live_at tells live slots from free, acquired and unknown ones") {
  SlotTable table(posix_platform(), 0);
  REQUIRE(table.initialize().ok());
  Address live;
  Address acquired;
  Address gone;
  REQUIRE(table.acquire(&live).ok());
  REQUIRE(table.acquire(&acquired).ok());
  REQUIRE(table.acquire(&gone).ok());
  table.publish(live, 64);
  table.publish(gone, 72);
  table.release(gone);
  Address address;
  uint64_t offset = 0;
  CHECK(table.live_at(live.slot, &address, &offset));
  CHECK(address == live);
  CHECK(offset == 64);
  CHECK_FALSE(table.live_at(acquired.slot, &address, &offset));
  CHECK_FALSE(table.live_at(gone.slot, &address, &offset));
  CHECK_FALSE(table.live_at(3, &address, &offset));
  CHECK_FALSE(table.live_at(kNoSlot, &address, &offset));
}

TEST_CASE("an abandoned address keeps its generation") {
  SlotTable table(posix_platform(), 0);
  REQUIRE(table.initialize().ok());
  Address address;
  REQUIRE(table.acquire(&address).ok());
  table.abandon(address);
  CHECK(table.resolve(address) == 0);
  Address again;
  REQUIRE(table.acquire(&again).ok());
  CHECK(again == address);
}

TEST_CASE("free slots come back first in, first out, and generations wrap") {
  SlotTable table(posix_platform(), 0);
  REQUIRE(table.initialize().ok());
  table.set_generation_floor(kGenerationMask);
  std::vector<Address> addresses(3);
  for (auto& address : addresses) {
    REQUIRE(table.acquire(&address).ok());
    CHECK(address.generation == kGenerationMask);
    table.publish(address, 8);
  }
  for (const size_t i : {2, 0, 1}) table.release(addresses[i]);
  for (const size_t i : {2, 0, 1}) {
    Address address;
    REQUIRE(table.acquire(&address).ok());
    CHECK(address == Address{addresses[i].slot, 0});
  }
}

TEST_CASE("a slot table behaves like a map") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  SlotTable table(posix_platform(), 0);
  REQUIRE(table.initialize().ok());
  std::unordered_map<uint64_t, uint64_t> live;  // address -> offset
  std::unordered_set<uint64_t> ever;
  std::vector<uint64_t> order;
  std::vector<uint64_t> dead;
  for (int round = 0; round < 100'000; ++round) {
    const uint64_t choice = random() % 100;
    const uint64_t offset = (random() % 1'000'000 + 1) * 8;
    if (order.size() < 10 || choice < 35) {
      Address address;
      REQUIRE(table.acquire(&address).ok());
      REQUIRE(mmcb::is_address(address.to_integer()));
      if (choice % 10 == 0) {
        table.abandon(address);
        continue;
      }
      REQUIRE(ever.insert(address.to_integer()).second);
      table.publish(address, offset);
      live[address.to_integer()] = offset;
      order.push_back(address.to_integer());
    } else if (choice < 60) {
      const uint64_t address = order[random() % order.size()];
      table.publish(Address::from_integer(address), offset);
      live[address] = offset;
    } else if (choice < 90) {
      std::swap(order[random() % order.size()], order.back());
      table.release(Address::from_integer(order.back()));
      live.erase(order.back());
      dead.push_back(order.back());
      order.pop_back();
    } else {
      const uint64_t address = order[random() % order.size()];
      REQUIRE(table.resolve(Address::from_integer(address)) == live[address]);
      if (!dead.empty()) REQUIRE(table.resolve(Address::from_integer(dead[random() % dead.size()])) == 0);
    }
  }
  size_t count = 0;
  for (uint32_t slot = 0; slot < table.size(); ++slot) {
    Address address;
    uint64_t offset = 0;
    if (!table.live_at(slot, &address, &offset)) continue;
    ++count;
    REQUIRE(live.at(address.to_integer()) == offset);
  }
  CHECK(count == live.size());
}

TEST_CASE("a table is rebuilt from what a scan finds, in any order") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  constexpr uint32_t kFloor = 40;
  SlotTable table(posix_platform(), 0);
  REQUIRE(table.initialize().ok());
  table.set_generation_floor(kFloor);
  struct Seen {
    Address address;
    uint64_t offset;  // 0: dead
  };
  std::vector<Seen> scan;
  std::unordered_map<uint64_t, uint64_t> live;
  std::unordered_map<uint32_t, uint32_t> last_dead;
  std::unordered_set<uint64_t> ever;
  for (uint32_t slot = 0; slot < 5000; slot += static_cast<uint32_t>(1 + random() % 3)) {
    const auto generations = static_cast<uint32_t>(random() % 60);
    for (uint32_t generation = 0; generation < generations; generation += 1 + generations / 4) {
      scan.push_back({Address{slot, generation}, 0});
      ever.insert(scan.back().address.to_integer());
      last_dead[slot] = generation;
    }
    if (random() % 2 == 0) {
      scan.push_back({Address{slot, generations}, 8 * (random() % 1000 + 1)});
      ever.insert(scan.back().address.to_integer());
      live[scan.back().address.to_integer()] = scan.back().offset;
    }
  }
  std::shuffle(scan.begin(), scan.end(), random);
  for (const Seen& seen : scan) {
    if (seen.offset == 0) {
      REQUIRE(table.note_dead(seen.address).ok());
    } else {
      bool conflict = true;
      REQUIRE(table.restore(seen.address, seen.offset, &conflict).ok());
      REQUIRE_FALSE(conflict);
    }
  }
  table.finish_rebuild();
  for (const auto& [address, offset] : live) REQUIRE(table.resolve(Address::from_integer(address)) == offset);
  const uint32_t size = table.size();
  const size_t free_slots = size - live.size();
  for (size_t i = 0; i < free_slots; ++i) {
    Address address;
    REQUIRE(table.acquire(&address).ok());
    REQUIRE(address.slot < size);
    REQUIRE(ever.insert(address.to_integer()).second);
    REQUIRE(address.generation >= kFloor);
    const auto dead = last_dead.find(address.slot);
    if (dead != last_dead.end()) REQUIRE(address.generation > dead->second);
  }
  CHECK(table.size() == size);
  Address fresh;
  REQUIRE(table.acquire(&fresh).ok());
  CHECK(fresh == Address{size, kFloor});
  CHECK(table.highest_generation() >= kFloor);
}

TEST_CASE("two live entries for one slot are a conflict that the caller decides") {
  SlotTable table(posix_platform(), 0);
  REQUIRE(table.initialize().ok());
  bool conflict = true;
  REQUIRE(table.restore(Address{5, 3}, 80, &conflict).ok());
  CHECK_FALSE(conflict);
  REQUIRE(table.restore(Address{5, 4}, 160, &conflict).ok());
  CHECK(conflict);
  CHECK(table.resolve(Address{5, 3}) == 80);
  table.publish(Address{5, 4}, 160);
  table.finish_rebuild();
  CHECK(table.resolve(Address{5, 3}) == 0);
  CHECK(table.resolve(Address{5, 4}) == 160);
  CHECK(table.highest_generation() == 4);
  REQUIRE(table.restore(Address{kNoSlot, 0}, 8, &conflict).code() == Code::kFull);
}

TEST_CASE("readers resolve beside a writer that grows the table") {
  SlotTable table(posix_platform(), 0);
  REQUIRE(table.initialize().ok());
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0};
  // Offset 8 * (slot + 1) for even generations, 8 * (slot + 2) for odd ones: any other answer is torn.
  std::vector<std::thread> readers;
  for (uint64_t id = 0; id < 2; ++id) {
    readers.emplace_back([&, id] {
      std::mt19937_64 random(id);
      while (!stop.load(std::memory_order_relaxed)) {
        const auto slot = static_cast<uint32_t>(random() % (table.size() + 2));
        const auto generation = static_cast<uint32_t>(random() % 4);
        const uint64_t offset = table.resolve(Address{slot, generation});
        if (offset != 0 && offset != 8 * (uint64_t{slot} + 1 + generation % 2)) wrong.fetch_add(1);
      }
    });
  }
  std::vector<Address> live;
  for (int round = 0; round < 100'000; ++round) {
    if (round % 3 == 2) {
      table.release(live[static_cast<size_t>(round) % live.size()]);
      live[static_cast<size_t>(round) % live.size()] = live.back();
      live.pop_back();
    }
    Address address;
    REQUIRE(table.acquire(&address).ok());
    table.publish(address, 8 * (uint64_t{address.slot} + 1 + address.generation % 2));
    live.push_back(address);
  }
  stop.store(true);
  for (auto& reader : readers) reader.join();
  CHECK(wrong.load() == 0);
}

TEST_CASE("is_past tells addresses that were given out from those that never were") {
  SlotTable table(posix_platform(), 0);
  REQUIRE(table.initialize().ok());
  CHECK_FALSE(table.is_past(Address{0, 0}));  // an unknown slot
  Address address;
  REQUIRE(table.acquire(&address).ok());
  table.publish(address, 8);
  CHECK_FALSE(table.is_past(address));  // it is there
  CHECK_FALSE(table.is_past(Address{address.slot, address.generation + 1}));
  table.release(address);
  CHECK(table.is_past(address));
  Address next;
  REQUIRE(table.acquire(&next).ok());
  REQUIRE(next.slot == address.slot);
  table.publish(next, 16);
  CHECK(table.is_past(address));
  CHECK_FALSE(table.is_past(next));
}

TEST_CASE("where memory is short nothing is given out, and the table goes on working") {
  mmcb::test::FailingPlatform platform;
  SlotTable table(platform, 0);
  REQUIRE(table.initialize().ok());
  Address address;
  bool conflict = false;
  platform.fail(mmcb::test::SystemCall::kCommit, 1);
  CHECK(table.acquire(&address).code() == Code::kNoMemory);
  platform.fail(mmcb::test::SystemCall::kCommit, 1);
  CHECK(table.restore(Address{5, 1}, 8, &conflict).code() == Code::kNoMemory);
  platform.fail(mmcb::test::SystemCall::kCommit, 1);
  CHECK(table.note_dead(Address{5, 1}).code() == Code::kNoMemory);
  CHECK(table.size() == 0);
  REQUIRE(table.acquire(&address).ok());
  CHECK(address.slot == 0);
}
