// CountdownPlatform: the real platform, of which one call fails when a test says so: the n-th of its kind from then on, once.
//
// Thread safety: none; for engines without threads.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "support/forwarding_platform.h"

namespace mmcb::test {

enum class CountedCall : uint8_t { kReserve, kCommit, kAllocate, kTruncate, kPunch, kSync, kMap, kUnmap, kCount };

class CountdownPlatform final : public ForwardingPlatform {
 public:
  void fail(CountedCall call, unsigned nth = 1) { countdown_[static_cast<size_t>(call)] = nth; }
  // True when the failure asked for has not come yet; it does not come any more.
  bool withdraw(CountedCall call) { return std::exchange(countdown_[static_cast<size_t>(call)], 0) != 0; }

  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override {
    std::unique_ptr<File> real;
    MMCB_TRY(ForwardingPlatform::open(path, mode, &real));
    *file = std::make_unique<CountdownFile>(*this, std::move(real));
    return Status();
  }
  Status reserve(uint64_t length, std::byte** base) override {
    MMCB_TRY(meet(CountedCall::kReserve, Code::kNoMemory));
    return ForwardingPlatform::reserve(length, base);
  }
  Status commit(std::byte* address, uint64_t length, bool huge) override {
    MMCB_TRY(meet(CountedCall::kCommit, Code::kNoMemory));
    return ForwardingPlatform::commit(address, length, huge);
  }

 private:
  class CountdownFile final : public ForwardingFile {
   public:
    CountdownFile(CountdownPlatform& platform, std::unique_ptr<File> file)
        : ForwardingFile(std::move(file)), platform_(platform) {}
    Status allocate(uint64_t offset, uint64_t length) override {
      MMCB_TRY(platform_.meet(CountedCall::kAllocate, Code::kNoSpace));
      return ForwardingFile::allocate(offset, length);
    }
    Status truncate(uint64_t length) override {
      MMCB_TRY(platform_.meet(CountedCall::kTruncate, Code::kIo));
      return ForwardingFile::truncate(length);
    }
    Status punch_hole(uint64_t offset, uint64_t length) override {
      MMCB_TRY(platform_.meet(CountedCall::kPunch, Code::kIo));
      return ForwardingFile::punch_hole(offset, length);
    }
    Status sync() override {
      MMCB_TRY(platform_.meet(CountedCall::kSync, Code::kIo));
      return ForwardingFile::sync();
    }
    Status map(std::byte* base, uint64_t offset, uint64_t length, MapMode mode) override {
      MMCB_TRY(platform_.meet(CountedCall::kMap, Code::kNoMemory));
      return ForwardingFile::map(base, offset, length, mode);
    }
    Status unmap(std::byte* base, uint64_t offset, uint64_t length) override {
      MMCB_TRY(platform_.meet(CountedCall::kUnmap, Code::kNoMemory));
      return ForwardingFile::unmap(base, offset, length);
    }

   private:
    CountdownPlatform& platform_;
  };

  Status meet(CountedCall call, Code code) {
    unsigned& left = countdown_[static_cast<size_t>(call)];
    if (left == 0 || --left != 0) return Status();
    return Status(code, "the test lets it fail");
  }

  unsigned countdown_[static_cast<size_t>(CountedCall::kCount)] = {};
};

}  // namespace mmcb::test
