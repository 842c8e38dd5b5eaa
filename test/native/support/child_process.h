// Children that may die, or hang, without taking the test program with them.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <ostream>

namespace mmcb::test {

// How a child ended: 0 where its body said so; else the line of the expectation that did not hold, or the signal.
struct Ending {
  int exit_code = -1;
  int signal = 0;
  bool operator==(const Ending&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const Ending& ending) {
  return ending.signal != 0 ? out << "signal " << ending.signal : out << "exit " << ending.exit_code;
}
inline constexpr Ending kWell{0, 0};
inline constexpr Ending kBySigbus{-1, SIGBUS};

// Runs `body` in a child process; one that hangs is ended by SIGALRM. `body` returns 0, or MMCB_EXPECT returns from it.
template <typename Body>
Ending in_child(Body&& body, unsigned seconds = 60) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(seconds);
    const int result = body();
    std::fflush(nullptr);
    ::_exit(result == 0 ? 0 : 1);
  }
  int state = 0;
  if (child < 0 || ::waitpid(child, &state, 0) != child) return {};
  return WIFEXITED(state) ? Ending{WEXITSTATUS(state), 0} : Ending{-1, WTERMSIG(state)};
}

template <typename Body>
void expect_well(Body&& body, unsigned seconds = 60) {
  const Ending ending = in_child(body, seconds);
  CHECK(ending == kWell);
}

}  // namespace mmcb::test

// Inside a function that returns int: doctest's own checks would be counted in the child alone.
#define MMCB_EXPECT(condition)                                                     \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      return __LINE__;                                                             \
    }                                                                              \
  } while (0)
