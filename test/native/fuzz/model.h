// Model: what a file holds, entry by entry, as a std::map; read from an engine by every way in, and changed by a Player
// that makes the same calls to the engine and to the model.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/engine.h"
#include "fuzz/input.h"

namespace mmcb::fuzz {

struct Record {
  Kind kind = Kind::kPlain;
  std::string key;
  std::string data;
  bool operator==(const Record&) const = default;
};

using Model = std::map<uint64_t, Record>;  // by address

// Reads everything, by iteration, by address and by key; throws Failure where these, or the statistics, disagree.
Model read_model(Engine& engine);
// How `found` differs from `expected`, or an empty string.
std::string difference(const Model& found, const Model& expected);
// The errors of Verifier, one in a line; empty where there is none.
std::string verify(Engine& engine);
// Address, kind, key and data in one string: names a version of an entry.
std::string fingerprint(uint64_t address, const Record& record);

inline Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline Key key_of(const Record& record) { return {record.kind, bytes_of(record.key)}; }
std::string int_key(int64_t number);
// `length` bytes that follow from `id`.
std::string text_of(uint64_t id, size_t length);
std::string describe(const Status& status);

}  // namespace mmcb::fuzz
