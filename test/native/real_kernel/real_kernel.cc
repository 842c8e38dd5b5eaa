// mmcb_real_kernel: what runs on both sides of the user-mode Linux that test/crash/real-kernel/ cuts short.
//
//   mmcb_real_kernel write FILE SEED FROM --ack PATH [--ack-in PATH]
//       inside: makes calls FROM, FROM + 1, ... on a Store with all its threads, until the machine is gone. --ack: a file
//       outside (hostfs) with four words: ready, calls begun (at most), calls on the disk, a failure. --ack-in: a file on
//       the same disk, to which the number of calls on the disk is written past the page cache, so that a log of the
//       disk's writes has it in its order.
//   mmcb_real_kernel check FILE SEED LEAST MOST
//       outside: opens the file as after a power cut. It must hold the state after n calls, LEAST <= n <= MOST; it must
//       verify, take more calls, close, and open again. Prints "ok N STATUS EPOCH".
//   mmcb_real_kernel eio FILE SEED ROUNDS SECTORS FAIL HEAL REMOUNT
//       inside: three shell commands make the disk refuse what is written to the file, accept it again, and mount it
//       afresh. FAIL finds a table for the device mapper in /run/table, for a disk of so many sectors at /dev/ubda.
//
// --bug NAME switches a seeded bug on (core/step.h). Exit code: 0 all is well; 1 a failure; 2 wrong use.
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "core/platform/posix_platform.h"
#include "core/step.h"
#include "core/store.h"
#include "core/sync_machine.h"
#include "core/verify.h"
#include "harness/numbered_calls.h"
#include "harness/random.h"
#include "real_kernel/prefix.h"
#include "support/seeded_bugs.h"

namespace mmcb::harness {
namespace {

[[noreturn]] void die(const std::string& what) {
  std::printf("FAILED: %s\n", what.c_str());
  std::fflush(stdout);
  std::_Exit(1);
}

void must(const Status& status, const std::string& what) {
  if (!status.ok()) die(what + ": " + code_name(status.code()) + " " + status.message());
}

unsigned long long printable(uint64_t n) { return n; }

Options options_of(uint64_t seed) {
  Options options;
  options.segment_size = kMinSegmentSize;
  options.journal_size = kMinJournalSize;
  options.initial_size = 128 << 10;
  options.address_space = 1 << 30;
  options.sync_interval_ms = 4 + seed % 3 * 10;
  options.compaction = seed % 2 == 0 ? CompactionPolicy::kTime : CompactionPolicy::kSpace;
  options.compaction_interval_ms = 5;
  return options;
}

// ---- Inside: the writer ---------------------------------------------------------------------------------------------------

struct Acknowledgements {
  enum Word : uint64_t { kReady, kBegun, kDurable, kFailed, kWords };

  void open_outside(const std::string& path) { outside = open_at(path, O_WRONLY | O_CREAT); }
  void open_inside(const std::string& path) {
    inside = open_at(path, O_RDWR | O_CREAT | O_DIRECT);
    if (::posix_fallocate(inside, 0, kBlock) != 0 || ::posix_memalign(&block, kBlock, kBlock) != 0) die(path);
    std::memset(block, 0, kBlock);
    // Written once before it counts, so that no later write of it has to wait for the file system's metadata.
    if (::pwrite(inside, block, kBlock, 0) != kBlock || ::fsync(inside) != 0) die(path);
  }
  void say(Word word, uint64_t value) {
    if (outside >= 0 && ::pwrite(outside, &value, sizeof value, static_cast<off_t>(word * 8)) != sizeof value) {
      die("the acknowledgements");
    }
  }
  void durable(uint64_t calls) {
    say(kDurable, calls);
    if (inside < 0) return;
    std::memcpy(block, "mmcb acknowledge", 16);
    std::memcpy(static_cast<char*>(block) + 16, &calls, sizeof calls);
    if (::pwrite(inside, block, kBlock, 0) != kBlock) die("the acknowledgements on the disk");
  }

