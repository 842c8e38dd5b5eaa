// Volume: the file, mapped into a reserved address range that never moves. Grows at its end, shrinks at its end, syncs.
//
// Thread safety: at() and size() from any thread; sync() beside everything; grow(), shrink() and punch() are serialised by
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
  // but never less than `at_least`). Call once.
  Status attach(std::unique_ptr<File> file, uint64_t address_space, uint64_t at_least);
  // Maps the first `length` bytes of the file, instead of what was mapped before.
  Status map(uint64_t length, MapMode mode);

  File& file() { return *file_; }
  std::byte* at(uint64_t offset) const { return base_ + offset; }
  // Bytes mapped: the length of the file as the engine knows it.
  uint64_t size() const { return size_.load(std::memory_order_acquire); }
  uint64_t address_space() const { return reserved_; }

  // Allocates and maps up to `length`. On failure the file is as it was.
  Status grow(uint64_t length);
  // Unmaps and gives back everything from `length` on. Precondition: no reader can still look at it.
  Status shrink(uint64_t length);
  // Gives the blocks of a range back; allocate() it before the next store there.
  Status punch(uint64_t offset, uint64_t length);
  // Makes a range storable again after punch().
  Status allocate(uint64_t offset, uint64_t length);
  Status sync();
  void populate(uint64_t offset, uint64_t length, Populate how);

 private:
  Platform& platform_;
  std::unique_ptr<File> file_;
  std::byte* base_ = nullptr;
  uint64_t reserved_ = 0;
  std::atomic<uint64_t> size_{0};
};

}  // namespace mmcb
