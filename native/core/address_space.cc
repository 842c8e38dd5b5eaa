#include "core/address_space.h"

#include <algorithm>

namespace mmcb {

Status reserve_up_to(Platform& platform, uint64_t wanted, uint64_t at_least, std::byte** base, uint64_t* reserved) {
  *reserved = std::max(wanted, at_least);
  Status status = platform.reserve(*reserved, base);
  if (status.ok()) return status;
  while (!status.ok() && *reserved > at_least) {
    *reserved = std::max(*reserved / 2, at_least);
    status = platform.reserve(*reserved, base);
  }
  if (!status.ok() || *reserved == at_least) return status;
  platform.release(*base, *reserved);
  *reserved = std::max(*reserved / 2, at_least);
  return platform.reserve(*reserved, base);
}

}  // namespace mmcb
