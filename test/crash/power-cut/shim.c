/*
 * A power cut for an unmodified process: LD_PRELOADed into Node, it stands between the addon and the kernel, for one file.
 *
 * The file itself plays the page cache: what has been stored, with or without a sync. Beside it lies a second file, what the
 * disk holds. A thread copies random pages from the one to the other at random moments, whole or some sectors of them, in
 * the middle of whatever is going on there: that is the kernel, which may write any dirty page back at any time. fdatasync
 * copies what was there when it was called. Sizes and holes reach the disk in the order in which they were made, some time
 * later or with a sync: that is the file system's journal. Then the power fails: a random part of what differs still gets
 * to the disk, its size included, and the process is killed.
 *
 * The file is read through a mapping of the shim's own, so it does not matter through which mappings it is written.
 *
 *   MMCB_CUT_FILE     the file; everything that is in it at its first opening is on the disk
 *   MMCB_CUT_DISK     what the disk holds, and after the cut the image
 *   MMCB_CUT_REPORT   one line of JSON about the cut, written last
 *   MMCB_CUT_SEED     decides when the power fails, and what gets to the disk
 *   MMCB_CUT_BOOT_ID  what /proc/sys/kernel/random/boot_id says; unset: the truth
 *   MMCB_CUT_LIES     1: fdatasync succeeds and does nothing (a test of the test)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kPage = 4096, kSector = 512, kHead = 12 * kPage, kMostChanges = 64 };
static const uint64_t kWindow = 1ull << 32; /* the file never gets this large */

/* A change of the file's size or of its blocks that is not on the disk yet. */
struct change {
  uint64_t from, to; /* what it touches */
  uint64_t size;     /* of the file afterwards; not for holes */
  int is_hole;
};

/* Everything below is guarded by it. Sizes only change under it, so no mapping is read beyond the end of its file. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int is_armed;
static dev_t device;
static ino_t inode;
static int disk_fd;
static const char *live;
static char *disk;
static uint64_t live_size, disk_size;
static struct change changes[kMostChanges];
static int change_count;
static uint64_t random_state;
static uint64_t syncs, flushed_pages; /* so far, for the report */

/* When the power fails: at a phase of the n-th sync, so that a busy machine changes nothing, or a little later. */
enum phase { kBegin, kMiddle, kEnd, kAfterwards };
static const char *const phase_names[] = {"begin", "middle", "end", "afterwards"};
static uint64_t cut_sync;
static enum phase cut_phase;
static long cut_delay_us;
static int is_cut_due;

static uint64_t next(void) { /* splitmix64 */
  uint64_t x = random_state += 0x9e3779b97f4a7c15ull;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}
static uint64_t below(uint64_t bound) { return next() % bound; }

static void pause_us(long us) {
  struct timespec time = {us / 1000000, us % 1000000 * 1000};
  nanosleep(&time, NULL);
}

/* ---- The disk ----------------------------------------------------------------------------------------------------------- */

static void zero(uint64_t from, uint64_t to) {
  if (from < to) syscall(SYS_fallocate, disk_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from);
}

/* The oldest `count` changes get to the disk. */
static void commit(int count) {
  for (int i = 0; i < count; i++) {
    const struct change *c = &changes[i];
    zero(c->from, c->to);
    if (!c->is_hole) disk_size = c->size;
  }
  change_count -= count;
  memmove(changes, changes + count, change_count * sizeof *changes);
}

static void remember(struct change c) {
  if (change_count == kMostChanges) commit(kMostChanges / 2);
  changes[change_count++] = c;
}

/* A page gets to a new block, or to one that is being given up, only after the change that says so. */
static int can_be_written(uint64_t page) {
  if (page + kPage > live_size || page + kPage > disk_size) return 0;
  for (int i = 0; i < change_count; i++) {
    if (page < changes[i].to && page + kPage > changes[i].from) return 0;
  }
  return 1;
}

/* Words of 8 bytes are seen whole, by the kernel as by other threads (docs/design.md, "What is assumed"). */
static void write_sector(uint64_t at) {
  for (int i = 0; i < kSector; i += 8) {
    *(uint64_t *)(disk + at + i) = __atomic_load_n((const uint64_t *)(live + at + i), __ATOMIC_ACQUIRE);
  }
}

