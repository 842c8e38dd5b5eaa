// walk_run: visits the whole entries of a segment (or run) in order, whatever else the bytes may be.
//
// It does not trust lengths: a header is believed only when it fits its place and its checksum holds; where it does not,
// the walk goes on at the next aligned place until a header holds again. One damaged entry therefore hides no other, and
// no content of the file can make the walk leave the run or loop.
//
// Thread safety: pure; the bytes may be read while other entries are appended behind `limit`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/checksum.h"
#include "core/format.h"
#include "core/stores.h"

namespace mmcb {

struct WalkedEntry {
  EntryHeader header;
  uint64_t offset = 0;
  Mark mark;

  const std::byte* bytes(const std::byte* base) const { return base + offset; }
  uint64_t data_end() const { return offset + header.used_size(); }
};

struct WalkEnd {
  uint64_t used = 0;      // bytes from the run's start to behind the last whole entry
  uint32_t ordinals = 0;  // one more than the ordinal of the last whole entry
};

// A place between whole entries that holds none: what damage leaves, and calls that were cut short.
struct WalkGap {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t first_ordinal = 0;  // of the entries that are missing: one for each
  uint32_t end_ordinal = 0;
};

// Asked now and then during long checks; false makes them give up.
class WalkInterrupt {
 public:
  virtual ~WalkInterrupt() = default;
  virtual bool go_on() = 0;
};

// What a walk needs to know of the file.
struct WalkContext {
  const std::byte* base = nullptr;
  uint32_t seed = 0;  // of the file
  uint32_t segment_size = 0;
  uint64_t head = 0;
  WalkInterrupt* interrupt = nullptr;  // null: nobody asks
};

// Entries longer than this are checked in pieces of it, so that whoever waits for the walk to stop does not wait long.
inline constexpr uint64_t kUninterrupted = 8 << 20;

// True when the bytes of a whole entry have the checksum that its header says, and nobody interrupted.
inline bool checksum_holds(const WalkContext& context, const EntryHeader& header, uint32_t seed,
                           const std::byte* header_bytes, const std::byte* key) {
  const std::byte* data = key + header.key_size;
  if (context.interrupt == nullptr || header.data_size <= kUninterrupted)
    return header.crc == entry_crc(seed, header_bytes, nullptr, 0, key, uint64_t{header.key_size} + header.data_size);
  uint32_t crc = crc32c(crc32c(seed, header_bytes + 4, EntryHeader::kSize - 4), key, header.key_size);
  for (uint64_t done = 0; done < header.data_size; done += kUninterrupted) {
    if (!context.interrupt->go_on()) return false;
    crc = crc32c(crc, data + done, std::min<uint64_t>(kUninterrupted, header.data_size - done));
  }
  return header.crc == (crc == 0 ? 1 : crc);
}

// Whether a key of this size can belong to an entry of this kind. Kinds not in use have none.
inline bool key_fits(Kind kind, uint16_t key_size) {
  switch (kind) {
    case Kind::kPlain:
    case Kind::kRedoList: return key_size == 0;
    case Kind::kIntKey: return key_size == 8;
    case Kind::kStringKey: return true;
  }
  return false;
}

// True when the bytes at `offset` are a whole entry that may stand there.
inline bool entry_holds(const WalkContext& context, uint64_t offset, uint64_t run_end, uint32_t incarnation,
                        uint32_t lowest_ordinal, EntryHeader* header) {
  const std::byte* at = context.base + offset;
  const uint32_t crc = load32(at);
  if (crc == 0) return false;
  std::byte bytes[EntryHeader::kSize];
  copy_out(bytes, at, sizeof bytes);
  *header = decode_entry_header(bytes);
  if (header->ordinal < lowest_ordinal || !key_fits(header->kind, header->key_size) ||
      header->data_size > header->capacity)
    return false;
  // An entry takes a header at least: ordinals cannot run ahead of the space they stand for.
  const uint64_t run_start = offset - ((offset - context.head) & (context.segment_size - 1));
  if (header->ordinal > (offset - run_start) / EntryHeader::kSize) return false;
  const uint64_t limit = mark_offset(run_end, header->ordinal);
  if (limit < offset || header->total_size() > limit - offset) return false;
  if (MMCB_BUG(kSkipChecksum)) return true;
  return checksum_holds(context, *header, entry_seed(context.seed, offset, incarnation), bytes,
                        at + EntryHeader::kSize);
}

// Brings in what a walk will look at a while after `length` bytes from `at` on: the processor's own prefetching begins anew on
// each page. A hint: it may point anywhere.
inline void prefetch_ahead(const std::byte* at, uint64_t length) {
  constexpr uint64_t kDistance = 2048;
  constexpr uint64_t kLine = 64;
  const std::byte* const begin = at + kDistance;
  for (uint64_t done = 0; done < std::min<uint64_t>(length, kPage); done += kLine) __builtin_prefetch(begin + done);
}

// Visits the entries of the run that starts at segment `first`, up to `limit` (an offset in the file; ~0: the whole run).
// `visit(const WalkedEntry&)` is called in order of offset, `gap(const WalkGap&)` for each place before a whole entry that
// holds none. If `visit` returns false, the walk goes on as if no entry stood there: what lies within its bytes is seen as
// well.
template <typename Visit, typename Gap>
WalkEnd walk_run(const WalkContext& context, uint32_t first, const SegmentHeader& segment, uint64_t limit,
                 Visit&& visit, Gap&& gap) {
  const uint64_t start = context.head + static_cast<uint64_t>(first) * context.segment_size;
  const uint64_t run_end = start + static_cast<uint64_t>(segment.run_length) * context.segment_size;
  WalkEnd end{kSegmentHeaderSize, 0};
  uint64_t behind = start + kSegmentHeaderSize;  // the last whole entry, refused ones included; likewise
  uint32_t next_ordinal = 0;
  // Headers lie in the first segment of a run, whatever its length.
  const uint64_t last_start = start + context.segment_size - EntryHeader::kSize;
  for (uint64_t at = entry_start(behind); at <= last_start && at < limit;) {
    if (mark_offset(run_end, end.ordinals) < at + EntryHeader::kSize) break;
    WalkedEntry entry;
    if (!entry_holds(context, at, run_end, segment.incarnation, end.ordinals, &entry.header)) {
      at = entry_start(at + 8);
      continue;
    }
    entry.offset = at;
    entry.mark = decode_mark(load64(context.base + mark_offset(run_end, entry.header.ordinal)), context.seed, first,
                             segment.incarnation, entry.header.ordinal);
    if (at > entry_start(behind)) gap(WalkGap{behind, at, next_ordinal, entry.header.ordinal});
    behind = std::max(behind, at + entry.header.total_size());
    next_ordinal = std::max(next_ordinal, entry.header.ordinal + 1u);
    bool taken = true;
    if constexpr (std::is_void_v<decltype(visit(entry))>) {
      visit(entry);
    } else {
      taken = visit(entry);
    }
    if (!taken) {
      at = entry_start(at + 8);
      continue;
    }
    end.ordinals = entry.header.ordinal + 1u;
    end.used = at + entry.header.total_size() - start;
    prefetch_ahead(context.base + at, entry.header.total_size());
    at = entry_start(start + end.used);
  }
  return end;
}

template <typename Visit>
WalkEnd walk_run(const WalkContext& context, uint32_t first, const SegmentHeader& segment, uint64_t limit,
                 Visit&& visit) {
  return walk_run(context, first, segment, limit, std::forward<Visit>(visit), [](const WalkGap&) {});
}

// Reads and checks the header and the mark of the segment at `index` among `count` segments. False: nothing to believe.
inline bool read_segment(const WalkContext& context, uint32_t index, uint32_t count, SegmentHeader* header,
                         Mark* mark) {
  const std::byte* at = context.base + context.head + static_cast<uint64_t>(index) * context.segment_size;
  if (!decode(at, context.seed, header) || header->index != index || header->run_length > count - index) return false;
  *mark = decode_mark(load64(at + kSegmentMarkOffset), context.seed, index, header->incarnation, kSegmentOrdinal);
  return true;
}

// Whether the header at `index` is that of a run that reaches beyond the end of the file: the file did not come to its length
// on the disk before power was lost, or it has been cut off.
inline bool is_cut_off(const WalkContext& context, uint32_t index, uint32_t count) {
  SegmentHeader header;
  return decode(context.base + context.head + static_cast<uint64_t>(index) * context.segment_size, context.seed,
                &header) &&
         header.index == index && header.run_length > count - index;
}

}  // namespace mmcb
