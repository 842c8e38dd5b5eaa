// Many entries in one call.
//
// Elements of arrays are fetched before anything else is looked at: fetching may run JavaScript (a getter), which could
// close the handle, detach a buffer whose address we hold, or call back into the addon and reuse its scratch memory.
#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "binding/functions.h"
#include "binding/key_argument.h"

namespace mmcb::binding {
namespace {

// Elements [from, from + count) of an array, or as many as there are. False for what is no array, or a getter throws.
bool read_elements(napi_env env, napi_value array, size_t from, size_t count, std::vector<napi_value>* elements) {
  uint32_t length = 0;
  if (napi_get_array_length(env, array, &length) != napi_ok) return false;
  elements->clear();
  if (from >= length) return true;
  elements->resize(std::min(count, length - from));
  for (size_t i = 0; i < elements->size(); i++) {
    if (napi_get_element(env, array, static_cast<uint32_t>(from + i), &(*elements)[i]) != napi_ok) return false;
  }
  return true;
}

// Splits `values` by `sizes` into the data of each operation.
bool split_values(Bytes values, std::span<const double> sizes, std::span<BatchOperation> operations) {
  for (size_t i = 0; i < operations.size(); i++) {
    uint64_t size = 0;
    if (!read_unsigned(sizes[i], &size) || size > values.size()) return false;
    operations[i].data = values.first(static_cast<size_t>(size));
    values = values.subspan(static_cast<size_t>(size));
  }
  return true;
}

// Keys whose cache misses are overlapped, and strings that are fetched at a time.
constexpr size_t kGroup = 64;

enum class Fit : uint8_t { kRead, kFull, kFailed };

// Reads one value into what is free of the slab, for intGetMany and stringGetMany. A failure is in handle.last.
Fit read_value(Handle& handle, Key key, MutableBytes* free, double* size) {
  uint64_t bytes = 0;
  Status status = handle.engine->read(*handle.pin, key, *free, &bytes);
  if (status.code() == Code::kNotFound) {
    *size = -1;
    return Fit::kRead;
  }
  if (!status.ok()) {
    handle.last = std::move(status);
    return Fit::kFailed;
  }
  *size = static_cast<double>(bytes);
  if (bytes > free->size()) return Fit::kFull;
  *free = free->subspan(static_cast<size_t>(bytes));
  return Fit::kRead;
}

// A failure is told once nothing was read before it: the caller comes back for the rest.
napi_value answer_many(napi_env env, const Handle& handle, size_t done, Fit fit) {
  if (done == 0 && fit == Fit::kFailed) return negated(env, handle.last.code());
  return js_number(env, static_cast<uint64_t>(done));
}

template <size_t kCount>
napi_value set_many(const Call<kCount>& call, Handle* handle, Kind kind, Bytes values, std::span<const double> sizes) {
  KeyBuffer& keys = call.data().keys;
  std::vector<BatchOperation> operations(keys.count());
  for (size_t i = 0; i < operations.size(); i++) {
    operations[i].type = BatchOperation::Type::kSet;
    operations[i].key = keys.key(kind, i);
  }
  const bool is_valid = sizes.size() >= operations.size() && split_values(values, sizes, operations);
  Status status = is_valid ? handle->engine->batch(operations) : Status(Code::kInvalidArgument);
  keys.clear();
  return call.answers(handle, std::move(status), 0);
}

// The data and address of one operation of batch().
Code read_operation(napi_env env, uint8_t type, double address, napi_value data, BatchOperation* operation) {
  if (type > 2) return Code::kInvalidArgument;
  operation->type = static_cast<BatchOperation::Type>(type);
  if (operation->type != BatchOperation::Type::kAdd) {
    if (const Code code = read_address(address, &operation->address); code != Code::kOk) return code;
  }
  if (operation->type == BatchOperation::Type::kRemove) return Code::kOk;
  MutableBytes bytes;
  if (!read_bytes(env, data, &bytes)) return Code::kInvalidArgument;
  operation->data = bytes;
  return Code::kOk;
}

// The key, data and type of one operation of keyedBatch(). The key is the last of `keys` afterwards; where it lies shows
// only when all have been read.
Code read_keyed_operation(napi_env env, uint8_t type, napi_value key, napi_value data, KeyBuffer* keys, Kind* kind,
                          BatchOperation* operation) {
  using Type = BatchOperation::Type;
  constexpr Type kTypes[] = {Type::kSet, Type::kInsert, Type::kDelete, Type::kRequire, Type::kDiscard};
  if (type >= std::size(kTypes)) return Code::kInvalidArgument;
  operation->type = kTypes[type];
  double number = 0;
  int64_t integer = 0;
  if (napi_get_value_double(env, key, &number) == napi_ok) {
    if (!read_signed(number, &integer)) return Code::kInvalidArgument;
    *kind = Kind::kIntKey;
    keys->append(integer);
  } else {
    *kind = Kind::kStringKey;
    if (const Code code = keys->append(env, key); code != Code::kOk) return code;
  }
  if (operation->type == Type::kDelete || operation->type == Type::kDiscard) return Code::kOk;
  MutableBytes bytes;
  const bool has_data = read_bytes(env, data, &bytes);
  if (!has_data && operation->type != Type::kRequire) return Code::kInvalidArgument;
  operation->data = bytes;
  return Code::kOk;
}

static_assert(static_cast<int>(BatchOperation::Type::kAdd) == 0 &&
              static_cast<int>(BatchOperation::Type::kUpdate) == 1 &&
              static_cast<int>(BatchOperation::Type::kRemove) == 2);

}  // namespace

namespace exported {

napi_value batch(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  std::vector<napi_value> data;
  const bool has_data = read_elements(env, call[3], 0, SIZE_MAX, &data);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  Bytes types;
  std::span<double> addresses;
  if (!has_data || !call.bytes(1, &types) || !call.doubles(2, &addresses)) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  if (addresses.size() < types.size() || data.size() < types.size()) return call.fails(handle, Code::kInvalidArgument);

  std::vector<BatchOperation> operations(types.size());
  for (size_t i = 0; i < operations.size(); i++) {
    const Code code = read_operation(env, static_cast<uint8_t>(types[i]), addresses[i], data[i], &operations[i]);
    if (code != Code::kOk) return call.fails(handle, Status(code, "operation " + std::to_string(i)));
  }
  Status status = handle->engine->batch(operations);
  if (!status.ok()) return call.fails(handle, std::move(status));
  for (size_t i = 0; i < operations.size(); i++) {
    if (operations[i].type == BatchOperation::Type::kAdd) {
      addresses[i] = static_cast<double>(operations[i].address.to_integer());
    }
  }
  return js_number(env, 0);
}

napi_value keyedBatch(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  std::vector<napi_value> strings_and_numbers;
  std::vector<napi_value> data;
  const bool has_keys = read_elements(env, call[2], 0, SIZE_MAX, &strings_and_numbers);
  const bool has_data = read_elements(env, call[3], 0, SIZE_MAX, &data);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  Bytes types;
  if (!has_keys || !has_data || !call.bytes(1, &types) || strings_and_numbers.size() < types.size() ||
      data.size() < types.size()) {
    return call.fails(handle, Code::kInvalidArgument);
  }

  KeyBuffer& keys = call.data().keys;
  keys.clear();
  std::vector<Kind> kinds(types.size());
  std::vector<BatchOperation> operations(types.size());
  for (size_t i = 0; i < operations.size(); i++) {
    const Code code = read_keyed_operation(env, static_cast<uint8_t>(types[i]), strings_and_numbers[i], data[i], &keys,
                                           &kinds[i], &operations[i]);
    if (code != Code::kOk) return call.fails(handle, Status(code, "operation " + std::to_string(i)));
  }
  for (size_t i = 0; i < operations.size(); i++) operations[i].key = keys.key(kinds[i], i);
  Status status = handle->engine->batch(operations);
  keys.clear();
  return call.answers(handle, std::move(status), 0);
}

napi_value intGetMany(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  std::span<double> keys;
  std::span<double> sizes;
  uint64_t from = 0;
  if (!call.doubles(1, &keys) || !call.position(2, &from) || !call.doubles(3, &sizes) || from > keys.size() ||
      sizes.size() < keys.size()) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  const PinScope pinned(*handle->pin);
  MutableBytes free = call.data().slab;
  size_t next = static_cast<size_t>(from);
  Fit fit = Fit::kRead;
  std::array<int64_t, kGroup> integers;
  std::array<Key, kGroup> group;
  while (next < keys.size() && fit == Fit::kRead) {
    const size_t count = std::min(kGroup, keys.size() - next);
    for (size_t i = 0; i < count; i++) {
      if (!read_signed(keys[next + i], &integers[i])) return call.fails(handle, Code::kInvalidArgument);
      group[i] = {Kind::kIntKey, {reinterpret_cast<const std::byte*>(&integers[i]), sizeof integers[i]}};
    }
    handle->engine->prefetch(*handle->pin, {group.data(), count});
    for (size_t i = 0; i < count && fit == Fit::kRead; i++) {
      fit = read_value(*handle, group[i], &free, &sizes[next]);
      if (fit == Fit::kRead) next++;
    }
  }
  return answer_many(env, *handle, next - static_cast<size_t>(from), fit);
}

napi_value stringGetMany(napi_env env, napi_callback_info info) {
  // Strings are fetched in groups: how many will be needed shows only as the slab fills up.
  Call<4> call(env, info);
  AddonData& data = call.data();
  std::vector<napi_value> group;
  uint64_t from = 0;
  const bool has_from = call.position(2, &from);
  size_t done = 0;
  const std::byte* slab = data.slab.data();
  MutableBytes free = data.slab;
  for (;;) {
    const size_t next = static_cast<size_t>(from) + done;
    const bool is_array = read_elements(env, call[1], next, kGroup, &group);
    Handle* handle = call.handle();
    if (handle == nullptr) return call.closed();
    std::span<double> sizes;
    if (!has_from || !is_array || !call.doubles(3, &sizes) || (!group.empty() && sizes.size() < next + group.size()) ||
        data.slab.data() != slab) {
      return call.fails(handle, Code::kInvalidArgument);
    }
    const PinScope pinned(*handle->pin);
    data.keys.clear();
    for (const napi_value string : group) {
      if (const Code code = data.keys.append(env, string); code != Code::kOk) return call.fails(handle, code);
    }
    std::array<Key, kGroup> keys;
    for (size_t i = 0; i < group.size(); i++) keys[i] = data.keys.key(Kind::kStringKey, i);
    handle->engine->prefetch(*handle->pin, {keys.data(), group.size()});
    for (size_t i = 0; i < group.size(); i++) {
      const Fit fit = read_value(*handle, keys[i], &free, &sizes[static_cast<size_t>(from) + done]);
      if (fit != Fit::kRead) return answer_many(env, *handle, done, fit);
      done++;
    }
    if (group.size() < kGroup) return answer_many(env, *handle, done, Fit::kRead);
  }
}

napi_value intSetMany(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  std::span<double> numbers;
  Bytes values;
  std::span<double> sizes;
  if (!call.doubles(1, &numbers) || !call.bytes(2, &values) || !call.doubles(3, &sizes)) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  KeyBuffer& keys = call.data().keys;
  keys.clear();
  for (const double value : numbers) {
    int64_t integer = 0;
    if (!read_signed(value, &integer)) return call.fails(handle, Code::kInvalidArgument);
    keys.append(integer);
  }
  return set_many(call, handle, Kind::kIntKey, values, sizes);
}

napi_value stringSetMany(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  std::vector<napi_value> strings;
  const bool is_array = read_elements(env, call[1], 0, SIZE_MAX, &strings);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  Bytes values;
  std::span<double> sizes;
  if (!is_array || !call.bytes(2, &values) || !call.doubles(3, &sizes)) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  KeyBuffer& keys = call.data().keys;
  keys.clear();
  for (const napi_value string : strings) {
    if (const Code code = keys.append(env, string); code != Code::kOk) return call.fails(handle, code);
  }
  return set_many(call, handle, Kind::kStringKey, values, sizes);
}

napi_value intInsertRun(napi_env env, napi_callback_info info) {
  Call<7> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  Bytes required;
  Bytes values;
  std::span<double> sizes;
  uint64_t first = 0;
  uint64_t count = 0;
  if (!call.bytes(2, &required) || !call.position(3, &first) || !call.bytes(4, &values) || !call.doubles(5, &sizes) ||
      !call.position(6, &count) || count > sizes.size()) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  KeyBuffer& keys = call.data().keys;
  keys.clear();
  if (const Code code = keys.append(env, call[1]); code != Code::kOk) return call.fails(handle, code);
  for (uint64_t i = 0; i < count; i++) keys.append(static_cast<int64_t>(first + i));

  std::vector<BatchOperation> operations(static_cast<size_t>(count) + 1);
  operations[0].type = BatchOperation::Type::kRequire;
  operations[0].key = keys.key(Kind::kStringKey, 0);
  operations[0].data = required;
  const std::span<BatchOperation> inserts = std::span(operations).subspan(1);
  for (size_t i = 0; i < inserts.size(); i++) {
    inserts[i].type = BatchOperation::Type::kInsert;
    inserts[i].key = keys.key(Kind::kIntKey, i + 1);
  }
  Status status =
      split_values(values, sizes, inserts) ? handle->engine->batch(operations) : Status(Code::kInvalidArgument);
  keys.clear();
  return call.answers(handle, std::move(status), 0);
}

}  // namespace exported
}  // namespace mmcb::binding
