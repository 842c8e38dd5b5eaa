// Views: ArrayBuffers over the mapped memory, alive while JavaScript looks at them, and the pins that keep the memory.
//
// Views of the same bytes through the same handle share one ArrayBuffer. A view that has ended is detached: its length is
// 0, and nothing can be read through it.
//
// Thread safety: the environment's thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "binding/api.h"
#include "binding/handles.h"

namespace mmcb::binding {

class Views {
 public:
  explicit Views(napi_env env) : env_(env) {}

  // Hand out copies also where external memory is allowed: what Electron does, for tests elsewhere.
  void set_copying(bool copying) { copying_ = copying; }

  // Opens a view and pins. *buffer is null, with an exception pending, where the runtime has no memory for it.
  Status begin(Handle& handle, Address address, napi_value* buffer);
  // Ends one begin(). Anything that is not a view (any more) is ignored.
  void end(Handle& handle, napi_value buffer);
  // Ends all views of a handle.
  void end_all(Handle& handle);
  // Lets go of all pins, at the end of the environment, when its ArrayBuffers cannot be reached any more.
  void abandon();

 private:
  struct View {
    Handle* handle = nullptr;
    const std::byte* data = nullptr;  // null: a copy
    size_t size = 0;
    uint32_t count = 0;  // begin() without end(); one pin each
    napi_ref buffer = nullptr;
  };

  bool create_external(Bytes data, napi_value* buffer);
  Status create_copy(Handle& handle, Address address, size_t size, napi_value* buffer);
  void detach(View& view);

  napi_env env_;
  bool copying_ = false;
  std::vector<View> views_;  // as they were begun; rarely more than one
};

}  // namespace mmcb::binding
