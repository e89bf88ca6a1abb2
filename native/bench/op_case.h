// A case for op_run.h: an op at a model's shape, with a pack. A new op gets a line in kOps, a branch in op_run.cc and a
// bound in op_compare.cc.
#pragma once
#include <vector>

#include "../base/dtype.h"

namespace mt::bench {

struct ModelShape {
  const char* name;  // for messages
  int dim;
  int ffn;
  int heads;
  int kv_heads;
  int head_dim;
  int vocab;
};

// One tree: a segment in the cache, a prefix, and branches of the given lengths.
struct TreeSpec {
  int segment;
  int prefix;
  std::vector<int> branches;
};

enum class Op {
  kEmbed,
  kRmsNorm,
  kQkv,
  kAttention,
  kAppendKv,
  kOut,
  kSwiglu,
  kDown,
  kGather,
  kHeadScore,
  kHeadSample,
  kHeadLogits
};

inline constexpr struct {
  Op op;
  const char* name;
} kOps[] = {{Op::kEmbed, "embed"},          {Op::kRmsNorm, "rms_norm"},       {Op::kQkv, "qkv"},
            {Op::kAttention, "attention"},  {Op::kAppendKv, "append_kv"},     {Op::kOut, "linear_add out"},
            {Op::kSwiglu, "swiglu"},        {Op::kDown, "linear_add down"},   {Op::kGather, "gather_rows"},
            {Op::kHeadScore, "head_score"}, {Op::kHeadSample, "head_sample"}, {Op::kHeadLogits, "head_logits"}};

// A window that no case fills.
inline constexpr int kWholeWindow = 1 << 24;

struct OpCase {
  Op op;
  ModelShape shape;
  DType dtype;
  std::vector<TreeSpec> trees;
  bool bias = false;
  int top_k = 0;              // for head_score and head_sample
  int shift = 0;              // by how many bytes, a multiple of 4, inputs and outputs are off their 64-byte alignment
  bool head_norms = false;    // for qkv
  int window = kWholeWindow;  // for attention
};

inline const char* op_name(Op op) {
  for (const auto& o : kOps)
    if (o.op == op) return o.name;
  return "?";
}

// One sequence of `rows` tokens.
inline std::vector<TreeSpec> plain(int rows) { return {{0, 0, {rows}}}; }
// One token after `length` positions in the cache.
inline std::vector<TreeSpec> decode(int length) { return {{length, 0, {1}}}; }

}  // namespace mt::bench
