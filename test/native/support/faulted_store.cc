#include "support/faulted_store.h"

#include <iterator>
#include <utility>

#include "core/compactor.h"
#include "core/sync_machine.h"
#include "core/verify.h"
#include "support/engine_fixture.h"

namespace mmcb::test {
namespace {

constexpr uint64_t kCompactionStep = 8 << 10;

Status sync_engine(Engine& engine) { return SyncMachine(engine).run(); }

Status compact_engine(Engine& engine) {
  Compactor compactor(engine);
  compactor.begin(Compactor::Goal::kAll);
  for (;;) {
    Compactor::Next next;
    Status status = compactor.step(kCompactionStep, &next);
    if (status.ok() && next == Compactor::Next::kDone) return status;
    if (status.ok() && next == Compactor::Next::kNeedsSync) status = sync_engine(engine);
    if (!status.ok()) {
      compactor.abandon();
      return status;
    }
  }
}

}  // namespace

FaultedStore::FaultedStore(FailingPlatform& platform, std::string path, Options options)
    : platform_(platform), faults_(platform.faults()), path_(std::move(path)), options_(options) {
  platform_.set_boot(boot_);
}

FaultedStore::~FaultedStore() { drop(); }

void FaultedStore::drop() {
  if (engine_ == nullptr) return;
  engine_->pins().remove_reader(pin_);
  engine_.reset();
}

void FaultedStore::remember_as(FaultedStore* other) const {
  other->next_value_ = next_value_ + 1'000'000;
  other->boot_ = boot_;
  other->contents_ = contents_;
  other->durable_ = durable_;
  other->maybe_ = maybe_;
  other->sync_failed_ = sync_failed_;
  other->booted_ = booted_;
  other->platform_.set_boot(boot_);
}

void FaultedStore::broken(const std::string& what) const { throw Broken(what); }

std::string FaultedStore::value(size_t size) { return random_text(size, next_value_++); }

// ---- Judging a call ------------------------------------------------------------------------------------------------------

Status FaultedStore::make(const Body& body) {
  const Faults::Scope faults(faults_);
  const MemoryFaults::Scope memory;
  return body();
}

void FaultedStore::judge(const char* what, const Status& status, uint64_t platform_hits, uint64_t memory_hits) {
  const Fault& fault = faults_.fault();
  const bool platform_struck = faults_.hits() != platform_hits;
  const bool memory_struck = MemoryFaults::hits() != memory_hits;
  const std::string told = std::string(what) + ": " + code_name(status.code()) + " " + status.message();
  if (status.ok()) {
    if (platform_struck && fault.call == SystemCall::kSync) broken("a sync failed and nobody was told: " + told);
    return;
  }
  if (is_fenced() && status.code() == Code::kFailed) return;
  if (!platform_struck && !memory_struck) broken("refused without a fault: " + told);
  const bool by_memory = memory_struck && status.code() == Code::kNoMemory;
  const bool by_platform = platform_struck && status.code() == fault.code();
  if (!by_memory && !by_platform) broken("wrong code: " + told);
  if (!by_memory && status.system_error() != fault.error) broken("the system's error is lost: " + told);
}

bool FaultedStore::call(const char* what, const Body& body, Syncs syncs) {
  const uint64_t platform_hits = faults_.hits();
  const uint64_t memory_hits = MemoryFaults::hits();
  Status status;
  try {
    status = make(body);
  } catch (const std::exception& escaped) {
    broken(std::string(what) + ": an exception escaped: " + escaped.what());
  }
  judge(what, status, platform_hits, memory_hits);
  if (engine_ == nullptr) return status.ok();
  const bool by_sync = faults_.hits() != platform_hits && faults_.fault().call == SystemCall::kSync;
  if (is_fenced() && !sync_failed_) {
    if (!by_sync || syncs == Syncs::kNo) broken(std::string(what) + ": fenced without a failed sync");
    sync_failed_ = true;
    maybe_.push_back(contents_);
  } else if (by_sync && !is_fenced()) {
    broken(std::string(what) + ": a sync failed, and the store goes on");
  }
  if (!status.ok()) check_contents();
  return status.ok();
}

// ---- Opening and closing -------------------------------------------------------------------------------------------------

bool FaultedStore::open() {
  const uint64_t hits_before = faults_.hits();
  if (!call("open", [&] { return Engine::open(platform_, path_, options_, nullptr, &engine_); })) {
    require(engine_ == nullptr, "a failed opening left an engine");
    // What was read from the page cache may not have reached the disk, and cannot be trusted any more.
    if (faults_.hits() != hits_before && faults_.fault().call == SystemCall::kSync) sync_failed_ = true;
    return false;
  }
  pin_ = engine_->pins().add_reader();
  check_reopened();
  return true;
}

void FaultedStore::open_without_faults() { require(open(), "a store could not be opened although nothing failed"); }

// Finds out which of the possible states the file was opened in, and goes on from there.
void FaultedStore::check_reopened() {
  const RecoveryStatus status = engine_->recovery().status;
  const bool exact = options_.durability == Durability::kInterval;
  const Contents found = read_all();
  std::vector<Contents> possible;
  if (!exact || (!sync_failed_ && !booted_)) {
    possible.push_back(contents_);
  } else {
    possible = maybe_;
    possible.push_back(durable_);
  }
  bool matches = false;
  for (const Contents& contents : possible) matches = matches || contents == found;
  if (!matches) {
    broken("opened in a state that it cannot have, with " + std::to_string(found.plain.size()) + "+" +
           std::to_string(found.ints.size()) + "+" + std::to_string(found.strings.size()) + " entries; recovery " +
           std::to_string(static_cast<int>(status)));
  }
  // A replay leaves the last sync point where it was.
  if (status != RecoveryStatus::kReplayed || !exact) durable_ = found;
  contents_ = found;
  sync_failed_ = false;
  booted_ = false;
  maybe_.clear();
}

bool FaultedStore::close() {
  const auto body = [&] {
    MMCB_TRY(SyncMachine(*engine_).run(true));
    (void)engine_->trim(false);
    return Status();
  };
  const bool done = call("close", body, Syncs::kYes);
  if (done) durable_ = contents_;
  drop();
  return done;
}

void FaultedStore::kill() { drop(); }

void FaultedStore::update_and_die(Step step) {
  struct Killed {};
  static Step last;
  last = step;
  const uint64_t address = contents_.plain.rbegin()->first;
  const std::string data = value(contents_.plain.rbegin()->second.size());
  step_hook = [](Step now) {
    if (now == last) throw Killed();
  };
  bool died = false;
  try {
    (void)engine_->update(Address::from_integer(address), bytes(data));
  } catch (const Killed&) {
    died = true;
  }
  step_hook = nullptr;
  require(died, "the step was not reached");
  contents_.plain[address] = data;
  drop();
}

void FaultedStore::boot_again() {
  require(engine_ == nullptr, "the machine is started again under an open engine");
  platform_.set_boot(++boot_);
  booted_ = true;
}

// ---- Entries ---------------------------------------------------------------------------------------------------------------

uint64_t FaultedStore::address_at(size_t index) const {
  return std::next(contents_.plain.begin(), static_cast<std::ptrdiff_t>(index % contents_.plain.size()))->first;
}

bool FaultedStore::add(size_t size) {
  const std::string data = value(size);
  Address address;
  if (!call("add", [&] { return engine_->add(bytes(data), &address); })) return false;
  require(contents_.plain.emplace(address.to_integer(), data).second, "an address was given out twice");
  return true;
}

bool FaultedStore::update(size_t index, size_t size) {
  if (contents_.plain.empty()) return false;
  const uint64_t address = address_at(index);
  const std::string data = value(size);
  if (!call("update", [&] { return engine_->update(Address::from_integer(address), bytes(data)); })) return false;
  contents_.plain[address] = data;
  return true;
}

bool FaultedStore::remove(size_t index) {
  if (contents_.plain.empty()) return false;
  const uint64_t address = address_at(index);
  if (!call("remove", [&] { return engine_->remove(Address::from_integer(address)); })) return false;
  contents_.plain.erase(address);
  return true;
}

bool FaultedStore::set(int64_t key, size_t size) {
  const std::string data = value(size);
  if (!call("set", [&] { return engine_->set(IntKey(key), bytes(data), nullptr); })) return false;
  contents_.ints[key] = data;
  return true;
}

bool FaultedStore::set(const std::string& key, size_t size) {
  const std::string data = value(size);
  if (!call("set", [&] { return engine_->set(string_key(key), bytes(data), nullptr); })) return false;
  contents_.strings[key] = data;
  return true;
}

bool FaultedStore::erase(int64_t key) {
  if (!contents_.ints.contains(key)) return false;
  if (!call("erase", [&] { return engine_->erase(IntKey(key)); })) return false;
  contents_.ints.erase(key);
  return true;
}

bool FaultedStore::erase(const std::string& key) {
  if (!contents_.strings.contains(key)) return false;
  if (!call("erase", [&] { return engine_->erase(string_key(key)); })) return false;
  contents_.strings.erase(key);
  return true;
}

bool FaultedStore::batch(size_t adds, size_t sets, int64_t first_key, size_t size) {
  using Type = BatchOperation::Type;
  Contents after = contents_;
  std::vector<std::string> data(adds + sets + contents_.plain.size());
  for (std::string& text : data) text = value(size);
  std::vector<std::string> names(sets);
  std::vector<IntKey> numbers;
  for (size_t i = 0; i < sets; i++) numbers.emplace_back(first_key + static_cast<int64_t>(i));
  std::vector<BatchOperation> operations;
  size_t next = 0;
  for (size_t i = 0; i < adds; i++) operations.push_back({Type::kAdd, {}, {}, bytes(data[next++])});
  for (size_t i = 0; i < sets; i++) {
    names[i] = "key " + std::to_string(numbers[i].number);
    const bool is_int = i % 2 == 0;
    operations.push_back({Type::kSet, {}, is_int ? Key(numbers[i]) : string_key(names[i]), bytes(data[next])});
    (is_int ? after.ints[numbers[i].number] : after.strings[names[i]]) = data[next++];
  }
  size_t nth = 0;
  for (const auto& [address, old] : contents_.plain) {
    if (nth++ % 3 == 2) continue;
    const bool removes = nth % 3 == 1;
    operations.push_back({removes ? Type::kRemove : Type::kUpdate,
                          Address::from_integer(address),
                          {},
                          removes ? Bytes() : bytes(data[next])});
    if (removes) {
      after.plain.erase(address);
    } else {
      after.plain[address] = data[next++];
    }
  }
  if (!call("batch", [&] { return engine_->batch(operations); })) return false;
  for (size_t i = 0; i < adds; i++) after.plain[operations[i].address.to_integer()] = data[i];
  contents_ = std::move(after);
  return true;
}

bool FaultedStore::clear(KindFilter kind) {
  uint64_t removed = 0;
  if (!call("clear", [&] { return engine_->clear(kind, &removed); })) return false;
  if (kind == KindFilter::kAll || kind == KindFilter::kPlain) contents_.plain.clear();
  if (kind == KindFilter::kAll || kind == KindFilter::kIntKey) contents_.ints.clear();
  if (kind == KindFilter::kAll || kind == KindFilter::kStringKey) contents_.strings.clear();
  return true;
}

// ---- Work on the whole -------------------------------------------------------------------------------------------------------

bool FaultedStore::sync() {
  const bool done = call(
      "sync", [&] { return sync_engine(*engine_); }, Syncs::kYes);
  if (done) durable_ = contents_;
  return done;
}

bool FaultedStore::compact() {
  const uint64_t syncs = engine_->stats().syncs;
  const bool done = call(
      "compact", [&] { return compact_engine(*engine_); }, Syncs::kYes);
  if (engine_->stats().syncs != syncs) durable_ = contents_;
  return done;
}

bool FaultedStore::trim(bool keep_reserve) {
  return call("trim", [&] { return engine_->trim(keep_reserve); });
}

void FaultedStore::prefault() {
  (void)call("prefault", [&] {
    engine_->prefault();
    return Status();
  });
}

bool FaultedStore::verify() {
  VerifyReport report;
  if (!call("verify", [&] { return Verifier(*engine_).run(nullptr, &report); })) return false;
  if (!report.errors.empty()) broken("verify: " + report.errors[0].message);
  uint64_t entries = contents_.plain.size() + contents_.ints.size() + contents_.strings.size();
  require(report.entries == entries, "verify counts other entries");
  require(!engine_->has_snapshots(), "a snapshot was left open");
  return true;
}

bool FaultedStore::snapshot() {
  if (contents_.plain.empty()) return false;
  const auto [address, old] = *contents_.plain.begin();
  EntryInfo info;
  require(engine_->info(Address::from_integer(address), &info).ok(), "an entry has no information");
  Engine::Snapshot snapshot;
  if (!call("open_snapshot", [&] { return engine_->open_snapshot(&snapshot); })) {
    require(!engine_->has_snapshots(), "a snapshot that was refused is open");
    return false;
  }
  for (size_t i = 0; i < contents_.plain.size(); i++) update(i, old.size());
  std::string seen(old.size(), ' ');
  uint64_t copied = 0;
  const MutableBytes target(reinterpret_cast<std::byte*>(seen.data()), seen.size());
  require(engine_->read_version(info.offset, 0, target, &copied).ok() && seen == old, "a snapshot was written over");
  (void)call("close_snapshot", [&] {
    engine_->close_snapshot(snapshot);
    return Status();
  });
  return true;
}

bool FaultedStore::ordered_snapshot() {
  Engine::OrderedSnapshot snapshot;
  if (!call("open_ordered_snapshot", [&] { return engine_->open_ordered_snapshot(&snapshot); })) {
    require(!engine_->has_snapshots(), "a snapshot that was refused is open");
    return false;
  }
  const auto before = contents_.strings;
  size_t nth = 0;
  for (const auto& [key, data] : before) {
    if (nth++ % 3 == 0) erase(key);
    if (nth % 3 == 1) set(key, data.size() + 1);
    set("between " + key, 20);
  }
  require(read_in_order(&snapshot) == before, "a snapshot of keys has changed");
  for (const auto& [key, data] : before) {
    uint64_t size = 0;
    const uint64_t offset = engine_->find_in(snapshot, string_key(key).bytes);
    require(offset != 0 && engine_->read_data_of(offset, buffer_, &size).ok() && size == data.size(),
            "a key is not in the snapshot that was opened over it");
  }
  require(engine_->find_in(snapshot, string_key("nowhere").bytes) == 0, "a snapshot has keys that were never there");
  (void)call("close_ordered_snapshot", [&] {
    engine_->close_ordered_snapshot(snapshot);
    return Status();
  });
  require(!engine_->has_snapshots(), "a snapshot that was closed is open");
  return true;
}

bool FaultedStore::clear_range(const std::string& from, const std::string& to) {
  const OrderedIndex::Start start{true, bytes(from), true, false};
  const OrderedIndex::End end{bytes(to), false};
  uint64_t removed = 0;
  if (!call("clear_range", [&] { return engine_->clear_range(start, &end, ~uint64_t{0}, &removed); })) return false;
  const auto first = contents_.strings.lower_bound(from);
  const auto behind = contents_.strings.lower_bound(to);
  require(removed == static_cast<uint64_t>(std::distance(first, behind)), "another number of keys was removed");
  contents_.strings.erase(first, behind);
  return true;
}

}  // namespace mmcb::test
