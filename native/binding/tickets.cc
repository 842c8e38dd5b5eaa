#include "binding/tickets.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <unordered_set>

#include "binding/args.h"
#include "binding/functions.h"

namespace mmcb::binding {
namespace {

// 32 bits of the process above 20 that count.
constexpr int kCounterBits = 20;

struct Registry {
  std::mutex mutex;
  const uint64_t process = (uint64_t{std::random_device()()} | 1) << kCounterBits;
  uint64_t count = 0;
  std::unordered_set<uint64_t> valid;
};

// Never destroyed: threads may end after the process has begun to.
Registry& registry() {
  static auto* instance = new Registry;
  return *instance;
}

}  // namespace

uint64_t Tickets::draw() {
  Registry& all = registry();
  drawn_.reserve(drawn_.size() + 1);
  const std::lock_guard lock(all.mutex);
  uint64_t ticket = 0;
  do {
    all.count = (all.count + 1) & ((uint64_t{1} << kCounterBits) - 1);
    ticket = all.process | all.count;
  } while (!all.valid.insert(ticket).second);
  drawn_.push_back(ticket);
  return ticket;
}

void Tickets::give_back(uint64_t ticket) {
  const auto found = std::find(drawn_.begin(), drawn_.end(), ticket);
  if (found == drawn_.end()) return;
  drawn_.erase(found);
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.valid.erase(ticket);
}

void Tickets::shut() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  for (const uint64_t ticket : drawn_) all.valid.erase(ticket);
  drawn_.clear();
}

bool Tickets::is_valid(uint64_t ticket) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  return all.valid.contains(ticket);
}

namespace exported {

napi_value drawTicket(napi_env env, napi_callback_info info) {
  Call<0> call(env, info);
  return js_number(env, call.data().tickets.draw());
}

napi_value returnTicket(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  uint64_t ticket = 0;
  if (call.position(0, &ticket)) call.data().tickets.give_back(ticket);
  return nullptr;
}

napi_value claim(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  uint64_t ticket = 0;
  if (!call.position(1, &ticket)) return call.fails(handle, Code::kInvalidArgument);
  std::atomic<uint64_t>& owner = handle->store->owner();
  uint64_t holder = owner.load();
  do {
    if (Tickets::is_valid(holder)) return js_number(env, holder);
  } while (!owner.compare_exchange_weak(holder, ticket));
  return js_number(env, 0);
}

napi_value unclaim(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  uint64_t ticket = 0;
  if (handle != nullptr && call.position(1, &ticket)) handle->store->owner().compare_exchange_strong(ticket, 0);
  return nullptr;
}

napi_value ticketIsValid(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  uint64_t ticket = 0;
  return js_boolean(env, call.position(0, &ticket) && Tickets::is_valid(ticket));
}

}  // namespace exported
}  // namespace mmcb::binding
