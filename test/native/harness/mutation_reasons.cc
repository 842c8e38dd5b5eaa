#include "harness/mutation_reasons.h"

namespace mmcb::harness {
namespace {

constexpr const char* kNotThereYet = "the entry is not there before its checksum, which is stored after both";
constexpr const char* kNotArmed = "the journal does not count before it is armed, which comes after both";
constexpr const char* kArmed = "the journal is armed meanwhile: recovery repeats both";
constexpr const char* kRepeated =
    "recovery finds the same again and repeats it; before its sync point nothing depends on the order";
constexpr const char* kNextSaysSo = "until the digest is stored, the next digest says the same";
constexpr const char* kNothingLive =
    "the segment holds nothing live: with or without its end mark the live set is the same";
constexpr const char* kHeaderHolds = "the trailer is not looked at while the header holds, and recovery voids it again";
constexpr const char* kRedoList = "a redo list: nothing leads to it before the journal is armed";
constexpr const char* kNoHeader = "the segment header is void until its checksum fits, which is stored last";

}  // namespace

const std::vector<MutationReason>& reasons_for_syncs() {
  static const std::vector<MutationReason> reasons = {
      {"creating, data", "nothing but zeros is in the file before its first superblocks"},
      {"backup, data",
       "nobody looks at the copy before it is renamed, and the sync of its superblock writes everything else, too"},
  };
  return reasons;
}

const std::vector<MutationReason>& reasons_for_swaps() {
  static const std::vector<MutationReason> reasons = {
      {"engine_write.cc fill#* > engine_write.cc fill#[2-6]", kNotThereYet},
      {"engine_write.cc fill#6 > *", kNotThereYet},
      {"engine_write.cc insert_new#1 > engine_write.cc announce_digest#1", kNotThereYet},
      {"engine_write.cc publish#1 > journal.cc arm_redo_list#1", kNotArmed},
      {"engine_write.cc announce_digest#1 > journal.cc arm*", kNotArmed},
      {"journal.cc arm_* > journal.cc arm*", kNotArmed},
      {"journal.cc arm#[12] > journal.cc arm#*", kNotArmed},
      {"journal.cc arm#3 > journal.cc arm#4",
       "an armed record whose checksum does not fit is not believed, and nothing is applied yet"},
      {"engine_write.cc update_in_place#1 > engine_write.cc update_in_place#2", kArmed},
      {"journal.cc apply#* > journal.cc apply#*", kArmed},
      {"journal.cc clear#1 > engine_write.cc settle_digest#1", "repeating a record that was applied changes nothing"},
      {"engine_write.cc settle_digest#1 > engine_write.cc fill#1", kNextSaysSo},
      {"engine_write.cc settle_digest#1 > segments*.cc *", kNextSaysSo},
      {"engine_write.cc settle_digest#1 > batch.cc commit#1", kNextSaysSo},
      {"segments_space.cc end#1 > *", kNothingLive},
      {"* > segments_space.cc end#1", kNothingLive},
      {"segments_space.cc void_trailer#1 > *", kHeaderHolds},
      {"* > segments_space.cc void_trailer#1", kHeaderHolds},
      {"segments.cc write_header#[1234] > segments.cc write_header#*", kNoHeader},
      {"segments.cc write_header#6 > engine_write.cc fill#1", kNotThereYet},
      {"sync_machine.cc step#1 > sync_machine.cc step#2", "both places hold the magic from the beginning"},
      {"engine_write.cc announce_digest#1 > engine_write.cc fill#1", kRedoList},
      {"engine_write.cc announce_digest#1 > segments.cc write_header#1", kRedoList},
      {"sync_machine.cc fail#1 > engine.cc poison#1",
       "nobody has been told yet that it failed: in between it may count or not"},
      {"engine_write.cc update_in_place#1 > journal.cc clear#1",
       "without data to store the header is all that changes: the update has not happened yet, and its digest is not "
       "stored"},
      {"journal.cc replay#* > *", kArmed},
      {"journal.cc clear#1 > recovery_apply.cc *", "repeating a record that was applied changes nothing"},
      {"recovery.cc keep_pages#1 > *", "stores what stands there"},
      {"recovery_apply.cc apply#1 > *", "the touch word has no meaning"},
      {"recovery_apply.cc apply_to_*#* > *", kRepeated},
      {"* > recovery_apply.cc apply_to_*#*", kRepeated},
      {"recovery_apply.cc void_header#1 > *", kRepeated},
      {"* > recovery_apply.cc void_header#1", kRepeated},
      {"recovery_apply.cc store_header#* > *", kRepeated},
      {"* > recovery_apply.cc store_header#*", kRepeated},
      {"recovery_apply.cc operator()#1 > *", kRepeated},  // voids a torn header
      {"* > recovery_apply.cc operator()#1", kRepeated},
      {"recovery_apply.cc operator()#2 > recovery_apply.cc operator()#3",
       "either of the digest words vouches for what was found"},
      {"recovery_apply.cc operator()#3 > recovery_apply.cc apply#3", kRepeated},
      {"recovery_apply.cc apply#3 > recovery_apply.cc apply#4", kRepeated},
      {"saved_tables.cc write#* > *",
       "the checksums of the tables, in whatever order they were stored, say whether they are whole"},
      {"* > saved_tables.cc write#*", "the clean superblock is on the disk; the tables are a copy"},
      {"engine_write.cc end_entry#1 > journal.cc clear#1", kRepeated},
      {"engine_write.cc end_entry#1 > engine_write.cc end_entry#1", kRepeated},
  };
  return reasons;
}

}  // namespace mmcb::harness
