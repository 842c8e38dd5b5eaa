// The SIGBUS guard: a fault inside a file mapping of ours is contained instead of ending the process.
//
// A page of a mapped file that cannot be had raises SIGBUS in whichever thread touches it: another process cut the file
// short, a sector could not be read, the disk filled up under a sparse file. While a GuardedRange exists, such a fault
// inside it sets the range's flag and puts anonymous zeros in place of everything from the page of the fault to the end of
// the range; the access is repeated and goes on. Zeros are not data: whoever reads or stores there looks at the flag
// afterwards (File::lost()). The flag is set before any thread can see a zero.
//
// There is one handler for the process. It belongs to the engine, is installed with the first range and never removed. A
// SIGBUS that is not about a range of ours goes on to the handler that was there before, with that handler's mask and
// flags; where there was none, the process dies of it as it would have.
//
// Somebody may install a handler after ours (Node does, for process.on('SIGBUS')), without passing faults on: then a fault
// in a range would repeat for ever. So the guard looks at what is installed at each claim(), whenever keep_sigbus_guard()
// is called, and, while there is any range, once a second on a thread of its own; a newer handler becomes the one that
// foreign signals go on to. What remains is a second in which the faulting thread spins.
//
// Thread safety: the handler runs on any thread at any time; it takes no lock and allocates nothing. Calls on one
// GuardedRange are serialised by the caller, but for length(), is_lost() and the flag itself.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/status.h"

namespace mmcb::posix {

struct RangeSlot;

// Addresses of ours that one file is mapped at. Ends before the address space is given back.
class GuardedRange {
 public:
  GuardedRange() = default;
  ~GuardedRange() { release(); }
  GuardedRange(const GuardedRange&) = delete;
  GuardedRange& operator=(const GuardedRange&) = delete;

  // Guards from `base` on; nothing is guarded before set_length(). kNoMemory. Precondition: not claimed.
  Status claim(std::byte* base);
  void release();

  std::byte* base() const { return base_; }
  // Bytes from base on that are mapped. Set after they are mapped, and before they are unmapped.
  void set_length(uint64_t length);
  uint64_t length() const { return length_.load(std::memory_order_acquire); }

  std::atomic<bool>& lost() { return lost_; }
  const std::atomic<bool>& lost() const { return lost_; }

 private:
  RangeSlot* slot_ = nullptr;
  std::byte* base_ = nullptr;
  std::atomic<uint64_t> length_{0};
  std::atomic<bool> lost_{false};
};

// Makes sure that the handler is ours; about the cost of a system call (60 ns) where it is. Does nothing before the first
// range.
void keep_sigbus_guard();

}  // namespace mmcb::posix
