// Oracle: what the file must hold. A log of calls, each with the epoch it was made in; the state as of an epoch is the
// replay of the calls up to it. Tiny on purpose: it has to be right without being tested.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/format.h"
#include "harness/sorted_map.h"

namespace mmcb::harness {

// How a user names an entry: by address (kPlain) or by key. String keys are numbers here, see key_of_string().
struct Name {
  Kind kind = Kind::kPlain;
  uint64_t id = 0;
  auto operator<=>(const Name&) const = default;
};

std::string to_string(const Name& name);

// A value is a number and a length; its bytes follow from them.
struct Value {
  uint64_t id = 0;
  uint64_t length = 0;
  bool operator==(const Value&) const = default;
};

void write_value(const Value& value, std::byte* to);
bool is_value(const Value& value, const std::byte* bytes, uint64_t length);

// Bytes of a key. For kIntKey the number itself (negative ones too), for kStringKey text of varying length.
std::string key_bytes(const Name& name);
// The reverse; false where the harness never wrote such a key.
bool name_of_key(Kind kind, const std::byte* bytes, size_t length, Name* name);

inline constexpr uint64_t kUnknownAddress = ~0ull;

struct Held {
  Value value;
  uint64_t address = kUnknownAddress;
};

struct State {
  SortedMap<Name, Held> named;
  std::vector<Value> unnamed;  // added by a call that never returned: the address was not told
};

// One change. A batch is several of them, in flight together.
struct Change {
  Name name;
  Value value;
  bool removed = false;
  bool unnamed = false;  // an add whose address is not known yet
  uint64_t address = kUnknownAddress;
};

class Oracle {
 public:
  // A call is made ...
  void begin(uint64_t epoch, std::vector<Change> changes);
  // ... and returns: done (with the addresses given out, filled into `changes` in order), or refused without effect.
  void done(const std::vector<Change>& changes);
  void refused() { in_flight_.clear(); }
  bool in_flight() const { return !in_flight_.empty(); }
  const std::vector<Change>& changes_in_flight() const { return in_flight_; }

  // What the file holds now, by every call that returned.
  const State& current() const { return current_; }
  // As of an epoch; with or without the call in flight.
  State at(uint64_t epoch, bool with_in_flight) const;
  // As of the durable epoch before the last one.
  const State& before_durable() const { return before_durable_; }
  uint64_t epoch_before_durable() const { return epoch_before_durable_; }
  uint64_t durable_epoch() const { return durable_epoch_; }
  uint64_t highest_epoch() const;
  // The state after the first `count` logged calls since the durable epoch, for prefixes.
  size_t logged_calls() const { return log_.size(); }
  State after_calls(size_t count) const;

  // Everything up to `epoch` is on the disk for good.
  void made_durable(uint64_t epoch);
  // The calls after `epoch` never happened; what is on the disk for good is as it was.
  void forget_after(uint64_t epoch);
  // The file was opened in this state, which is that of `epoch` on the disk; whatever came later never happened.
  void rolled_back(const State& state, uint64_t epoch);
  // A killed process' last call has turned out to be in the file, with these addresses, or not.
  void settle_in_flight(bool applied, const std::vector<Change>& changes);

  // True for bytes that were once written under this name (or by an add whose address was never told).
  bool was_written(const Name& name, const std::byte* bytes, uint64_t length, Value* value) const;
  // True for a value that was live at some time since the last sync point but one, be it only until it was rolled back.
  bool was_live_lately(const Value& value) const;
  // Every state since the last sync point but one, the call in flight taken as not made and as made.
  std::vector<State> states_lately() const;
  // True for an address that some add or set returned at some time, other than one undone by a power cut.
  bool was_handed_out(uint64_t address) const { return handed_out_.count(address) != 0; }

  static void apply(const std::vector<Change>& changes, State* state);

 private:
  struct Call {
    uint64_t epoch;
    std::vector<Change> changes;
  };
  void remember(uint64_t epoch, const Change& change);

  State durable_;
  State before_durable_;
  State current_;
  uint64_t durable_epoch_ = 0;
  uint64_t epoch_before_durable_ = 0;
  std::vector<Call> log_;  // since durable_
  uint64_t in_flight_epoch_ = 0;
  std::vector<Change> in_flight_;
  // Values of calls that were rolled back, since the last sync point and between it and the one before: their entries may
  // still be whole in the file.
  void note_undone();
  std::vector<Value> undone_[2];
  std::map<Name, std::vector<Value>> history_;
  std::vector<Value> unnamed_history_;
  void forget_addresses_after(uint64_t epoch);
  std::unordered_set<uint64_t> handed_out_;
  std::vector<std::pair<uint64_t, uint64_t>> handed_out_lately_;  // address, and the epoch of the call: not durable yet
};

}  // namespace mmcb::harness
