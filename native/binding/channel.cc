#include "binding/channel.h"

#include <utility>

#include "binding/addon_data.h"
#include "binding/operations.h"

namespace mmcb::binding {

std::shared_ptr<Channel> Channel::create(napi_env env, AddonData* owner) {
  auto channel = std::make_shared<Channel>();
  channel->owner_ = owner;
  napi_value name = nullptr;
  napi_create_string_utf8(env, "mmcb", NAPI_AUTO_LENGTH, &name);
  // The threadsafe function may outlive everything of ours by a few turns of the loop: it holds a reference of its own.
  auto* context = new std::shared_ptr<Channel>(channel);
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, context, finalize, context, deliver,
                                      &channel->function_) != napi_ok) {
    delete context;
    return nullptr;
  }
  napi_unref_threadsafe_function(env, channel->function_);
  return channel;
}

void Channel::finalize(napi_env, void* data, void*) {
  auto* context = static_cast<std::shared_ptr<Channel>*>(data);
  {
    std::lock_guard guard((*context)->mutex_);
    (*context)->function_ = nullptr;
  }
  delete context;
}

void Channel::push(Messages one) {
  if (function_ == nullptr) return;
  queue_.splice(queue_.end(), one);
  // The lock is held on purpose: shut() must not release the function between the check and the call.
  if (napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) == napi_closing) function_ = nullptr;
}

void Channel::post_completion(const std::shared_ptr<Operation>& operation) {
  Messages one = std::move(operation->completion);
  one.front().type = Message::Type::kCompletion;
  one.front().operation = operation;
  std::lock_guard guard(mutex_);
  push(std::move(one));
}

void Channel::post_progress(const std::shared_ptr<Operation>& operation, const char* phase, uint64_t done,
                            uint64_t total) {
  std::lock_guard guard(mutex_);
  for (auto waiting = queue_.rbegin(); waiting != queue_.rend(); ++waiting) {
    if (waiting->operation != operation) continue;
    if (waiting->phase != phase) break;  // the last of each phase is worth telling
    waiting->done = done;
    waiting->total = total;
    return;
  }
  (void)guarded([&] {
    Messages one(1);
    one.front().type = Message::Type::kProgress;
    one.front().operation = operation;
    one.front().phase = phase;
    one.front().done = done;
    one.front().total = total;
    push(std::move(one));
    return Status();
  });
}

void Channel::post_event(const std::shared_ptr<EventSource>& source, const StoreEvent& event) {
  Messages one(1);
  one.front().type = Message::Type::kEvent;
  one.front().source = source;
  const bool is_sync = event.type == StoreEvent::Type::kSync;
  if (!is_sync) one.front().event = event;
  std::lock_guard guard(mutex_);
  if (is_sync) {
    source->latest_sync = event;
    if (source->sync_queued) return;
    source->sync_queued = true;
  }
  push(std::move(one));
}

bool Channel::pop(Message* message) {
  std::lock_guard guard(mutex_);
  if (queue_.empty()) return false;
  *message = std::move(queue_.front());
  queue_.pop_front();
  if (message->type == Message::Type::kEvent && message->event.type == StoreEvent::Type::kSync) {
    message->event = message->source->latest_sync;
    message->source->sync_queued = false;
  }
  return true;
}

void Channel::deliver(napi_env env, napi_value, void* context, void*) {
  // Without an environment the context may be gone already.
  if (env == nullptr) return;
  const std::shared_ptr<Channel> channel = *static_cast<std::shared_ptr<Channel>*>(context);
  Message message;
  if (channel->owner_ == nullptr || !channel->pop(&message)) return;
  channel->owner_->deliver(message);
}

void Channel::keep_alive(napi_env env, bool on) {
  std::lock_guard guard(mutex_);
  if (function_ == nullptr) return;
  if (on) {
    napi_ref_threadsafe_function(env, function_);
  } else {
    napi_unref_threadsafe_function(env, function_);
  }
}

void Channel::shut() {
  owner_ = nullptr;
  Messages left;
  std::lock_guard guard(mutex_);
  left.swap(queue_);
  if (function_ != nullptr) napi_release_threadsafe_function(std::exchange(function_, nullptr), napi_tsfn_abort);
}

}  // namespace mmcb::binding
