// CRC32C (Castagnoli, RFC 3720 appendix B.4), in hardware where the processor has it, else by table.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mmcb {

// Continues `crc` over `length` bytes. crc32c(0, data, n) is the plain checksum; crc32c(crc32c(0, a), b) is that of a‖b.
// Complexity: O(length); about 25 ns for 1 KiB in hardware.
uint32_t crc32c(uint32_t crc, const void* data, size_t length);

// The same over kChecksumHead bytes, then `middle`, then `data`, in one call: an entry's header, key and data. Most are so
// short that a call for each would cost as much as their bytes do.
inline constexpr size_t kChecksumHead = 28;
uint32_t crc32c_with_head(uint32_t crc, const void* head, const void* middle, size_t middle_length, const void* data,
                          size_t length);

// crc32c() by table, whatever the processor: the reference that tests hold the other against.
uint32_t crc32c_portable(uint32_t crc, const void* data, size_t length);

}  // namespace mmcb
