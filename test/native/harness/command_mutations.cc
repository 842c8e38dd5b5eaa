#include "harness/runner.h"
namespace mmcb::harness { int run_mutations(const Arguments&) { return 2; } int run_backups(const Arguments&) { return 2; } }
