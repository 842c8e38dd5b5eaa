// BackupRun: backups of a store that is being written to, into a simulated folder, with power cuts, kills and failing disks at
// their steps. The target is the older backup (or nothing), or the new one, whole; and when backup() has returned, it is the
// new one for good.
#pragma once

#include <cstdint>
#include <string>

#include "harness/runner.h"

namespace mmcb::harness {

// Makes that many backups; says in `result` what came of it.
void run_backup_seed(uint64_t seed, uint64_t backups, const std::string& dump, Result& result);

}  // namespace mmcb::harness
