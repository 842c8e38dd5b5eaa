// Platform: everything the engine asks of the operating system, behind one interface.
//
// No other file of the core makes a system call (checked by `npm run check`), so that tests can put a simulated file,
// a failing disk or a stopped clock behind the engine. Implementations: PosixPlatform (posix_platform.h), MemoryPlatform
// (memory_platform.h, for ":memory:"), and the tests' SimulatedPlatform.
//
// Nothing here throws, whatever the implementation: memory that cannot be had is kNoMemory.
//
// Thread safety: Platform is safe from any thread. A File's sync(), lost(), give_up(), check() and is_deleted() may run
// beside every other call; the remaining calls on one File are serialised by the caller.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/status.h"

namespace mmcb {

// The largest page that memory and the page cache are asked for, in bytes.
inline constexpr uint64_t kHugePage = 2ull << 20;

// What tells two files apart, whatever path led to them.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

enum class OpenMode : uint8_t {
  kReadWrite,  // creates the file (mode 0666 less umask) where there is none
  kReadOnly,   // the file must exist
};

enum class LockMode : uint8_t { kShared, kExclusive };

enum class MapMode : uint8_t {
  kShared,   // stores reach the file
  kPrivate,  // stores stay in this process (copy on write); the file is never changed
};

// How pages are prepared ahead of use. Small folios keep a later random store from dirtying megabytes.
enum class Populate : uint8_t { kRead, kWrite, kWriteSmallFolios };

// One open file. Closing (the destructor) releases its lock. Mappings are dropped with unmap() or with the reservation,
// which outlives the File.
//
// A file can be lost while it is open: cut short by another process, or its storage fails. An access to a page that is
// gone is contained (posix_sigbus_guard.h): it goes on, reads zeros, and what it stores goes nowhere. lost() is true before
// anybody can see such a zero, and for good; every call that changes or syncs the file then is kIo and does nothing.
class File {
 public:
  virtual ~File() = default;

  virtual FileIdentity identity() const = 0;
  // True where a crash of the machine or the process cannot leave anything behind (":memory:").
  virtual bool is_volatile() const { return false; }

  // See above. Looked at after every access that no checksum vouches for.
  virtual const std::atomic<bool>& lost() const;
  // Sets lost(): the caller has found that the contents are not its own any more.
  virtual void give_up() {}
  // kIo where the file is lost; looks whether it is shorter than what is mapped of it, and then it is.
  virtual Status check() { return Status(); }
  // True when the last name of the file is gone: its contents end with the last process that has it open.
  virtual bool is_deleted() { return false; }

  // Takes a kernel lock on the whole file without waiting. kLocked where another open file description holds it.
  virtual Status lock(LockMode mode) = 0;

  virtual Status size(uint64_t* bytes) = 0;
  // Makes [offset, offset + length) storable: blocks are allocated, the file grows to cover it, and a later store there
  // cannot meet a full disk (where the file system can promise that). On failure the size is as it was before.
  virtual Status allocate(uint64_t offset, uint64_t length) = 0;
  // Sets the size. Precondition when shrinking: nothing beyond is mapped any more (see unmap()).
  virtual Status truncate(uint64_t length) = 0;
  // Gives the blocks of a range back; it reads as zeros afterwards. Unsupported file systems: ok, nothing happens.
  virtual Status punch_hole(uint64_t offset, uint64_t length) = 0;
  // Holes are to be whole units of so many bytes (a power of two), aligned in the file: a page of the page cache can be as
  // large, and a store to one that lies in part over a hole needs blocks for all of it.
  virtual uint64_t hole_unit() const { return 1; }
  // True where a page holds nothing and even reading it through a mapping would take space: it is not to be touched.
  virtual bool is_untouchable_hole(uint64_t /*offset*/) { return false; }
  // Returns when all stores made before the call, and the size, are on stable storage.
  virtual Status sync() = 0;

  // Maps [offset, offset + length) of the file at base + offset, over whatever is mapped there.
  // Preconditions: base from Platform::reserve(), and the same in every call; page-aligned; inside the file.
  virtual Status map(std::byte* base, uint64_t offset, uint64_t length, MapMode mode) = 0;
  // Replaces [offset, offset + length) at base by inaccessible reserved space again.
  virtual Status unmap(std::byte* base, uint64_t offset, uint64_t length) = 0;
  // Brings pages of a mapped range in ahead of use; a hint, failures do not matter to correctness.
  virtual void populate(std::byte* base, uint64_t offset, uint64_t length, Populate how) = 0;
};

// A file that cannot be lost.
inline const std::atomic<bool>& File::lost() const {
  static const std::atomic<bool> never{false};
  return never;
}

// A thread that was started. Precondition of the destructor: joined.
class Thread {
 public:
  virtual ~Thread() = default;
  virtual void join() = 0;
};

using Uuid = std::array<uint8_t, 16>;

class Platform {
 public:
  virtual ~Platform() = default;

  // Opens a file. kIo with errno where the system refuses (ENOENT, EISDIR, EACCES, EROFS ...).
  virtual Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) = 0;
  // Makes a creation, rename or removal in the folder of `path` durable.
  virtual Status sync_directory_of(const std::string& path) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;

  // Reserves inaccessible address space, aligned to 2 MiB. kNoMemory where it cannot be had.
  virtual Status reserve(uint64_t length, std::byte** base) = 0;
  // Makes reserved space readable and writable anonymous memory (zeros), lazily backed; `huge` asks for large pages.
  virtual Status commit(std::byte* address, uint64_t length, bool huge) = 0;
  // Drops the contents of committed anonymous memory: it reads as zeros afterwards.
  virtual void discard(std::byte* address, uint64_t length) = 0;
  virtual void release(std::byte* base, uint64_t length) = 0;

  // Runs `body` on a thread of its own. kNoMemory where none can be had.
  virtual Status start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) = 0;

  // Identifies this boot of the machine; all zeros where the system does not tell (then never trusted).
  virtual Uuid boot_id() = 0;
  virtual void random(void* target, size_t length) = 0;
  virtual uint64_t wall_clock_ms() = 0;
  virtual uint64_t monotonic_ns() = 0;
  virtual size_t page_size() = 0;
  // Every running thread of this process has executed a full memory barrier when this returns true; false where the system
  // cannot do that (then it never can), or not now. Microseconds.
  virtual bool process_barrier() { return false; }
};

}  // namespace mmcb
