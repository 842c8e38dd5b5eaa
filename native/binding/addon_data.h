// AddonData: everything the addon keeps for one environment (the main thread, or a worker). There is no global state but
// what two environments share: stores, through the core's registry, and the numbers of tickets.
//
// Teardown: a cleanup hook, added after the threadsafe function so that it runs before the runtime ends that one, calls
// shut(): it waits for running operations, lets go of views, readers, pins, listeners and stores, and calls no JavaScript.
// The memory itself goes with the instance data, later.
//
// Thread safety: the environment's thread only, but for `channel`.
#pragma once

#include <cstddef>
#include <memory>

#include "binding/api.h"
#include "binding/channel.h"
#include "binding/handles.h"
#include "binding/keys.h"
#include "binding/operations.h"
#include "binding/tickets.h"
#include "binding/views.h"
#include "core/engine.h"

namespace mmcb::binding {

struct AddonData {
  // Makes the environment's data and sees to its end; null with an exception pending where that fails.
  static AddonData* create(napi_env env);

  explicit AddonData(napi_env environment) : env(environment), operations(*this), views(environment) {}

  napi_env env;
  napi_ref error_factory = nullptr;

  // The buffer that reads fill. JavaScript keeps it; the reference is to the memory beneath.
  MutableBytes slab;
  napi_ref slab_memory = nullptr;

  HandleTable handles;
  KeyBuffer keys;
  std::shared_ptr<Channel> channel;
  Operations operations;
  Views views;
  Tickets tickets;

  // The slab from `position` on; empty where that is outside.
  MutableBytes slab_from(uint64_t position) const {
    return position <= slab.size() ? slab.subspan(static_cast<size_t>(position)) : MutableBytes();
  }

  // Takes a handle away from JavaScript: detaches its views and ends everything but its store.
  std::unique_ptr<Handle> retire(Handle* handle);

  // Calls a function (null: does nothing). What it throws goes where exceptions of timers go: 'uncaughtException'.
  void call(napi_value function, const napi_value* arguments, size_t count);

  // Delivers what another thread has sent.
  void deliver(const Message& message);

  void shut();

 private:
  bool shut_ = false;
};

// Calls the handle's event listener (events.cc).
void deliver_event(AddonData& data, const EventSource& source, const StoreEvent& event);

}  // namespace mmcb::binding
