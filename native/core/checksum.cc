// CRC32C. Three implementations with one result:
//  - x86-64: the SSE4.2 crc32 instruction. It has a latency of several cycles but starts one a cycle, so from 512 bytes on
//    three lanes run side by side and are joined by carry-less multiplication (Gopal et al., "Fast CRC Computation for
//    iSCSI Polynomial Using CRC32 Instruction", Intel, 2011).
//  - AArch64: the CRC extension, one lane.
//  - anywhere: slicing-by-8 (Kounavis and Berry, "A Systematic Approach to Building High Performance Software-based CRC
//    Generators", 2005).
#include "core/checksum.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif
#endif

namespace mmcb {
namespace {

static_assert(std::endian::native == std::endian::little, "the kernels below load words in file order");

constexpr uint32_t kPolynomial = 0x82f63b78;  // bit-reflected: bit 31 is x^0

template <typename T>
inline T load(const unsigned char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

using Tables = std::array<std::array<uint32_t, 256>, 8>;

// kTables[k][b]: what byte b, followed by k zero bytes, contributes.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t previous = tables[k - 1][byte];
      tables[k][byte] = (previous >> 8) ^ tables[0][previous & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

#if defined(__x86_64__)

// Clang counts the crc32 instruction apart from the rest of SSE 4.2; GCC before 11 does not know it apart.
#if defined(__clang__)
#define MMCB_TARGET_CRC __attribute__((target("sse4.2,crc32,pclmul")))
#else
#define MMCB_TARGET_CRC __attribute__((target("sse4.2,pclmul")))
#endif

constexpr size_t kInterleaveFrom = 512;  // below, joining the lanes costs more than it saves
constexpr size_t kMaxLaneWords = 128;

// kShift[n] = x^(64 n - 33) mod P: multiplying a CRC by it, then reducing the 64-bit product with the crc32 instruction,
// moves the CRC over n zero words. 33: the instruction itself multiplies by x^32, the reflected product by x.
constexpr std::array<uint32_t, 2 * kMaxLaneWords + 1> make_shifts() {
  std::array<uint32_t, 2 * kMaxLaneWords + 1> shifts{};
  uint32_t power = 0x80000000;  // x^0
  size_t exponent = 0;
  for (size_t words = 1; words < shifts.size(); ++words) {
    for (; exponent < 64 * words - 33; ++exponent) power = (power >> 1) ^ ((power & 1) != 0 ? kPolynomial : 0);
    shifts[words] = power;
  }
  return shifts;
}

constexpr auto kShift = make_shifts();

MMCB_TARGET_CRC inline __m128i shifted(uint64_t crc, size_t words) {
  return _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(crc)),
                              _mm_cvtsi64_si128(static_cast<long long>(kShift[words])), 0);
}

// All of these take and return the register, which is the complement of a CRC.

// The longest part of the bytes that three lanes can share; says how much that is.
MMCB_TARGET_CRC __attribute__((noinline)) uint64_t add_interleaved(uint64_t crc, const unsigned char** data,
                                                                   size_t* length) {
  const unsigned char* at = *data;
  while (*length >= kInterleaveFrom) {
    const size_t words = *length / 24 < kMaxLaneWords ? *length / 24 : kMaxLaneWords;
    const size_t lane = words * 8;
    uint64_t second = 0;
    uint64_t third = 0;
    for (const unsigned char* end = at + lane; at != end; at += 8) {
      crc = _mm_crc32_u64(crc, load<uint64_t>(at));
      second = _mm_crc32_u64(second, load<uint64_t>(at + lane));
      third = _mm_crc32_u64(third, load<uint64_t>(at + 2 * lane));
    }
    const __m128i joined = _mm_xor_si128(shifted(crc, 2 * words), shifted(second, words));
    crc = third ^ _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(joined)));
    at += 2 * lane;
    *length -= 3 * lane;
  }
  *data = at;
  return crc;
}

MMCB_TARGET_CRC inline uint32_t add_bytes(uint32_t before, const void* data, size_t length) {
  const auto* at = static_cast<const unsigned char*>(data);
  uint64_t crc = before;
  if (length >= kInterleaveFrom) [[unlikely]]
    crc = add_interleaved(crc, &at, &length);
  for (; length >= 32; length -= 32, at += 32) {
    crc = _mm_crc32_u64(crc, load<uint64_t>(at));
    crc = _mm_crc32_u64(crc, load<uint64_t>(at + 8));
    crc = _mm_crc32_u64(crc, load<uint64_t>(at + 16));
    crc = _mm_crc32_u64(crc, load<uint64_t>(at + 24));
  }
  for (; length >= 8; length -= 8, at += 8) crc = _mm_crc32_u64(crc, load<uint64_t>(at));
  auto tail = static_cast<uint32_t>(crc);
  if ((length & 4) != 0) {
    tail = _mm_crc32_u32(tail, load<uint32_t>(at));
    at += 4;
  }
  if ((length & 2) != 0) {
    tail = _mm_crc32_u16(tail, load<uint16_t>(at));
    at += 2;
  }
  if ((length & 1) != 0) tail = _mm_crc32_u8(tail, *at);
  return tail;
}

