// mmcb_power_cut: proves the promises about crashes, power cuts and damage against a simulated disk.
//
//   mmcb_power_cut random --seeds A..B --images N       N images in all, over all seeds
//   mmcb_power_cut exhaustive --seeds A..B --images N   every subset of unwritten pages at every step of small workloads,
//                                                       one seed after the other until there are N images
//   mmcb_power_cut backup --seeds A..B                  power cuts at every step of a backup, under writes
//   mmcb_power_cut bugs --seeds A..B [--max-images M] [--only name,name ...]
//                                                       switches on one deliberate bug after the other; each must be found
//                                                       from every seed, within the number of images set for it (or M)
//   mmcb_power_cut mutations [--seeds A..B] [--max-images M] [--only kind]
//                                                       removes each sync, swaps each pair of adjacent stores; each must be
//                                                       found, or be in the table of reasons (mutation_reasons.cc)
//   mmcb_power_cut --replay SEED [--images N] [--bug name]
//                                                       one seed again, in this process, for a debugger
// Further: --jobs N (as many as processors), --dump FILE (the image of a failure).
//
// Exit code: 0 all is well; 1 a failure, a step never hit, a bug not found; 2 wrong use.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "harness/runner.h"

namespace mmcb::harness {
namespace {

[[noreturn]] void usage(const char* problem) {
  std::fprintf(stderr,
               "mmcb_power_cut: %s\nuse: random|exhaustive|backup|bugs|mutations|--replay SEED, see power_cut.cc\n",
               problem);
  std::exit(2);
}

Arguments parse(int count, char** values) {
  Arguments arguments;
  arguments.jobs = std::max(1u, std::thread::hardware_concurrency());
  int i = 1;
  if (count > 1 && values[1][0] != '-') arguments.mode = values[i++];
  for (; i < count; i++) {
    const std::string flag = values[i];
    if (i + 1 >= count) usage((flag + " needs a value").c_str());
    const char* const value = values[++i];
    const auto number = [&] { return std::strtoull(value, nullptr, 10); };
    if (flag == "--seeds") {
      const char* const dots = std::strstr(value, "..");
      arguments.first_seed = dots != nullptr ? number() : 1;
      arguments.last_seed = dots != nullptr ? std::strtoull(dots + 2, nullptr, 10) : number();
    } else if (flag == "--images") {
      arguments.images = number();
    } else if (flag == "--max-images") {
      arguments.max_images = number();
    } else if (flag == "--jobs") {
      arguments.jobs = static_cast<unsigned>(std::max(1ull, number()));
    } else if (flag == "--only") {
      arguments.only = value;
    } else if (flag == "--bug") {
      arguments.bug = value;
    } else if (flag == "--dump") {
      arguments.dump = value;
    } else if (flag == "--replay") {
      arguments.mode = "replay";
      arguments.first_seed = arguments.last_seed = number();
    } else {
      usage(("unknown option " + flag).c_str());
    }
  }
  if (arguments.last_seed < arguments.first_seed) usage("--seeds A..B with A <= B");
  return arguments;
}

}  // namespace
}  // namespace mmcb::harness

int main(int count, char** values) {
  using namespace mmcb::harness;
  const Arguments arguments = parse(count, values);
  const HookScope hooks;
  if (arguments.mode == "random") return run_random(arguments);
  if (arguments.mode == "exhaustive") return run_exhaustively(arguments);
  if (arguments.mode == "backup") return run_backups(arguments);
  if (arguments.mode == "bugs") return run_bugs(arguments);
  if (arguments.mode == "mutations") return run_mutations(arguments);
  if (arguments.mode == "replay") return replay(arguments);
  usage("which mode?");
}
