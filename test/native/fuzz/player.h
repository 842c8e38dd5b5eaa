// Player: makes calls to an engine and to a Model alike, and holds every outcome against the model. Of a call that was cut
// short (the world stopped inside it) it knows what the file may hold: the state before, or after, nothing between.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/engine.h"
#include "fuzz/model.h"

namespace mmcb::fuzz {

class Player {
 public:
  explicit Player(Model model) : model_(std::move(model)) {}

  const Model& model() const { return model_; }
  // True for an entry with this key and data that some call has tried to write, whatever its address.
  bool was_written(const Record& record) const { return written_.count(hash_of(record)) != 0; }
  // What the file holds after the world has gone back to another state.
  void reset(Model model) {
    model_ = std::move(model);
    in_flight_.clear();
  }

  // Makes one call: of which type, on which entry or key, with how much data, as three numbers say.
  void act(Engine& engine, uint8_t type, uint16_t which, uint32_t how);
  static constexpr uint8_t kTypes = 9;

  // After a call was cut short: true when `found` is the model without it or with it, whole. The model is `found` then.
  bool settle(const Model& found);

 private:
  struct Change {
    std::optional<uint64_t> address;  // none: of an add or a set that has not returned
    Record record;
    bool removed = false;
  };

  void add(Engine& engine, uint32_t how);
  void update(Engine& engine, uint16_t which, uint32_t how);
  void remove(Engine& engine, uint16_t which);
  void set(Engine& engine, const Record& name, uint32_t how);
  void erase(Engine& engine, const Record& name);
  void batch(Engine& engine, uint16_t which, uint32_t how);
  void clear(Engine& engine, KindFilter kind);
  void begin(std::vector<Change> changes);
  static size_t hash_of(const Record& record);
  bool done(const Status& status, const char* call);
  void apply();

  std::string data(uint32_t how);
  static Record key(uint16_t which);
  Model::const_iterator entry(uint16_t which) const;
  Model::const_iterator find(const Record& name) const;

  Model model_;
  std::vector<Change> in_flight_;
  std::set<size_t> written_;
  uint64_t next_ = 1000;
};

}  // namespace mmcb::fuzz
