// SimulatedDisk: one file, twice. `live` is what the running program sees (the page cache: a memfd that the engine maps
// and stores into); `durable` is what stands on the disk. SimulatedPlatform puts an engine on top of it.
//
// What is modelled:
//   - the kernel writes any dirty page at any time (write_back_some), so that a page on the disk may hold any state that
//     it ever had, also in the middle of an operation;
//   - sync() writes the pages that were dirty when it started, as they were then or as they are when it ends;
//   - growth, truncation and holes are changes of the file of their own: they reach the disk in order, but late, and data
//     in a place that waits for such a change cannot be on the disk before it;
//   - a power cut keeps any subset of the unwritten pages, some of them torn at sectors;
//   - a failed sync leaves pages clean that are not on the disk: no later sync writes them (as ext4 and XFS do).
//
// Single-threaded. Deterministic by seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/platform/platform.h"
#include "harness/random.h"

namespace mmcb::harness {

inline constexpr uint64_t kDiskPage = 4096;
inline constexpr uint64_t kDiskSector = 512;

// The bytes of a file at one moment. Its size is the file's.
using Image = std::vector<std::byte>;

class SimulatedDisk {
 public:
  static constexpr uint64_t kCapacity = 4 << 20;

  explicit SimulatedDisk(uint64_t seed);
  ~SimulatedDisk();
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;

  // ---- The world stops and goes on ----
  // After this, nothing the engine asks for happens any more: it is being thrown away.
  void die() { dead_ = true; }
  // The machine starts again with this on the disk and nothing else.
  void load(const Image& image);
  // The process starts again; the page cache holds `image`, the disk what it held.
  void load_live(const Image& image);
  // Becomes the same as another disk at this moment: page cache, disk and all that is under way between them.
  void copy_from(const SimulatedDisk& other);
  void set_boot(uint64_t boot) { boot_ = boot; }
  uint64_t boot() const { return boot_; }

  // ---- Images ----
  void live_image(Image* image) const;     // everything survives: the process was killed
  void durable_image(Image* image) const;  // nothing unwritten survives
  void make_image(Image* image);           // a power cut: the durable state and some of the rest
  // After a failed sync: what the page cache holds once it has dropped some of the pages that it failed to write.
  void make_evicted_image(Image* image);
  // A process that has recovered from a failed sync goes on. Which of the pages that are not on the disk it has stored to
  // (also with the same bytes) is not known: from here on all of them count as dirty again.
  void forget_lost_pages() { lost_.clear(); }
  // For the exhaustive mode: pages that differ from the disk, and the image in which those of `mask` survive. The first
  // `changes` pending changes of the file have reached the disk.
  std::vector<uint32_t> dirty_pages() const;
  size_t pending_changes() const { return pending_.size(); }
  void make_image_of(const std::vector<uint32_t>& pages, uint64_t mask, size_t changes, Image* image) const;

  // ---- The kernel ----
  void write_back_some();
  // A sync starts here and ends with the next sync() for which honour_begun_sync() was called: what is stored in between
  // may be on the disk, or not.
  void begin_sync();
  void honour_begun_sync() { honour_begun_ = true; }
  bool sync_begun() const { return begun_; }

  // ---- Faults: the n-th call from now fails; 0: none does ----
  void fail_sync_in(uint64_t calls) { fail_sync_ = calls; }
  void fail_allocate_in(uint64_t calls) { fail_allocate_ = calls; }

  // What the engine did that no platform allows, e.g. mapping beyond the end of the file; empty if nothing.
  const std::string& violation() const { return violation_; }

 private:
  friend class SimulatedFile;
  friend class SimulatedPlatform;

  // A change of the file itself that has not reached the disk.
  struct Change {
    enum class Type : uint8_t { kGrow, kTruncate, kPunch };
    Type type;
    uint64_t offset;
    uint64_t length;  // of kPunch; kGrow and kTruncate: the new size is `offset`
  };

  Status allocate(uint64_t offset, uint64_t length);
  Status truncate(uint64_t length);
  Status punch_hole(uint64_t offset, uint64_t length);
  Status sync();
  Status failing_sync();
  void finish_begun_sync();

  bool is_dirty(uint64_t page) const;
  // True where a change that is pending from index `first` on decides about this page.
  bool is_awaited(uint64_t page, size_t first) const;
  void apply_to_disk(size_t changes);
  void write_page(uint64_t page, const std::byte* from);
  static void apply(const Change& change, Image* image);

  Random random_;
  bool dead_ = false;
  uint64_t boot_ = 1;
  uint64_t clock_ = 0;
  int fd_ = -1;
  std::byte* live_ = nullptr;  // the whole memfd, kCapacity bytes; zeros at and after size_
  uint64_t size_ = 0;
  Image durable_;  // what is on the disk
  std::vector<Change> pending_;
  std::map<uint64_t, Image> lost_;  // pages that are clean in memory and not on the disk, with what they held then
  bool begun_ = false;
  bool honour_begun_ = false;
  size_t begun_changes_ = 0;
  std::vector<uint32_t> begun_pages_;
  Image begun_content_;
  uint64_t fail_sync_ = 0;
  uint64_t fail_allocate_ = 0;
  int open_files_ = 0;
  std::string violation_;
};

class SimulatedPlatform final : public Platform {
 public:
  explicit SimulatedPlatform(SimulatedDisk& disk) : disk_(disk) {}

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
  uint64_t wall_clock_ms() override;
  uint64_t monotonic_ns() override;
  size_t page_size() override { return kDiskPage; }

 private:
  SimulatedDisk& disk_;
};

}  // namespace mmcb::harness
