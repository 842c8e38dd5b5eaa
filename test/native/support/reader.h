// A reader of an engine, for as long as a scope lasts, and what is read by it.
#pragma once

#include "core/engine.h"

namespace mmcb::test {

class Reader {
 public:
  explicit Reader(Engine& engine) : engine_(engine), pin_(engine.pins().add_reader()) {}
  ~Reader() { engine_.pins().remove_reader(pin_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  operator ReaderPin&() const { return *pin_; }

 private:
  Engine& engine_;
  ReaderPin* const pin_;
};

// Reads a whole entry, its key and then its data. `buffer`, of bytes or characters, grows to hold it.
template <typename Buffer>
Status read_whole(Engine& engine, ReaderPin& pin, Address address, Buffer* buffer, EntryHeader* header) {
  for (;;) {
    const MutableBytes target(reinterpret_cast<std::byte*>(buffer->data()), buffer->size());
    Status status = engine.read_entry(pin, address, target, header);
    const uint64_t size = uint64_t{header->key_size} + header->data_size;
    if (!status.ok() || size <= buffer->size()) return status;
    buffer->resize(size);
  }
}

}  // namespace mmcb::test
