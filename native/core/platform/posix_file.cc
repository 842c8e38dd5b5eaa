#include "core/platform/posix_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <utility>

#include "core/platform/posix_platform.h"
#include "core/platform/posix_sigbus_guard.h"
#include "core/platform/posix_support.h"

#if defined(__linux__) && !defined(FALLOC_FL_UNSHARE_RANGE)
#define FALLOC_FL_UNSHARE_RANGE 0x40
#endif

namespace mmcb::posix {
namespace {

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

struct SizeAndNames {
  uint64_t size = 0;
  bool has_name = true;
};

// Asks for no more than that. Since Linux 6.13, whoever asks for the time of the last change makes the file system note the
// next change with a time of its own; fstat() does, and with one before each sync, each sync writes the inode, too.
int size_and_names(int fd, SizeAndNames* found) {
#if defined(STATX_SIZE)
  struct statx wanted {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_NLINK, &wanted) == 0) {
    *found = {wanted.stx_size, wanted.stx_nlink != 0};
    return 0;
  }
#endif
  struct stat info {};
  if (::fstat(fd, &info) != 0) return -1;
  *found = {static_cast<uint64_t>(info.st_size), info.st_nlink != 0};
  return 0;
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, const std::string& path, OpenMode mode, const struct stat& info)
      : fd_(std::move(fd)),
        path_(path),
        mode_(mode),
        identity_{static_cast<uint64_t>(info.st_dev), static_cast<uint64_t>(info.st_ino)},
        had_name_(info.st_nlink != 0) {
#if defined(__linux__)
    file_system_ = file_system_of(fd_.get());
#endif
  }

  FileIdentity identity() const override { return identity_; }

  const std::atomic<bool>& lost() const override { return range_.lost(); }
  void give_up() override { range_.lost().store(true); }

  Status check() override {
    keep_sigbus_guard();
    if (!range_.lost().load()) {
      // Under the mutex, because truncate() makes both shorter. (When the file grows, the length of the range follows.)
      const std::lock_guard guard(shrinking_);
      const uint64_t mapped = range_.length();
      uint64_t bytes = 0;
      MMCB_TRY(size(&bytes));
      if (bytes >= mapped) return Status();
      give_up();
    }
    return describe(Code::kIo, EIO, path_,
                    ": the file was truncated, overwritten or its storage failed under the mapping; what stands on "
                    "the disk is as it is; close it and open it again");
  }

  bool is_deleted() override {
    SizeAndNames now;
    // Some file systems (FUSE) count no names at all.
    return had_name_ && size_and_names(fd_.get(), &now) == 0 && !now.has_name;
  }

  Status lock(LockMode mode) override {
    const int operation = (mode == LockMode::kExclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
    if (uninterrupted([&] { return ::flock(fd_.get(), operation); }) == 0) return Status();
    if (errno == EWOULDBLOCK) return describe(Code::kLocked, EWOULDBLOCK, path_, ": in use by another writer");
    return system_status(path_, "lock", errno);
  }

  Status size(uint64_t* bytes) override {
    SizeAndNames now;
    if (size_and_names(fd_.get(), &now) != 0) return system_status(path_, "stat", errno);
    *bytes = now.size;
    return Status();
  }

  Status allocate(uint64_t offset, uint64_t length) override {
    MMCB_TRY(check_writable());
    MMCB_TRY(check());
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
    MMCB_TRY(check());
    if (length > kMaxFileOffset) return system_status(path_, "truncate", EFBIG);
    const std::lock_guard guard(shrinking_);
    if (length < range_.length()) range_.set_length(length);
    if (uninterrupted([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(length)); }) == 0) return Status();
    return system_status(path_, "truncate", errno);
  }

