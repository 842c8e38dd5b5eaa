#include "core/platform/posix_platform.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using mmcb::Code;
using mmcb::File;
using mmcb::LockMode;
using mmcb::MapMode;
using mmcb::OpenMode;
using mmcb::Populate;
using mmcb::posix_platform;
using mmcb::Status;
using mmcb::Uuid;

namespace {

constexpr uint64_t kPage = 64 << 10;  // a multiple of any page size in use
constexpr uint64_t kReserved = 64 << 20;

// A folder of its own for each test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const char* const parent = ::getenv("TMPDIR");
    path_ = std::string(parent != nullptr ? parent : "/tmp") + "/mmcb-test-XXXXXX";
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  ~TemporaryFolder() {
    for (const std::string& file : files_) ::unlink(file.c_str());
    ::rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) {
    files_.push_back(path_ + "/" + name);
    return files_.back();
  }

 private:
  std::string path_;
  std::vector<std::string> files_;
};

class Reservation {
 public:
  Reservation() { REQUIRE(posix_platform().reserve(kReserved, &base_).ok()); }
  ~Reservation() { posix_platform().release(base_, kReserved); }
  std::byte* base() const { return base_; }
  char* at(uint64_t offset) const { return reinterpret_cast<char*>(base_ + offset); }

 private:
  std::byte* base_ = nullptr;
};

std::unique_ptr<File> open_file(const std::string& path, OpenMode mode = OpenMode::kReadWrite) {
  std::unique_ptr<File> file;
  const Status status = posix_platform().open(path, mode, &file);
  CAPTURE(status.message());
  REQUIRE(status.ok());
  return file;
}

uint64_t size_of(File& file) {
  uint64_t size = 0;
  REQUIRE(file.size(&size).ok());
  return size;
}

std::string read_all(const std::string& path) {
  std::string contents;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;) {
    contents.append(buffer, static_cast<size_t>(got));
  }
  ::close(fd);
  return contents;
}

// Runs `body` in a child process and returns its exit code; 255 where a signal ended it.
template <typename Body>
int in_child(Body&& body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(body());
  int state = 0;
  REQUIRE(::waitpid(child, &state, 0) == child);
  return WIFEXITED(state) ? WEXITSTATUS(state) : 255;
}

}  // namespace

TEST_CASE("a file grows under its mapping and keeps what was stored") {
  TemporaryFolder folder;
  const std::string path = folder.file("store");
  const Reservation space;
  {
    const auto file = open_file(path);
    CHECK_FALSE(file->is_volatile());
    CHECK(size_of(*file) == 0);
    REQUIRE(file->allocate(0, kPage).ok());
    CHECK(size_of(*file) == kPage);
    REQUIRE(file->map(space.base(), 0, kPage, MapMode::kShared).ok());
    std::strcpy(space.at(100), "first");
    for (uint64_t end = kPage; end < 40 * kPage; end += 3 * kPage) {
      REQUIRE(file->allocate(end, 3 * kPage).ok());
      REQUIRE(file->map(space.base(), end, 3 * kPage, MapMode::kShared).ok());
      CHECK(space.at(end)[0] == 0);
      std::strcpy(space.at(end), "more");
    }
    CHECK(std::string(space.at(100)) == "first");
    REQUIRE(file->sync().ok());
    REQUIRE(posix_platform().sync_directory_of(path).ok());
    // Allocating what is there already changes nothing.
    REQUIRE(file->allocate(0, kPage).ok());
    CHECK(size_of(*file) == 40 * kPage);
    CHECK(std::string(space.at(100)) == "first");
  }
  const std::string contents = read_all(path);
  CHECK(contents.size() == 40 * kPage);
  CHECK(std::string(contents.data() + 100) == "first");
  CHECK(std::string(contents.data() + 37 * kPage) == "more");
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK(info.st_blocks * 512 >= static_cast<off_t>(40 * kPage));
}

