#include "support/failing_platform.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "support/failing_memory.h"

namespace mmcb::test {

const char* name_of(SystemCall call) {
  static constexpr const char* kNames[] = {
#define MMCB_CALL_TEXT(name) #name,
      MMCB_CALL_LIST(MMCB_CALL_TEXT)
#undef MMCB_CALL_TEXT
  };
  return kNames[static_cast<size_t>(call)] + 1;
}

std::vector<int> errors_of(SystemCall call) {
  switch (call) {
    case SystemCall::kOpen: return {EMFILE, EACCES, EIO, ENOSPC};
    case SystemCall::kLock: return {EWOULDBLOCK, ENOLCK};
    case SystemCall::kAllocate: return {ENOSPC, EIO, EDQUOT, EFBIG};
    case SystemCall::kPunchHole: return {EIO, ENOSPC};
    case SystemCall::kSync: return {EIO, ENOSPC, EDQUOT};
    case SystemCall::kMap: return {ENOMEM, EIO};
    case SystemCall::kRename: return {EIO, ENOSPC};
    case SystemCall::kUnmap:
    case SystemCall::kReserve:
    case SystemCall::kCommit: return {ENOMEM};
    case SystemCall::kStartThread: return {EAGAIN};
    default: return {EIO};
  }
}

Code Fault::code() const {
  switch (call) {
    case SystemCall::kUnmap:
    case SystemCall::kReserve:
    case SystemCall::kCommit:
    case SystemCall::kStartThread: return Code::kNoMemory;
    case SystemCall::kMap:
      if (error == ENOMEM) return Code::kNoMemory;
      break;
    case SystemCall::kLock:
      if (error == EWOULDBLOCK) return Code::kLocked;
      break;
    default: break;
  }
  return error == ENOSPC || error == EDQUOT || error == EFBIG ? Code::kNoSpace : Code::kIo;
}

void Faults::arm(const Fault& fault) {
  fault_ = fault;
  for (auto& calls : calls_) calls.store(0);
  hits_.store(0);
}

bool Faults::strikes(SystemCall call) {
  if (on_.load() == 0) return false;
  const uint64_t number = calls_[static_cast<size_t>(call)].fetch_add(1) + 1;
  if (call != fault_.call || fault_.nth == 0) return false;
  if (number < fault_.nth || (number > fault_.nth && !fault_.for_ever)) return false;
  hits_.fetch_add(1);
  return true;
}

template <typename Body>
Status Faults::run(SystemCall call, Body&& body) {
  if (!strikes(call)) return body();
  if (fault_.late) (void)body();
  if (on_hit_) on_hit_();
  return describe(fault_.code(), fault_.error, "injected fault: ", name_of(call), " ", fault_.nth);
}

class FailingFile final : public ForwardingFile {
 public:
  FailingFile(FailingPlatform& platform, std::unique_ptr<File> real)
      : ForwardingFile(std::move(real)), platform_(platform), faults_(platform.faults_) {
    faults_.files_++;
  }
  ~FailingFile() override { faults_.files_--; }

  Status lock(LockMode mode) override {
    return faults_.run(SystemCall::kLock, [&] { return ForwardingFile::lock(mode); });
  }
  Status size(uint64_t* bytes) override {
    return faults_.run(SystemCall::kSize, [&] { return ForwardingFile::size(bytes); });
  }
  Status allocate(uint64_t offset, uint64_t length) override {
    return faults_.run(SystemCall::kAllocate, [&] { return ForwardingFile::allocate(offset, length); });
  }
  Status truncate(uint64_t length) override {
    return faults_.run(SystemCall::kTruncate, [&] { return ForwardingFile::truncate(length); });
  }
  Status punch_hole(uint64_t offset, uint64_t length) override {
    return faults_.run(SystemCall::kPunchHole, [&] { return ForwardingFile::punch_hole(offset, length); });
  }
  uint64_t hole_unit() const override { return platform_.hole_unit_; }
  Status sync() override {
    return faults_.run(SystemCall::kSync,
                       [&] { return platform_.skipping_syncs_ ? Status() : ForwardingFile::sync(); });
  }
  Status map(std::byte* base, uint64_t offset, uint64_t length, MapMode mode) override {
    return faults_.run(SystemCall::kMap, [&] { return ForwardingFile::map(base, offset, length, mode); });
  }
  Status unmap(std::byte* base, uint64_t offset, uint64_t length) override {
    return faults_.run(SystemCall::kUnmap, [&] { return ForwardingFile::unmap(base, offset, length); });
  }

