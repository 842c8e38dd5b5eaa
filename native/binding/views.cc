#include "binding/views.h"

#include "binding/addon_data.h"
#include "binding/args.h"
#include "binding/functions.h"

namespace mmcb::binding {

Status Views::begin(Handle& handle, Address address, napi_value* buffer) {
  *buffer = nullptr;
  // Before the pin is taken, which would never be given back.
  MMCB_TRY(guarded([&] {
    if (views_.size() == views_.capacity()) views_.reserve(2 * views_.size() + 4);
    return Status();
  }));
  handle.pin->pin();
  Bytes data;
  Status status = handle.engine->view(*handle.pin, address, &data);
  if (!status.ok()) {
    handle.pin->unpin();
    return status;
  }
  for (View& view : views_) {
    if (view.handle != &handle || view.data != data.data() || view.size != data.size() || data.empty()) continue;
    if (napi_get_reference_value(env_, view.buffer, buffer) == napi_ok && *buffer != nullptr) {
      view.count++;
      return Status();
    }
  }
  View view{&handle, nullptr, data.size(), 1, nullptr};
  if (!data.empty() && create_external(data, buffer)) {
    view.data = data.data();
  } else {
    status = create_copy(handle, address, data.size(), buffer);
  }
  if (!status.ok() || *buffer == nullptr || napi_create_reference(env_, *buffer, 1, &view.buffer) != napi_ok) {
    if (*buffer != nullptr) napi_detach_arraybuffer(env_, *buffer);
    *buffer = nullptr;
    handle.pin->unpin();
    return status;
  }
  views_.push_back(view);
  return Status();
}

bool Views::create_external(Bytes data, napi_value* buffer) {
  if (copying_) return false;
  // Electron and other embedders answer napi_no_external_buffers_allowed.
  auto* bytes = const_cast<std::byte*>(data.data());
  return napi_create_external_arraybuffer(
             env_, bytes, data.size(), [](napi_env, void*, void*) {}, nullptr, buffer) == napi_ok;
}

Status Views::create_copy(Handle& handle, Address address, size_t size, napi_value* buffer) {
  // Another thread may change the size between two looks: then once more.
  for (;;) {
    void* memory = nullptr;
    if (napi_create_arraybuffer(env_, size, &memory, buffer) != napi_ok) {
      *buffer = nullptr;
      return Status();
    }
    uint64_t now = 0;
    MMCB_TRY(handle.engine->read(*handle.pin, address, {static_cast<std::byte*>(memory), size}, &now));
    if (now == size) return Status();
    napi_detach_arraybuffer(env_, *buffer);
    size = static_cast<size_t>(now);
  }
}

void Views::end(Handle& handle, napi_value buffer) {
  for (size_t i = views_.size(); i-- > 0;) {
    View& view = views_[i];
    napi_value candidate = nullptr;
    bool is_same = false;
    if (view.handle != &handle || napi_get_reference_value(env_, view.buffer, &candidate) != napi_ok ||
        candidate == nullptr || napi_strict_equals(env_, candidate, buffer, &is_same) != napi_ok || !is_same) {
      continue;
    }
    view.count--;
    if (view.count == 0) {
      detach(view);
      views_.erase(views_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    handle.pin->unpin();
    return;
  }
}

void Views::end_all(Handle& handle) {
  for (View& view : views_) {
    if (view.handle != &handle) continue;
    detach(view);
    for (; view.count > 0; view.count--) handle.pin->unpin();
  }
  std::erase_if(views_, [&](const View& view) { return view.handle == &handle; });
}

void Views::abandon() {
  for (View& view : views_) {
    for (; view.count > 0; view.count--) view.handle->pin->unpin();
  }
  views_.clear();
}

void Views::detach(View& view) {
  napi_value buffer = nullptr;
  if (napi_get_reference_value(env_, view.buffer, &buffer) == napi_ok && buffer != nullptr) {
    napi_detach_arraybuffer(env_, buffer);
  }
  napi_delete_reference(env_, view.buffer);
}

namespace exported {

napi_value beginView(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.throws(Status(Code::kClosed));
  Address address;
  if (const Code code = call.address(1, &address); code != Code::kOk) return call.throws(Status(code));
  napi_value buffer = nullptr;
  Status status = call.data().views.begin(*handle, address, &buffer);
  return status.ok() ? buffer : call.throws(std::move(status));
}

napi_value endView(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  call.data().views.end(*handle, call[1]);
  // What was seen may have been zeros in place of a file that has been cut short.
  return call.answers(handle, handle->engine->check_file(), 0);
}

}  // namespace exported
}  // namespace mmcb::binding
