// Originals, gradients and moments lie in one piece of memory, tensor by tensor. A vector of the model is its own
// original.
#include "parameters.h"

#include <cmath>

#include "../base/sizes.h"

namespace mt {
namespace {

// A view of the tensor's shape, without data.
View make_view(const TrainedTensor& tensor) {
  int rows = 0;
  for (const Parameter& parameter : tensor.parameters) rows += parameter.rows.size;
  const Parameter& first = tensor.parameters[0];
  if (first.is_vector()) return {nullptr, 1, rows, DType::kFloat32};
  return {nullptr, rows, first.cols.size, DType::kFloat32};
}

size_t view_bytes(View view) { return placed_bytes(product_of({size_t(view.rows), size_t(view.cols), sizeof(float)})); }

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

TrainedParameters::TrainedParameters(Backend& backend, std::vector<TrainedTensor> tensors)
    : backend_(backend), ops_(*backend.backward()) {
  size_t bytes = 0;
  for (const TrainedTensor& tensor : tensors) {
    const size_t parts = tensor.weight.data ? 3 : 4;
    bytes = sum_of(bytes, product_of({view_bytes(make_view(tensor)), parts}));
  }
  memory_ = backend.allocate(bytes);
  auto* at = static_cast<std::byte*>(memory_->data());
  for (TrainedTensor& tensor : tensors) {
    const View view = make_view(tensor);
    const auto take = [&] {
      View taken = view;
      taken.data = at;
      at += view_bytes(view);
      return taken;
    };
    Entry entry = {.tensor = std::move(tensor), .weight = {}, .gradient = {}, .mean = {}, .square = {}};
    entry.weight = entry.tensor.weight.data ? entry.tensor.weight : take();
    for (View* part : {&entry.gradient, &entry.mean, &entry.square}) {
      *part = take();
      ops_.fill_zero(*part);
    }
    by_place_[entry.tensor.place] = entries_.size();
    size_t first = 0;
    for (const Parameter& parameter : entry.tensor.parameters) {
      const size_t size = size_t(parameter.rows.size) * (parameter.is_vector() ? 1 : parameter.cols.size);
      names_.push_back(parameter.name);
      by_name_[parameter.name] = {entries_.size(), first, size};
      first += size;
    }
    entries_.push_back(std::move(entry));
  }
}

const TrainedParameters::Entry* TrainedParameters::find(const void* place) const {
  const auto found = by_place_.find(place);
  return found == by_place_.end() ? nullptr : &entries_[found->second];
}

View TrainedParameters::weight(const void* place) const {
  const Entry* entry = find(place);
  return entry ? entry->weight : View();
}

View TrainedParameters::gradient(const void* place) const {
  const Entry* entry = find(place);
  return entry ? entry->gradient : View();
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
    const bool decays = decay_vectors || !entry.tensor.parameters[0].is_vector();
    ops_.adamw(entry.weight, entry.gradient, entry.mean, entry.square, decays ? options : without_decay);
    if (entry.tensor.publish) entry.tensor.publish(entry.weight);
  }
}

void TrainedParameters::zero_gradients() {
  for (const Entry& entry : entries_) ops_.fill_zero(entry.gradient);
}

void TrainedParameters::zero_weights() {
  for (const Entry& entry : entries_) {
    if (!entry.tensor.publish) continue;
    ops_.fill_zero(entry.weight);
    entry.tensor.publish(entry.weight);
  }
}

const TrainedParameters::Place& TrainedParameters::place(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end())
    throw Error(ErrorCode::INVALID_ARGUMENT, "\"" + name + "\" is no tensor that is trained");
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
  backend_.download(values.data(), numbers(name, part, values.size()), values.size_bytes());
}

void TrainedParameters::write(const std::string& name, ParameterPart part, std::span<const float> values) {
  backend_.upload(numbers(name, part, values.size()), values.data(), values.size_bytes());
  const Entry& entry = entries_[place(name).entry];
  if (part == ParameterPart::kWeight && entry.tensor.publish) entry.tensor.publish(entry.weight);
}

}  // namespace mt
