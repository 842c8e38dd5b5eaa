#include "fuzz/player.h"

#include <algorithm>

namespace mmcb::fuzz {
namespace {

// Few keys, so that they come again.
constexpr uint16_t kKeys = 40;
// A table full of entries only takes time.
constexpr size_t kCrowded = 250;

}  // namespace

// Mostly short; some wider than the journal, few wider than a segment.
std::string Player::data(uint32_t how) {
  size_t length = how % 256;
  if ((how >> 8 & 7) == 1) length = how % 3000;
  if ((how >> 8 & 31) == 2) length = how % 40000;
  return text_of(next_++, length);
}

Record Player::key(uint16_t which) {
  const uint16_t number = which / 2 % kKeys;
  if (which % 2 == 0) return {Kind::kIntKey, int_key(number % 3 == 0 ? -number : number * 1000), ""};
  return {Kind::kStringKey, "key " + std::to_string(number) + std::string(number * 7 % 90, '.'), ""};
}

Model::const_iterator Player::entry(uint16_t which) const {
  return model_.empty() ? model_.end() : std::next(model_.begin(), which % static_cast<uint16_t>(model_.size()));
}

Model::const_iterator Player::find(const Record& name) const {
  return std::find_if(model_.begin(), model_.end(),
                      [&](const auto& one) { return one.second.kind == name.kind && one.second.key == name.key; });
}

void Player::act(Engine& engine, uint8_t type, uint16_t which, uint32_t how) {
  const bool crowded = model_.size() > kCrowded;
  switch (type % kTypes) {
    case 0: return crowded ? remove(engine, which) : add(engine, how);
    case 1:
    case 2: return update(engine, which, how);
    case 3: return remove(engine, which);
    case 4:
    case 5: return crowded ? remove(engine, which) : set(engine, key(which), how);
    case 6: return erase(engine, key(which));
    case 7: return batch(engine, which, how);
    default:
      if (how % 8 == 0) return clear(engine, how % 16 == 0 ? KindFilter::kAll : KindFilter::kStringKey);
      return update(engine, which, how);
  }
}

size_t Player::hash_of(const Record& record) { return std::hash<std::string>()(fingerprint(0, record)); }

void Player::begin(std::vector<Change> changes) {
  in_flight_ = std::move(changes);
  for (const Change& change : in_flight_) {
    if (!change.removed) written_.insert(hash_of(change.record));
  }
}

// A call has returned. What is refused for want of room has changed nothing; nothing else may be refused.
bool Player::done(const Status& status, const char* call) {
  if (status.ok()) {
    apply();
    return true;
  }
  in_flight_.clear();
  if (status.code() != Code::kFull && status.code() != Code::kNoSpace && status.code() != Code::kNoMemory)
    fail(std::string(call) + ": " + describe(status));
  return false;
}

void Player::apply() {
  for (const Change& change : in_flight_) {
    if (change.removed) {
      model_.erase(*change.address);
    } else {
      model_[*change.address] = change.record;
    }
  }
  in_flight_.clear();
}

bool Player::settle(const Model& found) {
  const std::vector<Change> changes = std::exchange(in_flight_, {});
  if (!difference(found, model_).empty()) {
    Model expected = model_;
    std::vector<const Record*> unnamed;
    for (const Change& change : changes) {
      if (!change.address) {
        unnamed.push_back(&change.record);
      } else if (change.removed) {
        expected.erase(*change.address);
      } else {
        expected[*change.address] = change.record;
      }
    }
    // An entry that is new must be one that the call was to make.
    for (const auto& [address, record] : found) {
      if (unnamed.empty() || model_.count(address) != 0) continue;
      const auto match =
          std::find_if(unnamed.begin(), unnamed.end(), [&, &r = record](const Record* one) { return *one == r; });
      if (match == unnamed.end()) continue;
      expected[address] = record;
      unnamed.erase(match);
    }
    if (!unnamed.empty() || !difference(found, expected).empty()) return false;
  }
  model_ = found;
  return true;
}

void Player::add(Engine& engine, uint32_t how) {
  const Record record{Kind::kPlain, "", data(how)};
  begin({{std::nullopt, record, false}});
  Address address;
  const Status status = engine.add(bytes_of(record.data), &address);
  if (status.ok() && model_.count(address.to_integer()) != 0) fail("add() gives out an address that is in use");
  in_flight_[0].address = address.to_integer();
  done(status, "add()");
}

void Player::update(Engine& engine, uint16_t which, uint32_t how) {
  const auto at = entry(which);
  if (at == model_.end()) return add(engine, how);
  const uint64_t address = at->first;
  const Record record{at->second.kind, at->second.key, data(how)};
  begin({{address, record, false}});
  done(engine.update(Address::from_integer(address), bytes_of(record.data)), "update()");
}

void Player::remove(Engine& engine, uint16_t which) {
  const auto at = entry(which);
  if (at == model_.end()) return;
  const Address address = Address::from_integer(at->first);
  begin({{at->first, {}, true}});
  if (done(engine.remove(address), "remove()") && !engine.was_removed(address))
    fail("was_removed() does not know a removed address");
}

void Player::set(Engine& engine, const Record& name, uint32_t how) {
  const auto at = find(name);
  const bool replaces = at != model_.end();
  const Record record{name.kind, name.key, data(how)};
  begin({{replaces ? std::optional(at->first) : std::nullopt, record, false}});
  Address address;
  const Status status = engine.set(key_of(name), bytes_of(record.data), &address);
  if (status.ok()) {
    if (replaces && at->first != address.to_integer()) fail("set() has changed the address of a key");
    if (!replaces && model_.count(address.to_integer()) != 0) fail("set() gives out an address that is in use");
    in_flight_[0].address = address.to_integer();
  }
  done(status, "set()");
}

void Player::erase(Engine& engine, const Record& name) {
  const auto at = find(name);
  if (at == model_.end()) {
    if (engine.erase(key_of(name)).code() != Code::kNotFound) fail("erase() of a key that is not there");
    return;
  }
  begin({{at->first, {}, true}});
  done(engine.erase(key_of(name)), "erase()");
}

// Changes to different entries and keys: what several changes of one come to is for the unit tests.
void Player::batch(Engine& engine, uint16_t which, uint32_t how) {
  Dice dice(which * 65537ull + how);
  const bool long_one = dice.one_in(8);
  const uint64_t count = 1 + dice.below(long_one ? 150 : 8);
  std::vector<BatchOperation> operations;
  std::vector<Change> changes;
  std::vector<uint64_t> used;
  for (uint64_t i = 0; i < count; i++) {
    BatchOperation operation;
    Change change;
    auto at = entry(static_cast<uint16_t>(dice.next()));
    const uint64_t roll = dice.below(4);
    const bool taken = at == model_.end() || std::find(used.begin(), used.end(), at->first) != used.end();
    change.record.data = data(static_cast<uint32_t>(dice.below(long_one ? 20 : 2000)));
    if (roll == 0 && !taken) {
      operation.type = BatchOperation::Type::kRemove;
      change.removed = true;
    } else if (roll == 1 && !taken) {
      operation.type = BatchOperation::Type::kUpdate;
      change.record.kind = at->second.kind;
      change.record.key = at->second.key;
    } else {
      operation.type = BatchOperation::Type::kAdd;
      at = model_.end();
    }
    if (at != model_.end()) {
      operation.address = Address::from_integer(at->first);
      change.address = at->first;
      used.push_back(at->first);
    }
    changes.push_back(std::move(change));
    operations.push_back(operation);
  }
  // One key, set at the end.
  Record name = key(which);
  if (const auto at = find(name); at == model_.end() || std::find(used.begin(), used.end(), at->first) == used.end()) {
    name.data = data(how % 500);
    changes.push_back({at == model_.end() ? std::nullopt : std::optional(at->first), name, false});
    operations.push_back({BatchOperation::Type::kSet, {}, key_of(name), {}});
  }
  begin(std::move(changes));
  for (size_t i = 0; i < operations.size(); i++) operations[i].data = bytes_of(in_flight_[i].record.data);
  const Status status = engine.batch(operations);
  if (status.ok()) {
    for (size_t i = 0; i < operations.size(); i++) {
      if (!in_flight_[i].address) in_flight_[i].address = operations[i].address.to_integer();
    }
  }
  done(status, "batch()");
}

void Player::clear(Engine& engine, KindFilter kind) {
  std::vector<Change> changes;
  for (const auto& [address, record] : model_) {
    if (kind == KindFilter::kAll || record.kind == Kind::kStringKey) changes.push_back({address, {}, true});
  }
  const uint64_t expected = changes.size();
  begin(std::move(changes));
  uint64_t removed = 0;
  if (done(engine.clear(kind, &removed), "clear()") && removed != expected) fail("clear() tells another number");
}

}  // namespace mmcb::fuzz