MMCB_TARGET_CRC inline uint32_t add_head(uint32_t before, const unsigned char* at) {
  static_assert(kChecksumHead == 3 * 8 + 4);
  uint64_t crc = _mm_crc32_u64(before, load<uint64_t>(at));
  crc = _mm_crc32_u64(crc, load<uint64_t>(at + 8));
  crc = _mm_crc32_u64(crc, load<uint64_t>(at + 16));
  return _mm_crc32_u32(static_cast<uint32_t>(crc), load<uint32_t>(at + 24));
}

// Not __builtin_cpu_supports(): what it asks is in a library of the compiler that not every linker puts into a shared object.
bool has_hardware() {
  unsigned a = 0, b = 0, features = 0, d = 0;
  constexpr unsigned kNeeded = bit_SSE4_2 | bit_PCLMUL;
  return __get_cpuid(1, &a, &b, &features, &d) != 0 && (features & kNeeded) == kNeeded;
}

#elif defined(__aarch64__)

#if defined(__clang__)
#define MMCB_TARGET_CRC __attribute__((target("crc")))
#else
#define MMCB_TARGET_CRC __attribute__((target("+crc")))
#endif

// These take and return the register, which is the complement of a CRC.
MMCB_TARGET_CRC inline uint32_t add_bytes(uint32_t before, const void* data, size_t length) {
  const auto* at = static_cast<const unsigned char*>(data);
  uint32_t crc = before;
  for (; length >= 8; length -= 8, at += 8) crc = __crc32cd(crc, load<uint64_t>(at));
  if ((length & 4) != 0) {
    crc = __crc32cw(crc, load<uint32_t>(at));
    at += 4;
  }
  if ((length & 2) != 0) {
    crc = __crc32ch(crc, load<uint16_t>(at));
    at += 2;
  }
  if ((length & 1) != 0) crc = __crc32cb(crc, *at);
  return crc;
}

MMCB_TARGET_CRC inline uint32_t add_head(uint32_t before, const unsigned char* at) {
  return add_bytes(before, at, kChecksumHead);
}

bool has_hardware() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
  return true;  // every Apple processor of this architecture
#endif
}

#else

#define MMCB_TARGET_CRC

uint32_t add_bytes(uint32_t before, const void* data, size_t length) { return ~crc32c_portable(~before, data, length); }
uint32_t add_head(uint32_t before, const unsigned char* at) { return add_bytes(before, at, kChecksumHead); }
bool has_hardware() { return false; }

#endif

MMCB_TARGET_CRC uint32_t run_in_hardware(uint32_t crc, const void* head, const void* middle, size_t middle_length,
                                         const void* data, size_t length) {
  uint32_t state = ~crc;
  if (head != nullptr) state = add_head(state, static_cast<const unsigned char*>(head));
  if (middle_length != 0) state = add_bytes(state, middle, middle_length);
  return ~add_bytes(state, data, length);
}

uint32_t run_by_table(uint32_t crc, const void* head, const void* middle, size_t middle_length, const void* data,
                      size_t length) {
  if (head != nullptr) crc = crc32c_portable(crc, head, kChecksumHead);
  return crc32c_portable(crc32c_portable(crc, middle, middle_length), data, length);
}

using Implementation = uint32_t (*)(uint32_t, const void*, const void*, size_t, const void*, size_t);

uint32_t resolve_and_run(uint32_t crc, const void* head, const void* middle, size_t middle_length, const void* data,
                         size_t length);

// Constant-initialised to the resolver, so that it is right before any static constructor has run; every later call is a
// plain load and a jump. Racing first calls store the same value.
std::atomic<Implementation> implementation{&resolve_and_run};

uint32_t resolve_and_run(uint32_t crc, const void* head, const void* middle, size_t middle_length, const void* data,
                         size_t length) {
  const Implementation chosen = has_hardware() ? &run_in_hardware : &run_by_table;
  implementation.store(chosen, std::memory_order_relaxed);
  return chosen(crc, head, middle, middle_length, data, length);
}

}  // namespace

uint32_t crc32c(uint32_t crc, const void* data, size_t length) {
  return implementation.load(std::memory_order_relaxed)(crc, nullptr, nullptr, 0, data, length);
}

uint32_t crc32c_with_head(uint32_t crc, const void* head, const void* middle, size_t middle_length, const void* data,
                          size_t length) {
  return implementation.load(std::memory_order_relaxed)(crc, head, middle, middle_length, data, length);
}

uint32_t crc32c_portable(uint32_t seed, const void* data, size_t length) {
  const auto* at = static_cast<const unsigned char*>(data);
  uint32_t crc = ~seed;
  for (; length >= 8; length -= 8, at += 8) {
    const uint64_t word = load<uint64_t>(at) ^ crc;
    crc = kTables[7][word & 0xff] ^ kTables[6][word >> 8 & 0xff] ^ kTables[5][word >> 16 & 0xff] ^
          kTables[4][word >> 24 & 0xff] ^ kTables[3][word >> 32 & 0xff] ^ kTables[2][word >> 40 & 0xff] ^
          kTables[1][word >> 48 & 0xff] ^ kTables[0][word >> 56];
  }
  for (; length > 0; --length, ++at) crc = (crc >> 8) ^ kTables[0][(crc ^ *at) & 0xff];
  return ~crc;
}

}  // namespace mmcb