TEST_CASE("large mappings are shared, prepared in each way, and leave the file as stored") {
  TemporaryFolder folder;
  const std::string path = folder.file("store");
  const Reservation space;
  const auto file = open_file(path);
  constexpr uint64_t kLength = 12 << 20;
  REQUIRE(file->allocate(0, kLength).ok());
  REQUIRE(file->map(space.base(), 0, kLength, MapMode::kShared).ok());
  file->populate(space.base(), 0, kPage, Populate::kWriteSmallFolios);
  file->populate(space.base(), kPage, kLength - kPage, Populate::kWrite);
  file->populate(space.base(), 0, kLength, Populate::kRead);
  for (uint64_t offset = 0; offset < kLength; offset += kPage) {
    REQUIRE(space.at(offset)[0] == 0);
    space.at(offset)[0] = 'x';
  }
  REQUIRE(file->sync().ok());
  const std::string contents = read_all(path);
  for (uint64_t offset = 0; offset < kLength; offset += kPage) REQUIRE(contents[offset] == 'x');
}

TEST_CASE("truncating sets the size, and unmapped space can be mapped again") {
  TemporaryFolder folder;
  const Reservation space;
  const auto file = open_file(folder.file("store"));
  REQUIRE(file->allocate(0, 8 * kPage).ok());
  REQUIRE(file->map(space.base(), 0, 8 * kPage, MapMode::kShared).ok());
  std::memset(space.at(0), 'x', 8 * kPage);
  REQUIRE(file->unmap(space.base(), 2 * kPage, 6 * kPage).ok());
  REQUIRE(file->truncate(2 * kPage).ok());
  CHECK(size_of(*file) == 2 * kPage);
  CHECK(space.at(2 * kPage - 1)[0] == 'x');
  const int fault = in_child([&] {
    ::signal(SIGSEGV, [](int) { ::_exit(77); });
    return *const_cast<volatile char*>(space.at(2 * kPage)) + 1;
  });
  CHECK(fault == 77);
  REQUIRE(file->allocate(2 * kPage, kPage).ok());
  REQUIRE(file->map(space.base(), 2 * kPage, kPage, MapMode::kShared).ok());
  CHECK(space.at(2 * kPage)[0] == 0);
}

TEST_CASE("a punched hole reads as zeros and leaves the size") {
  TemporaryFolder folder;
  const Reservation space;
  const auto file = open_file(folder.file("store"));
  REQUIRE(file->allocate(0, 4 * kPage).ok());
  REQUIRE(file->map(space.base(), 0, 4 * kPage, MapMode::kShared).ok());
  std::memset(space.at(0), 'x', 4 * kPage);
  REQUIRE(file->punch_hole(kPage, 2 * kPage).ok());
  CHECK(size_of(*file) == 4 * kPage);
  CHECK(space.at(kPage - 1)[0] == 'x');
  CHECK(space.at(kPage)[0] == 0);
  CHECK(space.at(3 * kPage - 1)[0] == 0);
  CHECK(space.at(3 * kPage)[0] == 'x');
}

TEST_CASE("one open file excludes another, until it is closed") {
  TemporaryFolder folder;
  const std::string path = folder.file("store");
  auto first = open_file(path);
  const auto second = open_file(path);
  CHECK(first->identity() == second->identity());
  CHECK_FALSE(first->identity() == open_file(folder.file("other"))->identity());
  REQUIRE(first->lock(LockMode::kExclusive).ok());
  const Status refused = second->lock(LockMode::kExclusive);
  CHECK(refused.code() == Code::kLocked);
  CHECK(refused.system_error() == EWOULDBLOCK);
  CHECK(refused.message().find(path) != std::string::npos);
  CHECK(second->lock(LockMode::kShared).code() == Code::kLocked);
  CHECK(in_child([&] { return open_file(path)->lock(LockMode::kExclusive).code() == Code::kLocked ? 0 : 1; }) == 0);
  first.reset();
  CHECK(second->lock(LockMode::kShared).ok());
  CHECK(open_file(path, OpenMode::kReadOnly)->lock(LockMode::kShared).ok());
}

