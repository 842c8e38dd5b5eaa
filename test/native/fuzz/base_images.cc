#include "fuzz/base_images.h"

#include <functional>
#include <memory>

#include "core/compactor.h"
#include "core/engine.h"
#include "core/sync_machine.h"
#include "core/walk.h"

namespace mmcb::fuzz {
namespace {

Options small_options() {
  Options options;
  options.segment_size = kMinSegmentSize;
  options.journal_size = kMinJournalSize;
  options.initial_size = 3 * kMinSegmentSize;
  options.address_space = 8 << 20;
  return options;
}

// The image that a step hook takes: the n-th time that this step is reached, of all that is in the file by then.
struct Shutter {
  Step step = Step::kCount;
  uint64_t countdown = 0;
  Machine* machine = nullptr;
  Image* image = nullptr;
};
Shutter shutter;

// Makes the calls of a scenario and notes what the file holds after each.
class Builder {
 public:
  Builder(std::string name, Options options) {
    base_.name = std::move(name);
    base_.options = options;
    machine_.reset(0xba5e + base_.name.size());
    open();
  }

  void open() {
    if (Status status = Engine::open(machine_, "file", base_.options, nullptr, &engine_); !status.ok())
      fail(base_.name + ": " + describe(status));
    note();
    note_durable();
  }
  void kill() { engine_.reset(); }
  void close() {
    must(SyncMachine(*engine_).run(true));
    must(engine_->trim(false));
    note_durable();
    engine_.reset();
  }
  // The machine goes down with nothing unwritten on the disk, and comes up again.
  void lose_power() {
    machine_.die();
    engine_.reset();
    machine_.cut_power(0, [](uint64_t) { return 0; });
    machine_.revive();
    machine_.set_boot(boot_++);
    open();
  }

  uint64_t add(size_t length) {
    Address address;
    must(engine_->add(bytes_of(text_of(next_++, length)), &address));
    note();
    return address.to_integer();
  }
  void set(const std::string& key, size_t length) {
    must(engine_->set(key_for(key), bytes_of(text_of(next_++, length)), nullptr));
    note();
  }
  void erase(const std::string& key) {
    must(engine_->erase(key_for(key)));
    note();
  }
  void update(uint64_t address, size_t length) {
    must(engine_->update(Address::from_integer(address), bytes_of(text_of(next_++, length))));
    note();
  }
  void remove(uint64_t address) {
    must(engine_->remove(Address::from_integer(address)));
    note();
  }
  void sync() {
    base_.older = machine_.live("file");
    must(SyncMachine(*engine_).run());
    note_durable();
  }
  // Sets these keys and removes every plain entry given, at once.
  void batch(int keys, size_t length, const std::vector<uint64_t>& gone) {
    std::vector<std::string> names;
    std::vector<std::string> values;
    for (int i = 0; i < keys; i++) {
      names.push_back("batch " + std::to_string(i));
      values.push_back(text_of(next_++, length));
    }
    std::vector<BatchOperation> operations;
    for (int i = 0; i < keys; i++) {
      operations.push_back({BatchOperation::Type::kSet, {}, key_for(names[i]), bytes_of(values[i])});
    }
    for (const uint64_t address : gone) {
      operations.push_back({BatchOperation::Type::kRemove, Address::from_integer(address), {}, {}});
    }
    must(engine_->batch(operations));
    note();
  }
  void clear() {
    uint64_t removed;
    must(engine_->clear(KindFilter::kAll, &removed));
    note();
  }
  // `whole`: up to the end, with the sync points it asks for.
  void compact(bool whole) {
    Compactor compactor(*engine_);
    compactor.begin(Compactor::Goal::kAll);
    for (;;) {
      Compactor::Next next = Compactor::Next::kDone;
      must(compactor.step(8192, &next));
      if (next == Compactor::Next::kDone) break;
      if (next == Compactor::Next::kNeedsSync) {
        if (!whole) break;
        sync();
      }
    }
    compactor.abandon();
    note();
  }
  // Makes a call, and takes the image of the n-th time that it reaches this step: the process died there.
  void cut_short(Step step, uint64_t n, const std::function<void()>& call) {
    const BaseImage returned = base_;
    shutter = {step, n, &machine_, &cut_};
    step_hook = [](Step reached) {
      if (reached == shutter.step && --shutter.countdown == 0) *shutter.image = shutter.machine->live("file");
    };
    call();
    step_hook = nullptr;
    if (cut_.empty()) fail(base_.name + ": the step was not reached");
    base_.in_flight = base_.newest;
    base_.newest = returned.newest;
    // Also where the call was to be a sync point.
    base_.durable = returned.durable;
    base_.before = returned.before;
    base_.older = returned.older;
  }
  // A sync point whose data sync fails.
  void fail_sync() {
    machine_.fail_sync_in(1);
    if (SyncMachine(*engine_).run().ok()) fail(base_.name + ": the sync should have failed");
  }

