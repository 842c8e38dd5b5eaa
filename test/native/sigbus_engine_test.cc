// What readers, writers and compaction make of a file that is cut short underneath them. Each scenario
// runs in a child that has to stay alive, and that an alarm ends if it hangs.
#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

#include "core/compactor.h"
#include "core/platform/posix_platform.h"
#include "core/step.h"
#include "support/child_process.h"
#include "support/engine_fixture.h"
#include "support/lost_file.h"

using namespace mmcb;
using namespace mmcb::test;

TEST_CASE("readers of a file cut short get what is whole, or the loss; then nothing changes the file any more") {
  TemporaryFolder folder;
  for (const Durability durability : {Durability::kInterval, Durability::kProcess}) {
    for (size_t where = 0; where < kLengths; where++) {
      CAPTURE(where);
      const std::string path = folder.path(std::to_string(static_cast<int>(durability)) + std::to_string(where));
      expect_well([&] {
        Filled filled(path, durability);
        MMCB_EXPECT(filled.ok && filled.losses() == 0);
        const uint64_t size = filled.size();
        const uint64_t length = lengths(size)[where];
        MMCB_EXPECT(cut(path, length));
        const int losses = filled.losses();
        MMCB_EXPECT(losses >= 0);
        if (length <= kHead) MMCB_EXPECT(losses == 3 * Filled::kEntries);
        if (length <= size / 2) MMCB_EXPECT(losses > 3 * Filled::kEntries / 4);
        MMCB_EXPECT(filled.losses() == losses);
        MMCB_EXPECT((*filled.store)->is_lost() == (losses != 0));
        // Where nothing was missed yet, the sync point finds out.
        if (losses == 0) MMCB_EXPECT(is_loss(filled.store->sync()));
        const int result = expect_fenced(filled);
        MMCB_EXPECT(result == 0);
        return 0;
      });
    }
  }
}

TEST_CASE("a key that lies in the zeros behind the new end is not taken for one that is not there") {
  TemporaryFolder folder;
  expect_well([&] {
    // No fault tells of these: they are in the page that is left in part.
    for (uint64_t back = 1; back < 3 * kPage; back += 97) {
      const std::string path = folder.path("a");
      ::unlink(path.c_str());
      Filled filled(path);
      EntryInfo last;
      Address address;
      const std::string key = Filled::name(Filled::kEntries - 1);
      MMCB_EXPECT((*filled.store)->find(Reader(**filled.store), string_key(key), &address).ok());
      MMCB_EXPECT((*filled.store)->info(address, &last).ok());
      MMCB_EXPECT(cut(path, last.offset + last.header.total_size() - back));
      MMCB_EXPECT(filled.losses() > 0 || back < last.header.capacity - last.header.data_size);
      MMCB_EXPECT(filled.store->read(string_key("never there")) != "");
    }
    return 0;
  });
}

