// The part of PosixPlatform that is about names: opening, renaming and removing files, and folders.
#include "core/platform/posix_platform.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>

#include "core/platform/posix_file.h"
#include "core/platform/posix_support.h"

namespace mmcb {

using posix::code_of;
using posix::Descriptor;
using posix::system_status;
using posix::uninterrupted;

namespace {

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

PosixPlatform& posix_platform() {
  // Never destroyed: threads may outlive the static destructors of the process.
  static PosixPlatform* const instance = new PosixPlatform();
  return *instance;
}

Status PosixPlatform::open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  return posix::open_file(path, mode, file);
}

Status PosixPlatform::sync_directory_of(const std::string& path) {
  std::string parent;
  MMCB_TRY(guarded([&] {
    parent = parent_of(path);
    return Status();
  }));
  const Descriptor fd(uninterrupted([&] { return ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (fd.get() < 0) return system_status(parent, "open", errno);
  if (uninterrupted([&] { return ::fsync(fd.get()); }) == 0) return Status();
  // Some file systems (network, FUSE) cannot sync a folder; there is nothing more to ask of them.
  if (errno == EINVAL || errno == ENOTSUP) return Status();
  return system_status(parent, "sync", errno);
}

Status PosixPlatform::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return Status();
  const int error = errno;
  return describe(code_of(error), error, from, ": rename to ", to, ": ", SystemError{error});
}

Status PosixPlatform::remove(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return Status();
  return system_status(path, "remove", errno);
}

}  // namespace mmcb
