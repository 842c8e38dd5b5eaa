// SlotTable: resolves an address to the offset of its entry.
//
// One 64-bit word a slot:
//
//    63        43 42   41                              0
//   +------------+----+---------------------------------+
//   | generation | F  |  F = 0: entry offset / 8        |
//   |  (21 bits) |    |  F = 1: next free slot          |
//   +------------+----+---------------------------------+
//
// A word of a free slot keeps the generation that its next entry will get. Free slots form a first-in-first-out list, so
// that generations grow evenly and a stale address stays recognisable for as long as possible. A slot taken by acquire()
// looks free (F = 1, no next) until publish(): nothing resolves to it.
//
// Thread safety: resolve() is lock-free and may run beside one writer; every other call is serialised by the caller.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/address.h"
#include "core/bytes.h"
#include "core/region.h"
#include "core/status.h"

namespace mmcb {

class SlotTable {
 public:
  // A slot is used again only while more than `waiting_slots` others are free: without them one slot taken and freed in
  // turn would run through its generations within a second, and addresses kept from before would look alive again.
  explicit SlotTable(Platform& platform, uint32_t waiting_slots = 1024)
      : region_(platform), waiting_slots_(waiting_slots) {}

  // Reserves address space for 2^32 - 1 slots, or for fewer where there is little of it. Call once.
  Status initialize();

  // Slots ever used; slots at or above are unknown.
  uint32_t size() const { return size_.load(std::memory_order_acquire); }
  uint64_t memory() const { return region_.committed(); }

  // The offset of the entry that `address` names, or 0 when it is unknown, removed or stale.
  uint64_t resolve(Address address) const;

  // Brings the slot's cache line in ahead of what changes it. Any number will do.
  void prefetch(uint32_t slot) const {
    if (slot < size()) __builtin_prefetch(&word(slot), 1);
  }

  // True when the slot was once given out under this generation (and, if resolve() is 0, is no more).
  bool is_past(Address address) const;

  // The live address and offset in a slot; false where the slot is free. For iteration.
  bool live_at(uint32_t slot, Address* address, uint64_t* offset) const;

  // Takes a free slot, or a new one, without making it resolvable yet. kNoMemory or kFull where there is none.
  // The address is the caller's until publish() or abandon().
  Status acquire(Address* address);
  // Makes the address resolve to `offset` (a multiple of 8, not 0). Release store.
  void publish(Address address, uint64_t offset);
  // Gives back an acquired address that was never published; the generation does not grow.
  void abandon(Address address);
  // Ends a live address: the slot joins the free list with the next generation.
  void release(Address address);

  // Generation given to slots that have never been used (see docs/format.md, "generation floor").
  // Counts as handed out up to there: else the next superblock would say less than the last one.
  void set_generation_floor(uint32_t generation) {
    generation_floor_ = generation & kGenerationMask;
    if (generation_floor_ > highest_generation_ + 1) highest_generation_ = generation_floor_ - 1;
  }
  // The highest generation handed out so far, for the superblock.
  uint32_t highest_generation() const { return highest_generation_; }

  // Rebuilding at open: first restore() each live address and note_dead() each dead one seen, in any order, then
  // finish_rebuild() once, which links the free slots. `*conflict` becomes true where the slot resolves already (two
  // live entries claim it); then nothing changes, and the caller may publish() the winner instead.
  // The caller bounds the slot numbers first: every slot below the highest costs 8 bytes.
  Status restore(Address address, uint64_t offset, bool* conflict);
  Status note_dead(Address address);
  // A free slot goes on with the generation after its last one seen, and never below the floor: what was used later may
  // have been compacted away.
  void finish_rebuild();

  // What saved tables keep of it besides its words.
  struct Saved {
    uint32_t size = 0;
    uint32_t free_head = kNoSlot;
    uint32_t free_tail = kNoSlot;
    uint32_t free_count = 0;
    uint32_t highest_generation = 0;
    uint32_t reserved = 0;
  };
  Saved save() const { return {size(), free_head_, free_tail_, free_count_, highest_generation_, 0}; }
  // Copies words from `first` on, as many as there is room for.
  void save_words(uint32_t first, MutableBytes target) const;
  // Instead of rebuilding: makes room for `saved`, whose words are then restored, in any order and from any thread.
  // False where `saved` makes no sense.
  Status restore_begin(const Saved& saved, bool* sound);
  // False, with nothing restored, where a word leads out of the table, or to an entry outside of [begin, end).
  bool restore_words(uint32_t first, Bytes words, uint64_t begin, uint64_t end);

 private:
  std::atomic<uint64_t>& word(uint32_t slot) const {
    return reinterpret_cast<std::atomic<uint64_t>*>(region_.data())[slot];
  }
  // Makes slots up to and including `slot` exist, as words of zeros: not resolvable, not linked.
  Status extend(uint32_t slot);
  void append_free(uint32_t slot, uint32_t generation);

  Region region_;
  const uint32_t waiting_slots_;
  std::atomic<uint32_t> size_{0};
  uint32_t free_head_ = kNoSlot;
  uint32_t free_tail_ = kNoSlot;
  uint32_t free_count_ = 0;
  uint32_t generation_floor_ = 0;
  uint32_t highest_generation_ = 0;
};

}  // namespace mmcb
