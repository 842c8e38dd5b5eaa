// Machine: a Platform whose files are byte vectors, made to open thousands of engines a second: no system call is made
// once its address space has been mapped. A file has two contents: `live`, what the process sees, and `durable`, what is
// on the disk. Both are under the control of the fuzzed input.
//
// What an engine may not touch (address space not mapped, a file's end) is poisoned for AddressSanitizer, to the byte.
//
// Single-threaded. Deterministic.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/platform/platform.h"
#include "fuzz/input.h"

namespace mmcb::fuzz {

using Image = std::vector<std::byte>;

inline constexpr uint64_t kDiskPage = 4096;

class Machine final : public Platform {
 public:
  static constexpr uint64_t kCapacity = 4 << 20;  // bytes of one file
  // Tables in memory may take this much in all; more would be a count from the file that was believed.
  static constexpr uint64_t kMaxCommitted = 64 << 20;

  Machine();
  ~Machine() override;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // As new: no file, and chance begins again. Address space is kept.
  void reset(uint64_t seed);

  // ---- Files. Precondition: no engine has the file open. ----
  // Makes the file hold this, on the disk too.
  void put(const std::string& path, const Image& image);
  // What the process sees; empty where there is no file. May be called at any time.
  const Image& live(const std::string& path);
  void erase(const std::string& path) { files_.erase(path); }

  // ---- The world stops ----
  // From here on nothing reaches the files: the engine is being thrown away. Ended by revive().
  void die();
  void revive();
  // Which pages and sectors survive a power cut: for each page that is not on the disk, bits of its eight sectors.
  using Survival = std::function<uint8_t(uint64_t page)>;
  // The power fails: what was not synced survives as told; of the changes of the file's size and holes, which reach the
  // disk in order, the first `changes` in 255 parts. Precondition: dead, and the engine is gone.
  void cut_power(uint8_t changes, const Survival& survival);
  // The kernel writes pages back, as told.
  void write_back(const Survival& survival);
  void set_boot(uint8_t boot) { boot_ = boot; }

  // ---- Faults: the n-th call from now fails; 0: none does ----
  // A sync that fails writes some pages; some stay dirty; some are clean afterwards and not on the disk. `fate(page)` says
  // which: 0 stays dirty, 1 is written, else lost.
  void fail_sync_in(uint64_t calls, Survival fate = nullptr) {
    fail_sync_ = calls;
    fate_ = std::move(fate);
  }
  // The page cache drops the pages that are lost, unless they were stored to since. Precondition: dead.
  void evict_lost();
  // The disk is full, to the n-th allocation from now that needs blocks; `lasting`: to all later ones, too. Where a file
  // system copies on write, it may ask for room for blocks that are there.
  void fill_up(uint64_t calls, bool lasting, bool copies_on_write) {
    fail_allocate_ = calls;
    full_for_good_ = lasting;
    copies_on_write_ = copies_on_write;
  }
  void make_room() { fail_allocate_ = 0; }
  bool is_full() const { return fail_allocate_ != 0; }
  // How many allocations of blocks that were there have been refused.
  uint64_t needless_refusals() const { return needless_refusals_; }

  // ---- Platform ----
  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override;
  Status sync_directory_of(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status reserve(uint64_t length, std::byte** base) override;
  Status commit(std::byte* address, uint64_t length, bool huge) override;
  void discard(std::byte* address, uint64_t length) override;
  void release(std::byte* base, uint64_t length) override;
  Status start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) override;
  Uuid boot_id() override;
  void random(void* target, size_t length) override;
  uint64_t wall_clock_ms() override { return 1'700'000'000'000; }
  uint64_t monotonic_ns() override { return clock_ += 1000; }
  size_t page_size() override { return kDiskPage; }

 private:
  friend class MachineFile;

  // A change of the file itself that has not reached the disk.
  struct Change {
    enum class Type : uint8_t { kGrow, kTruncate, kPunch };
    Type type;
    uint64_t offset;  // kGrow, kTruncate: the new size
    uint64_t length;  // kGrow: the old size
  };
  struct Node {
    Image live;
    Image durable;
    std::vector<Change> pending;
    std::vector<bool> hollow;        // by page: it has no blocks
    std::map<uint64_t, Image> lost;  // pages that are clean and not on the disk, and what they held then
    uint64_t inode = 0;
    int opened = 0;
    std::byte* shared = nullptr;  // where its first `shared_end` bytes are mapped for storing: there, not in `live`
    uint64_t shared_end = 0;
  };
  // Address space that was reserved once and is used again and again.
  struct Arena {
    std::byte* base;
    uint64_t length;
    uint64_t accessible = 0;
    bool used = false;
  };

  Arena& arena_of(const std::byte* address);
  void make_accessible(std::byte* address, uint64_t length);
  bool refuses(bool needs_blocks);
  static void collect(Node& node);
  void lose_pages(Node& node) const;
  static void apply(const Change& change, Image* image);
  static bool is_awaited(const Node& node, uint64_t page, size_t first);
  static void survive(const Node& node, size_t changes, const Survival& survival, Image* image);

  std::map<std::string, std::shared_ptr<Node>> files_;
  std::vector<std::unique_ptr<Arena>> arenas_;
  uint64_t committed_ = 0;
  uint64_t next_inode_ = 1;
  uint64_t clock_ = 0;
  Dice dice_{1};
  uint8_t boot_ = 1;
  bool dead_ = false;
  uint64_t fail_sync_ = 0;
  Survival fate_;
  uint64_t fail_allocate_ = 0;
  bool full_for_good_ = false;
  bool copies_on_write_ = false;
  uint64_t needless_refusals_ = 0;
};

}  // namespace mmcb::fuzz
