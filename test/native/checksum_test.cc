#include "core/checksum.h"

#include <doctest/doctest.h>

#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

using mmcb::crc32c;
using mmcb::crc32c_portable;
using mmcb::crc32c_with_head;
using mmcb::kChecksumHead;

namespace {

// Bit by bit, after the definition: shares nothing with the code under test.
uint32_t crc32c_by_definition(const unsigned char* data, size_t length) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < length; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

std::vector<unsigned char> random_bytes(std::mt19937_64& random, size_t length) {
  std::vector<unsigned char> bytes(length);
  for (auto& byte : bytes) byte = static_cast<unsigned char>(random());
  return bytes;
}

}  // namespace

TEST_CASE("crc32c gives the published values") {
  // RFC 3720, appendix B.4.
  unsigned char data[48];
  const auto check = [&](size_t length, uint32_t expected) {
    CHECK(crc32c(0, data, length) == expected);
    CHECK(crc32c_portable(0, data, length) == expected);
  };
  std::memset(data, 0, sizeof data);
  check(32, 0x8a9136aa);
  std::memset(data, 0xff, sizeof data);
  check(32, 0x62a8ab43);
  std::iota(data, data + 32, static_cast<unsigned char>(0));
  check(32, 0x46dd794e);
  for (int i = 0; i < 32; ++i) data[i] = static_cast<unsigned char>(31 - i);
  check(32, 0x113fdb5c);
  const unsigned char scsi_read[48] = {0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0,    0, 0, 0, 0,
                                       0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
                                       0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0,    0, 0, 0, 0};
  std::memcpy(data, scsi_read, sizeof data);
  check(48, 0xd9963a56);
  std::memcpy(data, "123456789", 9);
  check(9, 0xe3069283);
  check(0, 0);
}

TEST_CASE("crc32c in hardware and by table agree with the definition for every small length") {
  std::mt19937_64 random(1);
  const auto bytes = random_bytes(random, 2048);
  for (size_t length = 0; length <= 1700; ++length) {
    const uint32_t expected = crc32c_by_definition(bytes.data() + length % 9, length);
    REQUIRE(crc32c(0, bytes.data() + length % 9, length) == expected);
    REQUIRE(crc32c_portable(0, bytes.data() + length % 9, length) == expected);
  }
}

TEST_CASE("crc32c in hardware equals crc32c by table over random sizes, alignments and seeds") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const auto bytes = random_bytes(random, 300'000);
  for (int round = 0; round < 2000; ++round) {
    const size_t length = random() % (round % 50 == 0 ? 250'000 : 9000);
    const size_t start = random() % 64;
    const auto begin = static_cast<uint32_t>(random());
    CAPTURE(length);
    CAPTURE(start);
    REQUIRE(crc32c(begin, bytes.data() + start, length) == crc32c_portable(begin, bytes.data() + start, length));
  }
}

TEST_CASE("crc32c continues over parts") {
  std::mt19937_64 random(3);
  const auto bytes = random_bytes(random, 5000);
  const uint32_t whole = crc32c(0, bytes.data(), bytes.size());
  for (size_t cut = 0; cut <= bytes.size(); cut += 37) {
    REQUIRE(crc32c(crc32c(0, bytes.data(), cut), bytes.data() + cut, bytes.size() - cut) == whole);
  }
}

TEST_CASE("crc32c of a head, a middle and data is that of all three side by side") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const auto bytes = random_bytes(random, 5000);
  for (int round = 0; round < 5000; ++round) {
    const size_t middle = round % 3 == 0 ? 8 : random() % 70;
    const size_t length = random() % (round % 10 == 0 ? 3000 : 200);
    const size_t start = random() % 64;
    const auto begin = static_cast<uint32_t>(random());
    CAPTURE(middle);
    CAPTURE(length);
    const unsigned char* const head = bytes.data() + start;
    const unsigned char* const data = head + kChecksumHead + middle;
    REQUIRE(crc32c_with_head(begin, head, head + kChecksumHead, middle, data, length) ==
            crc32c_portable(begin, head, kChecksumHead + middle + length));
  }
}
