// Sampling through a backend, on rows and weights made from a seed.
#pragma once
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "check.h"
#include "random.h"

namespace mt::test {

// head_sample() of a backend is choose_token() of its head_logits().
inline void sample_own_logits(Backend& backend, DType dtype) {
  constexpr int kRows = 5, kVocab = 333, kDim = 40;
  const auto memory = backend.allocate(backend.matrix_bytes(kVocab, kDim, MatrixKind::kPlain, {}, dtype));
  const auto w = backend.create_matrix(kVocab, kDim, MatrixKind::kPlain, {}, dtype, memory->data());
  backend.write_rows(*w, 0, kVocab, test::random(size_t(kVocab) * kDim, 1, 0.5f).data());
  backend.finish_rows();
  const DType activation = backend.activation_dtype(dtype);
  const std::vector<float> values = test::random(size_t(kRows) * kDim, 2, 1, activation);
  const auto rows = backend.allocate(values.size() * sizeof(float));
  const View h = {rows->data(), kRows, kDim, activation};
  std::vector<uint16_t> halves;
  for (const float x : values) halves.push_back(activation == DType::kBFloat16 ? f32_to_bf16(x) : f32_to_f16(x));
  if (activation == DType::kFloat32)
    backend.upload(h.data, values.data(), values.size() * sizeof(float));
  else
    backend.upload(h.data, halves.data(), halves.size() * sizeof(uint16_t));
  std::vector<float> logits(size_t(kRows) * kVocab), log_probs(kRows);
  std::vector<int32_t> ids(kRows);
  std::vector<uint64_t> random;
  for (int r = 0; r < kRows; r++) random.push_back(random_bits(3, r, 4));
  const Sampling sampling = {.temperature = 0.8f, .top_k = 50, .top_p = 0.9f};
  backend.head_logits(h, *w, logits.data());
  backend.head_sample(h, *w, sampling, random, ids, log_probs);
  for (int r = 0; r < kRows; r++) {
    const Choice want = choose_token({&logits[size_t(r) * kVocab], size_t(kVocab)}, sampling, random[r]);
    CHECK_EQ(ids[r], want.id);
    CHECK(std::fabs(log_probs[r] - want.log_prob) <= 1e-5f);
  }
}

}  // namespace mt::test
