// The part of PosixPlatform that is about memory: reserved address space, anonymous memory, pages brought in ahead of use.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "core/platform/posix_platform.h"
#include "core/platform/posix_support.h"

// Known to the kernel since 5.14, to the C library's headers not always.
#if defined(__linux__) && !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace mmcb {

using posix::kMaxFileOffset;
using posix::map_reserved;
using posix::memory_status;
using posix::uninterrupted;
using posix::whole_pages;

namespace {

constexpr uint64_t kPopulateChunk = 4ull << 20;  // short enough to let other users of the mapping in between

}  // namespace

Status PosixPlatform::reserve(uint64_t length, std::byte** base) {
  if (length == 0 || length > kMaxFileOffset) return Status(Code::kInvalidArgument, "reserve: bad length");
  const uint64_t wanted = whole_pages(length, page_size());
  // Over-allocate, then trim both ends to an aligned base.
  const uint64_t total = wanted + kHugePage;
  void* const raw = map_reserved(nullptr, total, 0);
  if (raw == MAP_FAILED) return memory_status("reserve address space", errno);
  auto* const first = static_cast<std::byte*>(raw);
  const uint64_t head = (kHugePage - reinterpret_cast<uintptr_t>(raw) % kHugePage) % kHugePage;
  if (head != 0) ::munmap(first, head);
  const uint64_t tail = total - head - wanted;
  if (tail != 0) ::munmap(first + head + wanted, tail);
  *base = first + head;
  return Status();
}

Status PosixPlatform::commit(std::byte* address, uint64_t length, bool huge) {
  if (length == 0) return Status();
  if (::mprotect(address, length, PROT_READ | PROT_WRITE) != 0) return memory_status("commit memory", errno);
#if defined(__linux__)
  if (huge) ::madvise(address, length, MADV_HUGEPAGE);
#else
  (void)huge;
#endif
  return Status();
}

Status PosixPlatform::decommit(std::byte* address, uint64_t length) {
  if (length == 0) return Status();
  if (map_reserved(address, length, MAP_FIXED) == MAP_FAILED) return memory_status("unmap", errno);
  return Status();
}

void PosixPlatform::discard(std::byte* address, uint64_t length) {
  // Only whole pages can be dropped; what they leave at the ends is overwritten.
  const uint64_t page = page_size();
  const auto begin = reinterpret_cast<uintptr_t>(address);
  const uintptr_t first_page = whole_pages(begin, page);
  const uintptr_t end_page = (begin + length) / page * page;
#if defined(__linux__)
  if (first_page < end_page) {
    std::byte* const pages = address + (first_page - begin);
    // Refused for locked memory (mlockall).
    if (::madvise(pages, end_page - first_page, MADV_DONTNEED) == 0) {
      std::memset(address, 0, first_page - begin);
      std::memset(pages + (end_page - first_page), 0, begin + length - end_page);
      return;
    }
  }
#else
  // MADV_DONTNEED promises no zeros elsewhere.
  (void)first_page, (void)end_page;
#endif
  std::memset(address, 0, length);
}

void PosixPlatform::release(std::byte* base, uint64_t length) {
  if (base != nullptr) ::munmap(base, whole_pages(length, page_size()));
}

void PosixPlatform::prefault(std::byte* address, uint64_t length, bool write) {
#if defined(__linux__)
  for (uint64_t done = 0; done < length; done += kPopulateChunk) {
    const uint64_t chunk = std::min(kPopulateChunk, length - done);
    const int advice = write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
    if (uninterrupted([&] { return ::madvise(address + done, chunk, advice); }) == 0) continue;
    // Before 5.14 the kernel knows no such advice; for reading there is a weaker one.
    if (errno == EINVAL && !write) ::madvise(address + done, length - done, MADV_WILLNEED);
    return;
  }
#else
  if (!write) ::madvise(address, length, MADV_WILLNEED);
#endif
}

size_t PosixPlatform::page_size() {
  static const auto size = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace mmcb
