#include "core/status.h"

namespace mmcb {

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
  }
  return "UNKNOWN";
}

}  // namespace mmcb
