#include "core/volume.h"

#include "core/address_space.h"
#include "core/step.h"

namespace mmcb {

Volume::~Volume() {
  // The file first: it must not contain faults in addresses that may belong to somebody else.
  file_.reset();
  if (base_ != nullptr) platform_.release(base_, reserved_);
}

Status Volume::attach(std::unique_ptr<File> file, uint64_t address_space, uint64_t at_least) {
  file_ = std::move(file);
  lost_ = &file_->lost();
  std::byte* base = nullptr;
  MMCB_TRY(reserve_up_to(platform_, address_space, at_least, &base, &reserved_));
  base_ = base;
  return Status();
}

Status Volume::map(uint64_t length, MapMode mode) {
  if (length > reserved_)
    return Status(Code::kNoMemory, "the file is larger than the address space that could be reserved");
  MMCB_TRY(file_->map(base_, 0, length, mode));
  size_.store(length, std::memory_order_release);
  return Status();
}

Status Volume::grow(uint64_t length) {
  const uint64_t old = size();
  if (length <= old) return Status();
  if (length > reserved_) return Status(Code::kNoMemory, "the reserved address space is used up");
  MMCB_TRY(file_->allocate(old, length - old));
  MMCB_STEP(kGrown);
  if (Status status = file_->map(base_, old, length - old, MapMode::kShared); !status.ok()) {
    (void)file_->truncate(old);
    return status;
  }
  MMCB_STEP(kMapped);
  size_.store(length, std::memory_order_release);
  return Status();
}

Status Volume::shrink(uint64_t length) {
  const uint64_t old = size();
  if (length >= old) return Status();
  size_.store(length, std::memory_order_release);
  MMCB_TRY(file_->unmap(base_, length, old - length));
  Status status = file_->truncate(length);
  MMCB_STEP(kTruncated);
  return status;
}

Status Volume::drop_rest(uint64_t file_length) {
  const uint64_t length = size();
  MMCB_TRY(file_->unmap(base_, length, file_length - length));
  Status status = file_->truncate(length);
  MMCB_STEP(kTruncated);
  return status;
}

Status Volume::punch(uint64_t offset, uint64_t length) {
  Status status = file_->punch_hole(offset, length);
  MMCB_STEP(kPunched);
  return status;
}

Status Volume::allocate(uint64_t offset, uint64_t length) { return file_->allocate(offset, length); }

Status Volume::sync() { return file_->sync(); }

void Volume::populate(uint64_t offset, uint64_t length, Populate how) { file_->populate(base_, offset, length, how); }

}  // namespace mmcb
