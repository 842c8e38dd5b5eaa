// String keys in order: pages of ranges, snapshots of all keys, and removal of ranges.
#include <algorithm>
#include <cstring>

#include "binding/args.h"
#include "binding/functions.h"
#include "binding/keys.h"

namespace mmcb::binding {
namespace {

// As RangeFlag in native.ts.
constexpr uint64_t kReverse = 1;
constexpr uint64_t kFromInclusive = 2;
constexpr uint64_t kToInclusive = 4;
constexpr uint64_t kValues = 8;

// Numbers per entry of a page, behind the one that stands before them all.
constexpr size_t kFields = 3;

int compare(KeyBytes a, KeyBytes b) {
  const int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

// The bounds of a range, from arguments `from`, `to` and flags. Keys lie in the environment's key buffer until its next use.
struct Range {
  OrderedIndex::Start start;
  bool has_end = false;
  OrderedIndex::End end;
  uint64_t flags = 0;

  bool is_behind_end(KeyBytes key) const {
    if (!has_end) return false;
    const int order = start.is_reverse ? compare(end.key, key) : compare(key, end.key);
    return order > 0 || (order == 0 && !end.is_inclusive);
  }
};

Code read_range(AddonData& data, napi_value from, napi_value to, uint64_t flags, Range* range) {
  napi_valuetype types[2];
  if (napi_typeof(data.env, from, &types[0]) != napi_ok || napi_typeof(data.env, to, &types[1]) != napi_ok) {
    return Code::kInvalidArgument;
  }
  data.keys.clear();
  if (types[0] != napi_undefined) {
    if (const Code code = data.keys.append(data.env, from); code != Code::kOk) return code;
    range->start.has_key = true;
  }
  if (types[1] != napi_undefined) {
    if (const Code code = data.keys.append(data.env, to); code != Code::kOk) return code;
    range->has_end = true;
  }
  // Not before both are there: the second may move the first.
  if (range->start.has_key) range->start.key = data.keys.key(Kind::kStringKey, 0).bytes;
  if (range->has_end) range->end.key = data.keys.key(Kind::kStringKey, data.keys.count() - 1).bytes;
  range->flags = flags;
  range->start.is_reverse = (flags & kReverse) != 0;
  range->start.is_inclusive = (flags & kFromInclusive) != 0;
  range->end.is_inclusive = (flags & kToInclusive) != 0;
  return Code::kOk;
}

// The snapshot that a number names: null for 0, which is now. False where there is none.
bool find_snapshot(Handle& handle, double number, const Engine::OrderedSnapshot** snapshot) {
  *snapshot = number == 0 ? nullptr : handle.ordered_snapshots.find(static_cast<int32_t>(number));
  return number == 0 || *snapshot != nullptr;
}

// Where the entry is that a key has in the snapshot of a number.
Status find_in_snapshot(AddonData& data, Handle& handle, double number, napi_value string, uint64_t* offset) {
  const Engine::OrderedSnapshot* snapshot = handle.ordered_snapshots.find(static_cast<int32_t>(number));
  if (snapshot == nullptr) return Status(Code::kClosed);
  Key key;
  if (const Code code = data.keys.read(data.env, string, &key); code != Code::kOk) return Status(code);
  *offset = handle.engine->find_in(*snapshot, key.bytes);
  return *offset == 0 ? Status(Code::kNotFound) : Status();
}

// Fills one page; see `range` in native.ts.
class RangePage {
 public:
  RangePage(Handle& handle, const Engine::OrderedSnapshot* snapshot, const Range& range, MutableBytes slab,
            std::span<double> out)
      : engine_(*handle.engine), pin_(*handle.pin), snapshot_(snapshot), range_(range), slab_(slab), out_(out) {}

  // A failure stands for the first entry of a page only.
  Status fill(uint64_t limit, size_t* entries) {
    const PinScope pinned(pin_);
    const size_t room = static_cast<size_t>(std::min<uint64_t>(limit, (out_.size() - 1) / kFields));
    OrderedIndex::Start start = range_.start;
    uint64_t offsets[kMostAtATime];
    Status status;
    State state = State::kGoesOn;
    size_t taken = 0;
    for (size_t ahead = kFirstAtATime; taken < room && state == State::kGoesOn; ahead = kMostAtATime) {
      const size_t wanted = std::min(ahead, room - taken);
      const size_t found = engine_.collect(snapshot_, start, {offsets, wanted});
      for (size_t i = 0; i < found; i++) engine_.prefetch_collected(offsets[i]);
      KeyBytes key;
      for (size_t i = 0; i < found && state == State::kGoesOn; i++) {
        double* const row = &out_[1 + kFields * taken];
        status = take(offsets[i], row, &key, &state);
        if (!status.ok()) state = State::kFull;
        taken += state == State::kGoesOn;
      }
      if (state == State::kGoesOn && found < wanted) state = State::kAtEnd;
      // Where the last key is, in the slab, it stays while the page is made.
      start = {true, key, false, start.is_reverse};
    }
    out_[0] = state == State::kAtEnd;
    *entries = taken;
    return taken > 0 ? Status() : std::move(status);
  }

 private:
  enum class State : uint8_t { kGoesOn, kFull, kAtEnd };
  static constexpr size_t kFirstAtATime = 16;
  static constexpr size_t kMostAtATime = 64;

  Status take(uint64_t offset, double* row, KeyBytes* key, State* state) {
    const MutableBytes free = slab_.subspan(used_);
    EntryHeader header;
    MMCB_TRY(engine_.read_collected(offset, free, &header));
    const uint64_t needed = header.key_size + uint64_t{header.data_size};
    if (header.key_size > free.size() || (needed > free.size() && used_ > 0)) {
      // The next page has the whole slab.
      if (used_ == 0) return Status(Code::kTooLarge);
      *state = State::kFull;
      return Status();
    }
    *key = KeyBytes(free).first(header.key_size);
    if (range_.is_behind_end(*key)) {
      *state = State::kAtEnd;
      return Status();
    }
    const bool is_whole = needed <= free.size();
    row[0] = static_cast<double>(header.address().to_integer());
    row[1] = is_ascii(key->data(), key->size()) ? header.key_size : -1.0 - header.key_size;
    row[2] = is_whole ? header.data_size : -1.0 - header.data_size;
    used_ += header.key_size;
    if (is_whole && (range_.flags & kValues) != 0) used_ += header.data_size;
    return Status();
  }

  Engine& engine_;
  ReaderPin& pin_;
  const Engine::OrderedSnapshot* const snapshot_;
  const Range& range_;
  const MutableBytes slab_;
  const std::span<double> out_;
  size_t used_ = 0;  // bytes of the slab
};

}  // namespace

namespace exported {

napi_value orderKeys(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  return call.answers(handle, handle->engine->order_keys(), 0);
}

napi_value openOrderedSnapshot(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (!handle->engine->has_ordered_keys()) return call.fails(handle, Code::kInvalidArgument);
  // Its place comes first: a snapshot that nobody knows of would never be closed.
  auto& [number, snapshot] = handle->ordered_snapshots.add();
  if (Status status = handle->engine->open_ordered_snapshot(&snapshot); !status.ok()) {
    handle->ordered_snapshots.remove(number);
    return call.fails(handle, std::move(status));
  }
  return js_number(env, number);
}

napi_value closeOrderedSnapshot(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  int32_t number = 0;
  if (handle == nullptr || napi_get_value_int32(env, call[1], &number) != napi_ok) return nullptr;
  const Engine::OrderedSnapshot* snapshot = handle->ordered_snapshots.find(number);
  if (snapshot == nullptr) return nullptr;
  handle->engine->close_ordered_snapshot(*snapshot);
  handle->ordered_snapshots.remove(number);
  return nullptr;
}

napi_value range(napi_env env, napi_callback_info info) {
  Call<7> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  double number = 0;
  uint64_t flags = 0;
  uint64_t limit = 0;
  std::span<double> out;
  const Engine::OrderedSnapshot* snapshot = nullptr;
  if (!call.number(1, &number) || !call.position(4, &flags) || !call.position(5, &limit) || !call.doubles(6, &out) ||
      out.size() < 1 + kFields || !handle->engine->has_ordered_keys()) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  if (!find_snapshot(*handle, number, &snapshot)) return call.fails(handle, Code::kClosed);
  Range bounds;
  if (const Code code = read_range(call.data(), call[2], call[3], flags, &bounds); code != Code::kOk) {
    return call.fails(handle, code);
  }
  size_t entries = 0;
  RangePage page(*handle, snapshot, bounds, call.data().slab, out);
  Status status = page.fill(limit, &entries);
  // Where the file was cut short, entries may have been passed over.
  if (Status file = handle->engine->check_file_size(); !file.ok()) status = std::move(file);
  return call.answers(handle, std::move(status), entries);
}

napi_value orderedGet(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  double number = 0;
  uint64_t position = 0;
  if (!call.number(1, &number) || number == 0 || !call.position(3, &position)) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  uint64_t offset = 0;
  uint64_t size = 0;
  Status status = find_in_snapshot(call.data(), *handle, number, call[2], &offset);
  if (status.ok()) status = handle->engine->read_data_of(offset, call.data().slab_from(position), &size);
  return call.answers(handle, std::move(status), size);
}

napi_value orderedGetInto(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  double number = 0;
  MutableBytes target;
  uint64_t position = 0;
  if (!call.number(1, &number) || number == 0 || !call.bytes(3, &target) || !call.position(4, &position)) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  uint64_t offset = 0;
  uint64_t copied = 0;
  Status status = find_in_snapshot(call.data(), *handle, number, call[2], &offset);
  if (status.ok()) status = handle->engine->read_version(offset, position, target, &copied);
  return call.answers(handle, std::move(status), copied);
}

napi_value clearRange(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  uint64_t flags = 0;
  uint64_t limit = 0;
  if (!call.position(3, &flags) || !call.position(4, &limit) || !handle->engine->has_ordered_keys()) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  Range bounds;
  if (const Code code = read_range(call.data(), call[1], call[2], flags, &bounds); code != Code::kOk) {
    return call.fails(handle, code);
  }
  uint64_t removed = 0;
  Status status = handle->engine->clear_range(bounds.start, bounds.has_end ? &bounds.end : nullptr, limit, &removed);
  return call.answers(handle, std::move(status), removed);
}

}  // namespace exported
}  // namespace mmcb::binding
