// SimulatedPlatform: the engine's Platform on top of a SimulatedDisk. Mapping a file shared makes the engine's reservation
// the disk's page cache; mapping it private copies. Threads cannot be started: everything runs on one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/platform/platform.h"
#include "harness/simulated_disk.h"

namespace mmcb::harness {

class SimulatedPlatform : public Platform {
 public:
  explicit SimulatedPlatform(SimulatedDisk& disk) : disk_(disk) {}

  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override;
  Status sync_directory_of(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;

  Status reserve(uint64_t length, std::byte** base) override;
  Status commit(std::byte* address, uint64_t length, bool huge) override;
  void discard(std::byte* address, uint64_t length) override;
  void release(std::byte* base, uint64_t length) override;

  Status start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) override;
  Uuid boot_id() override;
  void random(void* target, size_t length) override;
  uint64_t wall_clock_ms() override;
  uint64_t monotonic_ns() override;
  size_t page_size() override { return kDiskPage; }

 protected:
  SimulatedDisk& disk() { return disk_; }

 private:
  SimulatedDisk& disk_;
};

}  // namespace mmcb::harness
