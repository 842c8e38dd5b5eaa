// WalkAhead: a second thread that walks segments (walk.h) ahead of a scan, which takes what comes out in its own order.
//
// What a walk finds depends on the bytes, the header and the limit alone, and nothing changes them during a scan. So it does
// not matter who walks a segment, or when: a scan with a helper comes to the same tables and the same report as one without,
// in the same order. Only segments in order are walked ahead; where there is anything to report, the scan walks itself.
//
// Memory: kSlots lists, each of at most as many entries as a segment can have. The helper allocates nothing.
//
// Thread safety: everything is called by the thread that scans. The file has to stay mapped until the destructor.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/platform/platform.h"
#include "core/walk.h"

namespace mmcb {

// An entry and the word under which the key index has it (0 where it has no key): the key is in the cache when it is walked.
struct KeyedEntry {
  WalkedEntry entry;
  uint64_t key_word = 0;
};

KeyedEntry with_key_word(const WalkContext& context, const WalkedEntry& entry);

struct WalkedSegment {
  std::vector<KeyedEntry> entries;  // those newer than the limit included
  WalkEnd end;
  bool has_refused = false;  // some are newer than the limit
  bool in_order = false;     // nothing but whole entries; else the rest means nothing
};

class WalkAhead {
 public:
  // Entries newer than `limit` are walked as if they were not there, see walk_run().
  WalkAhead(Platform& platform, const WalkContext& context, uint64_t limit);
  ~WalkAhead();
  WalkAhead(const WalkAhead&) = delete;
  WalkAhead& operator=(const WalkAhead&) = delete;

  // Starts the helper. False where there is no thread or no memory to be had: then all else is not to be called.
  bool start();
  // Whether offer() would take another segment.
  bool has_room();
  // Lets the helper walk a segment (not a run) soon. Precondition: has_room(), and a higher index than any one before.
  void offer(uint32_t index, const SegmentHeader& header);
  // The walk of the segment at `index`; null where it was not offered or is not in order. Valid until the next call, which
  // wants a higher index. While the helper is not done with it, another one that was offered is walked here.
  const WalkedSegment* take(uint32_t index, const SegmentHeader& header);

 private:
  struct Slot {
    enum class State : uint8_t { kFree, kOffered, kWalking, kWalked };
    State state = State::kFree;
    uint32_t index = 0;
    SegmentHeader header;
    WalkedSegment walked;
  };
  static constexpr size_t kSlots = 4;

  void help();
  Slot* find(Slot::State state);  // the one with the lowest index, or null
  Slot* find(uint32_t index);
  // Under the lock, but for the walk itself.
  void walk(Slot& slot, std::unique_lock<std::mutex>& lock);

  Platform& platform_;
  const WalkContext context_;
  const uint64_t limit_;
  std::unique_ptr<Thread> thread_;

  std::mutex mutex_;  // guards what follows, but not what is walked: that belongs to whoever set kWalking
  std::condition_variable offered_;
  std::condition_variable walked_;
  std::array<Slot, kSlots> slots_;
  bool stop_ = false;
};

}  // namespace mmcb
