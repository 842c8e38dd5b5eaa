#include "core/status.h"

#include <system_error>

namespace mmcb {
namespace {

// Null where memory for it cannot be had.
template <typename... Source>
std::unique_ptr<std::string> message_of(Source&&... source) noexcept {
  try {
    return std::make_unique<std::string>(std::forward<Source>(source)...);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

}  // namespace

Status::Status(Code code, std::string message, int system_error) noexcept
    : code_(code), system_error_(system_error), message_(message_of(std::move(message))) {}

Status::Status(Code code, const char* message, int system_error) noexcept
    : code_(code), system_error_(system_error), message_(message == nullptr ? nullptr : message_of(message)) {}

Status::Status(const Status& other) noexcept
    : code_(other.code_),
      is_worth_space_(other.is_worth_space_),
      system_error_(other.system_error_),
      message_(other.message_ ? message_of(*other.message_) : nullptr) {}

void append_part(std::string& message, std::string_view text) { message += text; }

void append_part(std::string& message, uint64_t number) { message += std::to_string(number); }

void append_part(std::string& message, SystemError error) { message += std::generic_category().message(error.number); }

const char* code_name(Code code) {
  // No default: a new code without a name is a compiler warning.
  switch (code) {
    case Code::kOk: return "OK";
    case Code::kNotFound: return "NOT_FOUND";
    case Code::kClosed: return "CLOSED";
    case Code::kLocked: return "LOCKED";
    case Code::kReadOnly: return "READ_ONLY";
    case Code::kNotMmcb: return "NOT_MMCB";
    case Code::kVersion: return "VERSION";
    case Code::kCorrupt: return "CORRUPT";
    case Code::kNoSpace: return "NO_SPACE";
    case Code::kFull: return "FULL";
    case Code::kTooLarge: return "TOO_LARGE";
    case Code::kIo: return "IO";
    case Code::kFailed: return "FAILED";
    case Code::kAborted: return "ABORTED";
    case Code::kInvalidArgument: return "INVALID_ARGUMENT";
    case Code::kNoMemory: return "NO_MEMORY";
    case Code::kExists: return "EXISTS";
  }
  return "UNKNOWN";
}

}  // namespace mmcb
