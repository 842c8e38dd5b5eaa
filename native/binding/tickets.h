// Tickets: numbers that stand for somebody in this process for as long as that is there. A ticket is valid until it is given
// back or the environment that drew it ends, however it ends: so one thread can tell whether another still holds what it
// once took. No other process has the same number, so that one found in a file is not taken for one of ours.
//
// Thread safety: an instance belongs to one environment; is_valid may be called from any.
#pragma once

#include <cstdint>
#include <vector>

namespace mmcb::binding {

class Tickets {
 public:
  // A number above 0 that is a safe integer.
  uint64_t draw();
  // Nothing happens where it is not one of this environment.
  void give_back(uint64_t ticket);
  // No ticket of this environment is valid any more.
  void shut();

  static bool is_valid(uint64_t ticket);

 private:
  std::vector<uint64_t> drawn_;
};

}  // namespace mmcb::binding
