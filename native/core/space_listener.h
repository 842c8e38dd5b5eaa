#pragma once

namespace mmcb {

// Told by the engine when space is taken; implemented by whoever drives maintenance. Called under the write lock, except
// wait_for_space() and make_space(): must not call the engine back.
class SpaceListener {
 public:
  virtual ~SpaceListener() = default;
  // A segment was taken into use: the next ones may be wanted soon.
  virtual void segment_taken() = 0;
  // The file grew although compaction could have made room (CompactionPolicy::kSpace): writers are to be held up.
  virtual void space_short() = 0;
  // Called by writers, without a lock, while the engine is throttled: returns when there is room or patience is at its end.
  virtual void wait_for_space() = 0;
  // Called by a writer, without a lock, who found no space for an update: returns when it has been tried to make some, or
  // patience is at its end. False where there is no point in trying again.
  virtual bool make_space() = 0;
};

}  // namespace mmcb
