// Entries by address, and counts.
#include <algorithm>
#include <array>

#include "binding/args.h"
#include "binding/functions.h"

namespace mmcb::binding::exported {

namespace {

// Stands for that of an entry that is to be added.
constexpr double kNoAddress = -1;

}  // namespace

napi_value add(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  Bytes data;
  if (!call.bytes(1, &data)) return call.fails(handle, Code::kInvalidArgument);
  Address address;
  Status status = handle->engine->add(data, &address);
  return call.answers(handle, std::move(status), address.to_integer());
}

napi_value update(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  Address address;
  if (const Code code = call.address(1, &address); code != Code::kOk) return call.fails(handle, code);
  Bytes data;
  if (!call.bytes(2, &data)) return call.fails(handle, Code::kInvalidArgument);
  return call.answers(handle, handle->engine->update(address, data), 0);
}

napi_value remove(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  Address address;
  if (const Code code = call.address(1, &address); code != Code::kOk) return call.fails(handle, code);
  return call.answers(handle, handle->engine->remove(address), 0);
}

napi_value writeMany(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  Bytes data;
  std::span<double> sizes;
  std::span<double> addresses;
  uint64_t count = 0;
  if (!call.bytes(1, &data) || !call.doubles(2, &sizes) || !call.doubles(3, &addresses) || !call.position(4, &count) ||
      count > sizes.size() || count > addresses.size()) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  return call.does_many(handle, count, [&](size_t i) {
    uint64_t size = 0;
    if (!read_unsigned(sizes[i], &size) || size > data.size()) return Status(Code::kInvalidArgument);
    const Bytes written = data.first(static_cast<size_t>(size));
    data = data.subspan(std::min(data.size(), (written.size() + 7) & ~size_t{7}));
    Address address;
    if (addresses[i] == kNoAddress) {
      MMCB_TRY(handle->engine->add(written, &address));
      addresses[i] = static_cast<double>(address.to_integer());
      return Status();
    }
    if (const Code code = read_address(addresses[i], &address); code != Code::kOk) return Status(code);
    return handle->engine->update(address, written);
  });
}

napi_value removeMany(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  std::span<double> addresses;
  uint64_t count = 0;
  if (!call.doubles(1, &addresses) || !call.position(2, &count) || count > addresses.size()) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  return call.does_many(handle, count, [&](size_t i) {
    Address address;
    if (const Code code = read_address(addresses[i], &address); code != Code::kOk) return Status(code);
    return handle->engine->remove(address);
  });
}

napi_value read(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  Address address;
  if (const Code code = call.address(1, &address); code != Code::kOk) return call.fails(handle, code);
  uint64_t position = 0;
  if (!call.position(2, &position)) return call.fails(handle, Code::kInvalidArgument);
  uint64_t size = 0;
  Status status = handle->engine->read(*handle->pin, address, call.data().slab_from(position), &size);
  return call.answers(handle, std::move(status), size);
}

napi_value readInto(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  Address address;
  if (const Code code = call.address(1, &address); code != Code::kOk) return call.fails(handle, code);
  MutableBytes target;
  uint64_t position = 0;
  if (!call.bytes(2, &target) || !call.position(3, &position)) return call.fails(handle, Code::kInvalidArgument);
  uint64_t copied = 0;
  Status status = handle->engine->read_part(*handle->pin, address, position, target, &copied);
  return call.answers(handle, std::move(status), copied);
}

napi_value sizeOf(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  Address address;
  if (const Code code = call.address(1, &address); code != Code::kOk) return call.fails(handle, code);
  uint64_t size = 0;
  Status status = handle->engine->read(*handle->pin, address, {}, &size);
  return call.answers(handle, std::move(status), size);
}

napi_value has(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  Address address;
  return js_boolean(env, handle != nullptr && call.address(1, &address) == Code::kOk &&
                             handle->engine->contains(*handle->pin, address));
}

napi_value readHeader(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  Address address;
  if (const Code code = call.address(1, &address); code != Code::kOk) return call.fails(handle, code);
  std::span<double> target;
  if (!call.doubles(2, &target) || target.size() < 7) return call.fails(handle, Code::kInvalidArgument);
  EntryInfo entry;
  Status status = handle->engine->info(address, &entry);
  if (status.ok()) {
    const EntryHeader& header = entry.header;
    target[0] = header.data_size;
    target[1] = header.capacity;
    target[2] = static_cast<double>(header.kind);
    target[3] = header.key_size;
    target[4] = static_cast<double>(header.epoch);
    target[5] = header.version;
    target[6] = static_cast<double>(entry.offset);
    return js_number(env, 0);
  }
  if (status.code() == Code::kNotFound && handle->engine->was_removed(address)) return js_number(env, 1);
  return call.fails(handle, std::move(status));
}

napi_value prefetch(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  std::span<double> given;
  uint64_t length = 0;
  if (!call.doubles(1, &given) || !call.position(2, &length) || length > given.size())
    return call.fails(handle, Code::kInvalidArgument);
  std::array<Address, 64> group;
  size_t count = 0;
  for (const double number : given.first(length)) {
    if (read_address(number, &group[count]) == Code::kOk) count++;
    if (count < group.size()) continue;
    handle->engine->prefetch(*handle->pin, std::span<const Address>(group));
    count = 0;
  }
  handle->engine->prefetch(*handle->pin, std::span<const Address>(group.data(), count));
  return js_number(env, 0);
}

napi_value count(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  KindFilter kind;
  if (!call.kind(1, &kind)) return call.fails(handle, Code::kInvalidArgument);
  return js_number(env, handle->engine->count(kind));
}

napi_value clear(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  KindFilter kind;
  if (!call.kind(1, &kind)) return call.fails(handle, Code::kInvalidArgument);
  uint64_t removed = 0;
  Status status = handle->engine->clear(kind, &removed);
  return call.answers(handle, std::move(status), removed);
}

}  // namespace mmcb::binding::exported
