// FastPlatform: the real platform, but for waiting for the disk. A kill loses nothing of the page cache, so a sync makes no
// difference to what a kill can show; without it there are several times as many kills in the same time.
//
// Thread safety: as Platform.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "support/forwarding_platform.h"

namespace mmcb::harness::killing {

class FastFile final : public test::ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;
  Status sync() override { return Status(); }
  // Small files have holes, too. (What a larger unit is for happens on full disks only.)
  uint64_t hole_unit() const override { return 1; }
};

class FastPlatform final : public test::ForwardingPlatform {
 public:
  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override {
    std::unique_ptr<File> real;
    MMCB_TRY(ForwardingPlatform::open(path, mode, &real));
    *file = std::make_unique<FastFile>(std::move(real));
    return Status();
  }
  Status sync_directory_of(const std::string&) override { return Status(); }
};

}  // namespace mmcb::harness::killing