 private:
  FailingPlatform& platform_;
  Faults& faults_;
};

class FailingThread final : public Thread {
 public:
  FailingThread(Faults& faults, std::unique_ptr<Thread> real) : faults_(faults), real_(std::move(real)) {
    faults_.threads_++;
  }
  void join() override {
    real_->join();
    faults_.threads_--;
  }

 private:
  Faults& faults_;
  std::unique_ptr<Thread> real_;
};

void FailingPlatform::fail(SystemCall call, uint64_t nth) {
  faults_.arm({call, nth, false, false, errors_of(call).front()});
  if (!always_) always_.emplace(faults_);
}

bool FailingPlatform::withdraw() {
  const bool still_to_come = faults_.hits() == 0;
  faults_.disarm();
  return still_to_come;
}

Status FailingPlatform::open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  std::unique_ptr<File> real;
  MMCB_TRY(faults_.run(SystemCall::kOpen, [&] { return ForwardingPlatform::open(path, mode, &real); }));
  const MemoryFaults::Exempt exempt;
  *file = std::make_unique<FailingFile>(*this, std::move(real));
  return Status();
}

Status FailingPlatform::sync_directory_of(const std::string& path) {
  return faults_.run(SystemCall::kSyncDirectory,
                     [&] { return skipping_syncs_ ? Status() : ForwardingPlatform::sync_directory_of(path); });
}

Status FailingPlatform::rename(const std::string& from, const std::string& to) {
  return faults_.run(SystemCall::kRename, [&] { return ForwardingPlatform::rename(from, to); });
}

Status FailingPlatform::remove(const std::string& path) {
  return faults_.run(SystemCall::kRemove, [&] { return ForwardingPlatform::remove(path); });
}

Status FailingPlatform::reserve(uint64_t length, std::byte** base) {
  return faults_.run(SystemCall::kReserve, [&] {
    MMCB_TRY(ForwardingPlatform::reserve(length, base));
    faults_.reservations_++;
    return Status();
  });
}

Status FailingPlatform::commit(std::byte* address, uint64_t length, bool huge) {
  return faults_.run(SystemCall::kCommit, [&] { return ForwardingPlatform::commit(address, length, huge); });
}

void FailingPlatform::release(std::byte* base, uint64_t length) {
  if (base != nullptr) faults_.reservations_--;
  ForwardingPlatform::release(base, length);
}

Status FailingPlatform::start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) {
  return faults_.run(SystemCall::kStartThread, [&] {
    std::unique_ptr<Thread> real;
    MMCB_TRY(ForwardingPlatform::start_thread(std::move(body), &real));
    const MemoryFaults::Exempt exempt;
    *thread = std::make_unique<FailingThread>(faults_, std::move(real));
    return Status();
  });
}

Uuid FailingPlatform::boot_id() {
  if (boot_ == 0) return ForwardingPlatform::boot_id();
  Uuid id{};
  id.fill(boot_);
  return id;
}

void FailingPlatform::set_seed(uint64_t seed) {
  const std::lock_guard guard(random_mutex_);
  seeded_ = true;
  random_.seed(seed);
}

void FailingPlatform::random(void* target, size_t length) {
  if (!seeded_) return ForwardingPlatform::random(target, length);
  const std::lock_guard guard(random_mutex_);
  auto* at = static_cast<unsigned char*>(target);
  for (size_t i = 0; i < length; i++) at[i] = static_cast<unsigned char>(random_());
}

}  // namespace mmcb::test
