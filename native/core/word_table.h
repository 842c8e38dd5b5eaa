// WordTable: finds numbers by 64-bit words, of which several may be the same. For one batch: nothing is ever taken out.
//
// Open addressing with linear probing, at most half full, in one piece of memory. insert() may throw std::bad_alloc, and
// then has changed nothing.
//
// Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mmcb {

class WordTable {
 public:
  static constexpr uint32_t kNone = ~0u;

  // Makes room for so many.
  void reserve(size_t number) {
    size_t cells = kFewest;
    while (cells < 2 * number) cells *= 2;
    if (cells > cells_.size()) grow_to(cells);
  }

  void insert(uint64_t word, uint32_t number) {
    if (2 * (used_ + 1) > cells_.size()) grow_to(cells_.empty() ? kFewest : 2 * cells_.size());
    put(cells_, {word, number});
    used_++;
  }

  // The first number under this word that `is_it(number)` takes, or kNone.
  template <typename IsIt>
  uint32_t find(uint64_t word, IsIt&& is_it) const {
    if (cells_.empty()) return kNone;
    for (size_t i = home(cells_, word);; i = (i + 1) & (cells_.size() - 1)) {
      const Cell& cell = cells_[i];
      if (cell.number == kNone) return kNone;
      if (cell.word == word && is_it(cell.number)) return cell.number;
    }
  }

 private:
  struct Cell {
    uint64_t word = 0;
    uint32_t number = kNone;
  };
  static constexpr size_t kFewest = 16;

  // Fibonacci hashing: addresses and integer keys are often close together.
  static size_t home(const std::vector<Cell>& cells, uint64_t word) {
    return static_cast<size_t>((word * 0x9e3779b97f4a7c15ull) >> 32) & (cells.size() - 1);
  }

  static void put(std::vector<Cell>& cells, const Cell& cell) {
    size_t i = home(cells, cell.word);
    while (cells[i].number != kNone) i = (i + 1) & (cells.size() - 1);
    cells[i] = cell;
  }

  void grow_to(size_t number) {
    std::vector<Cell> larger(number);
    for (const Cell& cell : cells_) {
      if (cell.number != kNone) put(larger, cell);
    }
    cells_.swap(larger);
  }

  std::vector<Cell> cells_;
  size_t used_ = 0;
};

}  // namespace mmcb
