// The File of PosixPlatform: one open file of the real operating system.
//
// Thread safety: as File says.
#pragma once

#include <memory>
#include <string>

#include "core/platform/platform.h"

namespace mmcb::posix {

// See Platform::open().
Status open_file(const std::string& path, OpenMode mode, std::unique_ptr<File>* file);

}  // namespace mmcb::posix
