// What FaultedStore finds out when the faults are over, and about backups.
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/backup.h"
#include "core/platform/posix_platform.h"
#include "support/engine_fixture.h"
#include "support/faulted_store.h"

namespace mmcb::test {
namespace {

namespace fs = std::filesystem;

const char* const kPartial = ".partial-";

}  // namespace

FaultedStore::Contents FaultedStore::read_all() {
  Contents found;
  uint64_t cursor = 0;
  Address address;
  uint64_t offset = 0;
  while (engine_->next(KindFilter::kAll, &cursor, &address, &offset)) {
    EntryHeader header;
    const Status status = make([&] { return engine_->read_entry(*pin_, address, buffer_, &header); });
    if (!status.ok()) broken(std::string("an entry cannot be read: ") + code_name(status.code()) + status.message());
    const auto* at = reinterpret_cast<const char*>(buffer_.data());
    const std::string key(at, header.key_size);
    const std::string data(at + header.key_size, header.data_size);
    if (header.kind == Kind::kPlain) found.plain[address.to_integer()] = data;
    if (header.kind == Kind::kStringKey) found.strings[key] = data;
    if (header.kind == Kind::kIntKey) {
      int64_t number = 0;
      std::memcpy(&number, key.data(), sizeof number);
      found.ints[number] = data;
    }
  }
  const auto by_key = [&](const Key& key, const std::string& data) {
    uint64_t size = 0;
    const Status status = make([&] { return engine_->read(*pin_, key, buffer_, &size); });
    require(status.ok() && size == data.size() && std::memcmp(buffer_.data(), data.data(), size) == 0,
            "an entry cannot be read by its key");
  };
  for (const auto& [key, data] : found.ints) by_key(IntKey(key), data);
  for (const auto& [key, data] : found.strings) by_key(string_key(key), data);
  if (engine_->has_ordered_keys()) {
    require(read_in_order(nullptr) == found.strings, "the order of keys holds others than the store");
  }
  return found;
}

std::map<std::string, std::string> FaultedStore::read_in_order(const Engine::OrderedSnapshot* snapshot) {
  std::map<std::string, std::string> found;
  std::string last;
  OrderedIndex::Start start;
  uint64_t offsets[7];
  for (size_t count = 7; count == 7;) {
    const PinScope pinned(*pin_);
    count = engine_->collect(snapshot, start, offsets);
    for (size_t i = 0; i < count; i++) {
      EntryHeader header;
      require(engine_->read_collected(offsets[i], buffer_, &header).ok(), "an entry cannot be read in order");
      const auto* at = reinterpret_cast<const char*>(buffer_.data());
      const std::string key(at, header.key_size);
      require(!start.has_key || last < key, "keys do not come in order");
      found[key] = std::string(at + header.key_size, header.data_size);
      last = key;
      start = {true, bytes(last), false, false};
    }
  }
  return found;
}

void FaultedStore::check_contents() {
  require(read_all() == contents_, "the store does not hold what the calls that returned have stored");
  require(engine_->count(KindFilter::kPlain) == contents_.plain.size(), "the count of plain entries is wrong");
  require(engine_->count(KindFilter::kIntKey) == contents_.ints.size(), "the count of integer keys is wrong");
  require(engine_->count(KindFilter::kStringKey) == contents_.strings.size(), "the count of string keys is wrong");
}

void FaultedStore::check_usable() {
  bool done = add(40) && add(9000) && update(0, 60) && remove(0) && batch(5, 5, 900, 30) && sync();
  done = done && set(901, 50) && set("usable", 50) && erase("usable") && compact();
  require(done, "the store cannot be used although the faults are over");
}

void FaultedStore::check_fenced() {
  const uint64_t syncs = faults_.calls(SystemCall::kSync);
  require(!add(40) && !set(901, 40) && !batch(2, 2, 900, 30) && !sync() && !compact() && !clear(KindFilter::kAll),
          "a store goes on after a failed sync");
  const bool nothing_to_lose = contents_.plain.empty() || (!update(0, 10) && !remove(0));
  require(nothing_to_lose, "a store goes on after a failed sync");
  require(faults_.calls(SystemCall::kSync) == syncs, "a failed sync was tried again");
}

void FaultedStore::settle(Way way) {
  if (engine_ == nullptr) {
    if (way == Way::kBoot) boot_again();
    open_without_faults();
  }
  check_contents();
  require(verify(), "a store could not be verified although nothing failed");
  if (is_fenced()) {
    check_fenced();
  } else {
    check_usable();
  }
  check_contents();
  require(verify(), "a store could not be verified although nothing failed");
  if (way == Way::kNone) return kill();
  if (way == Way::kClose) {
    close();
  } else {
    kill();
  }
  if (way == Way::kBoot) boot_again();
  open_without_faults();
  require(verify(), "a store could not be verified although nothing failed");
  check_usable();
  require(close(), "a store could not be closed although nothing failed");
}

// ---- Backups ----------------------------------------------------------------------------------------------------------------

bool FaultedStore::backup(bool overwrite, bool aborted) {
  const std::string target = path_ + ".backup-" + std::to_string(overwrite ? 0 : ++backups_);
  const bool was_there = fs::exists(target);
  const uint64_t platform_hits = faults_.hits();
  const uint64_t memory_hits = MemoryFaults::hits();
  const Progress progress = [&](const char*, uint64_t, uint64_t) { return !aborted; };
  Status status;
  try {
    status = make([&] { return Backup(*engine_, platform_).run(target, overwrite, progress); });
  } catch (const std::exception& escaped) {
    broken(std::string("backup: an exception escaped: ") + escaped.what());
  }
  if (!aborted || status.code() != Code::kAborted) judge("backup", status, platform_hits, memory_hits);
  require(!is_fenced() || sync_failed_, "a backup that failed has fenced its source");
  require(!engine_->has_snapshots(), "a backup left a snapshot open");
  check_contents();
  check_backup(target, status.ok(), was_there, faults_.hits() != platform_hits);
  return status.ok();
}

// A target is whole or not there, and nothing else is left.
void FaultedStore::check_backup(const std::string& target, bool done, bool was_there, bool struck) {
  const SystemCall call = faults_.fault().call;
  const bool may_stand = struck && (call == SystemCall::kSyncDirectory || call == SystemCall::kRename);
  require(done == fs::exists(target) || was_there || may_stand,
          "a backup that failed stands, or one that did not does not");
  const bool may_be_left = struck && (call == SystemCall::kRemove || call == SystemCall::kOpen);
  require(may_be_left || !is_left(kPartial), "a backup that failed left a part of itself");
  if (!fs::exists(target)) return;
  Options options = options_;
  options.read_only = true;
  std::unique_ptr<Engine> copy;
  const Status status = Engine::open(posix_platform(), target, options, nullptr, &copy);
  if (!status.ok()) broken("a backup cannot be opened: " + status.message());
  require(copy->recovery().status == RecoveryStatus::kClean, "a backup is not clean");
  std::swap(engine_, copy);
  ReaderPin* const pin = std::exchange(pin_, engine_->pins().add_reader());
  Contents held;
  if (done) {
    held = read_all();
    verify();
  }
  engine_->pins().remove_reader(pin_);
  std::swap(engine_, copy);
  pin_ = pin;
  require(!done || held == contents_, "a backup holds something else than its source");
}

bool FaultedStore::is_left(const std::string& part_of_name) const {
  for (const auto& entry : fs::directory_iterator(fs::path(path_).parent_path())) {
    if (entry.path().filename().string().find(part_of_name) != std::string::npos) return true;
  }
  return false;
}

void FaultedStore::damage_one_entry() {
  require(engine_ == nullptr && !contents_.plain.empty(), "nothing to damage");
  std::string file = read_file(path_);
  const auto lost = contents_.plain.begin();
  const size_t at = file.find(lost->second);
  require(at != std::string::npos, "nothing to damage");
  file[at] = static_cast<char>(file[at] ^ 1);
  write_file(path_, file);
  contents_.plain.erase(lost);
  durable_ = contents_;
}

}  // namespace mmcb::test