 private:
  static constexpr ssize_t kBlock = 4096;
  static int open_at(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    if (fd < 0) die(path + ": " + std::strerror(errno));
    return fd;
  }
  int outside = -1;
  int inside = -1;
  void* block = nullptr;
};

[[noreturn]] void write_calls(const std::string& path, uint64_t seed, uint64_t from, Acknowledgements& ack) {
  constexpr uint64_t kAhead = 64;  // so often is it said how many calls were begun
  ack.say(Acknowledgements::kBegun, from + kAhead);
  std::shared_ptr<Store> store;
  must(Store::open(path, options_of(seed), Progress(), &store), "Store::open()");
  ack.durable(from);  // opening ends with a sync
  ack.say(Acknowledgements::kReady, 1);
  Random random(seed ^ from);
  uint64_t begun = from + kAhead;
  std::atomic<uint64_t> pending{0};
  for (uint64_t i = from;; i++) {
    if (i == begun) ack.say(Acknowledgements::kBegun, begun += kAhead);
    must(make(store->engine(), call_at({seed}, i)), "call " + std::to_string(i));
    if (random.one_in(100) && pending.load() < 4) {
      pending++;
      store->flush([&ack, &pending, n = i + 1](const Status& status) {
        must(status, "flush()");
        ack.durable(n);  // always on the sync thread, so they come in order
        pending--;
      });
    }
    if (random.one_in(2000)) {
      CompactionReport report;
      must(store->compact(Progress(), &report), "compact()");
    }
    // The machine has one processor: the kernel's own threads want it as well.
    if (i % 32 == 0) ::usleep(500);
  }
}

// ---- Outside: the checker ---------------------------------------------------------------------------------------------------

const char* name_of(RecoveryStatus status) {
  static const char* const names[] = {"created", "clean", "replayed", "rolled-back", "salvaged"};
  return names[static_cast<size_t>(status)];
}

// Opens, compares and verifies; returns the number of calls that the file holds.
uint64_t check_open(Engine& engine, uint64_t seed, uint64_t least, uint64_t most, State* state) {
  const RecoveryReport& recovery = engine.recovery();
  if (recovery.lost != 0 || recovery.quarantined != 0 || recovery.status == RecoveryStatus::kSalvaged) {
    die(std::string("damage was found: ") + name_of(recovery.status));
  }
  Contents contents;
  if (std::string wrong = read_contents(engine, false, &contents); !wrong.empty()) die(wrong);
  uint64_t n = 0;
  if (std::string wrong = find_prefix(contents, seed, least, most, state, &n); !wrong.empty()) {
    die(std::string(name_of(recovery.status)) + ": " + wrong);
  }
  if (std::string wrong = check_stats(engine, contents); !wrong.empty()) die(wrong);
  VerifyReport report;
  must(Verifier(engine).run(nullptr, &report), "verify");
  if (!report.errors.empty()) die("verify: " + report.errors[0].message);
  return n;
}

int check(const std::string& path, uint64_t seed, uint64_t least, uint64_t most) {
  Options options = options_of(seed);
  std::unique_ptr<Engine> engine;
  must(Engine::open(posix_platform(), path, options, Progress(), &engine), "opening");
  const RecoveryStatus status = engine->recovery().status;
  const uint64_t epoch = engine->recovery().durable_epoch;
  State state;
  const uint64_t n = check_open(*engine, seed, least, most, &state);
  // It works on: what is written now must be there after a clean close, and nothing else.
  for (uint64_t i = n; i < n + 50; i++) must(make(*engine, call_at({seed}, i)), "a call after recovery");
  must(SyncMachine(*engine).run(true), "closing");
  engine.reset();
  must(Engine::open(posix_platform(), path, options, Progress(), &engine), "opening again");
  if (engine->recovery().status != RecoveryStatus::kClean) die("closed in order, opened otherwise");
  State again;
  check_open(*engine, seed, n + 50, n + 50, &again);
  std::printf("ok %llu %s %llu\n", printable(n), name_of(status), printable(epoch));
  return 0;
}

// ---- Inside: a disk that fails ------------------------------------------------------------------------------------------------

void shell(const std::string& command) {
  if (const int code = std::system(command.c_str()); code != 0) {
    die(command + ": exit code " + std::to_string(code));
  }
}

// The file's blocks fail, nothing else does: what a file system makes of failing metadata is not the question.
void write_table(const std::string& path, uint64_t sectors) {
  constexpr uint32_t kMost = 1000;
  std::vector<uint64_t> space(sizeof(struct fiemap) / 8 + kMost * sizeof(struct fiemap_extent) / 8 + 1);
  auto* const map = reinterpret_cast<struct fiemap*>(space.data());
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = kMost;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || ::ioctl(fd, FS_IOC_FIEMAP, map) != 0 || map->fm_mapped_extents == kMost) die("FIEMAP");
  ::close(fd);
  std::map<uint64_t, uint64_t> bad;
  for (uint32_t i = 0; i < map->fm_mapped_extents; i++) {
    bad[map->fm_extents[i].fe_physical / kSector] = map->fm_extents[i].fe_length / kSector;
  }
  std::FILE* const table = std::fopen("/run/table", "w");
  if (table == nullptr) die("/run/table");
  uint64_t at = 0;
  const auto piece = [&](uint64_t length, bool fails) {
    if (length == 0) return;
    std::fprintf(table, "%llu %llu ", printable(at), printable(length));
    if (fails) {
      std::fprintf(table, "error\n");
    } else {
      std::fprintf(table, "linear /dev/ubda %llu\n", printable(at));
    }
    at += length;
  };
  for (const auto& [start, length] : bad) {
    piece(start - at, false);
    piece(length, true);
  }
  piece(sectors - at, false);
  std::fclose(table);
}

struct EioTally {
  uint64_t failed_syncs = 0;
  uint64_t remounted = 0;
  uint64_t newest_not_on_disk = 0;
};

// One round: what was flushed survives, what was not is gone or there as a whole; the store refuses to go on.
void eio_round(const std::string& path, uint64_t seed, uint64_t sectors, uint64_t* calls, const char* const* commands,
               EioTally* tally) {
  Options options = options_of(seed);
  options.sync_interval_ms = 1'000'000;  // only when asked
  std::shared_ptr<Store> store;
  must(Store::open(path, options, Progress(), &store), "Store::open()");
  uint64_t i = *calls;
  const uint64_t good = i + 20 + seed % 60;
  for (; i < good; i++) must(make(store->engine(), call_at({1}, i)), "a call");
  must(store->flush(), "flush() on a healthy disk");
  const uint64_t durable = i;
  write_table(path, sectors);
  shell(commands[0]);
  // Compaction may ask for the sync that fails before we do.
  for (const uint64_t end = i + 1 + seed % 40; i < end; i++) {
    const Status status = make(store->engine(), call_at({1}, i));
    if (status.code() == Code::kFailed) break;
    must(status, "a call");
  }
  if (store->flush().ok()) die("flush() succeeded on a disk that refuses writes");
  tally->failed_syncs++;
  // Poisoned for good, though the disk is well again and a second fdatasync would say so.
  shell(commands[1]);
  if (make(store->engine(), call_at({1}, i)).code() != Code::kFailed) die("a write was taken after a failed sync");
  if (store->flush().ok()) die("flush() succeeded after a failed sync");
  Contents contents;
  if (std::string wrong = read_contents(store->engine(), false, &contents); !wrong.empty()) die(wrong);
  State newest;
  uint64_t n = 0;
  if (std::string wrong = find_prefix(contents, 1, i, i, &newest, &n); !wrong.empty()) die("reading on: " + wrong);
  (void)store->close();
  store.reset();
  // The same boot, the same inode; the page cache may hold pages that are clean and were never written. Every third time
  // they are dropped, and every third time mounted afresh, as a file system that gave up on its journal has to be.
  if (seed % 3 == 1) shell("echo 3 > /proc/sys/vm/drop_caches");
  bool is_remounted = false;
  const auto remount = [&] {
    shell(commands[2]);
    tally->remounted++;
    is_remounted = true;
  };
  if (seed % 3 == 2 || ::access(path.c_str(), W_OK) != 0) remount();
  std::unique_ptr<Engine> engine;
  Status status = Engine::open(posix_platform(), path, options, Progress(), &engine);
  if (!status.ok() && status.system_error() == EROFS) {  // it gave up only now
    remount();
    status = Engine::open(posix_platform(), path, options, Progress(), &engine);
  }
  must(status, "opening after a failed sync");
  State state;
  n = check_open(*engine, 1, durable, i, &state);
  // A file system that gave up has lost the mark of the failure, too: then what is on the disk may well be exactly the
  // state that its digest says. The page cache of the failed sync is never to be trusted.
  if (engine->recovery().status == RecoveryStatus::kReplayed && !is_remounted) {
    die("the page cache was trusted after a failed sync");
  }
  tally->newest_not_on_disk += n < i;
  for (uint64_t more = n; more < n + 20; more++) must(make(*engine, call_at({1}, more)), "a call after recovery");
  must(SyncMachine(*engine).run(true), "closing");
  *calls = n + 20;
}

int eio(const std::string& path, uint64_t seed, uint64_t rounds, uint64_t sectors, const char* const* commands) {
  EioTally tally;
  uint64_t calls = 0;
  for (uint64_t round = 0; round < rounds; round++) {
    eio_round(path, seed + round, sectors, &calls, commands, &tally);
    // What is on the disk, and not only in the page cache, is what was promised.
    if (round % 5 == 4) {
      shell(commands[2]);
      std::unique_ptr<Engine> engine;
      must(Engine::open(posix_platform(), path, options_of(seed), Progress(), &engine), "opening from the disk");
      State state;
      check_open(*engine, 1, calls, calls, &state);
      must(SyncMachine(*engine).run(true), "closing");
    }
  }
  std::printf("ok %llu rounds of EIO: %llu failed syncs, %llu times mounted afresh, %llu times back to a sync point\n",
              printable(rounds), printable(tally.failed_syncs), printable(tally.remounted),
              printable(tally.newest_not_on_disk));
  return 0;
}

int wrong_use() {
  std::fprintf(stderr,
               "use: mmcb_real_kernel write FILE SEED FROM --ack PATH [--ack-in PATH] | check FILE SEED LEAST MOST | "
               "eio FILE SEED ROUNDS SECTORS FAIL HEAL REMOUNT   [--bug NAME]\n");
  return 2;
}

int main(int count, char** values) {
  std::vector<std::string> plain;
  Acknowledgements ack;
  for (int i = 1; i < count; i++) {
    const std::string flag = values[i];
    if (flag.rfind("--", 0) != 0) {
      plain.push_back(flag);
      continue;
    }
    if (++i == count) return wrong_use();
    if (flag == "--ack") {
      ack.open_outside(values[i]);
    } else if (flag == "--ack-in") {
      ack.open_inside(values[i]);
    } else if (flag != "--bug" || !test::seed_bug(values[i])) {
      return wrong_use();
    }
  }
  const auto number = [&](size_t index) { return std::strtoull(plain[index].c_str(), nullptr, 10); };
  if (plain.size() == 4 && plain[0] == "write") write_calls(plain[1], number(2), number(3), ack);
  if (plain.size() == 5 && plain[0] == "check") return check(plain[1], number(2), number(3), number(4));
  if (plain.size() == 8 && plain[0] == "eio") {
    const char* const commands[] = {plain[5].c_str(), plain[6].c_str(), plain[7].c_str()};
    return eio(plain[1], number(2), number(3), number(4), commands);
  }
  return wrong_use();
}

}  // namespace
}  // namespace mmcb::harness

int main(int count, char** values) { return mmcb::harness::main(count, values); }
