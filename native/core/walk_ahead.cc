#include "core/walk_ahead.h"

#include <algorithm>

#include "core/engine.h"

namespace mmcb {
namespace {

// A segment that takes more room than this (forged: a header is 32 bytes) is left to the scan.
uint64_t most_entries(const WalkContext& context) {
  return std::min<uint64_t>(kMaxOrdinals, context.segment_size / (EntryHeader::kSize + sizeof(uint64_t)) + 1);
}

void walk_segment(const WalkContext& context, uint32_t index, const SegmentHeader& header, uint64_t limit,
                  WalkedSegment* walked) {
  walked->entries.clear();
  walked->has_refused = false;
  walked->in_order = true;
  walked->end = walk_run(
      context, index, header, ~0ull,
      [&](const WalkedEntry& entry) {
        if (walked->entries.size() == walked->entries.capacity()) {
          walked->in_order = false;
          return true;
        }
        walked->entries.push_back(with_key_word(context, entry));
        if (entry.header.epoch <= limit) return true;
        walked->has_refused = true;
        return false;
      },
      [&](const WalkGap&) { walked->in_order = false; });
}

WalkContext without_interrupt(WalkContext context) {
  context.interrupt = nullptr;  // no entry of a single segment is long enough to be asked about
  return context;
}

}  // namespace

KeyedEntry with_key_word(const WalkContext& context, const WalkedEntry& entry) {
  const EntryHeader& h = entry.header;
  if (h.kind != Kind::kIntKey && h.kind != Kind::kStringKey) return {entry, 0};
  const Bytes key{entry.bytes(context.base) + EntryHeader::kSize, h.key_size};
  return {entry, Engine::word_of({h.kind, key}, context.seed)};
}

WalkAhead::WalkAhead(Platform& platform, const WalkContext& context, uint64_t limit)
    : platform_(platform), context_(without_interrupt(context)), limit_(limit) {}

WalkAhead::~WalkAhead() {
  if (thread_ == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  offered_.notify_one();
  thread_->join();
}

bool WalkAhead::start() {
  const Status reserved = guarded([&] {
    for (Slot& slot : slots_) slot.walked.entries.reserve(most_entries(context_));
    return Status();
  });
  return reserved.ok() && guarded([&] { return platform_.start_thread([this] { help(); }, &thread_); }).ok();
}

bool WalkAhead::has_room() {
  const std::lock_guard lock(mutex_);
  return find(Slot::State::kFree) != nullptr;
}

void WalkAhead::offer(uint32_t index, const SegmentHeader& header) {
  {
    const std::lock_guard lock(mutex_);
    Slot& slot = *find(Slot::State::kFree);
    slot.state = Slot::State::kOffered;
    slot.index = index;
    slot.header = header;
  }
  offered_.notify_one();
}

const WalkedSegment* WalkAhead::take(uint32_t index, const SegmentHeader& header) {
  std::unique_lock lock(mutex_);
  for (Slot& slot : slots_) {
    if (slot.index < index && slot.state != Slot::State::kWalking) slot.state = Slot::State::kFree;
  }
  Slot* const wanted = find(index);
  if (wanted == nullptr) return nullptr;
  while (wanted->state != Slot::State::kWalked) {
    Slot* const other = wanted->state == Slot::State::kOffered ? wanted : find(Slot::State::kOffered);
    if (other != nullptr) {
      walk(*other, lock);
    } else {
      walked_.wait(lock);
    }
  }
  const bool is_same =
      wanted->header.incarnation == header.incarnation && wanted->header.run_length == header.run_length;
  return is_same && wanted->walked.in_order ? &wanted->walked : nullptr;
}

WalkAhead::Slot* WalkAhead::find(Slot::State state) {
  Slot* found = nullptr;
  for (Slot& slot : slots_) {
    if (slot.state == state && (found == nullptr || slot.index < found->index)) found = &slot;
  }
  return found;
}

WalkAhead::Slot* WalkAhead::find(uint32_t index) {
  const auto found = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) {
    return slot.index == index && slot.state != Slot::State::kFree;
  });
  return found == slots_.end() ? nullptr : &*found;
}

void WalkAhead::walk(Slot& slot, std::unique_lock<std::mutex>& lock) {
  slot.state = Slot::State::kWalking;
  lock.unlock();
  walk_segment(context_, slot.index, slot.header, limit_, &slot.walked);
  lock.lock();
  slot.state = Slot::State::kWalked;
}

void WalkAhead::help() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (Slot* const slot = find(Slot::State::kOffered); slot != nullptr) {
      walk(*slot, lock);
      walked_.notify_one();
    } else {
      offered_.wait(lock);
    }
  }
}

}  // namespace mmcb
