// Gradients and moments lie in one piece of memory, entry by entry. A vector of the model is its own original.
#include "parameters.h"

#include <cmath>

#include "../base/sizes.h"

namespace mt {
namespace {

constexpr size_t kAlignment = 256;

View make_view(const Slot& slot) {
  if (slot.vector) return {nullptr, 1, slot.rows(), DType::kFloat32};
  return {nullptr, slot.rows(), slot.cols(), DType::kFloat32};
}

size_t view_bytes(const Slot& slot) {
  const size_t bytes = product_of({size_t(slot.rows()), size_t(slot.cols()), sizeof(float)});
  return sum_of(bytes, kAlignment - 1) / kAlignment * kAlignment;
}

// The original of a vector needs no memory.
int views_of(const Slot& slot) { return slot.matrix ? 4 : 3; }

const void* place_of(const Slot& slot) {
  return slot.matrix ? static_cast<const void*>(slot.matrix) : static_cast<const void*>(slot.vector);
}

}  // namespace

View& TrainedParameters::Entry::part(ParameterPart part) {
  switch (part) {
    case ParameterPart::kWeight:
      return weight;
    case ParameterPart::kGradient:
      return gradient;
    case ParameterPart::kMean:
      return mean;
    case ParameterPart::kSquare:
      return square;
  }
  throw Error(ErrorCode::INTERNAL, "a part of a parameter that does not exist");
}

size_t TrainedParameters::bytes(const LlamaConfig& config) {
  Weights unused;
  size_t bytes = 0;
  for (const Slot& slot : make_slots(config, unused))
    bytes = sum_of(bytes, product_of({view_bytes(slot), size_t(views_of(slot))}));
  return bytes;
}

TrainedParameters::TrainedParameters(Llama& model) : model_(model), ops_(*model.backend().backward()) {
  memory_ = model.backend().allocate(bytes(model.config()));
  auto* at = static_cast<std::byte*>(memory_->data());
  for (Slot& slot : make_slots(model.config(), model.weights())) {
    Entry entry = {.slot = std::move(slot), .weight = {}, .gradient = {}, .mean = {}, .square = {}};
    const View view = make_view(entry.slot);
    const auto take = [&] {
      View taken = view;
      taken.data = at;
      at += view_bytes(entry.slot);
      return taken;
    };
    if (entry.slot.matrix) {
      entry.weight = take();
      ops_.read_rows(**entry.slot.matrix, 0, entry.weight);
    } else {
      entry.weight = *entry.slot.vector;
    }
    for (View* part : {&entry.gradient, &entry.mean, &entry.square}) {
      *part = take();
      ops_.fill_zero(*part);
    }
    by_place_[place_of(entry.slot)] = entries_.size();
    size_t first = 0;
    for (const Parameter& parameter : entry.slot.parameters) {
      const size_t size = size_t(parameter.rows.size) * size_t(entry.slot.cols());
      by_name_[parameter.name] = {entries_.size(), first, size};
      first += size;
    }
    entries_.push_back(std::move(entry));
  }
}

View TrainedParameters::gradient(const void* place) const {
  const auto found = by_place_.find(place);
  return found == by_place_.end() ? View() : entries_[found->second].gradient;
}

double TrainedParameters::gradient_norm() {
  double squares = 0;
  for (const Entry& entry : entries_) squares += ops_.sum_squares(entry.gradient);
  return std::sqrt(squares);
}

void TrainedParameters::update(const AdamW& options, bool decay_vectors) {
  AdamW without_decay = options;
  without_decay.weight_decay = 0;
  for (const Entry& entry : entries_) {
    const bool decays = entry.slot.matrix || decay_vectors;
    ops_.adamw(entry.weight, entry.gradient, entry.mean, entry.square, decays ? options : without_decay);
    if (entry.slot.matrix) ops_.repack(**entry.slot.matrix, entry.weight);
  }
}

void TrainedParameters::zero_gradients() {
  for (const Entry& entry : entries_) ops_.fill_zero(entry.gradient);
}

const TrainedParameters::Place& TrainedParameters::place(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) throw Error(ErrorCode::INVALID_ARGUMENT, "\"" + name + "\" is no tensor of this model");
  return found->second;
}

size_t TrainedParameters::size(const std::string& name) const { return place(name).size; }

void TrainedParameters::check_size(const std::string& name, size_t count) const {
  if (count == size(name)) return;
  throw Error(ErrorCode::INVALID_ARGUMENT,
              std::to_string(count) + " numbers for \"" + name + "\", which has " + std::to_string(size(name)));
}

float* TrainedParameters::numbers(const std::string& name, ParameterPart part, size_t count) {
  check_size(name, count);
  const Place& at = place(name);
  return static_cast<float*>(entries_[at.entry].part(part).data) + at.first;
}

void TrainedParameters::read(const std::string& name, ParameterPart part, std::span<float> values) {
  model_.backend().download(values.data(), numbers(name, part, values.size()), values.size_bytes());
}

void TrainedParameters::write(const std::string& name, ParameterPart part, std::span<const float> values) {
  model_.backend().upload(numbers(name, part, values.size()), values.data(), values.size_bytes());
  const Entry& entry = entries_[place(name).entry];
  if (part == ParameterPart::kWeight && entry.slot.matrix) ops_.repack(**entry.slot.matrix, entry.weight);
}

}  // namespace mt
