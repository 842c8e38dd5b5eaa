// Every function that the addon exports; src/internal/native.ts says what each does. Named as there.
//
// Thread safety: called on the environment's thread only.
#pragma once

#include "binding/api.h"

#define MMCB_EXPORTS(X)                                                                                               \
  /* module.cc */ X(initialize) X(setSlab) X(keyFromBytes) X(lastError) /* open_close.cc */ X(openSync) X(open)       \
      X(close) X(closeSync) /* long_calls.cc */ X(cancel) X(flush) X(compact) X(verify)                               \
          X(backup) /* stats.cc */ X(recovery) X(stats) /* events.cc */ X(setEventListener) /* entries.cc */ X(add)   \
              X(update) X(remove) X(writeMany) X(removeMany) X(read) X(readInto) X(sizeOf) X(has) X(readHeader)       \
                  X(prefetch) X(count) X(clear) /* views.cc */ X(beginView) X(endView) /* readers.cc */ X(openReader) \
                      X(readerRead) X(closeReader) /* keyed.cc */ X(intSet) X(intGet) X(intGetInto) X(intHas)         \
                          X(intDelete) X(intAddress) X(stringSet) X(stringGet) X(stringGetInto) X(stringHas)          \
                              X(stringDelete) X(stringAddress) /* batch.cc */ X(batch) X(keyedBatch) X(intGetMany)    \
                                  X(stringGetMany) X(intSetMany) X(stringSetMany)                                     \
                                      X(intInsertRun) /* iteration.cc */ X(next) /* ordered.cc */                     \
      X(orderKeys) X(openOrderedSnapshot) X(closeOrderedSnapshot) X(range) X(orderedGet) X(orderedGetInto)            \
          X(clearRange) /* tickets.cc */                                                                              \
      X(drawTicket) X(returnTicket) X(ticketIsValid) X(claim) X(unclaim)

namespace mmcb::binding::exported {

#define MMCB_DECLARE(name) napi_value name(napi_env env, napi_callback_info info);
MMCB_EXPORTS(MMCB_DECLARE)
#undef MMCB_DECLARE

}  // namespace mmcb::binding::exported