TEST_CASE("a private mapping of a read-only file never changes the file") {
  TemporaryFolder folder;
  const std::string path = folder.file("store");
  {
    const Reservation space;
    const auto file = open_file(path);
    REQUIRE(file->allocate(0, kPage).ok());
    REQUIRE(file->map(space.base(), 0, kPage, MapMode::kShared).ok());
    std::strcpy(space.at(0), "stored");
  }
  const Reservation space;
  const auto file = open_file(path, OpenMode::kReadOnly);
  CHECK(file->map(space.base(), 0, kPage, MapMode::kShared).code() == Code::kReadOnly);
  REQUIRE(file->map(space.base(), 0, kPage, MapMode::kPrivate).ok());
  file->populate(space.base(), 0, kPage, Populate::kRead);
  CHECK(std::string(space.at(0)) == "stored");
  std::strcpy(space.at(0), "changed");
  CHECK(std::string(space.at(0)) == "changed");
  CHECK(file->allocate(0, 2 * kPage).code() == Code::kReadOnly);
  CHECK(file->truncate(0).code() == Code::kReadOnly);
  CHECK(file->punch_hole(0, kPage).code() == Code::kReadOnly);
  const std::string contents = read_all(path);
  CHECK(contents.size() == kPage);
  CHECK(std::string(contents.data()) == "stored");
}

TEST_CASE("files that cannot be opened are errors with the system's number") {
  TemporaryFolder folder;
  std::unique_ptr<File> file;
  const auto error_of = [&](const std::string& path, OpenMode mode) {
    const Status status = posix_platform().open(path, mode, &file);
    CHECK(status.code() == Code::kIo);
    CHECK(file == nullptr);
    CHECK(status.message().find(path + ": open: ") == 0);
    return status.system_error();
  };
  for (const OpenMode mode : {OpenMode::kReadWrite, OpenMode::kReadOnly}) {
    CHECK(error_of(folder.path() + "/missing/store", mode) == ENOENT);
    CHECK(error_of(folder.path(), mode) == EISDIR);
    CHECK(error_of(std::string(5000, 'x'), mode) == ENAMETOOLONG);
  }
  CHECK(error_of(folder.path() + "/missing", OpenMode::kReadOnly) == ENOENT);
  const std::string fifo = folder.file("fifo");
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(error_of(fifo, OpenMode::kReadOnly) == EINVAL);
  CHECK(error_of(fifo, OpenMode::kReadWrite) == EINVAL);
  CHECK(posix_platform().sync_directory_of(folder.path() + "/missing/store").system_error() == ENOENT);
}

TEST_CASE("files are renamed and removed") {
  TemporaryFolder folder;
  const std::string from = folder.file("from");
  const std::string to = folder.file("to");
  open_file(from);
  REQUIRE(posix_platform().rename(from, to).ok());
  CHECK(posix_platform().rename(from, to).system_error() == ENOENT);
  CHECK(open_file(to, OpenMode::kReadOnly) != nullptr);
  REQUIRE(posix_platform().remove(to).ok());
  CHECK(posix_platform().remove(to).system_error() == ENOENT);
}

