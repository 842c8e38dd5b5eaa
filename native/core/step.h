// STEP hooks and seeded bugs: what makes the engine testable one store at a time.
//
// MMCB_STEP(id) stands between any two stores into the mapping that could be seen apart, and around each system call that
// changes the file. In the test build (MMCB_STEPS=1) it calls a hook that may stop the world there: take the image of a
// power cut, throw to simulate a kill, let the simulated kernel write pages back. In release builds it is nothing.
//
// MMCB_BUG(name) is false in release builds; in the test build a harness can switch a deliberate protocol bug on, to
// prove that it would be found.
#pragma once

#include <cstdint>

namespace mmcb {

// Every place where the world can stop. Names say what has just happened.
#define MMCB_STEP_LIST(X)  \
  X(kHeadWritten)          \
  X(kSegmentInvalidated)   \
  X(kSegmentFilled)        \
  X(kSegmentPublished)     \
  X(kSegmentEnded)         \
  X(kTrailerVoided)        \
  X(kEntryInvalidated)     \
  X(kEntryHeader)          \
  X(kEntryKey)             \
  X(kEntryDataHalf)        \
  X(kEntryData)            \
  X(kEntryMark)            \
  X(kDigestNext)           \
  X(kEntryPublished)       \
  X(kEntryEnded)           \
  X(kDigestDone)           \
  X(kJournalHalf)          \
  X(kJournalFilled)        \
  X(kJournalSealed)        \
  X(kJournalArmed)         \
  X(kJournalApplyHalf)     \
  X(kJournalApplied)       \
  X(kJournalCleared)       \
  X(kGrown)                \
  X(kMapped)               \
  X(kTruncated)            \
  X(kPunched)              \
  X(kSyncBegun)            \
  X(kSyncDataDone)         \
  X(kSuperblockHalf)       \
  X(kSuperblockStored)     \
  X(kSyncSuperblockDone)   \
  X(kSyncCompleted)        \
  X(kCompactionMoved)      \
  X(kRecoveryPagesKept)    \
  X(kRecoveryReplayed)     \
  X(kRecoveryScrubbed)     \
  X(kRecoveryRevived)      \
  X(kRecoverySynced)       \
  X(kRecoveryStateWritten) \
  X(kRecoveryPublished)    \
  X(kTablesPart)           \
  X(kTablesDirectory)      \
  X(kTablesSaved)          \
  X(kFailureMarked)

enum class Step : uint8_t {
#define MMCB_STEP_NAME(name) name,
  MMCB_STEP_LIST(MMCB_STEP_NAME)
#undef MMCB_STEP_NAME
      kCount
};

// Deliberate protocol bugs for the test build. Each is named after what it does wrong.
#define MMCB_BUG_LIST(X)       \
  X(kUpdateDurableInPlace)     \
  X(kUpdateSyncingInPlace)     \
  X(kReuseSegmentEarly)        \
  X(kSuperblockBeforeData)     \
  X(kSkipChecksum)             \
  X(kNoJournal)                \
  X(kEpochReuseAfterRollback)  \
  X(kCompactionFreesSource)    \
  X(kEndMarkWithoutEpoch)      \
  X(kAckBeforeSecondSync)      \
  X(kScrubNotSynced)           \
  X(kKillRecoveryFreesHeld)    \
  X(kBatchPublishesEarly)      \
  X(kTruncateBeforeSuperblock) \
  X(kSizeBeforeSync)           \
  X(kDigestIgnored)            \
  X(kFailedPagesNotKept)       \
  X(kGenerationFloorLost)      \
  X(kHolePunchedEarly)         \
  X(kIncarnationReused)        \
  X(kZeroMarkAccepted)         \
  X(kSuperblockSameSlot)       \
  X(kJournalNotCleared)        \
  X(kFailureNotMarked)         \
  X(kSalvageRevives)           \
  X(kDigestAnnouncedLate)      \
  X(kRedoListNotPublished)     \
  X(kSnapshotIgnored)          \
  X(kCleanFlagKept)            \
  X(kVoidSegmentsKept)         \
  X(kRevivedMarksKept)         \
  X(kTornLeftoversKept)        \
  X(kPinsIgnored)              \
  X(kOutlivedRunKept)          \
  X(kTrailerKept)              \
  X(kLostStateTrusted)         \
  X(kUnconfirmedNotMarked)     \
  X(kRefusedSuperblockKept)

enum class Bug : uint8_t {
#define MMCB_BUG_NAME(name) name,
  MMCB_BUG_LIST(MMCB_BUG_NAME)
#undef MMCB_BUG_NAME
      kCount
};

#if MMCB_STEPS

extern void (*step_hook)(Step step);
extern uint64_t seeded_bugs;  // bit per Bug

inline void reach(Step step) {
  if (step_hook != nullptr) step_hook(step);
  asm volatile("" ::: "memory");
}

#define MMCB_STEP(name) ::mmcb::reach(::mmcb::Step::name)
#if MMCB_COVERAGE
// Branches of bugs are not branches of the engine.
#define MMCB_BUG(name) false
#else
#define MMCB_BUG(name) ((::mmcb::seeded_bugs >> static_cast<unsigned>(::mmcb::Bug::name) & 1u) != 0)
#endif

#else

// The compiler must keep the order of stores on both sides, so that a kill between them leaves the one and not the other.
#define MMCB_STEP(name) asm volatile("" ::: "memory")
#define MMCB_BUG(name) false

#endif

// A condition that, by all that is known, is never true; what is done should it be stays in the program all the same. No
// test can get there, so it does not count as a branch. Each use says why.
#if MMCB_COVERAGE
#define MMCB_NEVER(condition) false
#else
#define MMCB_NEVER(condition) (condition)
#endif

}  // namespace mmcb
