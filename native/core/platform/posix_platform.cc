#include "core/platform/posix_platform.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

// Known to the kernel since 5.14, to the C library's headers not always.
#if defined(__linux__) && !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#if defined(__linux__) && !defined(FALLOC_FL_UNSHARE_RANGE)
#define FALLOC_FL_UNSHARE_RANGE 0x40
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

namespace mmcb {
namespace {

constexpr uint64_t kHugePage = 2ull << 20;
constexpr uint64_t kPopulateChunk = 4ull << 20;  // short enough to let other users of the mapping in between
constexpr uint64_t kMaxFileOffset = INT64_MAX;

Status system_status(const std::string& path, const char* what, int error) {
  const bool no_space = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return Status(no_space ? Code::kNoSpace : Code::kIo,
                path + ": " + what + ": " + std::generic_category().message(error), error);
}

Status memory_status(const char* what, int error) {
  return Status(Code::kNoMemory, std::string(what) + ": " + std::generic_category().message(error), error);
}

// Repeats a call that a signal interrupted.
template <typename Call>
auto uninterrupted(Call&& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    // Never repeated on EINTR: Linux has closed it by then, and another thread may own the number.
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int take() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

uint64_t whole_pages(uint64_t length, uint64_t page) { return (length + page - 1) / page * page; }

// mmap of reserved, inaccessible space; `flags` adds MAP_FIXED.
void* map_reserved(void* address, uint64_t length, int flags) {
  return ::mmap(address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

#if defined(__linux__)
// On a copy-on-write file system every overwrite needs fresh space, so preallocation promises nothing: a store could
// meet a full disk. btrfs lets a file opt out while it is still empty. Best effort.
void opt_out_of_copy_on_write(int fd) {
  struct statfs fs {};
  if (::fstatfs(fd, &fs) != 0 || static_cast<uint64_t>(fs.f_type) != BTRFS_SUPER_MAGIC) return;
  int flags = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return;
  flags |= FS_NOCOW_FL;
  (void)::ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

// Whether every byte of a range has blocks of the file's own, so that stores there need no more space.
bool has_blocks(int fd, uint64_t offset, uint64_t length) {
  constexpr uint32_t kExtents = 32;
  alignas(struct fiemap) char memory[sizeof(struct fiemap) + kExtents * sizeof(struct fiemap_extent)];
  auto* const map = reinterpret_cast<struct fiemap*>(memory);
  const uint64_t end = offset + length;
  while (offset < end) {
    std::memset(memory, 0, sizeof memory);
    map->fm_start = offset;
    map->fm_length = end - offset;
    map->fm_extent_count = kExtents;
    if (::ioctl(fd, FS_IOC_FIEMAP, map) != 0 || map->fm_mapped_extents == 0) return false;
    for (uint32_t i = 0; i < map->fm_mapped_extents; i++) {
      const struct fiemap_extent& extent = map->fm_extents[i];
      if (extent.fe_logical > offset || (extent.fe_flags & (FIEMAP_EXTENT_SHARED | FIEMAP_EXTENT_UNKNOWN)) != 0) {
        return false;
      }
      offset = extent.fe_logical + extent.fe_length;
    }
  }
  return true;
}

constexpr uint64_t kXfsMagic = 0x58465342;  // XFS_SUPER_MAGIC

uint64_t file_system_of(int fd) {
  struct statfs fs {};
  return ::fstatfs(fd, &fs) == 0 ? static_cast<uint64_t>(fs.f_type) : 0;
}
#endif

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path, OpenMode mode, FileIdentity identity)
      : fd_(fd), path_(std::move(path)), mode_(mode), identity_(identity) {
#if defined(__linux__)
    file_system_ = file_system_of(fd);
#endif
  }

  FileIdentity identity() const override { return identity_; }

  Status lock(LockMode mode) override {
    const int operation = (mode == LockMode::kExclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
    if (uninterrupted([&] { return ::flock(fd_.get(), operation); }) == 0) return Status();
    if (errno == EWOULDBLOCK) return Status(Code::kLocked, path_ + ": in use by another writer", EWOULDBLOCK);
    return system_status(path_, "lock", errno);
  }

  Status size(uint64_t* bytes) override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return system_status(path_, "stat", errno);
    *bytes = static_cast<uint64_t>(info.st_size);
    return Status();
  }

  Status allocate(uint64_t offset, uint64_t length) override {
    MMCB_TRY(check_writable());
    if (length == 0) return Status();
    if (offset > kMaxFileOffset || length > kMaxFileOffset - offset) return system_status(path_, "allocate", EFBIG);
    uint64_t old_size = 0;
    MMCB_TRY(size(&old_size));
    const int error = allocate_blocks(offset, length, old_size);
    if (error == 0) return Status();
    // A failed call can leave the file grown (seen on ext4): the caller is promised the old size.
    uint64_t new_size = 0;
    if (size(&new_size).ok() && new_size > old_size) MMCB_TRY(truncate(old_size));
    return system_status(path_, "allocate", error);
  }

  Status truncate(uint64_t length) override {
    MMCB_TRY(check_writable());
    if (length > kMaxFileOffset) return system_status(path_, "truncate", EFBIG);
    if (uninterrupted([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(length)); }) == 0) return Status();
    return system_status(path_, "truncate", errno);
  }

  Status punch_hole(uint64_t offset, uint64_t length) override {
    MMCB_TRY(check_writable());
    if (length == 0) return Status();
#if defined(__linux__)
    const int result = uninterrupted([&] {
      return ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                         static_cast<off_t>(length));
    });
    if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return Status();
    return system_status(path_, "punch hole", errno);
#elif defined(__APPLE__)
    struct fpunchhole hole {};
    hole.fp_offset = static_cast<off_t>(offset);
    hole.fp_length = static_cast<off_t>(length);
    if (::fcntl(fd_.get(), F_PUNCHHOLE, &hole) == 0 || errno == ENOTSUP) return Status();
    return system_status(path_, "punch hole", errno);
#else
    (void)offset;
    return Status();
#endif
  }

#if defined(__linux__)
  // tmpfs gives a page to whoever reads a hole through a mapping, and SIGBUS when it has none left.
  bool is_untouchable_hole(uint64_t offset) override {
    if (file_system_ != TMPFS_MAGIC) return false;
    const off_t data = ::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
    return data == -1 ? errno == ENXIO : data != static_cast<off_t>(offset);
  }
#endif

  Status sync() override {
#if defined(__APPLE__)
    // fsync() stops at the drive's cache there.
    if (uninterrupted([&] { return ::fcntl(fd_.get(), F_FULLFSYNC); }) != -1) return Status();
    if (errno != ENOTSUP && errno != EINVAL) return system_status(path_, "sync", errno);
    if (uninterrupted([&] { return ::fsync(fd_.get()); }) == 0) return Status();
#else
    // Data and the size; not the times.
    if (uninterrupted([&] { return ::fdatasync(fd_.get()); }) == 0) return Status();
#endif
    return system_status(path_, "sync", errno);
  }

  Status map(std::byte* base, uint64_t offset, uint64_t length, MapMode mode) override {
    if (length == 0) return Status();
    const bool shared = mode == MapMode::kShared;
    if (shared) MMCB_TRY(check_writable());
    std::byte* const address = base + offset;
    const int flags = MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE);
    if (::mmap(address, length, PROT_READ | PROT_WRITE, flags, fd_.get(), static_cast<off_t>(offset)) == MAP_FAILED) {
      return errno == ENOMEM ? memory_status("map", errno) : system_status(path_, "map", errno);
    }
#if defined(__linux__)
    // Appends want to fault in once per 2 MiB. Where small folios are in the page cache already (see populate()) this
    // changes nothing.
    if (shared && length >= kHugePage && offset % kHugePage == 0) ::madvise(address, length, MADV_HUGEPAGE);
#endif
    return Status();
  }

