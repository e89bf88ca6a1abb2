// Checks a promise of all backends: the bits of a token's score do not depend on the pack that it was in.
#pragma once
#include <memory>
#include <vector>

#include "pack_building.h"

namespace mt::test {

bool same_bits(const std::vector<float>& a, const std::vector<float>& b);

// Makes one request for each length of a prompt, with ids of tiny_config()'s vocabulary.
std::vector<Request> random_requests(const std::vector<size_t>& prompts);

// Scores one request at a time and every continuation by itself. All other ways must give the same bits.
std::vector<std::vector<float>> score_alone(Llama& model, const std::vector<Request>& requests);

// Both of these report failures through check.h.
void trees_and_packs_change_nothing(Llama& model, const std::vector<Request>& requests,
                                    const std::vector<std::vector<float>>& alone);
// Feeds two sequences of so many tokens to a session, in steps of random sizes, at times both in one step.
void sessions_equal_one_pass(const std::shared_ptr<Llama>& model, size_t longer, size_t shorter);
void a_sequence_ignores_its_batch(const std::shared_ptr<Llama>& model);
void rows_of_an_ended_sequence_are_free(const std::shared_ptr<Llama>& model);
void rows_that_are_copied_keep_their_tokens(const std::shared_ptr<Llama>& model);

}  // namespace mt::test
