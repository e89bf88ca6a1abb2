// LlamaConfig::check() with any numbers: what it accepts can be multiplied as the passes multiply it.
#include <cmath>

#include "../../../native/base/sampling.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mt;
  fuzz::Input input(data, size);
  LlamaConfig config = test::tiny_config();
  for (int changes = input.within(0, 4); changes > 0; changes--) {
    int* const fields[] = {&config.vocab_size, &config.hidden_size, &config.intermediate_size, &config.layers,
                           &config.heads,      &config.kv_heads,    &config.head_dim,          &config.context_length};
    const auto field = static_cast<size_t>(input.within(0, std::size(fields) + 2));
    if (field < std::size(fields)) {
      *fields[field] = input.odd_number();
      // Else no other size of a head could be accepted.
      if (config.head_dim > 0 && config.head_dim < 1000) config.rope_frequencies.assign(config.head_dim / 2, 1);
    } else if (field == std::size(fields)) {
      config.rms_norm_eps = input.real();
    } else if (field == std::size(fields) + 1) {
      config.rope_attention_factor = input.real();
    } else {
      fuzz::spoil<float>(config.rope_frequencies, input, [](float& number, fuzz::Input& in) { number = in.real(); });
    }
  }
  if (fuzz::accepts({ErrorCode::INVALID_ARGUMENT}, [&] { config.check(); })) {
    const bool sound = config.q_size() > 0 && config.kv_size() > 0 && config.q_size() % config.kv_size() == 0 &&
                       config.head_dim == 2 * static_cast<int>(config.rope_frequencies.size()) &&
                       int64_t{config.vocab_size} * config.hidden_size > 0 && config.rms_norm_eps >= 0 &&
                       std::isfinite(config.rope_attention_factor);
    if (!sound) fuzz::broken("an accepted config makes no sense");
  }
  const Sampling sampling = {input.real(), input.odd_number(), input.real(), input.real(), input.word()};
  if (fuzz::accepts({ErrorCode::INVALID_ARGUMENT}, [&] { check_sampling(sampling); })) {
    const float logits[] = {input.real(), input.real(), input.real()};
    TokenWeight scratch[3];
    const Sampling used = sampling.temperature == 0 ? Sampling() : sampling;
    const Adjustment adjustments[] = {{input.odd_number(), input.real(), input.real()}};
    const auto codes = {ErrorCode::INVALID_ARGUMENT, ErrorCode::TOKEN_OUT_OF_RANGE};
    const bool adjusts = fuzz::accepts(codes, [&] { check_adjustments(adjustments, 3); });
    const uint32_t mask[] = {input.word()};
    const bool masks = fuzz::accepts(codes, [&] { check_mask(mask, 3); });
    const uint64_t random = uint64_t{input.word()} << 32 | input.word();
    const Choice choice =
        choose_token(logits, {used, random, 0, adjusts ? 1 : 0, masks ? 0 : -1}, {adjustments, mask}, scratch);
    if (choice.id < 0 || choice.id > 2) fuzz::broken("the token " + std::to_string(choice.id) + " of three");
  }
  return 0;
}
