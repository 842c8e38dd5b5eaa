// SimulatedDisk: one file, twice. `live` is what the running program sees (the page cache, which is the very memory that
// the engine has mapped); `durable` is what stands on the disk. SimulatedPlatform puts an engine on top of it.
//
// What is modelled:
//   - the kernel writes any dirty page at any time (write_back_some), so that a page on the disk may hold any state that
//     it ever had, also in the middle of an operation;
//   - sync() writes the pages that were dirty when it started, as they were then or as they are when it ends;
//   - growth, truncation and holes are changes of the file of their own: they reach the disk in order, but late, and data
//     in a place that waits for such a change cannot be on the disk before it;
//   - the name of a new file reaches the disk when its directory is synced, or earlier;
//   - a power cut keeps any subset of the unwritten pages, some of them torn at sectors;
//   - a failed sync leaves pages clean that are not on the disk: no later sync writes them, unless they are stored to again
//     (as on ext4 and XFS); at any time the kernel may drop such a page, and then its older content is back.
//
// A page is dirty from the moment the engine stores to it (store_hook, see stores.h). What differs from the disk without
// such a store is a violation: a store that nobody could stop the world at.
//
// Single-threaded. Deterministic by seed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"
#include "harness/memory_pool.h"
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
  uint64_t size() const { return size_; }
  void set_inode(uint64_t inode) { inode_ = inode; }
  void set_hole_unit(uint64_t bytes) { hole_unit_ = bytes; }
  // Whether the name of the file survives is somebody else's business (SimulatedFolder).
  void leave_name_to_folder() { has_name_ = false; }

  // ---- Images ----
  void live_image(Image* image) const;     // everything survives: the process was killed
  void durable_image(Image* image) const;  // nothing unwritten survives
  void make_image(Image* image);           // a power cut: the durable state and some of the rest
  // After a failed sync: what the page cache holds once it has dropped some of the pages that it failed to write.
  void make_evicted_image(Image* image);
  // For the exhaustive mode: pages that differ from the disk, and the image in which those of `mask` survive. The first
  // `changes` pending changes of the file have reached the disk.
  std::vector<uint32_t> dirty_pages() const;
  size_t pending_changes() const { return pending_.size(); }
  void make_image_of(const std::vector<uint32_t>& pages, uint64_t mask, size_t changes, Image* image) const;

  // ---- The kernel ----
  void write_back_some();
  // Drops a page that is clean and not on the disk, if there is one: its older content is back.
  void evict_lost_page();
  bool has_lost_pages() const { return lost_ != 0; }
  // A sync starts here and ends with the next sync() for which honour_begun_sync() was called: what is stored in between
  // may be on the disk, or not.
  void begin_sync();
  void honour_begun_sync() { honour_begun_ = true; }
  bool sync_begun() const { return begun_; }
  bool is_name_durable() const { return name_is_durable_; }
  // The engine is about to store to these bytes. False: they are not this file's.
  bool note_store(const std::byte* at, size_t length);

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
  enum PageFlag : uint8_t {
    kDirty = 1,  // stored to since it was written
    kLost = 2,   // clean, and not on the disk
  };

  Status allocate(uint64_t offset, uint64_t length);
  Status truncate(uint64_t length);
  Status punch_hole(uint64_t offset, uint64_t length);
  Status sync();
  Status failing_sync();
  void finish_begun_sync();
  void sync_name() { name_is_durable_ = true; }

  std::byte* live() const { return block_->base; }
  // From here on this memory is the page cache.
  void move_live_to(MemoryBlock& block);
  // Gives a private mapping the bytes of the file.
  void copy_live_to(MemoryBlock& block);
  bool is_same_in(const MemoryBlock& block) const { return copy_ == &block && copied_version_ == version_; }
  void resize_live(uint64_t size);
  void clear_pages(uint64_t from, uint64_t end);  // page numbers: neither dirty nor lost
  void drop_pages(uint64_t from, uint64_t end);   // they leave the file
  bool differs(uint64_t page) const;
  bool is_dirty(uint64_t page) const { return (pages_[page] & kDirty) != 0 && differs(page); }
  // True where a change that is pending from index `first` on decides about this page.
  bool is_awaited(uint64_t page, size_t first) const;
  void apply_to_disk(size_t changes);
  void write_page(uint64_t page, const std::byte* from);
  static void apply(const Change& change, Image* image);
  // Every page that differs from the disk has been stored to.
  void audit();

  Random random_;
  MemoryPool pool_;
  MemoryBlock* spare_;                 // where the page cache is when the file is not mapped
  MemoryBlock* block_;                 // where the page cache is: in the reservation of whoever mapped the file last
  uint64_t version_ = 0;               // counts changes of the page cache
  const MemoryBlock* copy_ = nullptr;  // the private mapping that nobody has stored to, if there is one
  uint64_t copied_version_ = 0;        // of what is there
  bool dead_ = false;
  bool has_name_ = true;
  bool name_is_durable_ = true;
  uint64_t boot_ = 1;
  uint64_t inode_ = 7;
  uint64_t clock_ = 0;
  uint64_t size_ = 0;
  uint64_t hole_unit_ = 1;
  Image durable_;  // what is on the disk
  std::vector<Change> pending_;
  std::array<uint8_t, kCapacity / kDiskPage> pages_{};  // PageFlags
  uint64_t lost_ = 0;                                   // how many pages are
  bool begun_ = false;
  bool honour_begun_ = false;
  size_t begun_changes_ = 0;
  std::vector<uint32_t> begun_pages_;
  Image begun_content_;  // of those pages, one after the other
  uint64_t fail_sync_ = 0;
  uint64_t fail_allocate_ = 0;
  uint64_t syncs_until_audit_ = 1;
  int open_files_ = 0;
  std::string violation_;
};

}  // namespace mmcb::harness
