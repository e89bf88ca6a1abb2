// How the kept memory grows, and how the pieces of a ring take turns.
#include "staging.h"

#include <algorithm>
#include <bit>

#include "../../../base/growth.h"

namespace mt::MT_TARGET {
namespace {

// Rounds up to a power of two, so that memory which grows a little at a time seldom asks for more.
size_t rounded_up(size_t bytes) { return std::bit_ceil(std::max<size_t>(bytes, 4096)); }

}  // namespace

std::byte* PinnedMemory::get(size_t bytes) {
  if (bytes_ < bytes) {
    device_.free_pinned(data_);
    data_ = nullptr;
    bytes_ = 0;
    const size_t more = rounded_up(bytes);
    data_ = device_.allocate_pinned(more);
    bytes_ = more;
  }
  return static_cast<std::byte*>(data_);
}

UploadRing::UploadRing(Device& device, int pieces, Lane lane) : lane_(lane) {
  for (int i = 0; i < pieces; i++) pieces_.push_back(std::make_unique<Piece>(device));
}

// Copies out of the pieces may be under way if an error ended the job that queued them.
UploadRing::~UploadRing() {
  try {
    wait();
  } catch (...) {
    // The device has failed: nothing is under way.
  }
}

std::byte* UploadRing::next(size_t bytes) {
  // All pieces grow at once, so that the next ones of this size take no memory.
  if (bytes > bytes_) {
    wait();
    const size_t more = rounded_up(bytes);
    for (const auto& piece : pieces_) piece->memory.get(more);
    bytes_ = more;
  }
  at_ = (at_ + 1) % pieces_.size();
  pieces_[at_]->copied.wait();
  return pieces_[at_]->memory.get(bytes);
}

void UploadRing::queued() {
  pieces_[at_]->copied.record(lane_);
  if (lane_ != Lane::kCompute) pieces_[at_]->copied.hold(Lane::kCompute);
}

void UploadRing::wait() {
  for (const auto& piece : pieces_) piece->copied.wait();
}

void* Scratch::bytes(Device& device, size_t bytes) {
  bytes = std::max<size_t>(256, bytes);
  if (!memory_ || memory_->bytes() < bytes) {
    const size_t held = memory_ ? memory_->bytes() : 0;
    memory_.reset();
    memory_ = std::make_unique<DeviceMemory>(device, grown(held, bytes, device.free_bytes()));
  }
  return memory_->data();
}

size_t Scratch::missing(size_t bytes) const {
  const size_t held = memory_ ? memory_->bytes() : 0;
  return held >= bytes ? 0 : bytes + bytes / 4 - held;
}

std::unique_ptr<DeviceMemory> MemoryPool::take(size_t bytes) {
  const auto fits = find(bytes);
  if (fits != free_.end()) {
    std::unique_ptr<DeviceMemory> memory = std::move(free_[fits - free_.begin()]);
    free_.erase(fits);
    return memory;
  }
  if (!free_.empty()) free_.pop_back();  // frees a piece that was too small, as it will be from now on
  return std::make_unique<DeviceMemory>(device_, rounded_up(bytes));
}

size_t MemoryPool::missing(size_t bytes) const { return find(bytes) != free_.end() ? 0 : rounded_up(bytes); }

std::vector<std::unique_ptr<DeviceMemory>>::const_iterator MemoryPool::find(size_t bytes) const {
  return std::find_if(free_.begin(), free_.end(), [&](const auto& m) { return m->bytes() >= bytes; });
}

}  // namespace mt::MT_TARGET
