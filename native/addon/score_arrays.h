// A request to score as JavaScript gives it, and the arrays of its result.
#pragma once
#include "../model/score.h"
#include "javascript.h"
#include "pack_arrays.h"

namespace mt::addon {

class ScoreArrays {
 public:
  // Throws what check_request() throws; `cache_rows` are those that segments may lie in.
  ScoreArrays(Napi::Value pack, const LlamaConfig& config, int32_t cache_rows);

  // It refers to the arrays.
  const ScoreRequest& request() const { return request_; }
  HeadResult outputs() { return {log_probs_.values(), argmax_.values(), top_ids_.values(), top_log_probs_.values()}; }
  // NativeScores of src/native/types.ts.
  Napi::Object result(Napi::Env env);

 private:
  PackArrays pack_;
  ScoreRequest request_;
  ResultArray<Napi::Float32Array> log_probs_, top_log_probs_;
  ResultArray<Napi::Int32Array> argmax_, top_ids_;
};

}  // namespace mt::addon
