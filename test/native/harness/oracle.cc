#include "harness/oracle.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace mmcb::harness {

std::string to_string(const Name& name) {
  switch (name.kind) {
    case Kind::kPlain: return "address " + std::to_string(name.id);
    case Kind::kIntKey: return "int key " + std::to_string(static_cast<int64_t>(name.id));
    case Kind::kStringKey: return "string key #" + std::to_string(name.id);
    case Kind::kRedoList: break;
  }
  return "?";
}

void write_value(const Value& value, std::byte* to) {
  uint64_t x = value.id * 0x9e3779b97f4a7c15ull + value.length;
  for (uint64_t i = 0; i < value.length; i += 8) {
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
    x ^= x >> 32;
    std::memcpy(to + i, &x, std::min<uint64_t>(8, value.length - i));
  }
}

bool is_value(const Value& value, const std::byte* bytes, uint64_t length) {
  if (length != value.length) return false;
  uint64_t x = value.id * 0x9e3779b97f4a7c15ull + value.length;
  uint64_t i = 0;
  for (; i + 8 <= length; i += 8) {
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
    x ^= x >> 32;
    uint64_t word;
    std::memcpy(&word, bytes + i, sizeof word);
    if (word != x) return false;
  }
  x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
  x ^= x >> 32;
  return std::memcmp(bytes + i, &x, length - i) == 0;
}

std::string key_bytes(const Name& name) {
  if (name.kind == Kind::kIntKey) return std::string(reinterpret_cast<const char*>(&name.id), sizeof name.id);
  // Lengths from one byte to some hundred, so that headers and data fall on every alignment.
  return std::to_string(name.id) + std::string(name.id % 7 == 0 ? name.id * 13 % 300 : name.id % 11, '.');
}

bool name_of_key(Kind kind, const std::byte* bytes, size_t length, Name* name) {
  name->kind = kind;
  if (kind == Kind::kIntKey) {
    if (length != sizeof name->id) return false;
    std::memcpy(&name->id, bytes, sizeof name->id);
    return true;
  }
  const char* const text = reinterpret_cast<const char*>(bytes);
  if (std::from_chars(text, text + length, name->id).ec != std::errc()) return false;
  return key_bytes(*name) == std::string(text, length);
}

// ---- Calls -----------------------------------------------------------------------------------------------------------

void Oracle::remember(uint64_t epoch, const Change& change) {
  if (change.removed) return;
  if (change.unnamed) {
    unnamed_history_.push_back(change.value);
  } else {
    history_[change.name].push_back(change.value);
  }
  if (change.address != kUnknownAddress && handed_out_.insert(change.address).second)
    handed_out_lately_.emplace_back(change.address, epoch);
}

void Oracle::begin(uint64_t epoch, std::vector<Change> changes) {
  in_flight_epoch_ = epoch;
  in_flight_ = std::move(changes);
  // A call that never returns may have written all the same.
  for (const Change& change : in_flight_) remember(in_flight_epoch_, change);
}

void Oracle::done(const std::vector<Change>& changes) {
  for (const Change& change : in_flight_) {
    if (change.unnamed) unnamed_history_.pop_back();  // it gets its name now
  }
  for (const Change& change : changes) remember(in_flight_epoch_, change);
  apply(changes, &current_);
  log_.push_back({in_flight_epoch_, changes});
  in_flight_.clear();
}

void Oracle::settle_in_flight(bool applied, const std::vector<Change>& changes) {
  if (applied) {
    for (const Change& change : changes) remember(in_flight_epoch_, change);
    apply(changes, &current_);
    log_.push_back({in_flight_epoch_, changes});
  }
  if (!applied) note_undone();
  in_flight_.clear();
}

// ---- States ----------------------------------------------------------------------------------------------------------

void Oracle::apply(const std::vector<Change>& changes, State* state) {
  for (const Change& change : changes) {
    if (change.removed) {
      state->named.erase(change.name);
    } else if (change.unnamed) {
      state->unnamed.push_back(change.value);
    } else {
      Held& held = state->named[change.name];
      held.value = change.value;
      if (change.address != kUnknownAddress) held.address = change.address;
    }
  }
}

