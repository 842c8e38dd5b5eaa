// The native tests' operator new: counts allocations, and makes the i-th fail while a test asks for it (failing_memory.h).
// Here also: what the core is promised to do without memory, function by function.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "core/platform/posix_platform.h"
#include "core/reader_pins.h"
#include "core/segment_set.h"
#include "core/status.h"
#include "support/engine_fixture.h"
#include "support/failing_memory.h"

namespace {

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  if (mmcb::test::MemoryFaults::fails_now()) return nullptr;
  if (size == 0) size = 1;
  if (alignment <= alignof(std::max_align_t)) return std::malloc(size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  void* const memory = allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

constexpr std::size_t kUsual = alignof(std::max_align_t);
std::size_t number(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }

}  // namespace

// Inlined on one side only, new and delete look like a mismatch to GCC.
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

// Every form, because a sanitizer's runtime has its own of each.
void* operator new(std::size_t size) { return allocate_or_throw(size, kUsual); }
void* operator new[](std::size_t size) { return allocate_or_throw(size, kUsual); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, kUsual); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, kUsual); }
void* operator new(std::size_t size, std::align_val_t a) { return allocate_or_throw(size, number(a)); }
void* operator new[](std::size_t size, std::align_val_t a) { return allocate_or_throw(size, number(a)); }
void* operator new(std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate(size, number(a));
}
void* operator new[](std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate(size, number(a));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept { std::free(memory); }

using namespace mmcb;
using namespace mmcb::test;

TEST_CASE("faults: the i-th allocation fails, once or from then on, on threads that are under test only") {
  const auto allocate_some = [](int count) {
    int failed = 0;
    for (int i = 0; i < count; i++) {
      try {
        ::operator delete(::operator new(static_cast<size_t>(i) + 1));  // calls that are not optimised away
      } catch (const std::bad_alloc&) {
        failed++;
      }
    }
    return failed;
  };
  const auto under_test = [&](uint64_t nth, bool for_ever) {
    MemoryFaults::arm(nth, for_ever);
    int failed = 0;
    {
      const MemoryFaults::Scope scope;
      failed = allocate_some(10);
    }
    failed += 100 * allocate_some(10);
    MemoryFaults::disarm();
    return failed;
  };
  CHECK(under_test(4, false) == 1);
  CHECK(MemoryFaults::allocations() == 10);
  CHECK(under_test(4, true) == 7);
  CHECK(under_test(11, true) == 0);
  CHECK(MemoryFaults::hits() == 0);

  MemoryFaults::arm(1, true);
  int elsewhere = 0;
  std::vector<int> exempt(1);
  std::thread thread([&] {
    const MemoryFaults::Scope scope;
    {
      const MemoryFaults::Exempt nested;
      exempt[0] = allocate_some(10);
    }
    elsewhere = allocate_some(10);
  });
  thread.join();
  CHECK(allocate_some(10) == 0);
  MemoryFaults::disarm();
  CHECK(elsewhere == 10);
  CHECK(exempt[0] == 0);
}

TEST_CASE("faults: without memory a status keeps its code and the system's error, and loses its message") {
  const std::string path(100, 'p');
  const std::string nowhere = "/dev/null/nothing/can/be/here";
  Platform& platform = posix_platform();
  const Status whole = describe(Code::kIo, EIO, path, ": sync ", 7, ": ", SystemError{EIO});
  CHECK(whole.message() == path + ": sync 7: Input/output error");
  MemoryFaults::arm(1, true);
  const auto without_memory = [&](auto make) {
    const MemoryFaults::Scope scope;
    return make();
  };
  const Status statuses[] = {
      without_memory([&] { return Status(Code::kIo, "a text that is too long to be kept inside of a string", EIO); }),
      without_memory([&] { return describe(Code::kIo, EIO, path, ": sync: ", SystemError{EIO}); }),
      without_memory([&] { return Status(whole); }),
      without_memory([&] {
        Status copy;
        copy = whole;
        return copy;
      }),
      // A real call that the system refuses.
      without_memory([&] {
        std::unique_ptr<File> file;
        return platform.open(nowhere, OpenMode::kReadOnly, &file);
      }),
  };
  MemoryFaults::disarm();
  for (const Status& status : statuses) {
    CHECK(status.code() == Code::kIo);
    CHECK(status.system_error() != 0);
    CHECK(status.message() == "");
  }
}

TEST_CASE("faults: a file that cannot be opened for want of memory leaves no descriptor behind") {
  TemporaryFolder folder;
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  const std::string path = folder.path(std::string(100, 'a'));
  Platform& platform = posix_platform();
  const auto before = descriptors();
  uint64_t refused = 0;
  for (uint64_t nth = 1;; nth++) {
    std::unique_ptr<File> file;
    MemoryFaults::arm(nth, true);
    Status status;
    {
      const MemoryFaults::Scope scope;
      status = platform.open(path, OpenMode::kReadWrite, &file);
    }
    MemoryFaults::disarm();
    if (status.ok()) break;
    CHECK(status.code() == Code::kNoMemory);
    CHECK(descriptors() == before);
    refused++;
  }
  CHECK(refused == 2);  // the file, and its path
}

TEST_CASE("faults: a reader that there is no memory for is not added") {
  ReaderPins pins;
  for (uint64_t nth = 1; nth <= 2; nth++) {
    MemoryFaults::arm(nth, true);
    ReaderPin* reader = nullptr;
    {
      const MemoryFaults::Scope scope;
      reader = pins.add_reader();
    }
    MemoryFaults::disarm();
    CHECK(reader == nullptr);
  }
  ReaderPin* const reader = pins.add_reader();
  REQUIRE(reader != nullptr);
  pins.remove_reader(reader);
}

TEST_CASE("a set of segments has no duplicates, is in order, and allocates nothing once there is room") {
  SegmentSet set;
  CHECK(set.next(0) == SegmentSet::kNone);
  set.reserve(200);
  MemoryFaults::arm(1, true);
  {
    const MemoryFaults::Scope scope;
    for (const uint32_t number : {199u, 0u, 63u, 64u, 65u, 64u}) set.insert(number);
    set.erase(65);
    set.erase(66);
  }
  MemoryFaults::disarm();
  CHECK(set.size() == 4);
  std::vector<uint32_t> found;
  for (uint32_t at = set.next(0); at != SegmentSet::kNone; at = set.next(uint64_t{at} + 1)) found.push_back(at);
  CHECK(found == std::vector<uint32_t>{0, 63, 64, 199});
  CHECK(set.contains(64));
  CHECK_FALSE(set.contains(65));
  CHECK_FALSE(set.contains(100'000));
  set.clear();
  CHECK(set.empty());
  CHECK(set.next(0) == SegmentSet::kNone);
}
