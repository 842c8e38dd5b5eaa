#include "core/platform/memory_platform.h"

#include <doctest/doctest.h>

#include <cstring>
#include <memory>

using mmcb::Code;
using mmcb::File;
using mmcb::LockMode;
using mmcb::MapMode;
using mmcb::memory_platform;
using mmcb::OpenMode;
using mmcb::Populate;

TEST_CASE("a file in memory behaves like one on disk, and is nobody else's") {
  constexpr uint64_t kReserved = 64 << 20;
  constexpr uint64_t kPage = 64 << 10;
  auto& platform = memory_platform();
  std::byte* base = nullptr;
  REQUIRE(platform.reserve(kReserved, &base).ok());
  std::unique_ptr<File> file;
  std::unique_ptr<File> other;
  REQUIRE(platform.open(":memory:", OpenMode::kReadWrite, &file).ok());
  REQUIRE(platform.open(":memory:", OpenMode::kReadWrite, &other).ok());
  CHECK(platform.sync_directory_of(":memory:").ok());
  CHECK_FALSE(file->identity() == other->identity());
  CHECK(file->is_volatile());
  CHECK(file->lock(LockMode::kExclusive).ok());

  uint64_t size = 1;
  REQUIRE(file->size(&size).ok());
  CHECK(size == 0);
  REQUIRE(file->allocate(0, 4 * kPage).ok());
  REQUIRE(file->map(base, 0, 4 * kPage, MapMode::kShared).ok());
  auto* const at = reinterpret_cast<char*>(base);
  CHECK(at[4 * kPage - 1] == 0);
  std::memset(at, 'x', 4 * kPage);
  REQUIRE(file->allocate(4 * kPage, 4 << 20).ok());
  REQUIRE(file->map(base, 4 * kPage, 4 << 20, MapMode::kShared).ok());
  file->populate(base, 4 * kPage, 4 << 20, Populate::kWrite);
  CHECK(at[0] == 'x');
  CHECK(at[4 * kPage] == 0);
  REQUIRE(file->sync().ok());

  REQUIRE(file->punch_hole(kPage, kPage).ok());
  CHECK(at[kPage - 1] == 'x');
  CHECK(at[kPage] == 0);
  CHECK(at[2 * kPage] == 'x');

  REQUIRE(file->unmap(base, 2 * kPage, 2 * kPage + (4 << 20)).ok());
  REQUIRE(file->truncate(2 * kPage).ok());
  REQUIRE(file->size(&size).ok());
  CHECK(size == 2 * kPage);
  REQUIRE(file->allocate(2 * kPage, kPage).ok());
  REQUIRE(file->map(base, 2 * kPage, kPage, MapMode::kShared).ok());
  CHECK(at[2 * kPage] == 0);
  CHECK(at[0] == 'x');
  CHECK(file->allocate(UINT64_MAX - 1, 2).code() == Code::kNoSpace);
  platform.release(base, kReserved);

  CHECK(platform.open(":memory:", OpenMode::kReadOnly, &other).code() == Code::kIo);
}
