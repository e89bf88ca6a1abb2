// Checks packs that come from outside. Backends rely on these rules and check nothing.
#pragma once
#include "../backend/pack.h"
#include "config.h"

namespace mt {

// Throws TOKEN_OUT_OF_RANGE naming the array, the index and the id.
void check_ids(std::span<const int32_t> ids, int vocab_size, const char* name);

// Throws INVALID_ARGUMENT if these are more tokens than a pack may have.
void check_pack_size(size_t tokens);

// Throws INVALID_ARGUMENT if the pack breaks a rule of struct Pack or has a segment that is not in a KV cache of so
// many rows, CONTEXT_LENGTH for a position at or past the context length, TOKEN_OUT_OF_RANGE.
void check_pack(const Pack& pack, const LlamaConfig& config, int32_t cache_rows = 0);

// Checks that sequence i of `sequences` can have the tokens offsets[i] .. offsets[i + 1] - 1 of `tokens`, at least one.
// Throws INVALID_ARGUMENT.
void check_offsets(std::span<const int32_t> offsets, size_t sequences, size_t tokens);

// Throws INVALID_ARGUMENT unless all rows are in 0 .. tokens - 1.
void check_rows(std::span<const int32_t> rows, int tokens);

}  // namespace mt
