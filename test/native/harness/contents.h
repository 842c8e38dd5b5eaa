// Contents: everything that an open engine holds, read through its public calls, and compared with what it must hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/engine.h"
#include "harness/oracle.h"

namespace mmcb::harness {

struct Contents {
  struct Entry {
    Name name;
    uint64_t address;
    uint64_t offset;    // in the file
    uint64_t position;  // of the data in `bytes`
    uint64_t length;
  };
  std::vector<Entry> entries;
  std::vector<std::byte> bytes;
  uint64_t unreadable = 0;  // live entries whose read said kCorrupt

  const std::byte* data(const Entry& entry) const { return bytes.data() + entry.position; }
};

// Reads everything. `tolerant`: an entry may be unreadable. Returns what is wrong, or an empty string.
std::string read_contents(Engine& engine, bool tolerant, Contents* contents);

// Returns how the contents differ from the state, or an empty string. `found`: the entries of state.unnamed, in order,
// with their addresses; may be null.
std::string difference(const Contents& contents, const State& state, std::vector<uint64_t>* found = nullptr);

// True if the entry of this name, or that there is none (null), is what the state says.
bool is_as_in(const State& state, const Name& name, const Contents& contents, const Contents::Entry* entry);

// The state that the contents are, by values that were once written under these names; what is not, is described.
std::string state_of(const Contents& contents, const Oracle& oracle, State* state);

// The bytes of the file add up, and the counts agree.
std::string check_stats(Engine& engine, const Contents& contents);

}  // namespace mmcb::harness
