// What every backend promises of a model's scores: not one bit depends on the pack a token rode in.
#pragma once
#include <memory>
#include <vector>

#include "pack_building.h"

namespace mt::test {

bool same_bits(const std::vector<float>& a, const std::vector<float>& b);

// One request for each length of a prompt; for the vocabulary of tiny_config().
std::vector<Request> random_requests(const std::vector<size_t>& prompts);

// One request at a time, every continuation by itself: what all other ways must equal.
std::vector<std::vector<float>> score_alone(Llama& model, const std::vector<Request>& requests);

// The checks fail by check.h.
void trees_and_packs_change_nothing(Llama& model, const std::vector<Request>& requests,
                                    const std::vector<std::vector<float>>& alone);
// Feeds two sequences of so many tokens in steps of random sizes, at times together, across the session's own packs.
void sessions_equal_one_pass(const std::shared_ptr<Llama>& model, size_t longer, size_t shorter);
void a_sampled_sequence_ignores_its_batch(const std::shared_ptr<Llama>& model);
void rows_of_an_ended_sequence_are_free(const std::shared_ptr<Llama>& model);

}  // namespace mt::test
