// From the core's Status to JavaScript: the one place that does it. The error objects are made by the factory that
// TypeScript gave to initialize().
//
// Thread safety: the environment's thread only.
#pragma once

#include "binding/api.h"
#include "core/status.h"

namespace mmcb::binding {

struct AddonData;

// Precondition: not status.ok(). Never null.
napi_value make_error(AddonData& data, const Status& status);

// Throws it; returns null, for `return throw_status(...)`.
napi_value throw_status(AddonData& data, const Status& status);

// What a hot call returns for a failure.
inline napi_value negated(napi_env env, Code code) { return js_number(env, -static_cast<int32_t>(code)); }

}  // namespace mmcb::binding