TEST_CASE("parts, views and streams of a large entry are not zeros in place of data") {
  TemporaryFolder folder;
  for (const char* how : {"part", "view", "stream"}) {
    CAPTURE(how);
    expect_well([&] {
      Filled filled(folder.path(how));
      Engine& engine = **filled.store;
      ReaderPin* const pin = engine.pins().add_reader();
      EntryInfo info;
      MMCB_EXPECT(engine.info(filled.large_address, &info).ok());
      Engine::Snapshot snapshot;
      MMCB_EXPECT(engine.open_snapshot(&snapshot).ok());
      const std::string expected = Filled::large();
      std::string target(1000, ' ');
      const MutableBytes to(reinterpret_cast<std::byte*>(target.data()), target.size());
      Bytes data;
      MMCB_EXPECT(engine.view(*pin, filled.large_address, &data).ok());
      MMCB_EXPECT(cut(filled.path, info.offset + 50'000));

      uint64_t copied = 0;
      const auto read_at = [&](uint64_t position) {
        if (how[0] == 'p') return engine.read_part(*pin, filled.large_address, position, to, &copied);
        if (how[0] == 's') return engine.read_version(info.offset, position, to, &copied);
        target.assign(reinterpret_cast<const char*>(data.data()) + position, 1000);
        return engine.check_file();
      };
      MMCB_EXPECT(read_at(10'000).ok() && target == expected.substr(10'000, 1000));
      MMCB_EXPECT(is_loss(read_at(90'000)));
      MMCB_EXPECT(is_loss(read_at(10'000)));  // nothing vouches for it any more
      MMCB_EXPECT(is_loss(engine.view(*pin, filled.large_address, &data)));
      engine.close_snapshot(snapshot);
      engine.pins().remove_reader(pin);
      return expect_fenced(filled);
    });
  }
}

TEST_CASE("a writer meets the hole: that call fails, and no version with wrong bytes is ever published") {
  TemporaryFolder folder;
  for (size_t where = 0; where < kLengths; where++) {
    CAPTURE(where);
    const std::string path = folder.path("a" + std::to_string(where));
    expect_well([&] {
      Filled filled(path);
      MMCB_EXPECT(cut(path, lengths(filled.size())[where]));
      Status status;
      // Some go to what is left of the file, and are as good as the file is; the first sync point tells.
      for (int i = 0; status.ok() && i < 200; i++) {
        status = (*filled.store)->set(string_key(Filled::name(i)), bytes(Filled::value(i)), nullptr);
        if (status.ok()) status = (*filled.store)->update(filled.addresses[0], bytes(std::to_string(i)));
      }
      MMCB_EXPECT(status.ok() || is_loss(status));
      MMCB_EXPECT(is_loss(filled.store->sync()));
      return expect_fenced(filled);
    });
  }
}

TEST_CASE("a removal of which only the end mark is cut off has failed, alone and in a batch") {
  TemporaryFolder folder;
  for (const bool in_batch : {false, true}) {
    CAPTURE(in_batch);
    expect_well([&] {
      Filled filled(folder.path(in_batch ? "b" : "a"));
      EntryInfo info;
      size_t i = 100;
      // Marks are at the end of a segment: an entry near its start.
      const auto place_in_segment = [&] { return (info.offset - kHead) % kMinSegmentSize; };
      MMCB_EXPECT((*filled.store)->info(filled.addresses[i], &info).ok());
      while (place_in_segment() > kMinSegmentSize / 4) {
        MMCB_EXPECT((*filled.store)->info(filled.addresses[++i], &info).ok());
      }
      MMCB_EXPECT(cut(filled.path, info.offset - place_in_segment() + kMinSegmentSize / 2));
      BatchOperation operation;
      operation.type = BatchOperation::Type::kRemove;
      operation.address = filled.addresses[i];
      MMCB_EXPECT(
          is_loss(in_batch ? (*filled.store)->batch({&operation, 1}) : (*filled.store)->remove(filled.addresses[i])));
      return expect_fenced(filled);
    });
  }
}

TEST_CASE("a file cut short under a compaction") {
  TemporaryFolder folder;
  for (int after = 0; after < 12; after++) {
    CAPTURE(after);
    expect_well([&] {
      Filled filled(folder.path("a" + std::to_string(after)));
      EngineUnderTest& store = *filled.store;
      for (int i = 0; i < Filled::kEntries; i++) {
        if (i % 3 != 0) MMCB_EXPECT(store->erase(IntKey(i)).ok());
        if (i % 3 != 1) MMCB_EXPECT(store->remove(filled.addresses[static_cast<size_t>(i)]).ok());
      }
      Compactor compactor(*store);
      compactor.begin(Compactor::Goal::kAll);
      Status status;
      Compactor::Next next = Compactor::Next::kMore;
      for (int step = 0; status.ok() && next != Compactor::Next::kDone; step++) {
        if (step == after) MMCB_EXPECT(cut(filled.path, kHead + 3 * kMinSegmentSize + 1000));
        status = next == Compactor::Next::kNeedsSync ? store.sync() : Status();
        if (status.ok()) status = compactor.step(4096, &next);
      }
      MMCB_EXPECT(is_loss(status));
      compactor.abandon();
      return expect_fenced(filled);
    });
  }
}

namespace {

std::string path_to_cut;
int cuts = 0;

}  // namespace

TEST_CASE("what compaction reads from a hole is not published under a checksum that holds") {
  TemporaryFolder folder;
  expect_well([&] {
    Filled filled(folder.path("a"));
    EngineUnderTest& store = *filled.store;
    // Room at the front, to which the thinned out end is moved.
    const auto remove = [&](int i) {
      return store->erase(IntKey(i)).ok() && store->erase(string_key(Filled::name(i))).ok() &&
             store->remove(filled.addresses[static_cast<size_t>(i)]).ok();
    };
    for (int i = 0; i < Filled::kEntries; i++) {
      if (i < Filled::kEntries / 2 || i % 2 == 0) MMCB_EXPECT(remove(i));
    }
    MMCB_EXPECT(store.sync().ok());
    MMCB_EXPECT(store.sync().ok());
    // The file is cut after the checksum of the source was checked, and before it is copied.
    path_to_cut = filled.path;
    step_hook = [](Step step) {
      if (step == Step::kSegmentPublished && cuts++ == 0) cut(path_to_cut, kHead + 4 * kMinSegmentSize);
    };
    const Status status = store.compact();
    step_hook = nullptr;
    MMCB_EXPECT(cuts > 0 && is_loss(status));
    store.kill();
    Options options = small_options();
    options.recovery = RecoveryMode::kSalvage;
    EngineUnderTest again(filled.path, options);
    for (int i = 0; i < Filled::kEntries; i++) {
      for (const std::string& read : {again.read(filled.addresses[static_cast<size_t>(i)]), again.read(IntKey(i)),
                                      again.read(string_key(Filled::name(i)))}) {
        MMCB_EXPECT(read == Filled::value(i) || read == "<NOT_FOUND>");
      }
    }
    return 0;
  });
}
