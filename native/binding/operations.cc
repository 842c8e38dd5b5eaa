#include "binding/operations.h"

#include <new>
#include <system_error>
#include <utility>

#include "binding/addon_data.h"
#include "binding/channel.h"
#include "binding/error_bridge.h"

namespace mmcb::binding {
namespace {

// Ends an operation and tells its environment; only the first to try does. From any thread.
void end_with(const std::shared_ptr<Channel>& channel, const std::shared_ptr<Operation>& operation, Status status) {
  if (operation->ended.exchange(true)) return;
  operation->status = std::move(status);
  channel->post_completion(operation);
}

// False where the system gives no more threads, or no memory for one.
template <typename Body>
bool start_thread(std::thread* thread, Body&& body) {
  try {
    *thread = std::thread(std::forward<Body>(body));
  } catch (const std::system_error&) {
    return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

napi_ref reference_to(napi_env env, napi_value function) {
  napi_valuetype type = napi_undefined;
  napi_ref reference = nullptr;
  if (function == nullptr || napi_typeof(env, function, &type) != napi_ok || type != napi_function) return nullptr;
  napi_create_reference(env, function, 1, &reference);
  return reference;
}

napi_value value_of(napi_env env, napi_ref reference) {
  napi_value value = nullptr;
  if (reference != nullptr) napi_get_reference_value(env, reference, &value);
  return value;
}

}  // namespace

Operations::Pending& Operations::enter(Handle* handle, const Callbacks& callbacks) {
  const int32_t number = next_number_;
  next_number_ = number == 0x7fffffff ? 1 : number + 1;
  auto operation = std::make_shared<Operation>();
  operation->number = number;
  Pending& pending = pending_[number];
  // Nothing fails from here on.
  pending.operation = std::move(operation);
  if (pending_.size() == 1) data_.channel->keep_alive(data_.env, true);
  pending.done = reference_to(data_.env, callbacks.done);
  pending.progress = reference_to(data_.env, callbacks.progress);
  pending.handle = handle;
  if (handle != nullptr) handle->pending++;
  return pending;
}

void Operations::run(Pending& pending, Work work) {
  auto body = [channel = data_.channel, operation = pending.operation, work = std::move(work),
               reports = pending.progress != nullptr]() mutable {
    Status status = guarded([&] {
      const Progress progress = [&](const char* phase, uint64_t done, uint64_t total) {
        if (reports) channel->post_progress(operation, phase, done, total);
        return !operation->cancelled.load(std::memory_order_relaxed);
      };
      return work(progress);
    });
    work = nullptr;  // lets go of the store before anyone hears of the end
    end_with(channel, operation, std::move(status));
  };
  if (!start_thread(&pending.thread, std::move(body))) {
    end_with(data_.channel, pending.operation, Status(Code::kNoMemory, "the system refuses to start another thread"));
  }
}

int32_t Operations::start(Handle* handle, const Callbacks& callbacks, Work work, Result result) {
  Pending& pending = enter(handle, callbacks);
  pending.result = std::move(result);
  run(pending, std::move(work));
  return pending.operation->number;
}

int32_t Operations::refuse(const Callbacks& callbacks, Status status) {
  Pending& pending = enter(nullptr, callbacks);
  end_with(data_.channel, pending.operation, std::move(status));
  return pending.operation->number;
}

int32_t Operations::flush(Handle* handle, const Callbacks& callbacks) {
  Pending& pending = enter(handle, callbacks);
  const int32_t number = pending.operation->number;
  Status asked = guarded([&] {
    handle->store->flush([channel = data_.channel, operation = pending.operation](const Status& status) {
      end_with(channel, operation, status);
    });
    return Status();
  });
  if (!asked.ok()) end_with(data_.channel, pending.operation, std::move(asked));
  return number;
}

int32_t Operations::close(std::unique_ptr<Handle> handle, const Callbacks& callbacks) {
  Pending& pending = enter(nullptr, callbacks);
  const int32_t number = pending.operation->number;
  pending.closing = std::move(handle);
  if (pending.closing->pending == 0) {
    begin_close(pending);
  } else {
    pending.closing->closing = number;
  }
  return number;
}

void Operations::begin_close(Pending& pending) {
  // Closing is work that may block for a last sync point; it is not cancelled.
  const Status begun = guarded([&] {
    auto store = std::make_shared<std::shared_ptr<Store>>();
    Work work = [store](const Progress&) { return close_store(std::move(*store)); };
    *store = std::move(pending.closing->store);
    run(pending, std::move(work));
    return Status();
  });
  // Where there is no memory for a thread of its own: here and now.
  if (!begun.ok()) end_with(data_.channel, pending.operation, close_store(std::move(pending.closing->store)));
}

void Operations::cancel(int32_t number) {
  const auto found = pending_.find(number);
  if (found == pending_.end()) return;
  Pending& pending = found->second;
  pending.operation->cancelled = true;
  // A flush has no thread that would look: it goes on, and nobody waits for it any more.
  if (!pending.thread.joinable() && !pending.closing) {
    end_with(data_.channel, pending.operation, Status(Code::kAborted));
  }
}

void Operations::join(Handle* handle) {
  for (auto& [number, pending] : pending_) {
    if (pending.handle != handle) continue;
    if (pending.thread.joinable()) pending.thread.join();
    pending.handle = nullptr;
  }
  handle->pending = 0;
}

void Operations::on_progress(const Operation& operation, const char* phase, uint64_t done, uint64_t total) {
  const auto found = pending_.find(operation.number);
  if (found == pending_.end()) return;
  napi_value arguments[3] = {nullptr, js_number(data_.env, done), js_number(data_.env, total)};
  napi_create_string_utf8(data_.env, phase, NAPI_AUTO_LENGTH, &arguments[0]);
  data_.call(value_of(data_.env, found->second.progress), arguments, 3);
}

void Operations::on_completion(const Operation& operation) {
  auto found = pending_.find(operation.number);
  if (found == pending_.end()) return;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  if (pending.thread.joinable()) pending.thread.join();

  if (Handle* handle = pending.handle; handle != nullptr && --handle->pending == 0 && handle->closing != 0) {
    begin_close(pending_.at(handle->closing));
  }
  // Before the callback, which may start the next operation.
  if (pending_.empty()) data_.channel->keep_alive(data_.env, false);

  napi_env env = data_.env;
  napi_value arguments[2] = {js_null(env), js_undefined(env)};
  Status status = pending.operation->status;
  if (status.ok() && pending.result) status = guarded([&] { return pending.result(&arguments[1]); });
  if (!status.ok()) arguments[0] = make_error(data_, status);

  const napi_value done = value_of(env, pending.done);
  if (pending.done != nullptr) napi_delete_reference(env, pending.done);
  if (pending.progress != nullptr) napi_delete_reference(env, pending.progress);
  data_.call(done, arguments, 2);
}

void Operations::shut() {
  for (auto& [number, pending] : pending_) pending.operation->cancelled = true;
  for (auto& [number, pending] : pending_) {
    if (pending.thread.joinable()) pending.thread.join();
  }
  // References are left to the runtime, which is taking the environment down.
  for (auto& [number, pending] : pending_) {
    if (pending.closing && pending.closing->store) (void)close_store(std::move(pending.closing->store));
  }
  pending_.clear();
}

}  // namespace mmcb::binding