  BaseImage take() {
    engine_.reset();
    base_.image = cut_.empty() ? machine_.live("file") : cut_;
    if (cut_.empty()) base_.in_flight = base_.newest;
    if (base_.older.empty()) base_.older = base_.image;
    base_.head = head_size(base_.options.segment_size, base_.options.journal_size);
    Superblock superblock;
    if (decode(base_.image.data(), &superblock) != SuperblockVerdict::kValid &&
        decode(base_.image.data() + kPage, &superblock) != SuperblockVerdict::kValid)
      fail(base_.name + ": no superblock");
    base_.seed = file_seed(superblock.file_id);
    base_.spots = find_spots(base_.image, base_);
    return std::move(base_);
  }

 private:
  void must(const Status& status) const {
    if (!status.ok()) fail(base_.name + ": " + describe(status));
  }
  static Key key_for(const std::string& key) {
    return {key.size() == 8 ? Kind::kIntKey : Kind::kStringKey, bytes_of(key)};
  }
  void note() {
    base_.newest = read_model(*engine_);
    for (const auto& [address, record] : base_.newest) base_.written.insert(fingerprint(address, record));
  }
  void note_durable() {
    base_.before.push_back(base_.durable);
    base_.durable = base_.newest;
  }

  Machine machine_;
  std::unique_ptr<Engine> engine_;
  BaseImage base_;
  Image cut_;
  uint64_t next_ = 1;
  uint8_t boot_ = 2;
};

// Entries of every kind, some changed, some gone, over two sync points. Returns addresses of plain ones.
std::vector<uint64_t> fill(Builder& b) {
  std::vector<uint64_t> plain;
  for (int i = 0; i < 10; i++) plain.push_back(b.add(static_cast<size_t>(20 + i * 40)));
  for (int i = 0; i < 6; i++) b.set(int_key(i * 7 - 9), static_cast<size_t>(10 + i * 30));
  for (int i = 0; i < 6; i++) b.set("key " + std::to_string(i), static_cast<size_t>(5 + i * 50));
  b.sync();
  b.update(plain[2], 300);
  b.update(plain[3], 30);
  b.remove(plain[4]);
  b.erase("key 3");
  b.set(int_key(-9), 77);
  b.set("key 1", 900);
  b.sync();
  return plain;
}

// What came after the last sync point.
void go_on(Builder& b, const std::vector<uint64_t>& plain) {
  b.update(plain[1], 500);
  b.update(plain[1], 400);
  b.remove(plain[5]);
  b.set("key 5", 33);
  b.set(int_key(1000), 60);
  b.erase("key 0");
  b.add(64);
}

using Scenario = void (*)(Builder&);

struct Recipe {
  const char* name;
  bool process_mode;
  uint32_t segment_size;
  Scenario make;
};

// The order is part of the corpus: new ones go to the end.
constexpr Recipe kRecipes[] = {
    {"clean", false, kMinSegmentSize, [](Builder& b) { go_on(b, fill(b)), b.close(); }},
    {"killed", false, kMinSegmentSize, [](Builder& b) { go_on(b, fill(b)); }},
    {"update in place, journal armed", false, kMinSegmentSize,
     [](Builder& b) {
       const auto plain = fill(b);
       b.update(plain[0], 90);
       b.cut_short(Step::kJournalArmed, 1, [&] { b.update(plain[0], 88); });
     }},
    {"batch, journal armed", false, kMinSegmentSize,
     [](Builder& b) {
       const auto plain = fill(b);
       b.cut_short(Step::kJournalApplyHalf, 3, [&] { b.batch(5, 50, {plain[6], plain[7]}); });
     }},
    {"batch, redo list", false, kMinSegmentSize,
     [](Builder& b) {
       const auto plain = fill(b);
       b.cut_short(Step::kJournalApplyHalf, 100, [&] { b.batch(180, 4, {plain[6], plain[7]}); });
     }},
    {"rolled back", false, kMinSegmentSize,
     [](Builder& b) {
       const auto plain = fill(b);
       go_on(b, plain);
       b.lose_power();
       b.add(100);
       b.update(plain[1], 450);
     }},
    {"process mode, killed", true, kMinSegmentSize, [](Builder& b) { go_on(b, fill(b)); }},
    {"process mode, clean", true, kMinSegmentSize, [](Builder& b) { go_on(b, fill(b)), b.close(); }},
    {"runs", false, kMinSegmentSize,
     [](Builder& b) {
       const auto plain = fill(b);
       const uint64_t wide = b.add(20000);
       b.set("wide", 35000);
       b.sync();
       b.update(wide, 21000);
       b.add(17000);
       b.erase("wide");
     }},
    {"failed sync", false, kMinSegmentSize, [](Builder& b) { go_on(b, fill(b)), b.fail_sync(); }},
    {"compaction under way", false, kMinSegmentSize,
     [](Builder& b) {
       const auto plain = fill(b);
       std::vector<uint64_t> more;
       for (int i = 0; i < 40; i++) more.push_back(b.add(700));
       b.sync();
       for (size_t i = 0; i < more.size(); i += 2) b.remove(more[i]);
       b.sync();
       b.compact(false);
     }},
    {"clear, journal armed", false, kMinSegmentSize,
     [](Builder& b) {
       fill(b);
       b.cut_short(Step::kJournalArmed, 1, [&] { b.clear(); });
     }},
    {"superblock half written", false, kMinSegmentSize,
     [](Builder& b) {
       go_on(b, fill(b));
       b.cut_short(Step::kSuperblockHalf, 2, [&] { b.sync(); });
     }},
    {"new", false, kMinSegmentSize, [](Builder&) {}},
    {"larger segments", false, 4 * kMinSegmentSize,
     [](Builder& b) {
       go_on(b, fill(b));
       for (int i = 0; i < 30; i++) b.add(1500);
     }},
    {"compacted and trimmed", false, kMinSegmentSize,
     [](Builder& b) {
       const auto plain = fill(b);
       std::vector<uint64_t> more;
       for (int i = 0; i < 60; i++) more.push_back(b.add(900));
       b.sync();
       for (const uint64_t address : more) b.remove(address);
       b.sync();
       b.compact(true);
       go_on(b, plain);
     }},
    {"nothing left", false, kMinSegmentSize,
     [](Builder& b) {
       fill(b);
       b.clear();
       b.sync();
       b.add(5);
     }},
};

}  // namespace

std::vector<Spot> find_spots(const Image& image, const BaseImage& base) {
  const WalkContext context{image.data(), base.seed, base.options.segment_size, base.head};
  const auto count = static_cast<uint32_t>((image.size() - base.head) / base.options.segment_size);
  std::vector<Spot> spots;
  for (uint32_t i = 0; i < count; i++) {
    SegmentHeader segment;
    Mark mark;
    if (!read_segment(context, i, count, &segment, &mark)) continue;
    const uint64_t run_end = base.head + (uint64_t{i} + segment.run_length) * base.options.segment_size;
    walk_run(context, i, segment, ~0ull, [&](const WalkedEntry& entry) {
      spots.push_back({entry.offset, i, run_end, segment.incarnation, entry.header});
    });
  }
  return spots;
}

const std::vector<BaseImage>& base_images() {
  static const std::vector<BaseImage> images = [] {
    std::vector<BaseImage> made;
    for (const Recipe& recipe : kRecipes) {
      Options options = small_options();
      options.segment_size = recipe.segment_size;
      if (recipe.process_mode) options.durability = Durability::kProcess;
      Builder builder(recipe.name, options);
      recipe.make(builder);
      made.push_back(builder.take());
    }
    return made;
  }();
  return images;
}

}  // namespace mmcb::fuzz
