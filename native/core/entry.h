// Entries as callers of the engine name them and are told of them.
#pragma once

#include <cstdint>

#include "core/address.h"
#include "core/bytes.h"
#include "core/format.h"

namespace mmcb {

// A key as the engine sees it: its kind and its bytes (8 bytes for kIntKey, none for kPlain).
struct Key {
  Kind kind = Kind::kPlain;
  Bytes bytes;
};

struct EntryInfo {
  EntryHeader header;
  uint64_t offset = 0;
};

struct BatchOperation {
  // kInsert is a kSet that fails with kExists where there is an entry: who shares a store decides by it who was first.
  // kRequire changes nothing, and fails with kNotFound where there is none, or, given data, where it has other data: what was
  // decided may rely on it. kDiscard is a kDelete that does nothing where there is none.
  enum class Type : uint8_t { kAdd, kUpdate, kRemove, kSet, kDelete, kInsert, kRequire, kDiscard };
  Type type = Type::kAdd;
  Address address;  // of kUpdate and kRemove; receives that of kAdd, kSet and kInsert
  Key key;          // of all the others
  Bytes data;       // of kAdd, kUpdate, kSet and kInsert; of kRequire if not empty
};

// Which entries an iteration wants.
enum class KindFilter : uint8_t { kPlain = 0, kIntKey = 1, kStringKey = 2, kAll = 255 };

}  // namespace mmcb
