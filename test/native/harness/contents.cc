#include "harness/contents.h"

#include <algorithm>

#include "support/reader.h"

namespace mmcb::harness {
namespace {

Key key_from(const Name& name, const std::string& bytes) {
  return {name.kind, {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}};
}

// Every other way to get at the entry says the same.
std::string check_ways_in(Engine& engine, ReaderPin& pin, const Contents& contents, const Contents::Entry& entry) {
  const Address address = Address::from_integer(entry.address);
  const std::string what = to_string(entry.name);
  if (!engine.contains(pin, address)) return what + ": contains() says no";
  if (entry.name.kind != Kind::kPlain) {
    const std::string key = key_bytes(entry.name);
    Address found;
    if (Status s = engine.find(pin, key_from(entry.name, key), &found); !s.ok())
      return what + ": find() " + code_name(s.code());
    if (found != address) return what + ": find() gives another address than the iteration";
  }
  std::vector<std::byte> copy(entry.length + 1);
  uint64_t size = 0;
  if (Status s = engine.read(pin, address, copy, &size); !s.ok()) return what + ": read() " + code_name(s.code());
  if (size != entry.length ||
      !std::equal(copy.begin(), copy.begin() + static_cast<std::ptrdiff_t>(size), contents.data(entry))) {
    return what + ": read() gives other bytes than read_entry()";
  }
  return "";
}

}  // namespace

std::string read_contents(Engine& engine, bool tolerant, Contents* contents) {
  const test::Reader reader(engine);
  PinScope pinned(reader);
  contents->entries.clear();
  contents->bytes.clear();
  contents->unreadable = 0;
  static std::vector<std::byte> buffer(64 << 10);
  uint64_t cursor = 0;
  Address address;
  uint64_t offset = 0;
  while (engine.next(KindFilter::kAll, &cursor, &address, &offset)) {
    EntryHeader header;
    const Status status = test::read_whole(engine, reader, address, &buffer, &header);
    if (!status.ok()) {
      if (!tolerant || status.code() != Code::kCorrupt) {
        return "reading address " + std::to_string(address.to_integer()) + ": " + code_name(status.code()) + " " +
               status.message();
      }
      contents->unreadable++;
      continue;
    }
    Contents::Entry entry{
        {Kind::kPlain, address.to_integer()}, address.to_integer(), offset, contents->bytes.size(), header.data_size};
    if (header.kind != Kind::kPlain && !name_of_key(header.kind, buffer.data(), header.key_size, &entry.name)) {
      return "address " + std::to_string(address.to_integer()) + " has a key that was never written";
    }
    const auto data = buffer.begin() + header.key_size;
    contents->bytes.insert(contents->bytes.end(), data, data + header.data_size);
    contents->entries.push_back(entry);
  }
  if (tolerant) return "";
  if (engine.count(KindFilter::kAll) != contents->entries.size()) {
    return "count() says " + std::to_string(engine.count(KindFilter::kAll)) + ", the iteration finds " +
           std::to_string(contents->entries.size());
  }
  // One in eight, beginning anywhere, to save time.
  for (size_t i = cursor % 8; i < contents->entries.size(); i += 8) {
    if (std::string wrong = check_ways_in(engine, reader, *contents, contents->entries[i]); !wrong.empty())
      return wrong;
  }
  return "";
}

std::string difference(const Contents& contents, const State& state, std::vector<uint64_t>* found) {
  if (contents.entries.size() != state.named.size() + state.unnamed.size()) {
    return std::to_string(contents.entries.size()) + " entries, expected " +
           std::to_string(state.named.size() + state.unnamed.size());
  }
  std::vector<const Contents::Entry*> unmatched;
  size_t matched = 0;
  for (const Contents::Entry& entry : contents.entries) {
    const auto held = state.named.find(entry.name);
    if (held == state.named.end()) {
      unmatched.push_back(&entry);
      continue;
    }
    matched++;
    if (!is_value(held->second.value, contents.data(entry), entry.length)) {
      return to_string(entry.name) + " holds other bytes than value #" + std::to_string(held->second.value.id) + " (" +
             std::to_string(entry.length) + " bytes, expected " + std::to_string(held->second.value.length) + ")";
    }
    if (held->second.address != kUnknownAddress && held->second.address != entry.address) {
      return to_string(entry.name) + " has moved to another address";
    }
  }
  if (matched != state.named.size()) {
    for (const auto& [name, held] : state.named) {
      const bool there = std::any_of(contents.entries.begin(), contents.entries.end(),
                                     [&, wanted = name](const Contents::Entry& e) { return e.name == wanted; });
      if (!there) return to_string(name) + " is lost";
    }
  }
  if (found != nullptr) found->clear();
  for (const Value& value : state.unnamed) {
    const auto entry = std::find_if(unmatched.begin(), unmatched.end(), [&](const Contents::Entry* e) {
      return e->name.kind == Kind::kPlain && is_value(value, contents.data(*e), e->length);
    });
    if (entry == unmatched.end()) return "the entry of an add in flight is missing or wrong";
    if (found != nullptr) found->push_back((*entry)->address);
    unmatched.erase(entry);
  }
  return unmatched.empty() ? "" : to_string(unmatched.front()->name) + " should not be there";
}

bool is_as_in(const State& state, const Name& name, const Contents& contents, const Contents::Entry* entry) {
  const auto held = state.named.find(name);
  if (held == state.named.end() || entry == nullptr) return (held == state.named.end()) == (entry == nullptr);
  return is_value(held->second.value, contents.data(*entry), entry->length);
}

std::string state_of(const Contents& contents, const Oracle& oracle, State* state) {
  for (const Contents::Entry& entry : contents.entries) {
    Held held;
    held.address = entry.address;
    if (!oracle.was_written(entry.name, contents.data(entry), entry.length, &held.value)) {
      return to_string(entry.name) + " holds bytes that were never written there";
    }
    if (!state->named.emplace(entry.name, held).second) return to_string(entry.name) + " is there twice";
  }
  return "";
}

std::string check_stats(Engine& engine, const Contents& contents) {
  const Stats s = engine.stats();
  const uint64_t sum = s.live_bytes + s.slack_bytes + s.garbage_bytes + s.free_bytes;
  if (sum != s.file_size) {
    return "live " + std::to_string(s.live_bytes) + " + slack " + std::to_string(s.slack_bytes) + " + garbage " +
           std::to_string(s.garbage_bytes) + " + free " + std::to_string(s.free_bytes) + " is not the file size " +
           std::to_string(s.file_size);
  }
  uint64_t data = 0;
  for (const Contents::Entry& entry : contents.entries) data += entry.length;
  if (s.data_size != data || s.count != contents.entries.size()) return "stats() and the entries disagree";
  return "";
}

}  // namespace mmcb::harness
