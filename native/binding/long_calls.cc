// Calls that take long: they answer with the number of an operation and call back later.
#include <memory>
#include <string>
#include <utility>

#include "binding/args.h"
#include "binding/functions.h"
#include "binding/objects.h"

namespace mmcb::binding {
namespace {

napi_value refuse(AddonData& data, const Callbacks& callbacks, Status status) {
  return js_number(data.env, data.operations.refuse(callbacks, std::move(status)));
}

// An operation of a store that fills a report: `work` does it, `to_js` makes the result.
template <typename Report, typename Work>
napi_value start_report(AddonData& data, Handle* handle, const Callbacks& callbacks, Work work,
                        napi_value (*to_js)(napi_env, const Report&)) {
  if (handle == nullptr) return refuse(data, callbacks, Status(Code::kClosed));
  const auto report = std::make_shared<Report>();
  auto body = [store = handle->store, report, work = std::move(work)](const Progress& progress) {
    return work(*store, progress, report.get());
  };
  auto result = [env = data.env, report, to_js](napi_value* value) {
    *value = to_js(env, *report);
    return Status();
  };
  return js_number(data.env, data.operations.start(handle, callbacks, std::move(body), std::move(result)));
}

}  // namespace

namespace exported {

napi_value cancel(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  double number = 0;
  if (call.number(0, &number)) call.data().operations.cancel(static_cast<int32_t>(number));
  return nullptr;
}

napi_value flush(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  AddonData& data = call.data();
  const Callbacks callbacks{call[1], nullptr};
  Handle* handle = call.handle();
  if (handle == nullptr) return refuse(data, callbacks, Status(Code::kClosed));
  return js_number(env, data.operations.flush(handle, callbacks));
}

napi_value compact(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  const Callbacks callbacks{call[2], call[1]};
  Handle* handle = call.handle();
  if (handle != nullptr && handle->read_only) return refuse(call.data(), callbacks, Status(Code::kReadOnly));
  const auto work = [](Store& store, const Progress& progress, CompactionReport* report) {
    return store.compact(progress, report);
  };
  return start_report<CompactionReport>(call.data(), handle, callbacks, work, js_compaction);
}

napi_value verify(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  VerifyOptions options;
  options.acknowledge = call.flag(1);
  const auto work = [options](Store& store, const Progress& progress, VerifyReport* report) {
    return store.verify(options, progress, report);
  };
  return start_report<VerifyReport>(call.data(), call.handle(), {call[3], call[2]}, work, js_verify);
}

napi_value backup(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  AddonData& data = call.data();
  const Callbacks callbacks{call[4], call[3]};
  Handle* handle = call.handle();
  if (handle == nullptr) return refuse(data, callbacks, Status(Code::kClosed));
  std::string target;
  if (!call.string(1, &target) || target.empty() || target.find('\0') != std::string::npos) {
    return refuse(data, callbacks, Status(Code::kInvalidArgument, "the path must be a string without null bytes"));
  }
  auto work = [store = handle->store, target = std::move(target), overwrite = call.flag(2)](const Progress& progress) {
    return store->backup(target, overwrite, progress);
  };
  return js_number(env, data.operations.start(handle, callbacks, std::move(work), nullptr));
}

}  // namespace exported
}  // namespace mmcb::binding
