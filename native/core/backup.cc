#include "core/backup.h"

#include <cerrno>
#include <mutex>

#include "core/digest.h"
#include "core/stores.h"
#include "core/sync_machine.h"

namespace mmcb {

Status Backup::run(const std::string& target, bool overwrite, const Progress& progress) {
  return guarded([&] { return write(target, overwrite, progress); });
}

// What must not be written over.
Status Backup::refuse(const std::string& target, bool overwrite) {
  std::unique_ptr<File> existing;
  Status status = platform_.open(target, OpenMode::kReadOnly, &existing);
  // Whether there is something that may be replaced must be known: "could not look" is not "nothing there".
  if (!status.ok()) return status.system_error() == ENOENT ? Status() : status;
  if (existing->identity() == source_.identity_) {
    return Status(Code::kInvalidArgument, "a store cannot be backed up onto itself");
  }
  if (overwrite) return Status();
  return describe(Code::kIo, EEXIST, target, " exists; choose another name or pass overwrite");
}

Status Backup::write(const std::string& target, bool overwrite, const Progress& progress) {
  MMCB_TRY(refuse(target, overwrite));
  uint64_t suffix;
  platform_.random(&suffix, sizeof suffix);
  const std::string partial = target + ".partial-" + std::to_string(suffix);
  Status status = guarded([&] { return write_partial(partial, progress); });
  if (status.ok()) status = platform_.rename(partial, target);
  if (status.ok()) return platform_.sync_directory_of(target);
  (void)platform_.remove(partial);
  return status;
}

Status Backup::write_partial(const std::string& partial, const Progress& progress) {
  Options options = source_.options_;
  {
    std::lock_guard guard(source_.lock_);
    options.segment_size = source_.superblock_.segment_size;
    options.journal_size = source_.superblock_.journal_size;
  }
  options.initial_size = 0;
  options.max_size = 0;
  options.read_only = false;
  options.durability = Durability::kProcess;  // nothing of it is promised to anybody before the rename
  std::unique_ptr<Engine> copy_of;
  MMCB_TRY(Engine::open(platform_, partial, options, nullptr, &copy_of));
  MMCB_TRY(copy(*copy_of, progress));
  MMCB_TRY(copy_of->trim(false));
  MMCB_TRY(SyncMachine(*copy_of).run(true));
  return copy_of->trim(false);
}

Status Backup::copy(Engine& target, const Progress& progress) {
  Engine& s = source_;
  Engine::Snapshot snapshot;
  MMCB_TRY(s.open_snapshot(&snapshot));
  const SnapshotScope scope(s, snapshot);
  const WalkContext context{s.volume_.at(0), s.seed_, s.segments_.segment_size(), s.segments_.head()};
  Status status;
  uint64_t copied = 0;
  uint64_t digest = 0;
  {
    // Above every generation handed out by the source, as after reopening it.
    std::lock_guard guard(s.lock_);
    target.slots_.set_generation_floor((s.slots_.highest_generation() + 1) & kGenerationMask);
  }
  for (size_t i = 0; status.ok() && i < snapshot.extents.size(); i++) {
    if (progress && !progress("backup", i, snapshot.extents.size())) {
      status = Status(Code::kAborted);
      break;
    }
    const SegmentExtent& extent = snapshot.extents[i];
    const SegmentHeader header{extent.incarnation, extent.run_length, 0, extent.segment};
    walk_run(context, extent.segment, header, s.segments_.offset_of(extent.segment) + extent.used,
             [&](const WalkedEntry& entry) {
               const EntryHeader& h = entry.header;
               if (!status.ok() || h.kind == Kind::kRedoList || h.epoch > snapshot.epoch || !entry.mark.valid) return;
               if (entry.mark.end_epoch != 0 && entry.mark.end_epoch <= snapshot.epoch) return;
               status = copy_entry(target, entry);
               copied++;
               digest += digest_of(h);
             });
  }
  target.slots_.finish_rebuild();
  // Also what was copied with success may have been cut off between the check of its checksum and the copy.
  MMCB_TRY(s.check_file_size());
  MMCB_TRY(status);
  if (copied != snapshot.count || digest != snapshot.digest) {
    return Status(Code::kCorrupt, s.path_ + " is damaged and cannot be backed up whole; see verify()");
  }
  if (progress) progress("backup", snapshot.extents.size(), snapshot.extents.size());
  return Status();
}

Status Backup::copy_entry(Engine& target, const WalkedEntry& entry) {
  const std::byte* at = source_.volume_.at(entry.offset);
  const Bytes key{at + EntryHeader::kSize, entry.header.key_size};
  const Bytes data{key.data() + key.size(), entry.header.data_size};
  EntryHeader header = entry.header;
  header.capacity = target.capacity_for(header.key_size, header.data_size);
  std::lock_guard guard(target.lock_);
  Place place;
  MMCB_TRY(target.place_entry(Stream::kFresh, &header, &place));
  target.fill(place, &header, key, data);
  target.announce_digest(target.digest_ + digest_of(header));
  target.publish(place, header);
  bool conflict = false;
  MMCB_TRY(target.slots_.restore(header.address(), place.offset, &conflict));
  if (conflict) return Status(Code::kCorrupt, "two live entries share an address");
  target.account_new(place.segment, header);
  target.settle_digest();
  return Status();
}

}  // namespace mmcb
