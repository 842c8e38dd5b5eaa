#include "core/slot_table.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace mmcb {
namespace {

constexpr unsigned kGenerationShift = 64 - kGenerationBits;
constexpr uint64_t kFreeBit = uint64_t{1} << (kGenerationShift - 1);
constexpr uint64_t kValueMask = kFreeBit - 1;
constexpr unsigned kLog2Unit = 3;  // offsets are multiples of 8
constexpr uint64_t kMaxSlots = kNoSlot;
// Two million slots: with less, a store is not worth opening.
constexpr uint64_t kLeastAddressSpace = 16 << 20;

static_assert(sizeof(std::atomic<uint64_t>) == 8 && std::atomic<uint64_t>::is_always_lock_free);
static_assert(kNoSlot <= kValueMask);

constexpr uint64_t live_word(uint32_t generation, uint64_t offset) {
  return static_cast<uint64_t>(generation) << kGenerationShift | offset >> kLog2Unit;
}
constexpr uint64_t free_word(uint32_t generation, uint32_t next) {
  return static_cast<uint64_t>(generation) << kGenerationShift | kFreeBit | next;
}
constexpr uint32_t generation_of(uint64_t word) { return static_cast<uint32_t>(word >> kGenerationShift); }
constexpr uint64_t offset_of(uint64_t word) { return (word & kFreeBit) != 0 ? 0 : (word & kValueMask) << kLog2Unit; }
constexpr uint32_t next_of(uint64_t word) { return static_cast<uint32_t>(word & kValueMask); }

constexpr uint32_t after(uint32_t generation) { return (generation + 1) & kGenerationMask; }

[[maybe_unused]] constexpr bool is_offset(uint64_t offset) {
  return offset != 0 && offset % (1u << kLog2Unit) == 0 && offset >> kLog2Unit <= kValueMask;
}

}  // namespace

Status SlotTable::initialize() { return region_.reserve(kMaxSlots * sizeof(uint64_t), kLeastAddressSpace); }

uint64_t SlotTable::resolve(Address address) const {
  if (address.slot >= size()) return 0;
  // Acquire: whoever sees the offset sees the entry that was written before publish().
  const uint64_t found = word(address.slot).load(std::memory_order_acquire);
  return generation_of(found) == address.generation ? offset_of(found) : 0;
}

bool SlotTable::is_past(Address address) const {
  if (address.slot >= size()) return false;
  const uint64_t found = word(address.slot).load(std::memory_order_acquire);
  // A live slot's generation is in use, a free slot's is the next to be used; generations wrap.
  const uint32_t next = offset_of(found) != 0 ? generation_of(found) : generation_of(found) - 1;
  const uint32_t behind = (next - address.generation) & kGenerationMask;
  return behind <= kGenerationMask / 2 && (behind != 0 || offset_of(found) == 0);
}

bool SlotTable::live_at(uint32_t slot, Address* address, uint64_t* offset) const {
  if (slot >= size()) return false;
  const uint64_t found = word(slot).load(std::memory_order_acquire);
  if (offset_of(found) == 0) return false;
  *address = Address{slot, generation_of(found)};
  *offset = offset_of(found);
  return true;
}

inline Status SlotTable::extend(uint32_t slot) {
  const uint64_t wanted = uint64_t{slot} + 1;
  if (wanted > kMaxSlots) return Status(Code::kFull, "slot table: all slots are in use");
  if (wanted <= size_.load(std::memory_order_relaxed)) return Status();
  MMCB_TRY(region_.ensure(wanted * sizeof(uint64_t)));
  // Release: a reader that sees the size may touch the memory. Fresh memory is zeros, which resolve to nothing.
  size_.store(static_cast<uint32_t>(wanted), std::memory_order_release);
  return Status();
}

Status SlotTable::acquire(Address* address) {
  uint32_t slot = free_count_ > waiting_slots_ ? free_head_ : kNoSlot;
  uint32_t generation = generation_floor_;
  if (slot != kNoSlot) {
    free_count_--;
    const uint64_t found = word(slot).load(std::memory_order_relaxed);
    generation = generation_of(found);
    free_head_ = next_of(found);
    if (free_head_ == kNoSlot) free_tail_ = kNoSlot;
  } else {
    slot = size_.load(std::memory_order_relaxed);
    MMCB_TRY(extend(slot));
  }
  word(slot).store(free_word(generation, kNoSlot), std::memory_order_relaxed);
  highest_generation_ = std::max(highest_generation_, generation);
  *address = Address{slot, generation};
  return Status();
}

