// mmcb_instructions: one hot path of the core in each run, for callgrind to count its instructions (scripts/instructions.mjs).
//   mmcb_instructions --list            the names of the paths
//   mmcb_instructions --compiler        what this program was built by: counts depend on it
//   mmcb_instructions PATH FOLDER       runs one; prints for how many operations
//
// Callgrind is told to count inside measured() only. Everything is the same in each run: keys, order, the "random" numbers
// that the engine draws, and no threads.
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/compactor.h"
#include "native/support.h"
#include "support/forwarding_platform.h"
#include "support/reader.h"

// Known to scripts/instructions.mjs by this name. What stands behind the call keeps it from becoming a jump, which callgrind
// would not see the end of.
extern "C" [[gnu::noinline]] void measured(const std::function<void()>& body) {
  body();
  asm volatile("" ::: "memory");
}

namespace mmcb::bench {
namespace {

constexpr uint64_t kEntries = 40'000;
constexpr uint64_t kBatch = 100;

// Draws the same numbers each time: incarnations, identities and seeds decide which cells of an index keys fall into.
class RepeatablePlatform : public test::ForwardingPlatform {
 public:
  void random(void* target, size_t length) override {
    auto* const bytes = static_cast<unsigned char*>(target);
    for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<unsigned char>(random_());
  }

 private:
  std::mt19937_64 random_{kSeed};
};

class Bench {
 public:
  explicit Bench(const std::string& folder) : path_((std::filesystem::path(folder) / "instructions.mmcb").string()) {
    std::filesystem::remove(path_);
    open();
  }
  ~Bench() {
    engine_.reset();
    std::filesystem::remove(path_);
  }

  Engine& engine() { return *engine_; }

  void open() { must(Engine::open(platform_, path_, Options(), nullptr, &engine_), "open"); }
  // Lets go of the file as a kill would.
  void drop() { engine_.reset(); }
  void sync() { must(SyncMachine(*engine_).run(), "sync"); }

  void load_entries() {
    addresses_.resize(kEntries);
    for (uint64_t i = 0; i < kEntries; ++i) must(engine_->add(value_.of(i), &addresses_[i]), "add");
  }
  void load_ints() {
    for (uint64_t i = 0; i < kEntries; ++i) must(engine_->set(IntKey(number(i)), value_.of(i), nullptr), "set");
  }
  void load_strings() {
    for (uint64_t i = 0; i < kEntries; ++i) must(engine_->set(names_[i], value_.of(i), nullptr), "set");
  }

  static int64_t number(uint64_t i) { return static_cast<int64_t>(i); }

  Value value_;
  Target target_;
  const StringKeys names_{kEntries};
  const std::vector<uint32_t> order_ = shuffled(kEntries);
  std::vector<Address> addresses_;

