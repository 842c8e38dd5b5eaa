// The calls of a Workload that change entries.
#include <algorithm>

#include "harness/workload.h"

namespace mmcb::harness {
namespace {

Key key_from(const Name& name, const std::string& bytes) {
  return {name.kind, {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}};
}

}  // namespace

// ---- Choices -------------------------------------------------------------------------------------------------------------

Value Workload::fresh_value() {
  Value value{next_value_++, 0};
  const uint64_t roll = random_.below(300);
  if (profile_.huge_values && roll < profile_.wide_values) {
    value.length = random_.between(profile_.options.segment_size / 2, profile_.options.segment_size * 5 / 2);
  } else if (profile_.huge_values && roll < profile_.wide_values + 5) {
    value.length = random_.between(3000, 9000);
  } else if (roll < 40) {
    value.length = random_.below(profile_.long_value);
  } else {
    value.length = random_.below(profile_.short_value);
  }
  return value;
}

Bytes Workload::bytes_of(const Value& value, std::vector<std::byte>* buffer) const {
  buffer->resize(value.length);
  write_value(value, buffer->data());
  return *buffer;
}

Name Workload::fresh_key(Kind kind) {
  // From a small set, so that keys come again; some integers are negative.
  const uint64_t number = random_.below(profile_.names);
  return {kind, kind == Kind::kIntKey && number % 3 == 0 ? ~number : number};
}

bool Workload::any_name(const State& state, Name* name, Held* held) {
  if (state.named.empty()) return false;
  const auto it = std::next(state.named.begin(), static_cast<std::ptrdiff_t>(random_.below(state.named.size())));
  *name = it->first;
  *held = it->second;
  return true;
}

// ---- Outcomes ------------------------------------------------------------------------------------------------------------

bool Workload::settle(const Status& status, const std::vector<Change>& changes, const char* what) {
  mutation.forget_store();
  if (status.ok()) {
    world_.oracle.done(changes);
    for (const Change& change : changes) {
      // It may have been changed in place.
      if (view_.pin == nullptr || change.removed || change.name != view_.name) continue;
      view_.pin->unpin();
      engine_->pins().remove_reader(view_.pin);
      view_.pin = nullptr;
    }
    return true;
  }
  world_.oracle.refused();
  if (status.code() != Code::kFull && status.code() != Code::kNoSpace) {
    fail(std::string(what) + ": " + code_name(status.code()) + " " + status.message());
  }
  counters_.full++;
  if (status.code() == Code::kFull) make_room();
  return false;
}

// maxSize is reached. That is right only if the file is really full: space must come back by compaction.
void Workload::make_room() {
  if (making_room_) return;
  making_room_ = true;
  disk_.fail_allocate_in(0);
  const bool complete = compact_all();
  const Stats stats = engine_->stats();
  const uint64_t in_use = stats.live_bytes + stats.slack_bytes;
  if (complete && stats.garbage_bytes > stats.file_size / 2 && in_use < stats.file_size / 3) {
    fail("space is lost: after compaction, of " + std::to_string(stats.file_size) + " bytes " + std::to_string(in_use) +
         " are in use and " + std::to_string(stats.garbage_bytes) + " are still garbage");
  }
  while (world_.oracle.current().named.size() > profile_.names / 2) remove();
  making_room_ = false;
}

void Workload::expect_fresh(uint64_t address) const {
  if (!world_.oracle.was_handed_out(address)) return;
  const Address a = Address::from_integer(address);
  fail("address " + std::to_string(a.slot) + "/" + std::to_string(a.generation) + " was given out a second time");
}

// ---- Calls ---------------------------------------------------------------------------------------------------------------

void Workload::add() {
  Change change;
  change.value = fresh_value();
  change.unnamed = true;
  std::vector<std::byte> buffer;
  const Bytes data = bytes_of(change.value, &buffer);
  world_.oracle.begin(epoch_, {change});
  Address address;
  const Status status = engine_->add(data, &address);
  change.name = {Kind::kPlain, address.to_integer()};
  change.address = address.to_integer();
  change.unnamed = false;
  if (status.ok()) expect_fresh(change.address);
  settle(status, {change}, "add()");
}

void Workload::update() {
  Change change;
  Held held;
  if (!any_name(world_.oracle.current(), &change.name, &held)) return add();
  change.value = fresh_value();
  change.address = held.address;
  std::vector<std::byte> buffer;
  const Bytes data = bytes_of(change.value, &buffer);
  world_.oracle.begin(epoch_, {change});
  settle(engine_->update(Address::from_integer(held.address), data), {change}, "update()");
}

void Workload::remove() {
  Change change;
  Held held;
  if (!any_name(world_.oracle.current(), &change.name, &held)) return;
  change.removed = true;
  world_.oracle.begin(epoch_, {change});
  settle(engine_->remove(Address::from_integer(held.address)), {change}, "remove()");
  if (!engine_->was_removed(Address::from_integer(held.address))) fail("was_removed() does not know a removed address");
}

void Workload::set() {
  Change change;
  change.name = fresh_key(random_.one_in(2) ? Kind::kIntKey : Kind::kStringKey);
  change.value = fresh_value();
  std::vector<std::byte> buffer;
  const Bytes data = bytes_of(change.value, &buffer);
  const std::string key = key_bytes(change.name);
  const auto held = world_.oracle.current().named.find(change.name);
  const bool replaces = held != world_.oracle.current().named.end();
  world_.oracle.begin(epoch_, {change});
  Address address;
  const Status status = engine_->set(key_from(change.name, key), data, &address);
  if (status.ok()) {
    change.address = address.to_integer();
    if (replaces && held->second.address != change.address) fail("set() has changed the address of a key");
    if (!replaces) expect_fresh(change.address);
  }
  settle(status, {change}, "set()");
}

void Workload::erase() {
  Change change;
  change.name = fresh_key(random_.one_in(2) ? Kind::kIntKey : Kind::kStringKey);
  change.removed = true;
  const std::string key = key_bytes(change.name);
  if (world_.oracle.current().named.count(change.name) == 0) {
    if (engine_->erase(key_from(change.name, key)).code() != Code::kNotFound)
      fail("erase() of a key that is not there");
    return;
  }
  world_.oracle.begin(epoch_, {change});
  settle(engine_->erase(key_from(change.name, key)), {change}, "erase()");
}

void Workload::clear() {
  const Kind kind = static_cast<Kind>(random_.below(3));
  std::vector<Change> changes;
  for (const auto& [name, held] : world_.oracle.current().named) {
    if (name.kind == kind) changes.push_back({name, {}, true, false, kUnknownAddress});
  }
  if (!changes.empty()) world_.oracle.begin(epoch_, changes);
  uint64_t removed = 0;
  const Status status = engine_->clear(static_cast<KindFilter>(kind), &removed);
  if (changes.empty()) return;
  if (settle(status, changes, "clear()") && removed != changes.size()) fail("clear() miscounts");
}

void Workload::batch() {
  using Type = BatchOperation::Type;
  // What the batch may refer to: entries as they are before it, less those it has removed.
  State state = world_.oracle.current();
  std::vector<Change> changes;
  std::vector<BatchOperation> operations;
  size_t count = random_.one_in(8) ? random_.between(8, 40) : random_.between(1, 6);
  // Its list of stores is an entry of its own then.
  const bool is_long = random_.below(1000) < profile_.long_batches;
  if (is_long) count = profile_.options.journal_size / 24 + 8;
  std::vector<std::vector<std::byte>> buffers(count);
  std::vector<std::string> keys(count);
  for (size_t i = 0; i < count; i++) {
    Change change;
    BatchOperation operation;
    Held held;
    uint64_t roll = is_long && !random_.one_in(4) ? 0 : random_.below(10);
    if (roll >= 3 && roll < 8 && !any_name(state, &change.name, &held)) roll = 0;
    if (roll >= 3 && roll < 8 && held.address == kUnknownAddress) roll = 0;  // set earlier in this batch
    if (roll < 3) {
      operation.type = Type::kAdd;
      change.unnamed = true;
      change.name = {};
    } else if (roll < 6) {
      operation.type = Type::kUpdate;
      operation.address = Address::from_integer(held.address);
      change.address = held.address;
    } else if (roll < 8) {
      operation.type = Type::kRemove;
      operation.address = Address::from_integer(held.address);
      change.removed = true;
    } else {
      change.name = fresh_key(random_.one_in(2) ? Kind::kIntKey : Kind::kStringKey);
      keys[i] = key_bytes(change.name);
      operation.key = key_from(change.name, keys[i]);
      change.removed = roll == 9 && state.named.count(change.name) != 0;
      const bool is_new = state.named.count(change.name) == 0;
      operation.type = change.removed ? Type::kDelete : is_new && i % 2 == 0 ? Type::kInsert : Type::kSet;
    }
    if (!change.removed) {
      change.value = fresh_value();
      if (is_long) change.value.length %= 32;
      operation.data = bytes_of(change.value, &buffers[i]);
    }
    if (change.removed) {
      state.named.erase(change.name);
    } else if (!change.unnamed) {
      Held& now = state.named[change.name];
      now.value = change.value;
    }
    changes.push_back(change);
    operations.push_back(operation);
  }
  world_.oracle.begin(epoch_, changes);
  const Status status = engine_->batch(operations);
  if (status.ok()) {
    for (size_t i = 0; i < count; i++) {
      if (operations[i].type != Type::kAdd && operations[i].type != Type::kSet && operations[i].type != Type::kInsert)
        continue;
      // One that this very batch removes again was never anybody's.
      const bool ended = std::any_of(
          changes.begin() + static_cast<std::ptrdiff_t>(i), changes.end(),
          [&](const Change& later) { return later.removed && later.name == changes[i].name && !changes[i].unnamed; });
      if (ended) continue;
      changes[i].address = operations[i].address.to_integer();
      if (changes[i].unnamed) changes[i].name = {Kind::kPlain, changes[i].address};
      changes[i].unnamed = false;
    }
  }
  settle(status, changes, "batch()");
}

}  // namespace mmcb::harness
