// A file as a power cut leaves it: its bytes changed from outside, and opened by a machine that has started since.
#pragma once

#include <fstream>
#include <string>

#include "support/forwarding_platform.h"

namespace mmcb::test {

// Does not say which boot this is: nothing of the page cache is taken for what the last process left there.
class ForgetfulPlatform final : public ForwardingPlatform {
 public:
  Uuid boot_id() override { return Uuid{}; }
};

// Writes into the file in place: it keeps its inode, which recovery looks at.
inline void put(const std::string& path, const std::string& contents) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file << contents;
}

}  // namespace mmcb::test
