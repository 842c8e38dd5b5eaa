#include "core/address_space.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "support/child_process.h"
#include "support/engine_fixture.h"
#include "support/forwarding_platform.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

// Has so many bytes of address space, and hands out made-up addresses.
class CrampedPlatform : public ForwardingPlatform {
 public:
  explicit CrampedPlatform(uint64_t room) : room_(room) {}

  Status reserve(uint64_t length, std::byte** base) override {
    asked_.push_back(length);
    if (length > room_) return Status(Code::kNoMemory);
    room_ -= length;
    *base = reinterpret_cast<std::byte*>(uintptr_t{1} << 40);
    return Status();
  }
  void release(std::byte*, uint64_t length) override { room_ += length; }

  uint64_t room() const { return room_; }
  const std::vector<uint64_t>& asked() const { return asked_; }

 private:
  uint64_t room_;
  std::vector<uint64_t> asked_;
};

struct Outcome {
  Code code;
  uint64_t reserved;
  uint64_t left;
  bool operator==(const Outcome&) const = default;
};

Outcome reserve(uint64_t room, uint64_t wanted, uint64_t at_least) {
  CrampedPlatform platform(room);
  std::byte* base = nullptr;
  uint64_t reserved = 0;
  const Status status = reserve_up_to(platform, wanted, at_least, &base, &reserved);
  return {status.code(), status.ok() ? reserved : 0, platform.room()};
}

// Limits this process to `room` bytes of address space more than it has.
bool limit_address_space(uint64_t room) {
  std::ifstream in("/proc/self/statm");
  uint64_t pages = 0;
  in >> pages;
  const rlim_t limit = pages * posix_platform().page_size() + room;
  const rlimit limits{limit, limit};
  return pages != 0 && ::setrlimit(RLIMIT_AS, &limits) == 0;
}

// Opens a store in so much address space, fills it, and reads all of it back. (Not where a sanitizer wants it all.)
[[maybe_unused]] int use_store(uint64_t room, const std::string& path, const Options& options) {
  MMCB_EXPECT(limit_address_space(room));
  constexpr int kCount = 20000;
  for (int round = 0; round < 2; ++round) {
    EngineUnderTest engine(path, options);
    for (int i = 0; round == 0 && i < kCount; ++i) {
      const std::string text = random_text(100, static_cast<uint64_t>(i));
      MMCB_EXPECT(engine->set(IntKey(i), bytes(text), nullptr).ok());
      MMCB_EXPECT(engine->set(string_key("key " + std::to_string(i)), bytes(text), nullptr).ok());
    }
    for (int i = 0; i < kCount; ++i) {
      const std::string text = random_text(100, static_cast<uint64_t>(i));
      MMCB_EXPECT(engine.read(IntKey(i)) == text);
      MMCB_EXPECT(engine.read(string_key("key " + std::to_string(i))) == text);
    }
    MMCB_EXPECT(engine.verify() == "");
  }
  return 0;
}

}  // namespace

TEST_CASE("half of the address space there is is taken where there is not enough") {
  constexpr uint64_t kUnit = 1 << 20;
  CHECK(reserve(100 * kUnit, 64 * kUnit, kUnit) == Outcome{Code::kOk, 64 * kUnit, 36 * kUnit});
  CHECK(reserve(64 * kUnit, 64 * kUnit, kUnit) == Outcome{Code::kOk, 64 * kUnit, 0});
  // 32 could be had.
  CHECK(reserve(63 * kUnit, 64 * kUnit, kUnit) == Outcome{Code::kOk, 16 * kUnit, 47 * kUnit});
  CHECK(reserve(32 * kUnit, 64 * kUnit, kUnit) == Outcome{Code::kOk, 16 * kUnit, 16 * kUnit});
}

TEST_CASE("address space is never less than the least, nor taken without need") {
  constexpr uint64_t kUnit = 1 << 20;
  CHECK(reserve(63 * kUnit, 64 * kUnit, 24 * kUnit) == Outcome{Code::kOk, 24 * kUnit, 39 * kUnit});
  CHECK(reserve(30 * kUnit, 64 * kUnit, 24 * kUnit) == Outcome{Code::kOk, 24 * kUnit, 6 * kUnit});
  CHECK(reserve(23 * kUnit, 64 * kUnit, 24 * kUnit) == Outcome{Code::kNoMemory, 0, 23 * kUnit});
  CHECK(reserve(23 * kUnit, 64 * kUnit, 64 * kUnit) == Outcome{Code::kNoMemory, 0, 23 * kUnit});
  // Where the least is more than what is wanted, it is wanted.
  CHECK(reserve(30 * kUnit, kUnit, 24 * kUnit) == Outcome{Code::kOk, 24 * kUnit, 6 * kUnit});
}

// Sanitizers reserve more than that for themselves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__linux__)
TEST_CASE("a store works where there is little address space, and is refused where there is too little") {
  TemporaryFolder folder;
  Options options;
  options.sync_interval_ms = 0;
  expect_well([&] { return use_store(1 << 30, folder.path("a.mmcb"), options); });
  expect_well([&] { return use_store(400 << 20, folder.path("b.mmcb"), options); });
  expect_well([&]() -> int {
    MMCB_EXPECT(limit_address_space(100 << 20));
    std::unique_ptr<Engine> engine;
    MMCB_EXPECT(Engine::open(posix_platform(), folder.path("c.mmcb"), options, nullptr, &engine).code() ==
                Code::kNoMemory);
    return 0;
  });
}

TEST_CASE("two stores share what address space there is") {
  TemporaryFolder folder;
  expect_well([&]() -> int {
    MMCB_EXPECT(limit_address_space(uint64_t{4} << 30));
    EngineUnderTest first(folder.path("first.mmcb"), Options());
    EngineUnderTest second(folder.path("second.mmcb"), Options());
    for (int i = 0; i < 1000; ++i) {
      MMCB_EXPECT(first->set(IntKey(i), bytes("first"), nullptr).ok());
      MMCB_EXPECT(second->set(IntKey(i), bytes("second"), nullptr).ok());
    }
    MMCB_EXPECT(first.read(IntKey(500)) == "first");
    MMCB_EXPECT(second.read(IntKey(500)) == "second");
    return 0;
  });
}
#endif
