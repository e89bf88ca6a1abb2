// A tensor of a checkpoint: which bytes of which files it is, and how they come together.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stored.h"

namespace mt {

// A matrix or vector, row-major, in one piece of a file.
struct StoredPart {
  std::string file;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  StoredType type = StoredType::kF32;
  std::vector<int64_t> shape;  // [out, in] or [n]
  // Whether rows of q or k are in the order of Meta and llama.cpp: within each head, stored row 2 i + j is row
  // i + j * head_dim / 2.
  bool rope_interleaved = false;
};

// Parts that make up one matrix or vector: each begins where the one before it ends, by rows or by columns.
struct StoredStack {
  enum class Axis : uint8_t { kRows, kColumns };
  std::vector<StoredPart> parts;
  Axis axis = Axis::kRows;
};

// A product that is added to a matrix: scale * b a (LoRA, Hu et al. 2021).
struct StoredAdapter {
  StoredPart a;  // [rank, in]
  StoredPart b;  // [out, rank]
  float scale = 1;
};

// w = values                              if there is no base, else
// w = f16(f16(values) + f16(base))        or, where the base is subtracted,
// w = f16(f16(values) - f16(base))        where f16 rounds to float16; rows that the base lacks count as zero
// and then w += scale * b a for each adapter in turn, in float32.
struct StoredTensor {
  std::string name;            // Hugging Face's: model.layers.0.self_attn.q_proj.weight
  std::vector<int64_t> shape;  // [out, in] or [n]
  StoredStack values;
  std::optional<StoredStack> base;
  bool subtract_base = false;
  std::vector<StoredAdapter> adapters;
};

}  // namespace mt