void SlotTable::publish(Address address, uint64_t offset) {
  assert(is_offset(offset) && address.slot < size_.load(std::memory_order_relaxed));
  word(address.slot).store(live_word(address.generation, offset), std::memory_order_release);
}

void SlotTable::abandon(Address address) { append_free(address.slot, address.generation); }

void SlotTable::release(Address address) {
  assert(resolve(address) != 0);
  append_free(address.slot, after(address.generation));
}

void SlotTable::append_free(uint32_t slot, uint32_t generation) {
  // Relaxed would do for the list, which only the writer follows; release keeps "seen as gone" after what went before.
  word(slot).store(free_word(generation, kNoSlot), std::memory_order_release);
  if (free_tail_ == kNoSlot) {
    free_head_ = slot;
  } else {
    const uint64_t tail = word(free_tail_).load(std::memory_order_relaxed);
    word(free_tail_).store(free_word(generation_of(tail), slot), std::memory_order_relaxed);
  }
  free_tail_ = slot;
  free_count_++;
}

Status SlotTable::restore(Address address, uint64_t offset, bool* conflict) {
  assert(is_offset(offset));
  *conflict = false;
  MMCB_TRY(extend(address.slot));
  highest_generation_ = std::max(highest_generation_, address.generation);
  if (offset_of(word(address.slot).load(std::memory_order_relaxed)) != 0) {
    *conflict = true;
    return Status();
  }
  publish(address, offset);
  return Status();
}

Status SlotTable::note_dead(Address address) {
  MMCB_TRY(extend(address.slot));
  highest_generation_ = std::max(highest_generation_, address.generation);
  const uint64_t found = word(address.slot).load(std::memory_order_relaxed);
  if (offset_of(found) != 0) return Status();  // a superseded version, or an earlier user of a slot that is live
  // A word of zeros (never seen) and a dead one both keep the lowest generation still unused.
  const uint32_t next = std::max(generation_of(found), after(address.generation));
  word(address.slot).store(free_word(next, kNoSlot), std::memory_order_relaxed);
  return Status();
}

void SlotTable::finish_rebuild() {
  free_head_ = kNoSlot;
  free_tail_ = kNoSlot;
  free_count_ = 0;
  const uint32_t count = size_.load(std::memory_order_relaxed);
  for (uint32_t slot = 0; slot < count; ++slot) {
    const uint64_t found = word(slot).load(std::memory_order_relaxed);
    if (offset_of(found) == 0) append_free(slot, std::max(generation_of(found), generation_floor_));
  }
}

// ---- Saved tables --------------------------------------------------------------------------------------------------------

void SlotTable::save_words(uint32_t first, MutableBytes target) const {
  for (size_t i = 0; i < target.size() / sizeof(uint64_t); i++) {
    const uint64_t value = word(first + static_cast<uint32_t>(i)).load(std::memory_order_relaxed);
    std::memcpy(target.data() + i * sizeof value, &value, sizeof value);
  }
}

Status SlotTable::restore_begin(const Saved& saved, bool* sound) {
  const auto is_link = [&](uint32_t slot) { return slot == kNoSlot || slot < saved.size; };
  *sound = is_link(saved.free_head) && is_link(saved.free_tail) && saved.free_count <= saved.size &&
           (saved.free_head == kNoSlot) == (saved.free_tail == kNoSlot) && saved.highest_generation <= kGenerationMask;
  if (!*sound) return Status();
  if (saved.size != 0) MMCB_TRY(extend(saved.size - 1));
  free_head_ = saved.free_head;
  free_tail_ = saved.free_tail;
  free_count_ = saved.free_count;
  highest_generation_ = std::max(highest_generation_, saved.highest_generation);
  return Status();
}

bool SlotTable::restore_words(uint32_t first, Bytes words, uint64_t begin, uint64_t end) {
  const uint64_t slots = size_.load(std::memory_order_relaxed);
  for (size_t at = 0; at < words.size(); at += sizeof(uint64_t)) {
    uint64_t value;
    std::memcpy(&value, words.data() + at, sizeof value);
    const uint64_t offset = offset_of(value);
    const bool is_sound = offset != 0
                              ? offset >= begin && offset < end
                              : (value & kFreeBit) != 0 && (next_of(value) < slots || next_of(value) == kNoSlot);
    if (!is_sound) return false;
  }
  static_assert(sizeof(std::atomic<uint64_t>) == sizeof(uint64_t));
  // Before anybody reads: no order is needed between them.
  std::memcpy(static_cast<void*>(&word(first)), words.data(), words.size());
  return true;
}

}  // namespace mmcb
