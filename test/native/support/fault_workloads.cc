#include "support/fault_workloads.h"

#include <string>

#include "core/step.h"
#include "support/engine_fixture.h"

namespace mmcb::test {
namespace {

Options process_options() {
  Options options = small_options();
  options.durability = Durability::kProcess;
  return options;
}

Options salvage_options() {
  Options options = small_options();
  options.recovery = RecoveryMode::kSalvage;
  return options;
}

Options ordered_options(Options options) {
  options.ordered = true;
  return options;
}

// Some of everything, the first half of it as of a sync point.
void fill(FaultedStore& s) {
  s.open();
  for (int i = 0; i < 30; i++) {
    s.add(static_cast<size_t>(i) * 13);
    s.set(i, 40);
    s.set("name " + std::to_string(i), 30);
  }
  s.add(20000);
  s.sync();
  for (size_t i = 0; i < 30; i += 2) s.update(i, 100);
  for (int i = 0; i < 30; i += 3) s.erase(i);
  s.remove(5);
  s.batch(4, 4, 100, 50);
}

void fill_and_close(FaultedStore& s) {
  fill(s);
  s.close();
}

void fill_and_kill(FaultedStore& s) {
  fill(s);
  s.kill();
}

void fill_and_boot(FaultedStore& s) {
  fill_and_kill(s);
  s.boot_again();
}

// Dies in the middle of an update in place, with the journal armed: the update counts.
void die_in_update(FaultedStore& s) {
  fill(s);
  s.add(300);
  s.update_and_die(Step::kJournalArmed);
}

// A file of many segments, four fifths of it garbage.
void fill_sparsely(FaultedStore& s) {
  s.open();
  for (int i = 0; i < 250; i++) s.add(400);
  s.sync();
  for (size_t i = 0; i < 200; i++) s.remove(i % 50);
}

void fill_sparsely_and_close(FaultedStore& s) {
  fill_sparsely(s);
  s.close();
}

void a_little_of_everything(FaultedStore& s) {
  s.add(50);
  s.set(1000, 70);
  s.set("another", 70);
  s.update(3, 80);
  s.update(3, 20);
  s.erase("name 2");
  s.remove(7);
  s.sync();
  s.update(4, 300);
  s.verify();
}

// Every change of string keys that an order has to follow.
void use_in_order(FaultedStore& s) {
  if (!s.open()) return;
  a_little_of_everything(s);
  s.ordered_snapshot();
  s.batch(2, 90, 200, 40);
  for (int i = 0; i < 70; i++) s.set("name " + std::to_string(i * 7), 30);
  s.ordered_snapshot();
  s.compact();
  s.clear_range("key 21", "key 24");
  s.verify();
  s.clear(KindFilter::kStringKey);
  s.set("again", 30);
  s.clear(KindFilter::kAll);
  s.set("and again", 30);
  s.close();
}

void open_and_use(FaultedStore& s) {
  if (!s.open()) return;
  a_little_of_everything(s);
  s.close();
}

std::vector<FaultWorkload> make_workloads() {
  const Options small = small_options();
  std::vector<FaultWorkload> all;
  all.push_back({"create, write, flush, close", small, nullptr, [](FaultedStore& s) {
                   if (!s.open()) return;
                   for (int i = 0; i < 10; i++) s.add(static_cast<size_t>(i) * 100);
                   s.set(1, 10);
                   s.set("one", 10);
                   s.sync();
                   s.update(2, 50);
                   s.close();
                 }});
  all.push_back({"open a clean file", small, fill_and_close, open_and_use});
  all.push_back({"open after a kill", small, fill_and_kill, open_and_use});
  all.push_back({"open after a kill in an update", small, die_in_update, open_and_use});
  all.push_back({"open after a power cut", small, fill_and_boot, open_and_use});
  all.push_back({"salvage after a power cut, durability 'process'", process_options(), fill_and_boot, open_and_use});
  all.push_back({"salvage of a damaged file", salvage_options(),
                 [](FaultedStore& s) {
                   fill_and_close(s);
                   s.damage_one_entry();
                 },
                 open_and_use});
  all.push_back({"read-only", small, fill_and_kill, [](FaultedStore& s) {
                   s.options().read_only = true;
                   if (s.open()) {
                     s.verify();
                     s.backup(false);
                     s.kill();
                   }
                   s.options().read_only = false;
                 }});
  all.push_back({"updates in place, elsewhere and growing", small, fill_and_close, [](FaultedStore& s) {
                   if (!s.open()) return;
                   for (size_t i = 0; i < 12; i++) s.update(i, 60);
                   for (size_t i = 0; i < 12; i++) s.update(i, 60);
                   s.sync();
                   for (size_t i = 0; i < 12; i++) s.update(i, 60);
                   for (size_t i = 0; i < 12; i++) s.update(i, i * 900);
                   s.sync();
                 }});
  all.push_back({"durability 'process'", process_options(), fill_and_close, [](FaultedStore& s) {
                   if (!s.open()) return;
                   for (size_t i = 0; i < 12; i++) s.update(i, 60);
                   s.sync();
                   for (size_t i = 0; i < 12; i++) s.update(i, 40);
                   for (size_t i = 0; i < 12; i++) s.update(i, i * 900);
                   s.remove(0);
                   s.clear(KindFilter::kStringKey);
                   s.sync();
                 }});
  all.push_back({"batches", small, fill_and_close, [](FaultedStore& s) {
                   if (!s.open()) return;
                   s.batch(3, 3, 200, 40);
                   s.batch(0, 8, 200, 40);
                   s.sync();
                   s.batch(3, 3, 300, 2000);
                 }});
  all.push_back({"a batch too long for the journal", small, fill_and_close, [](FaultedStore& s) {
                   if (!s.open()) return;
                   s.batch(150, 100, 500, 60);
                   s.batch(10, 10, 500, 60);
                   s.sync();
                 }});
  all.push_back({"removals that empty segments", small, fill_sparsely_and_close, [](FaultedStore& s) {
                   if (!s.open()) return;
                   for (int i = 0; i < 45; i++) s.remove(0);
                   s.sync();
                   for (int i = 0; i < 60; i++) s.add(400);
                   s.sync();
                   s.trim(true);
                   s.trim(false);
                 }});
  all.push_back({"growth across segments", small, nullptr, [](FaultedStore& s) {
                   if (!s.open()) return;
                   for (int i = 0; i < 70; i++) s.add(3500);
                   s.prefault();
                   s.sync();
                 }});
  all.push_back({"large entries", small, fill_and_close, [](FaultedStore& s) {
                   if (!s.open()) return;
                   for (const size_t size : {5000u, 16200u, 16384u, 100000u}) s.add(size);
                   s.set(7, 40000);
                   s.set(7, 50000);
                   s.sync();
                   s.update(s.plain_entries() - 1, 30000);
                   s.remove(s.plain_entries() - 1);
                   s.batch(2, 2, 50, 20000);
                   s.sync();
                   s.add(60000);
                 }});
  all.push_back({"compaction", small, fill_sparsely_and_close, [](FaultedStore& s) {
                   if (!s.open()) return;
                   s.compact();
                   s.add(5000);
                   s.compact();
                   s.trim(false);
                 }});
  all.push_back({"holes that are filled again", small, fill_sparsely_and_close, [](FaultedStore& s) {
                   if (!s.open()) return;
                   for (int i = 0; i < 20; i++) s.remove(0);
                   s.sync();
                   s.trim(true);
                   for (int i = 0; i < 100; i++) s.add(900);
                   s.sync();
                 }});
  all.push_back({"backup", small, fill_and_kill, [](FaultedStore& s) {
                   if (!s.open()) return;
                   s.backup(false);
                   s.backup(true);
                   s.add(10);
                   s.backup(true);
                   s.backup(false, true);
                 }});
  all.push_back({"verify and snapshots", small, fill_and_close, [](FaultedStore& s) {
                   if (!s.open()) return;
                   s.verify();
                   s.snapshot();
                   s.verify();
                   s.sync();
                   s.verify();
                 }});
  all.push_back({"clear", small, fill_and_close, [](FaultedStore& s) {
                   if (!s.open()) return;
                   s.clear(KindFilter::kIntKey);
                   s.sync();
                   s.clear(KindFilter::kAll);
                   s.add(10);
                   s.sync();
                 }});
  all.push_back({"many keys", small, fill_and_close, [](FaultedStore& s) {
                   if (!s.open()) return;
                   for (int64_t key = 2000; key < 5000; key += 500) s.batch(0, 500, key, 8);
                   for (int64_t key = 6000; key < 6100; key++) s.set(key * 1024, 8);
                   s.sync();
                 }});
  all.push_back({"keys in order", ordered_options(small), fill_and_kill, use_in_order});
  all.push_back(
      {"keys in order, durability 'process'", ordered_options(process_options()), fill_and_close, use_in_order});
  all.push_back({"in memory", ordered_options(small), nullptr,
                 [](FaultedStore& s) {
                   if (!s.open()) return;
                   for (int i = 0; i < 60; i++) s.add(900);
                   a_little_of_everything(s);
                   s.batch(5, 5, 10, 100);
                   for (int i = 0; i < 50; i++) s.remove(0);
                   s.compact();
                   s.clear(KindFilter::kAll);
                   s.trim(false);
                   s.add(30000);
                 },
                 true});
  return all;
}

}  // namespace

const std::vector<FaultWorkload>& fault_workloads() {
  static const std::vector<FaultWorkload> all = make_workloads();
  return all;
}

}  // namespace mmcb::test
