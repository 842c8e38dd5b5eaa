// What a store tells about itself, as objects.
#include "binding/args.h"
#include "binding/functions.h"
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

napi_value js_verify(napi_env env, const VerifyReport& report) {
  const auto error = [env](const VerifyError& found) {
    return ObjectBuilder(env)
        .set("message", found.message)
        .set("offset", found.offset)
        .set("address", found.address == ~uint64_t{0} ? -1.0 : static_cast<double>(found.address))
        .value();
  };
  return ObjectBuilder(env)
      .set("entries", report.entries)
      .set("bytes", report.bytes)
      .set("errors", js_array(env, report.errors, error))
      .set("milliseconds", report.milliseconds)
      .value();
}

namespace exported {

napi_value recovery(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.throws(Status(Code::kClosed));
  const RecoveryReport& report = handle->engine->recovery();
  return ObjectBuilder(env)
      .set("status", static_cast<uint32_t>(report.status))
      .set("entries", report.entries)
      .set("lost", report.lost)
      .set("quarantined", report.quarantined)
      .set("discarded", report.discarded)
      .set("durableEpoch", report.durable_epoch)
      .set("milliseconds", report.milliseconds)
      .set("damage", js_array(env, report.damage, [env](uint64_t offset) { return js_number(env, offset); }))
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
      .set("readers", uint64_t{handle->readers.size()})
      .value();
}

}  // namespace exported
}  // namespace mmcb::binding