  Status punch_hole(uint64_t offset, uint64_t length) override {
    MMCB_TRY(check_writable());
    MMCB_TRY(check());
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

  uint64_t hole_unit() const override {
#if defined(__linux__)
    if (file_system_ == TMPFS_MAGIC) return posix_platform().page_size();
#endif
    // ext4 since Linux 6.16, XFS for longer: on a full disk, a store to a 2 MiB folio with a hole anywhere is SIGBUS.
    return kHugePage;
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
    MMCB_TRY(check());
    if (const int error = sync_blocks(); error != 0) return system_status(path_, "sync", error);
    // What was stored meanwhile may have gone nowhere.
    return check();
  }

  Status map(std::byte* base, uint64_t offset, uint64_t length, MapMode mode) override {
    if (length == 0) return Status();
    const bool shared = mode == MapMode::kShared;
    if (shared) MMCB_TRY(check_writable());
    MMCB_TRY(check());
    if (range_.base() != base) {
      range_.release();
      MMCB_TRY(range_.claim(base));
    }
    std::byte* const address = base + offset;
    const int flags = MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE);
    if (::mmap(address, length, PROT_READ | PROT_WRITE, flags, fd_.get(), static_cast<off_t>(offset)) == MAP_FAILED) {
      return errno == ENOMEM ? memory_status("map", errno) : system_status(path_, "map", errno);
    }
    if (offset + length > range_.length()) range_.set_length(offset + length);
#if defined(__linux__)
    // Appends want to fault in once per 2 MiB. Where small folios are in the page cache already (see populate()) this
    // changes nothing.
    if (shared && length >= kHugePage && offset % kHugePage == 0) ::madvise(address, length, MADV_HUGEPAGE);
#endif
    return Status();
  }

  Status unmap(std::byte* base, uint64_t offset, uint64_t length) override {
    if (base == range_.base() && offset + length >= range_.length() && offset < range_.length())
      range_.set_length(offset);
    return posix_platform().decommit(base + offset, length);
  }

  void populate(std::byte* base, uint64_t offset, uint64_t length, Populate how) override {
    // A page that cannot be had is no signal here but an error, which says nothing to anybody.
    if (range_.lost().load(std::memory_order_relaxed)) return;
    if (how == Populate::kWriteSmallFolios) {
      populate_small_folios(offset, length);
    } else {
      posix_platform().prefault(base + offset, length, how == Populate::kWrite);
    }
  }

 private:
  Status check_writable() const {
    if (mode_ == OpenMode::kReadWrite) return Status();
    return describe(Code::kReadOnly, 0, path_, ": opened read-only");
  }

  // Returns 0 or errno, as the next one does.
  int sync_blocks() {
#if defined(__APPLE__)
    // fsync() stops at the drive's cache there.
    if (uninterrupted([&] { return ::fcntl(fd_.get(), F_FULLFSYNC); }) != -1) return 0;
    if (errno != ENOTSUP && errno != EINVAL) return errno;
    return uninterrupted([&] { return ::fsync(fd_.get()); }) == 0 ? 0 : errno;
#else
    // Data and the size; not the times.
    return uninterrupted([&] { return ::fdatasync(fd_.get()); }) == 0 ? 0 : errno;
#endif
  }

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
  const bool had_name_;
  std::mutex shrinking_;
  GuardedRange range_;
#if defined(__linux__)
  uint64_t file_system_ = 0;
#endif
};

}  // namespace

Status open_file(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  // O_NONBLOCK: opening a FIFO must not wait for its other end. It means nothing to a regular file.
  const int common = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const int flags = common | (mode == OpenMode::kReadWrite ? O_RDWR | O_CREAT : O_RDONLY);
  Descriptor fd(uninterrupted([&] { return ::open(path.c_str(), flags, 0666); }));
  if (fd.get() < 0) return system_status(path, "open", errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return system_status(path, "stat", errno);
  if (S_ISDIR(info.st_mode)) return system_status(path, "open", EISDIR);
  if (!S_ISREG(info.st_mode)) return describe(Code::kIo, EINVAL, path, ": open: not a regular file");
#if defined(__linux__)
  if (mode == OpenMode::kReadWrite && info.st_size == 0) opt_out_of_copy_on_write(fd.get());
#endif
  return guarded([&] {
    *file = std::make_unique<PosixFile>(std::move(fd), path, mode, info);
    return Status();
  });
}

}  // namespace mmcb::posix
