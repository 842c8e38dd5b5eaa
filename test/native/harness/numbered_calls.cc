#include "harness/numbered_calls.h"

#include <string>

#include "harness/random.h"

namespace mmcb::harness {

Call call_at(const Caller& caller, uint64_t index) {
  constexpr uint64_t kKeys = 120;  // of each lane
  const uint64_t number = index * caller.lanes + caller.lane;
  Random random(caller.seed * 0x2545f4914f6cdd1dull + number);
  Call call;
  const uint64_t roll = random.below(100);
  if (roll >= 85) call.type = Call::Type::kBatch;
  if (roll < 12) call.type = Call::Type::kErase;
  const uint64_t count = call.type == Call::Type::kBatch ? random.between(2, 12) : 1;
  for (uint64_t i = 0; i < count; i++) {
    Change change;
    const uint64_t key = random.below(kKeys);
    change.name = {key % 2 == 0 ? Kind::kIntKey : Kind::kStringKey, key * caller.lanes + caller.lane};
    change.removed = call.type == Call::Type::kErase;
    if (i > 0 && random.one_in(5) && !call.changes[i - 1].removed) {
      // A batch that removes what it has just set, whether it was there before or not: that never fails.
      change.name = call.changes[i - 1].name;
      change.removed = true;
    }
    change.value = {number * 16 + i, random.one_in(8) ? random.below(3000) : random.below(250)};
    if (random.one_in(400)) change.value.length = random.between(5000, 40000);  // up to three segments
    call.changes.push_back(change);
  }
  return call;
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
    operations[i].type = call.changes[i].removed ? BatchOperation::Type::kDelete : BatchOperation::Type::kSet;
    operations[i].key = {call.changes[i].name.kind,
                         {reinterpret_cast<const std::byte*>(keys[i].data()), keys[i].size()}};
    operations[i].data = values[i];
  }
  switch (call.type) {
    case Call::Type::kSet: return engine.set(operations[0].key, operations[0].data, nullptr);
    case Call::Type::kBatch: return engine.batch(operations);
    case Call::Type::kErase: break;
  }
  Status status = engine.erase(operations[0].key);
  return status.code() == Code::kNotFound ? Status() : status;
}

}  // namespace mmcb::harness
