#include "core/chunked_array.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using mmcb::ChunkedArray;

TEST_CASE("an array in chunks holds what a vector would, and moves nothing while it grows") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  ChunkedArray<int> array;
  std::vector<int> model;
  for (int round = 0; round < 2000; ++round) {
    const size_t size = random() % 3 == 0 ? model.size() : random() % 1000;
    const int* const first = model.empty() || size == 0 ? nullptr : &array[0];
    array.resize(size);
    model.resize(size);
    REQUIRE(array.size() == size);
    if (first != nullptr) REQUIRE(first == &array[0]);
    for (size_t i = 0; i < size; ++i) REQUIRE(array[i] == model[i]);
    for (int changes = 0; size != 0 && changes < 20; ++changes) {
      const size_t at = random() % size;
      array[at] = model[at] = static_cast<int>(random());
    }
    if (round % 100 == 99) {
      array.clear();
      model.clear();
    }
  }
}
