// The two words that a caller shares with a running job: a flag that cancels it, and its progress.
#pragma once
#include <atomic>
#include <cstdint>

#include "error.h"

namespace mt {

// Refers to the words, which must live as long as the job. Both sides use them as atomics.
class Control {
 public:
  // A job with this control is neither cancelled nor watched.
  Control() = default;
  // words[0] cancels the job if it is not zero. words[1] is how many of 1,000,000 parts are done.
  explicit Control(int32_t* words) : words_(reinterpret_cast<std::atomic<int32_t>*>(words)) {}

  void cancel() const {
    if (words_) words_[0].store(1, std::memory_order_relaxed);
  }

  // Throws ABORTED if the job is cancelled. It is cheap enough to be called between ops.
  void poll() const {
    if (words_ && words_[0].load(std::memory_order_relaxed) != 0)
      throw Error(ErrorCode::ABORTED, "the call was aborted");
  }

  void report(uint64_t done, uint64_t total) const {
    if (!words_ || total == 0) return;
    const double share = static_cast<double>(done) / static_cast<double>(total);
    words_[1].store(static_cast<int32_t>(start_ + share * length_), std::memory_order_relaxed);
  }

  // A control for a part of the job, the items first .. last - 1 of `total`. Its reports fill that part of the
  // progress.
  Control part(uint64_t first, uint64_t last, uint64_t total) const {
    Control part = *this;
    part.start_ = 1e6 * static_cast<double>(first) / static_cast<double>(total);
    part.length_ = 1e6 * static_cast<double>(last - first) / static_cast<double>(total);
    return part;
  }

 private:
  static_assert(sizeof(std::atomic<int32_t>) == sizeof(int32_t) && std::atomic<int32_t>::is_always_lock_free);
  std::atomic<int32_t>* words_ = nullptr;
  double start_ = 0, length_ = 1e6;
};

}  // namespace mt