static void write_page(uint64_t page, unsigned sectors) {
  for (int i = 0; i < 8; i++) {
    if (sectors >> i & 1) write_sector(page + (uint64_t)i * kSector);
  }
}

static unsigned random_sectors(void) { return below(4) ? 0xff : (unsigned)below(256); }

static int differs(uint64_t page) { return memcmp(live + page, disk + page, kPage) != 0; }

/* ---- The cut ------------------------------------------------------------------------------------------------------------ */

/* Under the lock, which is never released: no sync returns any more. */
static void cut(enum phase phase) {
  static const unsigned percents[] = {0, 5, 50, 95, 100};
  const unsigned percent = percents[below(5)];
  const int pending = change_count;
  const uint64_t old_size = disk_size;
  commit(below(2) ? (int)below(change_count + 1) : below(2) ? change_count : 0);
  unsigned dirty = 0, written = 0, torn = 0;
  for (uint64_t page = 0; page < live_size; page += kPage) {
    if (page + kPage <= disk_size && !differs(page)) continue;
    dirty++;
    if (!can_be_written(page) || below(100) >= percent) continue;
    const unsigned sectors = random_sectors();
    write_page(page, sectors);
    written++;
    torn += sectors != 0xff;
  }
  syscall(SYS_ftruncate, disk_fd, disk_size);
  char line[400];
  const int length = snprintf(
      line, sizeof line,
      "{\"phase\":\"%s\",\"syncs\":%llu,\"flushed\":%llu,\"dirty\":%u,\"written\":%u,\"torn\":%u,"
      "\"changes\":%d,\"lostChanges\":%d,\"durableSize\":%llu,\"size\":%llu,\"liveSize\":%llu}\n",
      phase_names[phase], (unsigned long long)syncs, (unsigned long long)flushed_pages, dirty, written, torn, pending,
      change_count, (unsigned long long)old_size, (unsigned long long)disk_size, (unsigned long long)live_size);
  const int report = syscall(SYS_openat, AT_FDCWD, getenv("MMCB_CUT_REPORT"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (write(report, line, length) != length) abort();
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Under the lock, in a sync. */
static void reach(uint64_t sync, enum phase phase) {
  if (sync == cut_sync && phase == cut_phase) cut(phase);
}

/* The kernel's writeback. */
static void *write_back(void *unused) {
  for (;;) {
    pause_us(100);
    pthread_mutex_lock(&lock);
    if (is_cut_due) {
      const long us = cut_delay_us;
      pthread_mutex_unlock(&lock);
      for (long passed = 0; passed < us; passed += 100) pause_us(us - passed < 100 ? us - passed : 100);
      pthread_mutex_lock(&lock);
      cut(kAfterwards);
    }
    if (change_count != 0 && below(50) == 0) commit(1 + (int)below(change_count));
    for (int i = 0; i < 8 && live_size != 0; i++) {
      const uint64_t end = below(4) == 0 && live_size > kHead ? kHead : live_size; /* the head is what matters most */
      const uint64_t page = below((end + kPage - 1) / kPage) * kPage;
      if (!can_be_written(page) || !differs(page)) continue;
      write_page(page, random_sectors());
      flushed_pages++;
    }
    pthread_mutex_unlock(&lock);
  }
  return unused;
}

static void arm(const char *path, const struct stat *info) {
  const int live_fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC); /* a duplicate would keep the lock */
  disk_fd = syscall(SYS_openat, AT_FDCWD, getenv("MMCB_CUT_DISK"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (live_fd < 0 || disk_fd < 0 || syscall(SYS_ftruncate, disk_fd, kWindow) != 0) abort();
  live = mmap(NULL, kWindow, PROT_READ, MAP_SHARED, live_fd, 0);
  disk = mmap(NULL, kWindow, PROT_READ | PROT_WRITE, MAP_SHARED, disk_fd, 0);
  if (live == MAP_FAILED || disk == MAP_FAILED) abort();
  device = info->st_dev;
  inode = info->st_ino;
  live_size = disk_size = info->st_size;
  memcpy(disk, live, live_size);

  random_state = strtoull(getenv("MMCB_CUT_SEED"), NULL, 10);
  /* One in four in the first syncs, which are those of opening: of creation, or of recovery. */
  cut_sync = below(4) == 0 ? 1 + below(3) : 1 + below(40);
  cut_phase = (enum phase)below(4);
  cut_delay_us = below(3) ? (long)below(600) : (long)below(8000);
  is_armed = 1;
  pthread_t thread;
  if (pthread_create(&thread, NULL, write_back, NULL) != 0) abort();
}

/* ---- The calls that are stood between ----------------------------------------------------------------------------------------- */

static int is_ours(int fd) {
  struct stat info;
  return is_armed && fstat(fd, &info) == 0 && info.st_dev == device && info.st_ino == inode;
}

static int boot_id_file(const char *text) {
  const int fd = memfd_create("boot_id", MFD_CLOEXEC);
  if (write(fd, text, strlen(text)) < 0 || write(fd, "\n", 1) < 0) abort();
  lseek(fd, 0, SEEK_SET);
  return fd;
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;
  va_end(rest);
  const char *const boot_id = getenv("MMCB_CUT_BOOT_ID");
  if (boot_id != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) return boot_id_file(boot_id);
  const int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  const char *const file = getenv("MMCB_CUT_FILE");
  if (fd >= 0 && (flags & O_ACCMODE) == O_RDWR && file != NULL && strcmp(path, file) == 0) {
    struct stat info;
    pthread_mutex_lock(&lock);
    if (fstat(fd, &info) != 0) abort();
    if (!is_armed) arm(path, &info);
    if (info.st_dev != device || info.st_ino != inode) abort(); /* not one file any more */
    pthread_mutex_unlock(&lock);
  }
  return fd;
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int fdatasync(int fd) {
  if (!is_ours(fd)) return syscall(SYS_fdatasync, fd);
  pthread_mutex_lock(&lock);
  const uint64_t sync = ++syncs;
  reach(sync, kBegin);
  const int lies = getenv("MMCB_CUT_LIES") != NULL;
  if (!lies) commit(change_count);
  /* Other threads run, and the power may fail, between any two pages. A disk takes its time. */
  const uint64_t pages = (live_size + kPage - 1) / kPage;
  const uint64_t middle = pages == 0 ? 0 : below(pages) * kPage;
  const long us = below(3) ? 0 : (long)below(3000);
  for (uint64_t page = 0; page < pages * kPage; page += kPage) {
    if (page == middle) {
      reach(sync, kMiddle);
      pthread_mutex_unlock(&lock);
      pause_us(us);
      pthread_mutex_lock(&lock);
    }
    if (!lies && can_be_written(page) && differs(page)) write_page(page, 0xff);
  }
  /* What has been skipped has been cut off or punched since: then that is on the disk. */
  if (!lies) commit(change_count);
  reach(sync, kEnd);
  is_cut_due = cut_phase == kAfterwards && sync >= cut_sync;
  pthread_mutex_unlock(&lock);
  return 0;
}

int fsync(int fd) { return is_ours(fd) ? fdatasync(fd) : syscall(SYS_fsync, fd); }

int ftruncate(int fd, off_t length) {
  if (!is_ours(fd)) return syscall(SYS_ftruncate, fd, length);
  pthread_mutex_lock(&lock);
  const uint64_t size = length, old = live_size;
  const int result = syscall(SYS_ftruncate, fd, length);
  if (result == 0) {
    const struct change c = {old < size ? old : size, old < size ? size : old, size, 0};
    remember(c);
    live_size = size;
  }
  pthread_mutex_unlock(&lock);
  return result;
}
int ftruncate64(int fd, off64_t length) __attribute__((alias("ftruncate")));

int fallocate(int fd, int mode, off_t offset, off_t length) {
  if (!is_ours(fd)) return syscall(SYS_fallocate, fd, mode, offset, length);
  pthread_mutex_lock(&lock);
  const int result = syscall(SYS_fallocate, fd, mode, offset, length);
  const int error = errno;
  struct stat info;
  if (fstat(fd, &info) != 0) abort();
  const uint64_t old = live_size;
  live_size = info.st_size; /* a failed call may have grown it */
  const struct change grown = {old, live_size, live_size, 0};
  const struct change hole = {offset, offset + length, 0, 1};
  if (live_size != old) remember(grown);
  if (result == 0 && mode & FALLOC_FL_PUNCH_HOLE) remember(hole);
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) __attribute__((alias("fallocate")));
