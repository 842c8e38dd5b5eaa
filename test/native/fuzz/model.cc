#include "fuzz/model.h"

#include <algorithm>
#include <cstring>

#include "core/verify.h"
#include "support/reader.h"

namespace mmcb::fuzz {
namespace {

std::string name_of(uint64_t address) { return "address " + std::to_string(address); }

MutableBytes target_of(std::string& text) { return {reinterpret_cast<std::byte*>(text.data()), text.size()}; }

void check_stats(Engine& engine, const Model& model) {
  const Stats s = engine.stats();
  if (s.live_bytes + s.slack_bytes + s.garbage_bytes + s.free_bytes != s.file_size) fail("the bytes do not add up");
  uint64_t data = 0;
  for (const auto& [address, record] : model) data += record.data.size();
  if (s.count != model.size() || s.data_size != data) fail("stats() and the entries disagree");
}

}  // namespace

Model read_model(Engine& engine) {
  const test::Reader reader(engine);
  PinScope pinned(reader);
  Model model;
  std::string buffer(4096, '\0');
  uint64_t cursor = 0;
  uint64_t offset = 0;
  Address address;
  while (engine.next(KindFilter::kAll, &cursor, &address, &offset)) {
    EntryHeader header;
    const Status status = test::read_whole(engine, reader, address, &buffer, &header);
    const uint64_t number = address.to_integer();
    if (!status.ok()) fail(name_of(number) + ": read_entry() " + describe(status));
    Record record{header.kind, buffer.substr(0, header.key_size), buffer.substr(header.key_size, header.data_size)};
    if (!engine.contains(reader, address)) fail(name_of(number) + ": contains() says no");

    std::string copy(record.data.size(), '\0');
    uint64_t size = 0;
    if (Status s = engine.read(reader, address, target_of(copy), &size); !s.ok() || copy != record.data)
      fail(name_of(number) + ": read() gives other bytes than read_entry(), or " + describe(s));
    uint64_t copied = 0;
    const uint64_t middle = copy.size() / 2;
    if (Status s = engine.read_part(reader, address, middle, target_of(copy), &copied);
        !s.ok() || copied != record.data.size() - middle || copy.compare(0, copied, record.data, middle) != 0)
      fail(name_of(number) + ": read_part() gives other bytes, or " + describe(s));
    if (record.kind != Kind::kPlain) {
      Address found;
      if (Status s = engine.find(reader, key_of(record), &found); !s.ok() || found != address)
        fail(name_of(number) + ": find() by its key gives another address, or " + describe(s));
    }
    if (!model.emplace(number, std::move(record)).second) fail(name_of(number) + " is iterated twice");
  }
  if (engine.count(KindFilter::kAll) != model.size()) fail("count() and the iteration disagree");
  check_stats(engine, model);
  return model;
}

std::string difference(const Model& found, const Model& expected) {
  for (const auto& [address, record] : expected) {
    const auto at = found.find(address);
    if (at == found.end()) return name_of(address) + " is lost";
    if (at->second != record) return name_of(address) + " holds something else";
  }
  for (const auto& [address, record] : found) {
    if (expected.count(address) == 0) return name_of(address) + " should not be there";
  }
  return "";
}

std::string verify(Engine& engine) {
  VerifyReport report;
  if (Status status = Verifier(engine).run(nullptr, &report); !status.ok()) return describe(status);
  std::string all;
  for (const VerifyError& error : report.errors) all += error.message + " (" + std::to_string(error.offset) + ")\n";
  return all;
}

std::string fingerprint(uint64_t address, const Record& record) {
  return std::to_string(address) + '/' + std::to_string(static_cast<int>(record.kind)) + '/' +
         std::to_string(record.key.size()) + '/' + record.key + record.data;
}

std::string int_key(int64_t number) { return std::string(reinterpret_cast<const char*>(&number), sizeof number); }

std::string text_of(uint64_t id, size_t length) {
  Dice dice(id + 1);
  std::string text(length, '\0');
  for (size_t i = 0; i < length; i += 8) {
    const uint64_t word = dice.next();
    std::memcpy(text.data() + i, &word, std::min<size_t>(8, length - i));
  }
  return text;
}

std::string describe(const Status& status) { return std::string(code_name(status.code())) + " " + status.message(); }

}  // namespace mmcb::fuzz
