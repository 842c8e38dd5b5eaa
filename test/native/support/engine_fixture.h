// What native tests of the engine share: folders that go away, an engine that can be crashed and reopened, test data.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/compactor.h"
#include "core/engine.h"
#include "core/platform/posix_platform.h"
#include "core/saved_tables.h"
#include "core/sync_machine.h"
#include "core/verify.h"
#include "support/reader.h"

namespace mmcb::test {

// A folder below the current one (a real file system, unlike many /tmp), removed at the end.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::filesystem::path& parent = std::filesystem::current_path()) {
    std::string name = (parent / "mmcb-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline Bytes bytes(std::string_view text) { return {reinterpret_cast<const std::byte*>(text.data()), text.size()}; }
inline Key string_key(std::string_view text) { return {Kind::kStringKey, bytes(text)}; }

struct IntKey {
  explicit IntKey(int64_t value) : number(value) {}
  operator Key() const { return {Kind::kIntKey, {reinterpret_cast<const std::byte*>(&number), sizeof number}}; }
  int64_t number;
};

inline std::string random_text(size_t length, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(length, ' ');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// Small segments make small files, and every kind of event frequent.
inline Options small_options() {
  Options options;
  options.segment_size = kMinSegmentSize;
  options.journal_size = kMinJournalSize;
  options.initial_size = 64 << 10;
  options.address_space = 1ull << 32;
  return options;
}

inline uint64_t seed_from_environment() {
  const char* seed = std::getenv("MMCB_SEED");
  return seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_file(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << contents;
}

// An engine without threads. crash() drops it as a kill would: nothing is synced, the page cache survives.
class EngineUnderTest {
 public:
  EngineUnderTest(std::string path, Options options) : path_(std::move(path)), options_(options) { open(); }
  ~EngineUnderTest() { close(); }

  Engine* operator->() { return engine_.get(); }
  Engine& operator*() { return *engine_; }

  void crash() {
    drop();
    open();
  }
  // Leaves the file as a kill would, for somebody else to open.
  void kill() { drop(); }
  void reopen() {
    close();
    open();
  }
  Status sync() { return SyncMachine(*engine_).run(); }
  Status compact() {
    Compactor compactor(*engine_);
    compactor.begin(Compactor::Goal::kAll);
    for (;;) {
      Compactor::Next next;
      MMCB_TRY(compactor.step(4096, &next));
      if (next == Compactor::Next::kDone) return Status();
      if (next == Compactor::Next::kNeedsSync) MMCB_TRY(sync());
    }
  }
  // The first error found, or nothing.
  std::string verify() {
    VerifyReport report;
    const Status status = Verifier(*engine_).run(nullptr, &report);
    if (!status.ok()) return status.message();
    return report.errors.empty() ? "" : report.errors[0].message;
  }
  void prefetch(std::span<const Address> addresses) { engine_->prefetch(*reader_, addresses); }
  template <typename Name>
  std::string read(const Name& name) {
    std::string text(64, ' ');
    for (;;) {
      uint64_t size = 0;
      const MutableBytes target(reinterpret_cast<std::byte*>(text.data()), text.size());
      const Status status = engine_->read(*reader_, resolve(name), target, &size);
      if (!status.ok()) return std::string("<") + code_name(status.code()) + ">";
      const bool fitted = size <= text.size();
      text.resize(size);
      if (fitted) return text;
    }
  }

 private:
  static Address resolve(Address address) { return address; }
  static Key resolve(const Key& key) { return key; }
  static Key resolve(const IntKey& key) { return key; }

  void open() {
    const Status status = Engine::open(posix_platform(), path_, options_, nullptr, &engine_);
    if (!status.ok()) {
      std::fprintf(stderr, "%s: %s %s\n", path_.c_str(), code_name(status.code()), status.message().c_str());
      std::abort();
    }
    reader_.emplace(*engine_);
  }
  void drop() {
    reader_.reset();
    engine_.reset();
  }
  void close() {
    if (engine_ != nullptr && !options_.read_only) {
      (void)SyncMachine(*engine_).run(true);
      (void)engine_->trim(false);
      (void)SavedTables(*engine_).save();
    }
    drop();
  }

  const std::string path_;
  const Options options_;
  std::unique_ptr<Engine> engine_;
  std::optional<Reader> reader_;
};

}  // namespace mmcb::test