  Status unmap(std::byte* base, uint64_t offset, uint64_t length) override {
    return posix_platform().decommit(base + offset, length);
  }

  void populate(std::byte* base, uint64_t offset, uint64_t length, Populate how) override {
    if (how == Populate::kWriteSmallFolios) {
      populate_small_folios(offset, length);
    } else {
      posix_platform().prefault(base + offset, length, how == Populate::kWrite);
    }
  }

 private:
  Status check_writable() const {
    if (mode_ == OpenMode::kReadWrite) return Status();
    return Status(Code::kReadOnly, path_ + ": opened read-only");
  }

  // Returns 0 or errno.
  int allocate_blocks(uint64_t offset, uint64_t length, uint64_t old_size) {
    const auto from = static_cast<off_t>(offset);
    const auto count = static_cast<off_t>(length);
#if defined(__linux__)
    if (uninterrupted([&] { return ::fallocate(fd_.get(), 0, from, count); }) == 0) {
      // Blocks shared with a snapshot (reflink) count as allocated, but a store needs a fresh one: unshare them now.
      if (file_system_ != kXfsMagic || offset >= old_size) return 0;
      const auto shared_count = static_cast<off_t>(std::min(length, old_size - offset));
      const int result =
          uninterrupted([&] { return ::fallocate(fd_.get(), FALLOC_FL_UNSHARE_RANGE, from, shared_count); });
      return result == 0 || errno == EOPNOTSUPP || errno == EINVAL ? 0 : errno;
    }
    const int error = errno;
    if (error != EOPNOTSUPP && error != ENOSYS) {
      // A full XFS refuses even what is there already.
      const bool is_there = offset + length <= old_size && has_blocks(fd_.get(), offset, length);
      return error == ENOSPC && is_there ? 0 : error;
    }
#elif defined(__APPLE__)
    if (offset + length > old_size) {
      struct fstore store {};
      store.fst_flags = F_ALLOCATEALL;
      store.fst_posmode = F_PEOFPOSMODE;
      store.fst_length = static_cast<off_t>(offset + length - old_size);
      if (::fcntl(fd_.get(), F_PREALLOCATE, &store) == -1 && errno != ENOTSUP && errno != EINVAL) return errno;
    }
#endif
    // No preallocation here (NFS, some FUSE and network file systems): a sparse file. It grows, but a later store can
    // meet a full disk; the SIGBUS guard contains that. Writing zeros instead would cost the disk's time for a promise
    // that such systems do not keep anyway.
    if (offset + length <= old_size) return 0;
    return uninterrupted([&] { return ::ftruncate(fd_.get(), from + count); }) == 0 ? 0 : errno;
  }

