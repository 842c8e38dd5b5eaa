// Iteration: page after page of live entries, in slot order.
#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "binding/args.h"
#include "binding/functions.h"
#include "binding/keys.h"

namespace mmcb::binding {
namespace {

// Fills one page; see `next` in native.ts.
class Page {
 public:
  Page(Handle& handle, KindFilter kind, bool values, MutableBytes slab, std::span<double> out)
      : engine_(*handle.engine), pin_(*handle.pin), kind_(kind), values_(values), slab_(slab), out_(out) {}

  // From *cursor on; sets it behind the last entry taken. A failure stands for the first entry of a page only, and
  // leaves the cursor behind that entry.
  Status fill(uint64_t* cursor, size_t* entries) {
    const PinScope pinned(pin_);
    const size_t room = (out_.size() - 1) / 3;
    Status status;
    size_t taken = 0;
    while (taken < room) {
      uint64_t behind = *cursor;
      Address address;
      uint64_t offset = 0;
      if (!engine_.next(kind_, &behind, &address, &offset)) break;
      Row row{address, 0, 0};
      bool is_full = false;
      status = take(&row, &is_full);
      if (is_full || (!status.ok() && status.code() != Code::kNotFound && taken > 0)) break;
      *cursor = behind;
      if (status.code() == Code::kNotFound) continue;  // removed since
      if (!status.ok()) break;
      double* to = &out_[1 + 3 * taken++];
      to[0] = static_cast<double>(row.address.to_integer());
      to[1] = row.key;
      to[2] = row.size;
    }
    *entries = taken;
    return taken > 0 || status.code() == Code::kNotFound ? Status() : std::move(status);
  }

 private:
  struct Row {
    Address address;
    double key;
    double size;
  };

  bool has_keys() const { return kind_ == KindFilter::kIntKey || kind_ == KindFilter::kStringKey; }
  MutableBytes free() const { return slab_.subspan(used_); }

  Status take(Row* row, bool* is_full) {
    if (has_keys()) return take_keyed(row, is_full);
    uint64_t size = 0;
    const MutableBytes target = values_ ? free() : MutableBytes();
    MMCB_TRY(engine_.read(pin_, row->address, target, &size));
    row->size = static_cast<double>(size);
    if (!values_) return Status();
    if (size <= target.size()) {
      used_ += static_cast<size_t>(size);
    } else if (size <= slab_.size()) {
      *is_full = true;
    } else {
      row->size = -row->size - 1;
    }
    return Status();
  }

  Status take_keyed(Row* row, bool* is_full) {
    // The slab is touched only when values are wanted. Without them, an integer key is read aside, and of a string key the
    // size is enough, which an empty target gets.
    std::byte aside[kAside];
    MutableBytes target = values_ ? free() : kind_ == KindFilter::kIntKey ? MutableBytes(aside) : MutableBytes();
    EntryHeader header;
    MMCB_TRY(engine_.read_entry(pin_, row->address, target, &header));
    row->key = header.key_size;
    row->size = header.data_size;
    if (!values_ && kind_ == KindFilter::kStringKey) return Status();
    uint64_t needed = header.key_size + static_cast<uint64_t>(header.data_size);
    if (needed <= target.size()) return place(target.data(), header, row);
    // A page that has begun ends here; the next one has the whole slab.
    if (used_ > 0) {
      *is_full = true;
      return Status();
    }
    // Another thread may change the size between two looks: then once more.
    for (;;) {
      const std::unique_ptr<std::byte[]> whole(new (std::nothrow) std::byte[static_cast<size_t>(needed)]);
      if (!whole) return Status(Code::kNoMemory);
      target = MutableBytes(whole.get(), static_cast<size_t>(needed));
      MMCB_TRY(engine_.read_entry(pin_, row->address, target, &header));
      needed = header.key_size + static_cast<uint64_t>(header.data_size);
      if (needed <= target.size()) return place(whole.get(), header, row);
    }
  }

  // Puts an entry into the page, whose key and data lie at `entry`: at the free part of the slab already, or elsewhere
  // when they are too large for that together.
  Status place(const std::byte* entry, const EntryHeader& header, Row* row) {
    const bool is_int = kind_ == KindFilter::kIntKey;
    if (is_int && header.key_size != IntKey::kSize) return Status(Code::kCorrupt);
    row->key = is_int ? static_cast<double>(IntKey::decode(entry)) : header.key_size;
    row->size = header.data_size;
    if (!values_) return Status();
    const size_t key_bytes = is_int ? 0 : header.key_size;  // in the slab
    if (key_bytes > free().size()) return Status(Code::kTooLarge);
    std::memmove(free().data(), entry, key_bytes);
    used_ += key_bytes;
    if (header.data_size <= free().size()) {
      std::memmove(free().data(), entry + header.key_size, header.data_size);
      used_ += header.data_size;
    } else {
      row->size = -row->size - 1;
    }
    return Status();
  }

  static constexpr size_t kAside = 1024;

  Engine& engine_;
  ReaderPin& pin_;
  const KindFilter kind_;
  const bool values_;
  const MutableBytes slab_;
  const std::span<double> out_;
  size_t used_ = 0;  // bytes of the slab
};

}  // namespace

namespace exported {

napi_value next(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  KindFilter kind;
  uint64_t cursor = 0;
  std::span<double> out;
  if (!call.kind(1, &kind) || !call.position(2, &cursor) || !call.doubles(4, &out) || out.size() < 4) {
    return call.fails(handle, Code::kInvalidArgument);
  }
  size_t entries = 0;
  Page page(*handle, kind, call.flag(3), call.data().slab, out);
  Status status = page.fill(&cursor, &entries);
  // Where the file was cut short, entries may have been passed over.
  if (Status file = handle->engine->check_file_size(); !file.ok()) status = std::move(file);
  out[0] = static_cast<double>(cursor);
  return call.answers(handle, std::move(status), entries);
}

}  // namespace exported
}  // namespace mmcb::binding
