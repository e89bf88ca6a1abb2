// Sequences that grow: their keys and values are kept, so a step computes the new tokens alone.
#pragma once
#include "llama.h"
#include "sampler.h"

namespace mt {

// What a step appends: tokens ids[offsets[i] .. offsets[i + 1]) to sequence sequences[i].
struct StepRequest {
  std::span<const int32_t> sequences;  // [n] each once
  std::span<const int32_t> offsets;    // [n + 1] rising by at least 1
  std::span<const int32_t> ids;        // [offsets[n]]
};

class Session {
 public:
  // capacities[s]: most tokens sequence s will hold. streams[s]: its stream of random numbers. Takes no memory on the
  // device until the first step. Throws INVALID_ARGUMENT, CONTEXT_LENGTH for a capacity above the context length.
  Session(std::shared_ptr<Llama> model, std::vector<int32_t> capacities, std::vector<int32_t> streams,
          const Sampling& sampling);

  // The next token of each sequence: ids [n] and log_probs [n]. The token that is drawn for position t of a sequence
  // depends on its tokens and on (seed, stream, t), not on the other sequences nor on how its tokens were cut into
  // steps. A step that throws leaves the sequences as they were.
  // Throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH (a sequence outgrows its capacity), OUT_OF_MEMORY,
  // ABORTED.
  void step(const StepRequest& request, std::span<int32_t> ids, std::span<float> log_probs, const Control& control);

 private:
  struct Sequence {
    int32_t first_row = 0;  // in the cache
    int32_t capacity = 0;
    int32_t length = 0;  // tokens held
    int32_t stream = 0;
  };

  // One pack of a step, and which of the step's sequences end in it. Kept to reuse its memory.
  struct StepPack {
    std::vector<int32_t> ids, pos, lo, rows, cache_rows;
    std::vector<Tree> trees;
    std::vector<int32_t> ending;      // indices into the step
    std::vector<int32_t> ending_row;  // row of the pack that predicts the next token
    void clear();
  };

  void check(const StepRequest& request) const;
  void allocate_cache();
  void append(const Sequence& sequence, int32_t length, std::span<const int32_t> ids);
  void run_pack(const StepRequest& request, std::span<int32_t> ids, std::span<float> log_probs, const Control& control);

  std::shared_ptr<Llama> model_;
  std::vector<Sequence> sequences_;
  int32_t cache_rows_ = 0;
  Sampler sampler_;
  std::unique_ptr<Buffer> cache_buffer_;
  KvCache cache_;
  StepPack pack_;
  // Of the head, for the sequences that end in a pack.
  std::vector<float> log_prob_, best_log_prob_, logits_;
  std::vector<int32_t> argmax_, best_, no_targets_;
};

}  // namespace mt