  // The page cache decides on the size of a folio when it is brought in. A second mapping with random access advice
  // brings single pages in, which then serve the main mapping too, whatever its own advice.
  void populate_small_folios(uint64_t offset, uint64_t length) {
    if (mode_ != OpenMode::kReadWrite || length == 0) return;
    void* const second =
        ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), static_cast<off_t>(offset));
    if (second == MAP_FAILED) return;
    ::madvise(second, length, MADV_RANDOM);
    posix_platform().prefault(static_cast<std::byte*>(second), length, true);
    ::munmap(second, length);
  }

  Descriptor fd_;
  const std::string path_;
  const OpenMode mode_;
  const FileIdentity identity_;
#if defined(__linux__)
  uint64_t file_system_ = 0;
#endif
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

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

uint64_t clock_ns(clockid_t clock) {
  struct timespec now {};
  ::clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

PosixPlatform& posix_platform() {
  // Never destroyed: threads may outlive the static destructors of the process.
  static PosixPlatform* const instance = new PosixPlatform();
  return *instance;
}

Status PosixPlatform::open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  // O_NONBLOCK: opening a FIFO must not wait for its other end. It means nothing to a regular file.
  const int common = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const int flags = common | (mode == OpenMode::kReadWrite ? O_RDWR | O_CREAT : O_RDONLY);
  Descriptor fd(uninterrupted([&] { return ::open(path.c_str(), flags, 0666); }));
  if (fd.get() < 0) return system_status(path, "open", errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return system_status(path, "stat", errno);
  if (S_ISDIR(info.st_mode)) return system_status(path, "open", EISDIR);
  if (!S_ISREG(info.st_mode)) return Status(Code::kIo, path + ": open: not a regular file", EINVAL);
#if defined(__linux__)
  if (mode == OpenMode::kReadWrite && info.st_size == 0) opt_out_of_copy_on_write(fd.get());
#endif
  const FileIdentity identity{static_cast<uint64_t>(info.st_dev), static_cast<uint64_t>(info.st_ino)};
  *file = std::make_unique<PosixFile>(fd.take(), path, mode, identity);
  return Status();
}

Status PosixPlatform::sync_directory_of(const std::string& path) {
  const std::string parent = parent_of(path);
  const Descriptor fd(uninterrupted([&] { return ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (fd.get() < 0) return system_status(parent, "open", errno);
  if (uninterrupted([&] { return ::fsync(fd.get()); }) == 0) return Status();
  // Some file systems (network, FUSE) cannot sync a folder; there is nothing more to ask of them.
  if (errno == EINVAL || errno == ENOTSUP) return Status();
  return system_status(parent, "sync", errno);
}

Status PosixPlatform::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return Status();
  return system_status(from, ("rename to " + to).c_str(), errno);
}

Status PosixPlatform::remove(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return Status();
  return system_status(path, "remove", errno);
}

Status PosixPlatform::reserve(uint64_t length, std::byte** base) {
  if (length == 0 || length > kMaxFileOffset) return Status(Code::kInvalidArgument, "reserve: bad length");
  const uint64_t wanted = whole_pages(length, page_size());
  // Over-allocate, then trim both ends to an aligned base.
  const uint64_t total = wanted + kHugePage;
  void* const raw = map_reserved(nullptr, total, 0);
  if (raw == MAP_FAILED) return memory_status("reserve address space", errno);
  auto* const first = static_cast<std::byte*>(raw);
  const uint64_t head = (kHugePage - reinterpret_cast<uintptr_t>(raw) % kHugePage) % kHugePage;
  if (head != 0) ::munmap(first, head);
  const uint64_t tail = total - head - wanted;
  if (tail != 0) ::munmap(first + head + wanted, tail);
  *base = first + head;
  return Status();
}

Status PosixPlatform::commit(std::byte* address, uint64_t length, bool huge) {
  if (length == 0) return Status();
  if (::mprotect(address, length, PROT_READ | PROT_WRITE) != 0) return memory_status("commit memory", errno);
#if defined(__linux__)
  if (huge) ::madvise(address, length, MADV_HUGEPAGE);
#else
  (void)huge;
#endif
  return Status();
}

Status PosixPlatform::decommit(std::byte* address, uint64_t length) {
  if (length == 0) return Status();
  if (map_reserved(address, length, MAP_FIXED) == MAP_FAILED) return memory_status("unmap", errno);
  return Status();
}

void PosixPlatform::discard(std::byte* address, uint64_t length) {
  // Only whole pages can be dropped; what they leave at the ends is overwritten.
  const uint64_t page = page_size();
  const auto begin = reinterpret_cast<uintptr_t>(address);
  const uintptr_t first_page = whole_pages(begin, page);
  const uintptr_t end_page = (begin + length) / page * page;
#if defined(__linux__)
  if (first_page < end_page) {
    std::byte* const pages = address + (first_page - begin);
    // Refused for locked memory (mlockall).
    if (::madvise(pages, end_page - first_page, MADV_DONTNEED) == 0) {
      std::memset(address, 0, first_page - begin);
      std::memset(pages + (end_page - first_page), 0, begin + length - end_page);
      return;
    }
  }
#else
  // MADV_DONTNEED promises no zeros elsewhere.
  (void)first_page, (void)end_page;
#endif
  std::memset(address, 0, length);
}

void PosixPlatform::release(std::byte* base, uint64_t length) {
  if (base != nullptr) ::munmap(base, whole_pages(length, page_size()));
}

void PosixPlatform::prefault(std::byte* address, uint64_t length, bool write) {
#if defined(__linux__)
  for (uint64_t done = 0; done < length; done += kPopulateChunk) {
    const uint64_t chunk = std::min(kPopulateChunk, length - done);
    const int advice = write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
    if (uninterrupted([&] { return ::madvise(address + done, chunk, advice); }) == 0) continue;
    // Before 5.14 the kernel knows no such advice; for reading there is a weaker one.
    if (errno == EINVAL && !write) ::madvise(address + done, length - done, MADV_WILLNEED);
    return;
  }
#else
  if (!write) ::madvise(address, length, MADV_WILLNEED);
#endif
}

namespace {

class PosixThread final : public Thread {
 public:
  explicit PosixThread(std::function<void()> body) : thread_(std::move(body)) {}
  void join() override { thread_.join(); }

 private:
  std::thread thread_;
};

}  // namespace

Status PosixPlatform::start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) {
  try {
    *thread = std::make_unique<PosixThread>(std::move(body));
    return Status();
  } catch (const std::system_error& error) {
    return Status(Code::kNoMemory, std::string("a thread could not be started: ") + error.what());
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

size_t PosixPlatform::page_size() {
  static const auto size = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace mmcb
