// Sequences that grow: their keys and values are kept, so that a step computes only the new tokens. The caller decides
// which rows of the cache hold a sequence, and may give the rows of one that has ended to another.
#pragma once
#include "score.h"

namespace mt {

// A sequence before a step: earlier steps have put its `length` tokens in the rows from first_row on.
struct SessionSequence {
  int32_t first_row = 0;
  int32_t length = 0;
  int32_t stream = 0;  // names the sequence's random numbers, together with the seed
  Sampling sampling = {};
  // They change the logits from which the next token is chosen, greedily too; not its log-probability. Ids ascend.
  std::span<const Adjustment> adjustments = {};
  // Which tokens may come next, [mask_words(vocab)], or empty: all. It changes no log-probability either.
  std::span<const uint32_t> mask = {};
  int32_t top_k = 0;  // alternatives wanted: the best tokens by the logits as they are
};

// `count` rows of a cache from row `from` on, and the row to which the first of them goes.
struct RowCopy {
  int32_t from = 0;
  int32_t to = 0;
  int32_t count = 0;
};

// A step appends tokens ids[offsets[i] .. offsets[i + 1]) to sequences[i].
struct StepRequest {
  std::span<const SessionSequence> sequences;  // [n]; no two share a row
  std::span<const int32_t> offsets;            // [n + 1]; each is at least 1 more than the one before
  std::span<const int32_t> ids;                // [offsets[n]]
};

struct StepResult {
  std::span<int32_t> ids;      // [n] the next token of each sequence
  std::span<float> log_probs;  // [n]
  // [sum of top_k over the sequences] each one's best tokens, best first, as head_score() gives them; one sequence
  // after another
  std::span<int32_t> top_ids = {};
  std::span<float> top_log_probs = {};
};

class Session {
 public:
  // The cache of a new session has no rows.
  explicit Session(std::shared_ptr<Llama> model) : model_(std::move(model)) {}

  const LlamaConfig& config() const { return model_->config(); }

  // Makes a cache for so many tokens, over all sequences, with those of the old one that the copies name; 0 frees it.
  // While they are copied, there is memory for both. Throws INVALID_ARGUMENT, OUT_OF_MEMORY, after which all is as
  // before.
  void resize(int32_t rows, std::span<const RowCopy> copies);
  // Copies rows within the cache, so that a sequence may begin as another one does. Throws INVALID_ARGUMENT.
  void copy(const RowCopy& rows);

  // Appends tokens and gives the next token of each sequence. The token that is drawn for position t of a sequence
  // depends on its tokens, on its sampling, on its adjustments, on its mask and on (stream, t), not on other sequences,
  // on its rows, or on the steps in which its tokens came. If memory runs out, the step goes on in smaller packs while
  // it can. A step that throws may be repeated. Throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH (a sequence
  // outgrows the model's positions), OUT_OF_MEMORY, ABORTED.
  void step(const StepRequest& request, const StepResult& result, const Control& control);

  // Scores a pack whose trees may have segments in the cache, which stays as it is. Throws what check_request() throws,
  // OUT_OF_MEMORY, ABORTED.
  void score(const ScoreRequest& request, HeadResult result, const Control& control);

 private:
  // A sequence of the step that ends in a pack, and the row of the pack that predicts its next token.
  struct Ending {
    int32_t sequence, row;
  };

  // One pack of a step. It is kept so that its memory is used again.
  struct StepPack {
    std::vector<int32_t> ids, pos, branch_start, cache_rows;
    std::vector<Tree> trees;
    std::vector<Ending> ending;  // those whose best token is taken come first, those with alternatives in the middle
    int best = 0;                // how many of the first kind there are
    int top_begin = 0, top_end = 0;  // which of them have alternatives
    std::vector<int32_t> rows;       // those of `ending`
    void clear();
  };

  // A place in a step: the next token to put into a pack.
  struct Cursor {
    size_t sequence = 0;
    size_t id = 0;
  };

  void check(const StepRequest& request) const;
  void copy_rows(const KvCache& to, const RowCopy& rows);
  Cursor fill_pack(const StepRequest& request, Cursor at);
  void append(const SessionSequence& sequence, int32_t length, std::span<const int32_t> ids);
  // Adds how the next token of a sequence that ends in this row of the pack is drawn.
  void add_draw(const SessionSequence& sequence, int32_t row);
  void run_pack(const StepRequest& request, const StepResult& result, const Control& control);
  // Writes the alternatives of the sequences that have any. Of these, the best tokens go to best_ too.
  void take_top(const StepRequest& request, View h, const StepResult& result, const Control& control);
  // Runs head_score() on a part of the pack's rows of h, with what it says in the same part of log_prob_ and argmax_,
  // and in top_ids_ and top_log_prob_ from their beginning on.
  void score_rows(View h, int begin, int end, int top_k, const Control& control);

  std::shared_ptr<Llama> model_;
  int32_t cache_rows_ = 0;
  int32_t pack_tokens_ = 0;  // 0 before the first step; smaller once memory has run out
  std::unique_ptr<Buffer> cache_buffer_;
  KvCache cache_;
  StepPack pack_;
  // Results of the head for the sequences that end in a pack.
  std::vector<float> log_prob_, best_log_prob_, top_log_prob_;
  std::vector<int32_t> argmax_, best_, no_targets_, top_ids_;
  std::vector<Draw> draws_;
  std::vector<Adjustment> adjustments_;  // those of draws_
  std::vector<uint32_t> masks_;          // those of draws_
};

}  // namespace mt
