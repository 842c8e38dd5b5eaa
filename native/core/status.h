// Status: the outcome of a core operation. The core throws nothing; every call that can fail returns one.
//
// Making, copying and moving a Status never throws: a failure must be told (and a failed sync must be acted upon) when
// memory is short, too. The message is left out then; the code and the system's error are not.
//
// Thread safety: a Status is a value; const use from several threads is safe.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace mmcb {

// Stable: the binding maps each to one MMCB_* code. Callers branch on the code, never on the text.
enum class Code : uint8_t {
  kOk = 0,
  kNotFound,         // the address or key is unknown, removed or stale
  kClosed,           // the store or the handle is closed
  kLocked,           // another process writes to the file
  kReadOnly,         // a write through a read-only handle
  kNotMmcb,          // a foreign file; left untouched
  kVersion,          // a newer format; left untouched
  kCorrupt,          // damage found; the message says where
  kNoSpace,          // disk full, quota or file-size limit
  kFull,             // the limit set by maxSize
  kTooLarge,         // a key or value beyond the format's limits
  kIo,               // a system call failed; system_error() has errno
  kFailed,           // refused after a failed sync; reopen to go on
  kAborted,          // the caller asked to stop
  kInvalidArgument,  // a precondition of the call does not hold
  kNoMemory,         // memory or address space could not be had
  kExists,           // an entry has this key already
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  explicit Status(Code code) noexcept : code_(code) {}
  Status(Code code, std::string message, int system_error = 0) noexcept;
  // `message` may be null.
  Status(Code code, const char* message, int system_error = 0) noexcept;
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  Status(const Status& other) noexcept;
  Status& operator=(const Status& other) noexcept {
    if (this != &other) *this = Status(other);
    return *this;
  }

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  // The disk, or the file up to its limit, has no place for something.
  bool lacks_space() const { return code_ == Code::kNoSpace || code_ == Code::kFull; }
  // It lacks it for what would have left as much behind: some may be made.
  bool is_worth_space() const { return is_worth_space_; }
  Status&& for_update() && {
    is_worth_space_ = true;
    return std::move(*this);
  }
  // errno of the system call behind kIo, kNoSpace and kLocked; 0 where there was none.
  int system_error() const { return system_error_; }
  // For people; may be empty on hot paths, where the code says everything.
  const std::string& message() const {
    static const std::string empty;
    return message_ ? *message_ : empty;
  }

 private:
  Code code_ = Code::kOk;
  bool is_worth_space_ = false;
  int system_error_ = 0;
  std::unique_ptr<std::string> message_;
};

// The name of a code without its MMCB_ prefix, e.g. "NOT_FOUND".
const char* code_name(Code code);

// A status whose message is put together here, from texts, whole numbers and SystemErrors: where memory for it cannot be
// had, it has none.
struct SystemError {
  int number;
};
void append_part(std::string& message, std::string_view text);
void append_part(std::string& message, uint64_t number);
void append_part(std::string& message, SystemError error);  // what the system says about errno

template <typename... Parts>
Status describe(Code code, int system_error, const Parts&... parts) noexcept {
  try {
    std::string message;
    (append_part(message, parts), ...);
    return Status(code, std::move(message), system_error);
  } catch (const std::bad_alloc&) {
    return Status(code, nullptr, system_error);
  }
}

// Runs what allocates memory: no std::bad_alloc leaves it. Calls of the core that allocate go through this, at the border
// of the core or nearer to the allocation, where a status can still be dealt with.
template <typename Body>
Status guarded(Body&& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Status(Code::kNoMemory, "not enough memory");
  }
}

}  // namespace mmcb

// Returns from the enclosing function when `expression` is not ok.
#define MMCB_TRY(expression)                                                                 \
  do {                                                                                       \
    if (::mmcb::Status mmcb_status_ = (expression); !mmcb_status_.ok()) return mmcb_status_; \
  } while (0)