TEST_CASE("a full disk is kNoSpace and leaves the size") {
  TemporaryFolder folder;
  const std::string path = folder.file("store");
  // The limit on the size of files stands in for a full disk; it would last for the whole process.
  const int outcome = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const auto file = open_file(path);
    if (!file->allocate(0, 4 * kPage).ok()) return 1;
    const rlimit limit{8 * kPage, 8 * kPage};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    const Status allocated = file->allocate(4 * kPage, 100 * kPage);
    if (allocated.code() != Code::kNoSpace || allocated.system_error() != EFBIG) return 3;
    if (allocated.message().find(path + ": allocate: ") != 0) return 4;
    if (size_of(*file) != 4 * kPage) return 5;
    if (file->truncate(100 * kPage).code() != Code::kNoSpace) return 6;
    if (size_of(*file) != 4 * kPage) return 7;
    if (!file->allocate(4 * kPage, 4 * kPage).ok()) return 8;
    return 0;
  });
  CHECK(outcome == 0);
  const auto file = open_file(path);
  CHECK(file->allocate(UINT64_MAX - 10, 100).code() == Code::kNoSpace);
  CHECK(file->allocate(uint64_t{INT64_MAX} - kPage + 1, kPage).code() == Code::kNoSpace);
  CHECK(size_of(*file) == 8 * kPage);
}

TEST_CASE("a failed allocation that grew the file is undone") {
  TemporaryFolder folder;
  const auto file = open_file(folder.file("store"));
  REQUIRE(file->allocate(0, kPage).ok());
  // More than the disk has: on ext4 such a call takes what is left before it fails; here it is too large to begin.
  const Status status = file->allocate(kPage, uint64_t{1} << 50);
  CHECK(status.code() == Code::kNoSpace);
  CHECK(size_of(*file) == kPage);
}

TEST_CASE("reserved space is committed as zeros and discarded to zeros") {
  const Reservation space;
  CHECK(reinterpret_cast<uintptr_t>(space.base()) % (2u << 20) == 0);
  for (const bool huge : {false, true}) {
    REQUIRE(posix_platform().commit(space.base() + (huge ? 16u << 20 : 0), 8 << 20, huge).ok());
    char* const at = space.at(huge ? 16u << 20 : 0);
    CHECK(at[0] == 0);
    std::memset(at, 'x', 8 << 20);
    // Parts of pages too.
    posix_platform().discard(reinterpret_cast<std::byte*>(at + 100), (4 << 20) + 17);
    CHECK(at[99] == 'x');
    CHECK(at[100] == 0);
    CHECK(at[2 << 20] == 0);
    CHECK(at[100 + (4 << 20) + 16] == 0);
    CHECK(at[100 + (4 << 20) + 17] == 'x');
    posix_platform().discard(reinterpret_cast<std::byte*>(at + 10), 20);
    CHECK(at[9] == 'x');
    CHECK(at[10] == 0);
    CHECK(at[30] == 'x');
    posix_platform().discard(reinterpret_cast<std::byte*>(at + (6 << 20) - 5), 10);
    CHECK(at[(6 << 20) - 6] == 'x');
    CHECK(at[(6 << 20) - 5] == 0);
    CHECK(at[(6 << 20) + 4] == 0);
    CHECK(at[(6 << 20) + 5] == 'x');
  }
}

TEST_CASE("address space that cannot be had is kNoMemory") {
  std::byte* base = nullptr;
  CHECK(posix_platform().reserve(uint64_t{1} << 62, &base).code() == Code::kNoMemory);
  CHECK(posix_platform().reserve(0, &base).code() == Code::kInvalidArgument);
  CHECK(base == nullptr);
}

TEST_CASE("clocks, random numbers and the boot id answer") {
  auto& platform = posix_platform();
  const uint64_t before = platform.monotonic_ns();
  CHECK(platform.monotonic_ns() >= before);
  CHECK(platform.wall_clock_ms() > 1'600'000'000'000);
  CHECK(platform.page_size() >= 4096);
  std::array<uint8_t, 1000> first{};
  std::array<uint8_t, 1000> second{};
  platform.random(first.data(), first.size());
  platform.random(second.data(), second.size());
  CHECK(first != second);
  CHECK(std::vector<uint8_t>(first.end() - 16, first.end()) != std::vector<uint8_t>(16));
  CHECK(platform.boot_id() == platform.boot_id());
#if defined(__linux__)
  CHECK(platform.boot_id() != Uuid{});
#endif
}
