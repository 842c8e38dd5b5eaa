// Volume: the file, mapped into a reserved address range that never moves. Grows at its end, shrinks at its end, syncs.
//
// Thread safety: at(), size(), is_lost() and check() from any thread; sync() beside everything; grow(), shrink() and punch() are serialised by
// the caller. Nothing at or beyond size() may be touched.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "core/platform/platform.h"
#include "core/status.h"

namespace mmcb {

class Volume {
 public:
  explicit Volume(Platform& platform) : platform_(platform) {}
  ~Volume();
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;

  // Takes the file and reserves address space for it to grow to `address_space` bytes (less where that cannot be had,
  // but never less than `at_least`: reserve_up_to()). Call once.
  Status attach(std::unique_ptr<File> file, uint64_t address_space, uint64_t at_least);
  // Maps the first `length` bytes of the file, instead of what was mapped before.
  Status map(uint64_t length, MapMode mode);

  File& file() { return *file_; }
  // True once part of what is mapped is gone (see File): what was read before this call may have been zeros out of
  // nowhere, what was stored may have gone there. A load of a word that stays in the cache.
  bool is_lost() const {
    // Not before the accesses that it is about. (Across processors: the flag was set before the first zero could be seen.)
    std::atomic_signal_fence(std::memory_order_acq_rel);
#if defined(__aarch64__)
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
    return lost_->load(std::memory_order_acquire);
  }
  // kIo where the file is lost, or shorter than what is mapped. A system call or two.
  Status check() const { return file_->check(); }
  std::byte* at(uint64_t offset) const { return base_ + offset; }
  // Bytes mapped: the length of the file as the engine knows it.
  uint64_t size() const { return size_.load(std::memory_order_acquire); }
  uint64_t address_space() const { return reserved_; }

  // Allocates and maps up to `length`. On failure the file is as it was.
  Status grow(uint64_t length);
  // Unmaps and gives back everything from `length` on. Precondition: no reader can still look at it.
  Status shrink(uint64_t length);
  // Truncates the file, which is `file_length` long, to what is mapped. Precondition: nobody looks at what is behind.
  Status drop_rest(uint64_t file_length);
  // Gives the blocks of a range back; allocate() it before the next store there.
  Status punch(uint64_t offset, uint64_t length);
  // Makes a range storable again after punch().
  Status allocate(uint64_t offset, uint64_t length);
  Status sync();
  void populate(uint64_t offset, uint64_t length, Populate how);

 private:
  Platform& platform_;
  std::unique_ptr<File> file_;
  const std::atomic<bool>* lost_ = nullptr;  // the file's
  std::byte* base_ = nullptr;
  uint64_t reserved_ = 0;
  std::atomic<uint64_t> size_{0};
};

}  // namespace mmcb
