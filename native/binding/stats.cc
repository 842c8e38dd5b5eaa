// What a store tells about itself, as objects.
#include <cmath>

#include "binding/args.h"
#include "binding/functions.h"
#include "binding/keys.h"
#include "binding/objects.h"

namespace mmcb::binding {

napi_value js_compaction(napi_env env, const CompactionReport& report) {
  return ObjectBuilder(env)
      .set("movedEntries", report.moved_entries)
      .set("movedBytes", report.moved_bytes)
      .set("freedSegments", report.freed_segments)
      .set("sizeBefore", report.size_before)
      .set("sizeAfter", report.size_after)
      .set("milliseconds", report.milliseconds)
      .value();
}

namespace {

double number_or_none(uint64_t value) { return value == ~uint64_t{0} ? -1.0 : static_cast<double>(value); }

// undefined where there is none, or none that JavaScript could have set: then it is damaged, too.
napi_value js_key(napi_env env, KeyBuffer& keys, bool has_key, Kind kind, const std::string& key) {
  if (!has_key) return js_undefined(env);
  const auto* bytes = reinterpret_cast<const std::byte*>(key.data());
  if (kind == Kind::kStringKey) return keys.to_string(env, Bytes(bytes, key.size()));
  if (key.size() != IntKey::kSize) return js_undefined(env);
  const auto number = static_cast<double>(IntKey::decode(bytes));
  return std::abs(number) <= kMaxSafeInteger ? js_number(env, number) : js_undefined(env);
}

// null where it is not set.
napi_value js_marker(napi_env env, const DamageMarker& marker) {
  if (!marker.is_set) return js_null(env);
  return ObjectBuilder(env)
      .set("first", marker.first_ms)
      .set("last", marker.last_ms)
      .set("places", marker.places)
      .set("lost", marker.lost)
      .value();
}

}  // namespace

napi_value js_verify(napi_env env, const VerifyReport& report) {
  KeyBuffer keys;
  const auto error = [&](const VerifyError& found) {
    return ObjectBuilder(env)
        .set("message", found.message)
        .set("offset", found.offset)
        .set("address", number_or_none(found.address))
        .set("key", js_key(env, keys, found.has_key, found.entry_kind, found.key))
        .value();
  };
  return ObjectBuilder(env)
      .set("entries", report.entries)
      .set("bytes", report.bytes)
      .set("errorCount", report.error_count)
      .set("errors", js_array(env, report.errors, error))
      .set("marker", js_marker(env, report.marker))
      .set("milliseconds", report.milliseconds)
      .value();
}

namespace exported {

napi_value recovery(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.throws(Status(Code::kClosed));
  const RecoveryReport& report = handle->engine->recovery();
  KeyBuffer keys;
  const auto damage = [&](const Damage& found) {
    return ObjectBuilder(env)
        .set("kind", static_cast<uint32_t>(found.kind))
        .set("offset", found.offset)
        .set("length", found.length)
        .set("address", number_or_none(found.address))
        .set("entryKind", found.has_entry ? static_cast<int32_t>(found.entry_kind) : -1)
        .set("key", js_key(env, keys, found.has_key, found.entry_kind, found.key))
        .value();
  };
  return ObjectBuilder(env)
      .set("status", static_cast<uint32_t>(report.status))
      .set("entries", report.entries)
      .set("lost", report.lost)
      .set("quarantined", report.quarantined)
      .set("discarded", report.discarded)
      .set("durableEpoch", report.durable_epoch)
      .set("milliseconds", report.milliseconds)
      .set("damage", js_array(env, report.damage, damage))
      .set("marker", js_marker(env, report.marker))
      .value();
}

napi_value stats(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.throws(Status(Code::kClosed));
  const Stats stats = handle->engine->stats();
  return ObjectBuilder(env)
      .set("count", stats.count)
      .set("intCount", stats.int_count)
      .set("stringCount", stats.string_count)
      .set("removedCount", stats.removed_count)
      .set("dataSize", stats.data_size)
      .set("entrySize", stats.entry_size)
      .set("liveBytes", stats.live_bytes)
      .set("slackBytes", stats.slack_bytes)
      .set("garbageBytes", stats.garbage_bytes)
      .set("freeBytes", stats.free_bytes)
      .set("fileSize", stats.file_size)
      .set("segmentSize", stats.segment_size)
      .set("segments", stats.segments)
      .set("adds", stats.adds)
      .set("updates", stats.updates)
      .set("removes", stats.removes)
      .set("updatesInPlace", stats.updates_in_place)
      .set("relocations", stats.relocations)
      .set("compactions", stats.compactions)
      .set("compactedEntries", stats.compacted_entries)
      .set("syncs", stats.syncs)
      .set("failedSyncs", stats.failed_syncs)
      .set("openEpoch", stats.open_epoch)
      .set("durableEpoch", stats.durable_epoch)
      .set("tableMemory", stats.table_memory)
      .set("damaged", js_boolean(env, stats.damaged))
      .set("readers", uint64_t{handle->readers.size()})
      .value();
}

}  // namespace exported
}  // namespace mmcb::binding
