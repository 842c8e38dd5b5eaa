// Readers: entry versions that stay readable until they are closed, whatever happens to the entry.
#include "binding/args.h"
#include "binding/functions.h"

namespace mmcb::binding {
namespace {

// Opens a snapshot and finds the version of the entry that it keeps.
Status open_reader(Engine& engine, Address address, Reader* reader) {
  for (;;) {
    MMCB_TRY(engine.open_snapshot(&reader->snapshot));
    EntryInfo entry;
    Status status = engine.info(address, &entry);
    reader->offset = entry.offset;
    // Another thread, or compaction, may have written a newer version in between, which this snapshot does not keep.
    if (status.ok() && entry.header.epoch <= reader->snapshot.epoch) {
      // Once, so that reading part by part need not.
      status = engine.check_version(entry.offset);
      if (status.ok()) return status;
    }
    engine.close_snapshot(reader->snapshot);
    reader->snapshot = {};
    if (!status.ok()) return status;
  }
}

}  // namespace

namespace exported {

napi_value openReader(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  Address address;
  if (const Code code = call.address(1, &address); code != Code::kOk) return call.fails(handle, code);
  // Its place comes first: a snapshot that nobody knows of would never be closed.
  auto& [number, reader] = handle->readers.add();
  if (Status status = open_reader(*handle->engine, address, &reader); !status.ok()) {
    handle->readers.remove(number);
    return call.fails(handle, std::move(status));
  }
  return js_number(env, number);
}

napi_value readerRead(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  double number = 0;
  MutableBytes target;
  uint64_t position = 0;
  if (!call.number(1, &number) || !call.bytes(2, &target) || !call.position(3, &position)) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  const Reader* reader = handle->readers.find(static_cast<int32_t>(number));
  if (reader == nullptr) return call.fails(handle, Code::kClosed);
  uint64_t copied = 0;
  Status status = handle->engine->read_version(reader->offset, position, target, &copied);
  return call.answers(handle, std::move(status), copied);
}

napi_value closeReader(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  int32_t number = 0;
  if (handle == nullptr || napi_get_value_int32(env, call[1], &number) != napi_ok) return nullptr;
  const Reader* reader = handle->readers.find(number);
  if (reader == nullptr) return nullptr;
  handle->engine->close_snapshot(reader->snapshot);
  handle->readers.remove(number);
  return nullptr;
}

}  // namespace exported
}  // namespace mmcb::binding
