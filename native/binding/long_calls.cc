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

// An operation of a store that fills a report: `method` does it, `to_js` makes the result.
template <typename Report>
napi_value start_report(napi_env env, napi_callback_info info, Status (Store::*method)(const Progress&, Report*),
                        napi_value (*to_js)(napi_env, const Report&)) {
  Call<3> call(env, info);
  AddonData& data = call.data();
  const Callbacks callbacks{call[2], call[1]};
  Handle* handle = call.handle();
  if (handle == nullptr) return refuse(data, callbacks, Status(Code::kClosed));
  const auto report = std::make_shared<Report>();
  auto work = [store = handle->store, report, method](const Progress& progress) {
    return ((*store).*method)(progress, report.get());
  };
  auto result = [env, report, to_js](napi_value* value) {
    *value = to_js(env, *report);
    return Status();
  };
  return js_number(env, data.operations.start(handle, callbacks, std::move(work), std::move(result)));
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
  Handle* handle = call.handle();
  if (handle != nullptr && handle->read_only) return refuse(call.data(), {call[2], call[1]}, Status(Code::kReadOnly));
  return start_report<CompactionReport>(env, info, &Store::compact, js_compaction);
}

napi_value verify(napi_env env, napi_callback_info info) {
  return start_report<VerifyReport>(env, info, &Store::verify, js_verify);
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
