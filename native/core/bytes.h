// What bytes are called that belong to somebody else.
#pragma once

#include <cstddef>
#include <span>

namespace mmcb {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

}  // namespace mmcb
