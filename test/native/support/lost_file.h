// For tests of what the engine makes of a file that is cut short, overwritten or deleted underneath it.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "core/backup.h"
#include "support/child_process.h"
#include "support/engine_fixture.h"

namespace mmcb::test {

inline constexpr uint64_t kHead = head_size(kMinSegmentSize, kMinJournalSize);

inline bool cut(const std::string& path, uint64_t length) {
  return ::truncate(path.c_str(), static_cast<off_t>(length)) == 0;
}

inline bool is_loss(const Status& status) {
  return status.code() == Code::kIo && status.system_error() == EIO &&
         (status.message().find("the file was truncated") != std::string::npos ||
          status.message().find("the file was overwritten") != std::string::npos);
}

// An engine with entries of every kind, all of which can be told by their names.
struct Filled {
  explicit Filled(const std::string& its_path, Durability durability = Durability::kInterval) : path(its_path) {
    Options options = small_options();
    options.durability = durability;
    store = std::make_unique<EngineUnderTest>(path, options);
    for (int i = 0; i < kEntries; i++) {
      Address address;
      ok = ok && (*store)->add(bytes(value(i)), &address).ok();
      addresses.push_back(address);
      ok = ok && (*store)->set(IntKey(i), bytes(value(i)), nullptr).ok();
      ok = ok && (*store)->set(string_key(name(i)), bytes(value(i)), nullptr).ok();
      if (i == kEntries / 2) ok = ok && (*store)->add(bytes(large()), &large_address).ok();
      if (i == kEntries - 20) ok = ok && store->sync().ok();
    }
  }
  static constexpr int kEntries = 150;
  static std::string name(int i) { return "key number " + std::to_string(i); }
  static std::string value(int i) { return random_text(200 + static_cast<size_t>(i) % 150, static_cast<uint64_t>(i)); }
  static std::string large() { return random_text(100'000, 7); }
  uint64_t size() const { return read_file(path).size(); }

  // Reads everything that can be read: the right bytes, or the loss. The number of losses; -1 for anything else.
  int losses() {
    int count = 0;
    for (int i = 0; i < kEntries; i++) {
      for (const std::string& read :
           {store->read(addresses[static_cast<size_t>(i)]), store->read(IntKey(i)), store->read(string_key(name(i)))}) {
        if (read == value(i)) continue;
        if (read != "<IO>") return -1;
        count++;
      }
    }
    return count;
  }

  const std::string path;
  std::unique_ptr<EngineUnderTest> store;
  std::vector<Address> addresses;
  Address large_address;
  bool ok = true;
};

// Every way to change a file fails with the loss, and changes nothing.
inline int expect_fenced(Filled& filled) {
  EngineUnderTest& store = *filled.store;
  const std::string before = read_file(filled.path);
  Address address;
  uint64_t removed = 0;
  BatchOperation operation;
  operation.data = bytes("batch");
  MMCB_EXPECT(is_loss(store->add(bytes("new"), &address)));
  MMCB_EXPECT(is_loss(store->update(filled.addresses[0], bytes("new"))));
  MMCB_EXPECT(is_loss(store->remove(filled.addresses[1])));
  MMCB_EXPECT(is_loss(store->set(IntKey(2), bytes("new"), nullptr)));
  MMCB_EXPECT(is_loss(store->erase(string_key(Filled::name(3)))));
  MMCB_EXPECT(is_loss(store->batch({&operation, 1})));
  MMCB_EXPECT(is_loss(store->clear(KindFilter::kAll, &removed)));
  MMCB_EXPECT(is_loss(store->clear(KindFilter::kIntKey, &removed)));
  MMCB_EXPECT(is_loss(store.sync()));
  MMCB_EXPECT(is_loss(SyncMachine(*store).run(true)));
  MMCB_EXPECT(is_loss(store->trim(false)));
  MMCB_EXPECT(is_loss(store->failure()));
  MMCB_EXPECT(is_loss(store->refusal()));
  VerifyReport report;
  MMCB_EXPECT(is_loss(Verifier(*store).run(nullptr, &report)));
  MMCB_EXPECT(is_loss(Backup(*store, posix_platform()).run(filled.path + "-copy", true, nullptr)));
  MMCB_EXPECT(read_file(filled.path + "-copy").empty());
  MMCB_EXPECT(read_file(filled.path) == before);
  filled.store.reset();  // closing, too
  MMCB_EXPECT(read_file(filled.path) == before);
  return 0;
}

// The lengths to which a file of `size` bytes is cut: nothing, within and between pages, segments, head and tail.
inline constexpr size_t kLengths = 10;
inline std::vector<uint64_t> lengths(uint64_t size) {
  return {0,
          100,
          kPage,
          kPage + 7,
          kHead,
          kHead + kMinSegmentSize,
          kHead + 2 * kMinSegmentSize + 5000,
          kHead + (size - kHead) / 2,
          size - kMinSegmentSize,
          size - 1};
}

}  // namespace mmcb::test
