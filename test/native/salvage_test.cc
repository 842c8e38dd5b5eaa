// What a salvage leaves must open again, as the same file.
#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "core/format.h"
#include "support/engine_fixture.h"

namespace mmcb::test {
namespace {

Options process_mode() {
  Options options = small_options();
  options.durability = Durability::kProcess;
  return options;
}

// Where the first run of several segments starts.
uint64_t find_run(const std::string& image, const Options& options) {
  const uint64_t head = head_size(options.segment_size, options.journal_size);
  for (uint64_t at = head; at < image.size(); at += options.segment_size) {
    uint32_t magic;
    uint32_t length;
    std::memcpy(&magic, image.data() + at, sizeof magic);
    std::memcpy(&length, image.data() + at + 12, sizeof length);
    if (magic == kSegmentMagic && length > 1) return at;
  }
  return 0;
}

}  // namespace

// In process mode the space of a run is used again at once, and a power cut may bring its first sector back.
TEST_CASE("salvage: the header of a run that is gone does not hide what was written there later") {
  TemporaryFolder folder;
  const std::string path = folder.path("file");
  const Options options = process_mode();
  {
    EngineUnderTest store(path, options);
    Address address;
    REQUIRE(store->add(bytes(random_text(2 * options.segment_size, 1)), &address).ok());
    REQUIRE(store.sync().ok());
    const std::string before = read_file(path);
    const uint64_t run = find_run(before, options);
    REQUIRE(run != 0);
    REQUIRE(store->remove(address).ok());
    for (int i = 0; i < 40; i++) REQUIRE(store->set(IntKey(i), bytes(random_text(3000, 10 + i)), nullptr).ok());
    REQUIRE(store.sync().ok());
    store.kill();
    std::string image = read_file(path);
    REQUIRE(image.compare(run, kSector, before, run, kSector) != 0);
    image.replace(run, kSector, before, run, kSector);
    write_file(path, image);
  }
  uint64_t count = 0;
  {
    EngineUnderTest store(path, options);
    CHECK(store->recovery().status == RecoveryStatus::kSalvaged);
    CHECK(store->recovery().lost != 0);
    count = store->recovery().entries;
    CHECK(count > 30);  // what stood in one segment is gone, not all that the run once covered
  }
  EngineUnderTest store(path, options);
  CHECK(store->recovery().status == RecoveryStatus::kClean);
  CHECK(store->recovery().entries == count);
  CHECK(store.verify() == "");
}

// The other way round: the end of what stood there before is lost, and shows when the run ends.
TEST_CASE("salvage: what a run has taken the place of does not come back after it") {
  TemporaryFolder folder;
  const std::string path = folder.path("file");
  Options options = process_mode();
  options.extension_factor = 2;
  Address wide;
  {
    EngineUnderTest store(path, options);
    for (int i = 0; i < 40; i++) REQUIRE(store->set(IntKey(i), bytes(random_text(1000, 10 + i)), nullptr).ok());
    REQUIRE(store.sync().ok());
    const std::string before = read_file(path);
    for (int i = 0; i < 39; i++) REQUIRE(store->erase(IntKey(i)).ok());  // the last one keeps the file long
    // Three segments, the last of them all slack.
    REQUIRE(store->add(bytes(random_text(options.segment_size + 6000, 1)), &wide).ok());
    REQUIRE(store.sync().ok());
    store.kill();
    std::string image = read_file(path);
    const uint64_t run = find_run(image, options);
    REQUIRE(run != 0);
    const uint64_t last = run + 2 * options.segment_size;
    // All but the mark of the run's entry and its trailer.
    image.replace(last, options.segment_size - 16, before, last, options.segment_size - 16);
    std::memcpy(image.data() + kStateFailed, &kFailedMark, sizeof kFailedMark);  // so that no digest is asked
    write_file(path, image);
  }
  {
    EngineUnderTest store(path, options);
    CHECK(store->recovery().status == RecoveryStatus::kSalvaged);
    CHECK(store->recovery().entries == 2);
    REQUIRE(store->remove(wide).ok());
  }
  EngineUnderTest store(path, options);
  CHECK(store->recovery().status == RecoveryStatus::kClean);
  CHECK(store->recovery().entries == 1);
}

}  // namespace mmcb::test
