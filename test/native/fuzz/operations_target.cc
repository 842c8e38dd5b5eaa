#include "fuzz/operations_target.h"

#include "fuzz/input.h"
#include "fuzz/life.h"

namespace mmcb::fuzz {
namespace {

Options options_from(Input& input) {
  static constexpr double kFactors[] = {1.0, 1.3, 2.0, 4.0};
  static constexpr uint64_t kMaxSegments[] = {0, 10, 24, 64};
  const uint8_t choice = input.u8();
  Options options;
  options.segment_size = kMinSegmentSize;
  options.journal_size = kMinJournalSize;
  options.initial_size = (1 + input.u8() % 6) * uint64_t{kMinSegmentSize};
  options.address_space = 8 << 20;
  options.durability = (choice & 1) != 0 ? Durability::kProcess : Durability::kInterval;
  options.extension_factor = kFactors[choice >> 1 & 3];
  options.max_size = kMaxSegments[choice >> 3 & 3] * kMinSegmentSize;
  return options;
}

// Which pages, and which sectors of them, as a few bits say: none, all, the pages of a mask, or anything.
Machine::Survival survival_from(uint8_t how, uint32_t mask) {
  return [how, mask](uint64_t page) -> uint8_t {
    switch (how & 3) {
      case 0: return (mask >> page % 32 & 1) != 0 ? 0xff : 0;
      case 1: return (mask >> page % 32 & 1) != 0 ? static_cast<uint8_t>(how | 1) : 0;  // torn alike
      case 2: return static_cast<uint8_t>(Dice(mask + page).next() >> 40);              // torn anyhow
      default: return (how & 4) != 0 ? 0xff : 0;
    }
  };
}

}  // namespace

void run_operations(const uint8_t* data, size_t size) {
  static Machine machine;
  static Machine aside;
  Input input(data, size);
  const Options options = options_from(input);
  const uint16_t seed = input.u16();
  const uint32_t first_stop = input.u32() % 64;
  machine.reset(seed);
  aside.reset(~uint64_t{seed});
  Life life(machine, aside, options);
  life.stop_in(first_stop);
  life.begin();
  for (size_t n = 0; n < kMaxOperations && !input.empty(); n++) {
    const uint8_t type = input.u8();
    const uint8_t small = input.u8();
    const uint16_t which = input.u16();
    const uint32_t how = input.u32();
    explain("operation %u (%u, %u, %u)%s", type % 34, small, which, how,
            life.stopped() ? ", the world has stopped" : "");
    if (life.stopped()) {
      life.stop_in(small % 8 == 1 ? 1 + which % 64 : 0);
      if ((type & 1) != 0) {
        life.survive_kill();
      } else {
        life.survive_power_cut(static_cast<uint8_t>(which >> 8), survival_from(small, how));
      }
      continue;
    }
    switch (type % 34) {
      default: life.act(type, which, how); break;
      case 17:
      case 18:
      case 19:
      case 20: life.sync_step(); break;
      case 21:
      case 22: life.compaction_step(how); break;
      case 23: life.open_snapshot(); break;
      case 24: life.close_snapshots(); break;
      case 25: life.check(); break;
      case 26: life.close_and_open(); break;
      case 27:
      case 28: life.stop_in(1 + how % 300); break;
      case 29: life.stop(); break;
      case 30:
        life.fail_sync(1 + small % 2, [how](uint64_t page) -> uint8_t { return how >> page % 16 * 2 & 3; });
        break;
      case 31: machine.fill_up(small % 4, (small & 4) != 0, (small & 8) != 0); break;
      case 32: machine.write_back(survival_from(small, how)); break;
      case 33: life.back_up(); break;
    }
  }
  life.stop_in(0);
  if (life.stopped()) life.survive_kill();
  life.check();
  life.close_and_open();
}

}  // namespace mmcb::fuzz
