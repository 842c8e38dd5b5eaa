#include "kill/calls.h"

#include <algorithm>
#include <string>

#include "harness/random.h"
#include "kill/shared.h"

namespace mmcb::harness::killing {
namespace {

constexpr uint64_t kKeys = 120;  // of each lane

// The changes that decide: of several to one name, the last.
std::map<Name, Change> outcome_of(const Call& call) {
  std::map<Name, Change> last;
  for (const Change& change : call.changes) last[change.name] = change;
  return last;
}

}  // namespace

Call call_at(unsigned lane, uint64_t index) {
  Random random(index * kMaxLanes + lane);
  Call call{Call::Type::kSet, {}};
  const uint64_t roll = random.below(100);
  if (roll >= 85) call.type = Call::Type::kBatch;
  if (roll < 12) call.type = Call::Type::kErase;
  const uint64_t count = call.type == Call::Type::kBatch ? random.between(2, 12) : 1;
  for (uint64_t i = 0; i < count; i++) {
    Change change;
    const uint64_t key = random.below(kKeys);
    change.name = {key % 2 == 0 ? Kind::kIntKey : Kind::kStringKey, key * kMaxLanes + lane};
    change.removed = call.type == Call::Type::kErase;
    if (i > 0 && random.one_in(5) && !call.changes[i - 1].removed) {
      // A batch that removes what it has just set, whether it was there before or not: that never fails.
      change.name = call.changes[i - 1].name;
      change.removed = true;
    }
    change.value = {(index * kMaxLanes + lane) * 16 + i, random.one_in(8) ? random.below(3000) : random.below(250)};
    if (random.one_in(400)) change.value.length = random.between(5000, 40000);
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

void make(Engine& engine, const Call& call) {
  std::vector<std::string> keys;
  std::vector<std::vector<std::byte>> values;
  std::vector<BatchOperation> operations;
  for (const Change& change : call.changes) {
    keys.push_back(key_bytes(change.name));
    values.emplace_back(change.value.length);
    write_value(change.value, values.back().data());
  }
  for (size_t i = 0; i < call.changes.size(); i++) {
    BatchOperation operation;
    operation.type = call.changes[i].removed ? BatchOperation::Type::kDelete : BatchOperation::Type::kSet;
    operation.key = {call.changes[i].name.kind, {reinterpret_cast<const std::byte*>(keys[i].data()), keys[i].size()}};
    operation.data = values[i];
    operations.push_back(operation);
  }
  switch (call.type) {
    case Call::Type::kSet: must(engine.set(operations[0].key, operations[0].data, nullptr), "set()"); break;
    case Call::Type::kBatch: must(engine.batch(operations), "batch()"); break;
    case Call::Type::kErase: {
      const Status status = engine.erase(operations[0].key);
      if (status.code() != Code::kNotFound) must(status, "erase()");
      break;
    }
  }
}

bool is_there(const Call& call, const Contents& contents, const State& state) {
  // One name that tells the states before and after apart is enough.
  for (const auto& [name, change] : outcome_of(call)) {
    const auto found = std::find_if(contents.entries.begin(), contents.entries.end(),
                                    [&, wanted = name](const Contents::Entry& e) { return e.name == wanted; });
    const bool present = found != contents.entries.end();
    const auto before = state.named.find(name);
    const bool as_before = before == state.named.end()
                               ? !present
                               : present && is_value(before->second.value, contents.data(*found), found->length);
    const bool as_after =
        change.removed ? !present : present && is_value(change.value, contents.data(*found), found->length);
    if (as_before != as_after) return as_after;
  }
  return false;
}

}  // namespace mmcb::harness::killing
