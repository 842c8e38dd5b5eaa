#include "real_kernel/prefix.h"

#include <map>
#include <set>

#include "harness/numbered_calls.h"

namespace mmcb::harness {

std::string find_prefix(const Contents& contents, uint64_t seed, uint64_t least, uint64_t most, State* state,
                        uint64_t* n) {
  std::map<Name, const Contents::Entry*> stored;
  for (const Contents::Entry& entry : contents.entries) stored[entry.name] = &entry;
  for (uint64_t i = 0; i < least; i++) Oracle::apply(call_at({seed}, i).changes, state);
  std::set<Name> wrong;
  const auto compare = [&](const Name& name) {
    const auto found = stored.find(name);
    if (is_as_in(*state, name, contents, found == stored.end() ? nullptr : found->second)) {
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
    const Call call = call_at({seed}, i);
    Oracle::apply(call.changes, state);
    for (const Change& change : call.changes) compare(change.name);
  }
  return "no state from call " + std::to_string(least) + " (on the disk) to " + std::to_string(most) +
         " (made) is what the file holds; nearest: " + nearest;
}

}  // namespace mmcb::harness
