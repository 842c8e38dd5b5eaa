#include "real_kernel/calls.h"

#include <set>

#include "harness/random.h"

namespace mmcb::harness {
namespace {

constexpr uint64_t kNames = 150;

}  // namespace

Call call_at(uint64_t seed, uint64_t index) {
  Random random(seed * 0x2545f4914f6cdd1dull + index);
  Call call;
  const uint64_t roll = random.below(100);
  if (roll >= 90) call.type = Call::Type::kBatch;
  if (roll < 12) call.type = Call::Type::kErase;
  const uint64_t count = call.type == Call::Type::kBatch ? random.between(2, 12) : 1;
  for (uint64_t i = 0; i < count; i++) {
    Change change;
    const uint64_t id = random.below(kNames);
    change.name = {id % 2 == 0 ? Kind::kIntKey : Kind::kStringKey, id};
    change.removed = call.type == Call::Type::kErase;
    change.value = {index * 16 + i, random.one_in(8) ? random.below(3000) : random.below(250)};
    if (random.one_in(300)) change.value.length = random.between(5000, 40000);  // up to three segments
    call.changes.push_back(change);
  }
  return call;
}

void apply(const Call& call, State* state) {
  for (const Change& change : call.changes) {
    if (change.removed) {
      state->named.erase(change.name);
    } else {
      state->named[change.name].value = change.value;
    }
  }
}

Status make(Engine& engine, const Call& call) {
  std::vector<std::string> keys;
  std::vector<std::vector<std::byte>> values;
  std::vector<BatchOperation> operations(call.changes.size());
  for (const Change& change : call.changes) {
    keys.push_back(key_bytes(change.name));
    values.emplace_back(change.value.length);
    write_value(change.value, values.back().data());
  }
  for (size_t i = 0; i < operations.size(); i++) {
    operations[i].type = BatchOperation::Type::kSet;
    operations[i].key = {call.changes[i].name.kind,
                         {reinterpret_cast<const std::byte*>(keys[i].data()), keys[i].size()}};
    operations[i].data = values[i];
  }
  switch (call.type) {
    case Call::Type::kSet: return engine.set(operations[0].key, operations[0].data, nullptr);
    case Call::Type::kBatch: return engine.batch(operations);
    case Call::Type::kErase: {
      Status status = engine.erase(operations[0].key);
      return status.code() == Code::kNotFound ? Status() : status;
    }
  }
  return Status();
}

std::string find_prefix(const Contents& contents, uint64_t seed, uint64_t least, uint64_t most, State* state,
                        uint64_t* n) {
  std::map<Name, const Contents::Entry*> stored;
  for (const Contents::Entry& entry : contents.entries) stored[entry.name] = &entry;
  for (uint64_t i = 0; i < least; i++) apply(call_at(seed, i), state);
  std::set<Name> wrong;
  const auto compare = [&](const Name& name) {
    const auto held = state->named.find(name);
    const auto found = stored.find(name);
    const bool agrees = held == state->named.end()
                            ? found == stored.end()
                            : found != stored.end() &&
                                  is_value(held->second.value, contents.data(*found->second), found->second->length);
    if (agrees) {
      wrong.erase(name);
    } else {
      wrong.insert(name);
    }
  };
  // Only what a call touches is compared again.
  for (const auto& [name, held] : state->named) compare(name);
  for (const auto& [name, entry] : stored) compare(name);
  std::string nearest;
  size_t fewest = ~size_t{0};
  for (uint64_t i = least;; i++) {
    if (wrong.size() < fewest) {
      fewest = wrong.size();
      nearest = "after call " + std::to_string(i) + ", " + std::to_string(fewest) + " names differ, as " +
                (wrong.empty() ? "" : to_string(*wrong.begin()));
    }
    if (wrong.empty()) {
      *n = i;
      return "";
    }
    if (i == most) break;
    const Call call = call_at(seed, i);
    apply(call, state);
    for (const Change& change : call.changes) compare(change.name);
  }
  return "no state from call " + std::to_string(least) + " (on the disk) to " + std::to_string(most) +
         " (made) is what the file holds; nearest: " + nearest;
}

}  // namespace mmcb::harness
