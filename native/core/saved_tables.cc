#include "core/saved_tables.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>

#include "core/checksum.h"
#include "core/stores.h"

namespace mmcb {
namespace {

uint32_t checksum(const std::byte* bytes, uint64_t length) { return crc32c(0, bytes, static_cast<size_t>(length)); }

}  // namespace

uint32_t SavedTables::footer_crc() const {
  return crc32c(engine_.seed_, &footer_, sizeof footer_ - sizeof footer_.crc);
}

std::vector<SavedTables::Part> SavedTables::layout() const {
  std::vector<Part> parts;
  parts.reserve(part_count());
  uint64_t offset = footer_.start;
  const auto add = [&](uint64_t length) {
    parts.push_back({offset, length});
    offset += length;
  };
  for (uint64_t slot = 0; slot < directory_.slots.size; slot += kSlotsPerPart) {
    add(std::min<uint64_t>(kSlotsPerPart, directory_.slots.size - slot) * sizeof(uint64_t));
  }
  for (const KeyIndex::SavedShards& shards : directory_.shards) {
    for (const uint32_t shard : shards) add(KeyIndex::saved_cells(shard) * kCell);
  }
  add(uint64_t{directory_.segments} * kSegment);
  return parts;
}

// ---- Saving -------------------------------------------------------------------------------------------------------------

Status SavedTables::save() {
  const Stats stats = engine_.stats();
  if (stats.count < engine_.options_.saved_tables_from || stats.damaged || engine_.volatile_) return Status();
  const uint64_t length = engine_.volume_.size();
  Status status = guarded([&] { return write(); });
  if (!status.ok()) (void)engine_.volume_.shrink(length);
  return status;
}

Status SavedTables::write() {
  Engine& e = engine_;
  footer_.sequence = e.superblock_.sequence;
  footer_.live_digest = e.superblock_.live_digest;
  footer_.live_count = e.superblock_.live_count;
  footer_.start = e.volume_.size();
  directory_.data_size = e.data_size_;
  directory_.slots = e.slots_.save();
  for (size_t i = 0; i < 2; i++) directory_.shards[i] = index(i).save_shards();
  directory_.segments = e.segments_.count();
  const std::vector<Part> parts = layout();
  std::vector<uint32_t> checksums(parts.size());
  footer_.parts = static_cast<uint32_t>(parts.size());
  footer_.directory = parts.back().offset + parts.back().length;
  const uint64_t checksums_at = footer_.directory + sizeof(Directory);
  const uint64_t end = checksums_at + checksums.size() * sizeof(uint32_t) + Footer::kSize;
  const uint64_t length = (end + kPage - 1) / kPage * kPage;
  MMCB_TRY(e.volume_.grow(length));

  std::vector<std::byte> scratch;
  for (uint32_t number = 0; number < parts.size(); number++) {
    const Part& part = parts[number];
    if (part.length == 0) continue;
    scratch.resize(part.length);
    if (number < slot_parts()) {
      e.slots_.save_words(number * kSlotsPerPart, scratch);
    } else if (number < slot_parts() + 2 * kShards) {
      const uint32_t shard = number - slot_parts();
      index(shard / kShards).save_cells(shard % kShards, scratch);
    } else {
      for (uint32_t i = 0; i < directory_.segments; i++) e.segments_.save_segment(i, scratch.data() + i * kSegment);
    }
    checksums[number] = checksum(scratch.data(), part.length);
    copy_in(e.volume_.at(part.offset), scratch.data(), part.length);
    MMCB_STEP(kTablesPart);
  }
  footer_.directory_crc =
      crc32c(crc32c(0, &directory_, sizeof directory_), checksums.data(), checksums.size() * sizeof(uint32_t));
  footer_.crc = footer_crc();
  copy_in(e.volume_.at(footer_.directory), &directory_, sizeof directory_);
  copy_in(e.volume_.at(checksums_at), checksums.data(), checksums.size() * sizeof(uint32_t));
  MMCB_STEP(kTablesDirectory);
  copy_in(e.volume_.at(length - Footer::kSize), &footer_, sizeof footer_);
  MMCB_STEP(kTablesSaved);
  return e.check_file();
}

// ---- Loading ------------------------------------------------------------------------------------------------------------

bool SavedTables::find(uint64_t file_size, const Superblock& superblock) {
  if (file_size % kPage != 0 || file_size < kStateOffset + kPage) return false;
  // On a full tmpfs even a look at a hole is too much; and there are no tables in one.
  if (engine_.volume_.file().is_untouchable_hole(file_size - kPage)) return false;
  std::memcpy(&footer_, engine_.volume_.at(file_size - Footer::kSize), sizeof footer_);
  return footer_.magic == kMagic && footer_.crc == footer_crc() && footer_.sequence == superblock.sequence &&
         footer_.live_digest == superblock.live_digest && footer_.live_count == superblock.live_count &&
         footer_.start % kPage == 0 && footer_.start >= head_size(superblock.segment_size, superblock.journal_size) &&
         footer_.start <= footer_.directory && footer_.directory % sizeof(uint64_t) == 0 &&
         footer_.directory <= file_size && footer_.parts <= kMostParts &&
         file_size - footer_.directory >= sizeof(Directory) + footer_.parts * sizeof(uint32_t) + Footer::kSize;
}

bool SavedTables::read_directory(std::vector<uint32_t>* checksums) {
  const std::byte* at = engine_.volume_.at(footer_.directory);
  checksums->resize(footer_.parts);
  std::memcpy(&directory_, at, sizeof directory_);
  std::memcpy(checksums->data(), at + sizeof directory_, checksums->size() * sizeof(uint32_t));
  return footer_.directory_crc == crc32c(crc32c(0, &directory_, sizeof directory_), checksums->data(),
                                         checksums->size() * sizeof(uint32_t)) &&
         footer_.parts == part_count() && directory_.segments == engine_.segments_.count();
}

Status SavedTables::prepare_tables(bool* sound) {
  uint64_t keys = 0;
  MMCB_TRY(engine_.slots_.restore_begin(directory_.slots, sound));
  if (!*sound) return Status();
  for (size_t i = 0; i < 2; i++) {
    MMCB_TRY(index(i).restore_begin(directory_.shards[i]));
    keys += index(i).size();
  }
  *sound = keys <= footer_.live_count;
  return Status();
}

bool SavedTables::take_segments(const std::byte* from) {
  uint64_t live = 0;
  for (uint32_t i = 0; i < directory_.segments; i++) {
    if (!engine_.segments_.restore_segment(i, from + i * kSegment)) return false;
    live += engine_.segments_.at(i).live_entries;
  }
  return live == footer_.live_count;
}

bool SavedTables::take(uint32_t number, const Part& part, uint32_t expected) {
  const std::byte* from = engine_.volume_.at(part.offset);
  if (checksum(from, part.length) != expected) return false;
  const Bytes bytes{from, static_cast<size_t>(part.length)};
  const uint64_t begin = engine_.segments_.head();
  if (number < slot_parts()) {
    return engine_.slots_.restore_words(number * kSlotsPerPart, bytes, begin, footer_.start);
  }
  const uint32_t shard = number - slot_parts();
  if (shard == 2 * kShards) return take_segments(from);
  return index(shard / kShards).restore_cells(shard % kShards, bytes, begin, footer_.start);
}

Status SavedTables::load(const Progress& progress, bool* loaded) {
  *loaded = false;
  std::vector<uint32_t> checksums;
  if (!read_directory(&checksums)) return Status();
  const std::vector<Part> parts = layout();
  if (parts.back().offset + parts.back().length != footer_.directory) return Status();
  bool sound = false;
  MMCB_TRY(prepare_tables(&sound));
  if (!sound) return Status();

  // Parts have nothing to do with each other: whoever is free takes the next one.
  std::atomic<uint32_t> next = 0;
  std::atomic<bool> stop = false;
  std::atomic<bool> broken = false;
  const auto take_next = [&] {
    const uint32_t number = next.fetch_add(1);
    if (stop || number >= parts.size()) return false;
    if (!take(number, parts[number], checksums[number])) stop = broken = true;
    return true;
  };
  std::unique_ptr<Thread> helper;
  (void)engine_.platform_.start_thread(
      [&] {
        while (take_next()) {
        }
      },
      &helper);
  bool aborted = false;
  do {
    // All of them only when all of them are sound.
    aborted = progress && !progress("tables", std::min<uint64_t>(next, parts.size() - 1), parts.size());
    if (aborted) stop = true;
  } while (take_next());
  if (helper != nullptr) helper->join();
  if (aborted) return Status(Code::kAborted);
  if (broken) return Status();
  if (progress && !progress("tables", parts.size(), parts.size())) return Status(Code::kAborted);
  engine_.segments_.rebuild_finish();
  *loaded = true;
  return Status();
}

}  // namespace mmcb
