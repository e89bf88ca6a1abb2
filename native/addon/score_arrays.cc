#include "score_arrays.h"

namespace mt::addon {

ScoreArrays::ScoreArrays(Napi::Value pack, const LlamaConfig& config, int32_t cache_rows)
    : pack_(read_object(pack, "pack")) {
  request_ = {.pack = pack_.pack(),
              .rows = pack_.rows(),
              .targets = pack_.targets(),
              .top_k = read_int(pack.As<Napi::Object>()["topK"], "topK")};
  check_request(request_, config, cache_rows);
  const Napi::Env env = pack.Env();
  const size_t scored = pack_.rows().size(), top = scored * static_cast<size_t>(request_.top_k);
  log_probs_ = {env, scored};
  argmax_ = {env, scored};
  top_ids_ = {env, top};
  top_log_probs_ = {env, top};
}

Napi::Object ScoreArrays::result(Napi::Env env) {
  Napi::Object result = Napi::Object::New(env);
  result["logProbs"] = log_probs_.array();
  result["argmax"] = argmax_.array();
  result["topIds"] = top_ids_.array();
  result["topLogProbs"] = top_log_probs_.array();
  return result;
}

}  // namespace mt::addon
