#include "harness/forked.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <map>

namespace mmcb::harness {

size_t run_forked(size_t count, unsigned jobs, const std::function<void(size_t)>& body,
                  const std::function<bool(size_t i, int status)>& ended) {
  std::map<pid_t, size_t> running;
  size_t next = 0;
  bool more = true;
  while ((next < count && more) || !running.empty()) {
    if (next < count && more && running.size() < jobs) {
      std::fflush(nullptr);
      const pid_t child = fork();
      if (child < 0) std::abort();
      if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);  // no run outlives the one who waits for it
        body(next);
        std::fflush(nullptr);
        _exit(0);
      }
      running[child] = next++;
      continue;
    }
    int status = 0;
    const auto it = running.find(waitpid(-1, &status, 0));
    if (it == running.end()) continue;
    more = ended(it->second, status) && more;
    running.erase(it);
  }
  return next;
}

}  // namespace mmcb::harness
