// Sequences that grow: their keys and values are kept, so a step computes the new tokens alone. Which rows of the cache
// a sequence lies in is the caller's business, so that rows of one that has ended are free for another.
#pragma once
#include "llama.h"

namespace mt {

// A sequence that a step goes on with: earlier steps have put its tokens 0 .. length in the rows from first_row on.
struct SessionSequence {
  int32_t first_row = 0;
  int32_t length = 0;
  int32_t stream = 0;  // of random numbers
};

// What a step appends: tokens ids[offsets[i] .. offsets[i + 1]) to sequences[i].
struct StepRequest {
  std::span<const SessionSequence> sequences;  // [n] no row in two of them
  std::span<const int32_t> offsets;            // [n + 1] rising by at least 1
  std::span<const int32_t> ids;                // [offsets[n]]
};

class Session {
 public:
  // rows: tokens the cache has room for, over all sequences. Takes no memory on the device until the first step.
  // Throws INVALID_ARGUMENT.
  Session(std::shared_ptr<Llama> model, int32_t rows, const Sampling& sampling);

  // The next token of each sequence: ids [n] and log_probs [n]. The token that is drawn for position t of a sequence
  // depends on its tokens and on (seed, stream, t), not on the other sequences, nor on where it lies, nor on how its
  // tokens were cut into steps. A step that throws may be asked for again.
  // Where memory runs out, it goes on in smaller packs while it can.
  // Throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH (a sequence outgrows the model's positions),
  // OUT_OF_MEMORY, ABORTED.
  void step(const StepRequest& request, std::span<int32_t> ids, std::span<float> log_probs, const Control& control);

 private:
  // One pack of a step, and which of the step's sequences end in it. Kept to reuse its memory.
  struct StepPack {
    std::vector<int32_t> ids, pos, branch_start, cache_rows;
    std::vector<Tree> trees;
    std::vector<int32_t> ending;      // indices into the step
    std::vector<int32_t> ending_row;  // row of the pack that predicts the next token
    void clear();
  };

  // How far a step is.
  struct Cursor {
    size_t sequence = 0;
    size_t id = 0;
  };

  void check(const StepRequest& request) const;
  void allocate_cache();
  Cursor fill_pack(const StepRequest& request, Cursor at);
  void append(const SessionSequence& sequence, int32_t length, std::span<const int32_t> ids);
  void run_pack(const StepRequest& request, std::span<int32_t> ids, std::span<float> log_probs, const Control& control);

  std::shared_ptr<Llama> model_;
  const int32_t cache_rows_;
  const Sampling sampling_;
  int32_t pack_tokens_ = 0;  // 0 before the first step; smaller once memory has run out
  std::unique_ptr<Buffer> cache_buffer_;
  KvCache cache_;
  StepPack pack_;
  // Of the head, for the sequences that end in a pack.
  std::vector<float> log_prob_, best_log_prob_;
  std::vector<int32_t> argmax_, best_, no_targets_;
  std::vector<uint64_t> random_;
};

}  // namespace mt