State Oracle::at(uint64_t epoch, bool with_in_flight) const {
  State state = durable_;
  for (const Call& call : log_) {
    if (call.epoch <= epoch) apply(call.changes, &state);
  }
  if (with_in_flight && in_flight_epoch_ <= epoch) apply(in_flight_, &state);
  return state;
}

State Oracle::after_calls(size_t count) const {
  State state = durable_;
  for (size_t i = 0; i < count; i++) apply(log_[i].changes, &state);
  return state;
}

uint64_t Oracle::highest_epoch() const {
  uint64_t highest = durable_epoch_;
  for (const Call& call : log_) highest = std::max(highest, call.epoch);
  return in_flight_.empty() ? highest : std::max(highest, in_flight_epoch_);
}

void Oracle::made_durable(uint64_t epoch) {
  if (epoch == durable_epoch_) return;
  undone_[1] = std::move(undone_[0]);
  undone_[0].clear();
  before_durable_ = durable_;
  epoch_before_durable_ = durable_epoch_;
  durable_epoch_ = epoch;
  size_t kept = 0;
  for (Call& call : log_) {
    if (call.epoch <= epoch) {
      apply(call.changes, &durable_);
    } else {
      if (&log_[kept] != &call) log_[kept] = std::move(call);
      kept++;
    }
  }
  log_.resize(kept);
  std::erase_if(handed_out_lately_, [&](const auto& one) { return one.second <= epoch; });
}

void Oracle::forget_addresses_after(uint64_t epoch) {
  for (const auto& [address, since] : handed_out_lately_) {
    if (since > epoch) handed_out_.erase(address);
  }
  std::erase_if(handed_out_lately_, [&](const auto& one) { return one.second > epoch; });
}

void Oracle::note_undone() {
  const auto note = [&](const std::vector<Change>& changes) {
    for (const Change& change : changes) {
      if (!change.removed) undone_[0].push_back(change.value);
    }
  };
  for (const Call& call : log_) note(call.changes);
  note(in_flight_);
}

void Oracle::forget_after(uint64_t epoch) {
  note_undone();
  current_ = at(epoch, false);
  std::erase_if(log_, [&](const Call& call) { return call.epoch > epoch; });
  forget_addresses_after(epoch);
  in_flight_.clear();
}

void Oracle::rolled_back(const State& state, uint64_t epoch) {
  note_undone();
  for (const auto& [name, held] : durable_.named) undone_[0].push_back(held.value);
  if (epoch != durable_epoch_) {
    before_durable_ = durable_;
    epoch_before_durable_ = durable_epoch_;
  }
  durable_ = current_ = state;
  durable_epoch_ = epoch;
  forget_addresses_after(epoch);
  log_.clear();
  in_flight_.clear();
}

bool Oracle::was_live_lately(const Value& value) const {
  const auto holds = [&](const State& state) {
    return std::any_of(state.named.begin(), state.named.end(),
                       [&](const auto& entry) { return entry.second.value == value; });
  };
  const auto has = [&](const std::vector<Change>& changes) {
    return std::any_of(changes.begin(), changes.end(),
                       [&](const Change& change) { return !change.removed && change.value == value; });
  };
  for (const std::vector<Value>& undone : undone_) {
    if (std::find(undone.begin(), undone.end(), value) != undone.end()) return true;
  }
  return holds(before_durable_) || holds(durable_) || has(in_flight_) ||
         std::any_of(log_.begin(), log_.end(), [&](const Call& call) { return has(call.changes); });
}

std::vector<State> Oracle::states_lately() const {
  std::vector<State> states{before_durable_, durable_};
  for (const Call& call : log_) {
    states.push_back(states.back());
    apply(call.changes, &states.back());
  }
  if (in_flight()) states.push_back(at(~0ull, true));
  return states;
}

bool Oracle::was_written(const Name& name, const std::byte* bytes, uint64_t length, Value* value) const {
  const auto search = [&](const std::vector<Value>& values) {
    // The newest first: it is mostly that.
    for (auto it = values.rbegin(); it != values.rend(); ++it) {
      if (!is_value(*it, bytes, length)) continue;
      *value = *it;
      return true;
    }
    return false;
  };
  if (const auto found = history_.find(name); found != history_.end() && search(found->second)) return true;
  return name.kind == Kind::kPlain && search(unnamed_history_);
}

}  // namespace mmcb::harness