 private:
  RepeatablePlatform platform_;
  const std::string path_;
  std::unique_ptr<Engine> engine_;
};

// Each returns how many operations it has measured.
using Path = uint64_t (*)(Bench&);

uint64_t add(Bench& b) {
  b.addresses_.resize(kEntries);
  measured([&] {
    for (uint64_t i = 0; i < kEntries; ++i) must(b.engine().add(b.value_.of(i), &b.addresses_[i]), "add");
  });
  return kEntries;
}

uint64_t set_new_int(Bench& b) {
  measured([&] { b.load_ints(); });
  return kEntries;
}

uint64_t set_new_string(Bench& b) {
  measured([&] { b.load_strings(); });
  return kEntries;
}

template <typename KeyOf>
uint64_t get(Bench& b, KeyOf&& key_of) {
  const test::Reader reader(b.engine());
  measured([&] {
    for (const uint32_t i : b.order_) {
      uint64_t size = 0;
      must(b.engine().read(reader, key_of(i), b.target_.room(), &size), "get");
      must(b.target_.is_of(i, size), "get: another value");
    }
  });
  return kEntries;
}

uint64_t get_int(Bench& b) {
  b.load_ints();
  return get(b, [](uint32_t i) { return IntKey(i); });
}

uint64_t get_string(Bench& b) {
  b.load_strings();
  return get(b, [&](uint32_t i) { return b.names_[i]; });
}

uint64_t read_address(Bench& b) {
  b.load_entries();
  return get(b, [&](uint32_t i) { return b.addresses_[i]; });
}

uint64_t get_many_ints(Bench& b) {
  b.load_ints();
  const test::Reader reader(b.engine());
  std::vector<IntKey> numbers(b.order_.begin(), b.order_.end());
  const std::vector<Key> keys(numbers.begin(), numbers.end());
  measured([&] {
    for (uint64_t first = 0; first < kEntries; first += kBatch) {
      b.engine().prefetch(reader, {&keys[first], kBatch});
      for (uint64_t i = first; i < first + kBatch; ++i) {
        uint64_t size = 0;
        must(b.engine().read(reader, keys[i], b.target_.room(), &size), "get");
        must(b.target_.is_of(b.order_[i], size), "get: another value");
      }
    }
  });
  return kEntries;
}

uint64_t update(Bench& b) {
  measured([&] {
    for (const uint32_t i : b.order_) must(b.engine().update(b.addresses_[i], b.value_.of(i)), "update");
  });
  return kEntries;
}

uint64_t update_in_place(Bench& b) {
  b.load_entries();  // of the epoch that is still open
  update(b);
  must(b.engine().stats().updates_in_place == kEntries, "updates are not in place");
  return kEntries;
}

uint64_t update_relocating(Bench& b) {
  b.load_entries();
  b.sync();  // nothing durable is overwritten
  update(b);
  must(b.engine().stats().relocations == kEntries, "updates are in place");
  return kEntries;
}

uint64_t set_existing_int(Bench& b) {
  b.load_ints();
  b.sync();
  measured([&] {
    for (const uint32_t i : b.order_) must(b.engine().set(IntKey(i), b.value_.of(i), nullptr), "set");
  });
  return kEntries;
}

uint64_t remove(Bench& b) {
  b.load_entries();
  measured([&] {
    for (const uint32_t i : b.order_) must(b.engine().remove(b.addresses_[i]), "remove");
  });
  return kEntries;
}

uint64_t remove_int(Bench& b) {
  b.load_ints();
  measured([&] {
    for (const uint32_t i : b.order_) must(b.engine().erase(IntKey(i)), "remove");
  });
  return kEntries;
}

uint64_t batch_of_sets(Bench& b) {
  b.load_ints();
  b.sync();
  const std::vector<IntKey> numbers(b.order_.begin(), b.order_.end());
  std::vector<BatchOperation> operations(kBatch);
  measured([&] {
    for (uint64_t first = 0; first < kEntries; first += kBatch) {
      for (uint64_t i = 0; i < kBatch; ++i) {
        operations[i].type = BatchOperation::Type::kSet;
        operations[i].key = numbers[first + i];
        operations[i].data = b.value_.of(first);
      }
      must(b.engine().batch(operations), "batch");
    }
  });
  return kEntries;
}

uint64_t iterate(Bench& b) {
  b.load_ints();
  const test::Reader reader(b.engine());
  std::vector<std::byte> room(1024);
  measured([&] {
    uint64_t cursor = 0;
    uint64_t offset = 0;
    Address address;
    EntryHeader header;
    while (b.engine().next(KindFilter::kAll, &cursor, &address, &offset)) {
      must(b.engine().read_entry(reader, address, room, &header), "iterate");
    }
  });
  return kEntries;
}

// For each entry moved; every second one is garbage.
uint64_t compact(Bench& b) {
  b.load_ints();
  for (uint64_t i = 0; i < kEntries; i += 2) must(b.engine().erase(IntKey(Bench::number(i))), "remove");
  b.sync();
  Compactor compactor(b.engine());
  compactor.begin(Compactor::Goal::kGarbage);
  Compactor::Next next = Compactor::Next::kMore;
  while (next != Compactor::Next::kDone) {
    measured([&] {
      do must(compactor.step(64 << 10, &next), "compact");
      while (next == Compactor::Next::kMore);
    });
    if (next == Compactor::Next::kNeedsSync) b.sync();
  }
  must(compactor.report().moved_entries >= kEntries / 4, "compact: little was moved");
  return compactor.report().moved_entries;
}

// For each entry: every checksum is taken, every table filled.
uint64_t open_unclean(Bench& b) {
  b.load_ints();
  b.sync();
  b.drop();
  measured([&] { b.open(); });
  must(b.engine().recovery().entries == kEntries, "open: entries are missing");
  return kEntries;
}

const std::map<std::string, Path> paths = {
    {"add", add},
    {"set-new-int", set_new_int},
    {"set-new-string", set_new_string},
    {"set-existing-int", set_existing_int},
    {"read-address", read_address},
    {"get-int", get_int},
    {"get-string", get_string},
    {"get-many-ints", get_many_ints},
    {"update-in-place", update_in_place},
    {"update-relocating", update_relocating},
    {"remove", remove},
    {"remove-int", remove_int},
    {"batch-of-sets", batch_of_sets},
    {"iterate", iterate},
    {"compact", compact},
    {"open-unclean", open_unclean},
};

// Counts of another compiler, or another major version of it, say nothing about ours.
void print_compiler() {
#if defined(__clang__)
  std::printf("clang %d", __clang_major__);
#elif defined(__GNUC__)
  std::printf("gcc %d", __GNUC__);
#else
  std::printf("another compiler");
#endif
#if defined(__x86_64__)
  std::printf(", x86-64\n");
#elif defined(__aarch64__)
  std::printf(", aarch64\n");
#else
  std::printf(", another processor\n");
#endif
}

}  // namespace
}  // namespace mmcb::bench

int main(int count, char** arguments) {
  using namespace mmcb::bench;
  const std::string first = count > 1 ? arguments[1] : "";
  if (first == "--compiler") {
    print_compiler();
    return 0;
  }
  if (first == "--list") {
    for (const auto& [name, path] : paths) std::printf("%s\n", name.c_str());
    return 0;
  }
  const auto found = paths.find(first);
  if (found == paths.end() || count != 3) {
    std::fprintf(stderr, "mmcb_instructions --list | --compiler | PATH FOLDER\n");
    return 2;
  }
  Bench bench(arguments[2]);
  std::printf("operations: %llu\n", static_cast<unsigned long long>(found->second(bench)));
  return 0;
}
