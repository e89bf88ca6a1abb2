// Packs to train on that are sound, and such with numbers and lengths changed: they are refused with a message, or give
// a loss and its gradients. Tensors of the trainer are read by names and counts, right and wrong.
#include <cmath>

#include "../../../native/train/trainer.h"
#include "packs.h"

namespace mt::fuzz {
namespace {

// One trains all weights and keeps no activations, the other adapters of two maps and keeps all; each on a model of its
// own.
Trainer& trainer_of(bool adapters, bool reference) {
  const auto make = [](bool with_adapters, bool on_reference) {
    const std::vector<AdapterSpec> specs = {{"model.layers.0.self_attn.k_proj", 2, 0.5f},
                                            {"model.layers.0.mlp.down_proj", 3, 2}};
    return with_adapters ? std::make_unique<Trainer>(new_tiny_model(on_reference), specs, size_t{1} << 20)
                         : std::make_unique<Trainer>(new_tiny_model(on_reference), std::vector<AdapterSpec>(), 0);
  };
  static const std::unique_ptr<Trainer> trainers[] = {make(false, false), make(false, true), make(true, false),
                                                      make(true, true)};
  return *trainers[2 * adapters + reference];
}

struct Request : PackArrays {
  std::vector<float> weights;
};

void change_weight(float& weight, Input& input) { weight = input.real(); }

void spoil_any(Request& request, Input& input) {
  const int which = input.within(0, 6);
  if (which < 6) {
    spoil_array(request, which, input);
  } else {
    spoil(request.weights, input, change_weight);
  }
}

std::vector<float> read(Trainer& trainer, const std::string& name, ParameterPart part) {
  std::vector<float> values(trainer.parameters().size(name));
  trainer.parameters().read(name, part, values);
  return values;
}

void run(Trainer& trainer, const TrainRequest& request) {
  const HeadLoss result = trainer.forward_backward(request, Control());
  if (result.correct < 0 || result.correct > static_cast<int>(request.pack.rows.size()))
    broken(std::to_string(result.correct) + " correct rows");
  // Weights beyond that may overflow.
  if (std::ranges::any_of(request.weights, [](float weight) { return std::fabs(weight) > 1e6f; })) return;
  if (!std::isfinite(result.loss)) broken("a loss of " + std::to_string(result.loss));
  for (const std::string& name : trainer.parameters().names()) {
    for (const float number : read(trainer, name, ParameterPart::kGradient))
      if (!std::isfinite(number)) broken("a gradient of " + std::to_string(number) + " by " + name);
  }
}

// Names and counts of numbers that are read.
void read_any(Trainer& trainer, Input& input) {
  const auto& names = trainer.parameters().names();
  std::string name = names[input.byte() % names.size()];
  const size_t size = trainer.parameters().size(name);
  const bool wrong_name = input.byte() % 4 == 1;
  if (wrong_name) name.resize(input.byte() % name.size());
  const size_t count = input.byte() % 4 == 1 ? input.byte() : size;
  std::vector<float> values(count);
  const auto body = [&] { trainer.parameters().read(name, static_cast<ParameterPart>(input.byte() % 4), values); };
  if (accepts({ErrorCode::INVALID_ARGUMENT}, body) != (!wrong_name && count == size))
    broken(std::to_string(count) + " numbers of \"" + name + "\" are read, or are not");
}

}  // namespace
}  // namespace mt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mt;
  fuzz::Input input(data, size);
  const uint8_t which = input.byte();
  Trainer& trainer = fuzz::trainer_of(which & 1, which & 2);
  const int changes = input.within(0, 3);
  fuzz::Request a = {fuzz::sound_arrays(input, trainer.config()), {}};
  for (size_t i = 0; i < a.rows.size(); i++) a.weights.push_back(static_cast<float>(input.within(0, 8)) / 8);
  for (int i = 0; i < changes; i++) fuzz::spoil_any(a, input);
  const TrainRequest request = {a.pack(), a.targets, a.weights};
  const auto codes = {ErrorCode::INVALID_ARGUMENT, ErrorCode::CONTEXT_LENGTH, ErrorCode::TOKEN_OUT_OF_RANGE};
  if (fuzz::accepts(codes, [&] { check_request(request, trainer.config()); })) {
    fuzz::run(trainer, request);
  } else if (changes == 0 && !a.rows.empty()) {
    fuzz::broken("a sound pack is refused");
  }
  fuzz::read_any(trainer, input);
  trainer.parameters().zero_gradients();
  return 0;
}
