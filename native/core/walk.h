// walk_run: visits the whole entries of a segment (or run) in order, whatever else the bytes may be.
//
// It does not trust lengths: a header is believed only when it fits its place and its checksum holds; where it does not,
// the walk goes on at the next aligned place until a header holds again. One damaged entry therefore hides no other, and
// no content of the file can make the walk leave the run or loop.
//
// Thread safety: pure; the bytes may be read while other entries are appended behind `limit`.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/format.h"
#include "core/stores.h"

namespace mmcb {

struct WalkedEntry {
  EntryHeader header;
  uint64_t offset = 0;
  Mark mark;

  const std::byte* bytes(const std::byte* base) const { return base + offset; }
};

struct WalkEnd {
  uint64_t used = 0;        // bytes from the run's start to behind the last whole entry
  uint32_t ordinals = 0;    // one more than the ordinal of the last whole entry
  uint64_t skipped = 0;     // bytes between whole entries that hold none
  uint64_t first_skip = 0;  // offset of the first such place; 0: none
};

// What a walk needs to know of the file.
struct WalkContext {
  const std::byte* base = nullptr;
  uint32_t seed = 0;  // of the file
  uint32_t segment_size = 0;
  uint64_t head = 0;
};

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
  const uint64_t run_start = offset - (offset - context.head) % context.segment_size;
  if (header->ordinal > (offset - run_start) / EntryHeader::kSize) return false;
  const uint64_t limit = mark_offset(run_end, header->ordinal);
  if (limit < offset || header->total_size() > limit - offset) return false;
  if (MMCB_BUG(kSkipChecksum)) return true;
  const std::byte* key = at + EntryHeader::kSize;
  return header->crc == entry_crc(entry_seed(context.seed, offset, incarnation), bytes, key, header->key_size,
                                  key + header->key_size, header->data_size);
}

// Visits the entries of the run that starts at segment `first`, up to `limit` (an offset in the file; ~0: the whole run).
// `visit(const WalkedEntry&)` is called in order of offset. If it returns false, the walk goes on as if no entry stood
// there: what lies within its bytes is seen as well.
template <typename Visit>
WalkEnd walk_run(const WalkContext& context, uint32_t first, const SegmentHeader& segment, uint64_t limit,
                 Visit&& visit) {
  const uint64_t start = context.head + static_cast<uint64_t>(first) * context.segment_size;
  const uint64_t run_end = start + static_cast<uint64_t>(segment.run_length) * context.segment_size;
  WalkEnd end{kSegmentHeaderSize, 0, 0, 0};
  uint64_t behind = start + kSegmentHeaderSize;  // of the last whole entry
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
    if constexpr (std::is_void_v<decltype(visit(entry))>) {
      visit(entry);
    } else if (!visit(entry)) {
      at = entry_start(at + 8);
      continue;
    }
    if (at != entry_start(behind)) {
      end.skipped += at - behind;
      if (end.first_skip == 0) end.first_skip = behind;
    }
    behind = at + entry.header.total_size();
    end.ordinals = entry.header.ordinal + 1u;
    end.used = behind - start;
    at = entry_start(behind);
  }
  return end;
}

// Reads and checks the header and the mark of the segment at `index` among `count` segments. False: nothing to believe.
inline bool read_segment(const WalkContext& context, uint32_t index, uint32_t count, SegmentHeader* header,
                         Mark* mark) {
  const std::byte* at = context.base + context.head + static_cast<uint64_t>(index) * context.segment_size;
  if (!decode(at, context.seed, header) || header->index != index || header->run_length > count - index) return false;
  *mark = decode_mark(load64(at + kSegmentMarkOffset), context.seed, index, header->incarnation, kSegmentOrdinal);
  return true;
}

}  // namespace mmcb
