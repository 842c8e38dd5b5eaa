// Opening and closing.
#include <memory>
#include <string>
#include <utility>

#include "binding/args.h"
#include "binding/functions.h"

namespace mmcb::binding {
namespace {

// Reads the properties of NativeOpenOptions. TypeScript has filled in all of them and checked their ranges; what does not
// fit its field all the same is clamped, and what is missing keeps the core's default.
class OptionReader {
 public:
  OptionReader(napi_env env, napi_value object) : env_(env), object_(object) {}

  template <typename Integer>
  void integer(const char* name, Integer* field) const {
    double value = 0;
    if (!number(name, &value)) return;
    constexpr double kLimit = sizeof(Integer) < 8 ? 4294967295.0 : kMaxSafeInteger;
    *field = value >= kLimit ? static_cast<Integer>(kLimit) : value > 0 ? static_cast<Integer>(value) : Integer{0};
  }
  void real(const char* name, double* field) const {
    double value = 0;
    if (number(name, &value)) *field = value;
  }
  // A member of an enum by its number; false where there is none with that number.
  template <typename Enum>
  [[nodiscard]] bool choice(const char* name, Enum last, Enum* field) const {
    double value = 0;
    if (!number(name, &value)) return true;
    if (!(value >= 0 && value <= static_cast<double>(last))) return false;
    *field = static_cast<Enum>(static_cast<uint8_t>(value));
    return true;
  }
  void flag(const char* name, bool* field) const {
    napi_value value = nullptr;
    bool read = false;
    if (napi_get_named_property(env_, object_, name, &value) == napi_ok &&
        napi_get_value_bool(env_, value, &read) == napi_ok) {
      *field = read;
    }
  }

 private:
  bool number(const char* name, double* result) const {
    napi_value value = nullptr;
    return napi_get_named_property(env_, object_, name, &value) == napi_ok &&
           napi_get_value_double(env_, value, result) == napi_ok;
  }

  napi_env env_;
  napi_value object_;
};

Status read_options(napi_env env, napi_value object, Options* options) {
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, object, &type) != napi_ok || type != napi_object) {
    return Status(Code::kInvalidArgument, "the options must be an object");
  }
  const OptionReader reader(env, object);
  reader.integer("initialSize", &options->initial_size);
  uint32_t segment_size = 0;
  reader.integer("segmentSize", &segment_size);
  if (segment_size != 0) options->segment_size = segment_size;
  bool saved_tables = true;
  reader.flag("savedTables", &saved_tables);
  if (!saved_tables) options->saved_tables_from = Options::kNoSavedTables;
  reader.real("extensionFactor", &options->extension_factor);
  reader.real("deletionThreshold", &options->deletion_threshold);
  reader.real("requiredFreeSpace", &options->required_free_space);
  reader.integer("compactionInterval", &options->compaction_interval_ms);
  reader.integer("syncInterval", &options->sync_interval_ms);
  reader.integer("maxSize", &options->max_size);
  reader.flag("readOnly", &options->read_only);
  if (!reader.choice("compactionPolicy", CompactionPolicy::kTime, &options->compaction) ||
      !reader.choice("durability", Durability::kInterval, &options->durability) ||
      !reader.choice("recovery", RecoveryMode::kSalvage, &options->recovery)) {
    return Status(Code::kInvalidArgument, "an option is out of range");
  }
  return Status();
}

// Path and options, arguments 0 and 1 of open() and openSync().
template <size_t kCount>
Status read_request(const Call<kCount>& call, std::string* path, Options* options) {
  if (!call.string(0, path) || path->empty() || path->find('\0') != std::string::npos) {
    return Status(Code::kInvalidArgument, "the path must be a string without null bytes");
  }
  return read_options(call.env(), call[1], options);
}

}  // namespace

namespace exported {

napi_value openSync(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  std::string path;
  Options options;
  Status status = read_request(call, &path, &options);
  std::shared_ptr<Store> store;
  if (status.ok()) status = Store::open(path, options, Progress(), &store);
  Handle* handle = nullptr;
  if (status.ok()) status = call.data().handles.add(std::move(store), options.read_only, &handle);
  return status.ok() ? js_number(env, handle->number) : call.throws(std::move(status));
}

napi_value open(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  AddonData& data = call.data();
  const Callbacks callbacks{call[3], call[2]};
  std::string path;
  Options options;
  if (Status status = read_request(call, &path, &options); !status.ok()) {
    return js_number(env, data.operations.refuse(callbacks, std::move(status)));
  }
  const auto store = std::make_shared<std::shared_ptr<Store>>();
  const bool read_only = options.read_only;
  auto work = [store, path = std::move(path), options](const Progress& progress) {
    return Store::open(path, options, progress, store.get());
  };
  auto result = [store, read_only, &data](napi_value* value) {
    Handle* handle = nullptr;
    MMCB_TRY(data.handles.add(std::move(*store), read_only, &handle));
    *value = js_number(data.env, handle->number);
    return Status();
  };
  return js_number(env, data.operations.start(nullptr, callbacks, std::move(work), std::move(result)));
}

napi_value close(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  AddonData& data = call.data();
  const Callbacks callbacks{call[1], nullptr};
  Handle* handle = call.handle();
  if (handle == nullptr) return js_number(env, data.operations.refuse(callbacks, Status(Code::kClosed)));
  return js_number(env, data.operations.close(data.retire(handle), callbacks));
}

napi_value closeSync(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  AddonData& data = call.data();
  Handle* handle = call.handle();
  if (handle == nullptr) return call.throws(Status(Code::kClosed));
  const std::unique_ptr<Handle> retired = data.retire(handle);
  data.operations.join(retired.get());
  Status status = close_store(std::move(retired->store));
  return status.ok() ? nullptr : call.throws(std::move(status));
}

}  // namespace exported
}  // namespace mmcb::binding
