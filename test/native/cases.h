// The ops with the shapes they are tested and timed at: op_test compares a backend with the reference on these,
// bench/native/ops_bench times them. A new op gets a line in kOps, a branch in op_run.cc and a bound in op_test.cc.
#pragma once
#include <string>
#include <vector>

#include "base/dtype.h"

namespace mt::test {

struct ModelShape {
  const char* name;
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

enum class Op { kEmbed, kRmsNorm, kQkv, kAttention, kAppendKv, kOut, kSwiglu, kDown, kGather, kHeadScore, kHeadLogits };

inline constexpr struct {
  Op op;
  const char* name;
} kOps[] = {{Op::kEmbed, "embed"},          {Op::kRmsNorm, "rms_norm"},      {Op::kQkv, "qkv"},
            {Op::kAttention, "attention"},  {Op::kAppendKv, "append_kv"},    {Op::kOut, "linear_add out"},
            {Op::kSwiglu, "swiglu"},        {Op::kDown, "linear_add down"},  {Op::kGather, "gather_rows"},
            {Op::kHeadScore, "head_score"}, {Op::kHeadLogits, "head_logits"}};

struct OpCase {
  Op op;
  ModelShape shape;
  DType dtype;
  std::vector<TreeSpec> trees;
  bool bias = false;
  int top_k = 0;
  int shift = 0;  // bytes by which inputs and outputs are off their 64-byte alignment, a multiple of 4
};

inline const char* op_name(Op op) {
  for (const auto& o : kOps)
    if (o.op == op) return o.name;
  return "?";
}

// One sequence of `rows` tokens.
inline std::vector<TreeSpec> plain(int rows) { return {{0, 0, {rows}}}; }
// One token after a cache of `length`.
inline std::vector<TreeSpec> decode(int length) { return {{length, 0, {1}}}; }

// The shapes of the figures in docs and README.
inline const ModelShape kBenchShapes[] = {
    {"135M", 576, 1536, 9, 3, 64, 49152},
    {"110M", 768, 2048, 12, 12, 64, 32000},
    {"1.1B", 2048, 5632, 32, 4, 64, 32000},
};

// Odd and even sizes around the edges of panels (16, 32, 64), of pairs and of steps of 32 in k.
inline const ModelShape kTestShapes[] = {
    {"tiny", 17, 33, 1, 1, 2, 5},       {"odd", 40, 100, 5, 5, 8, 333},        {"pairs", 48, 31, 3, 1, 16, 65},
    {"even", 64, 64, 4, 2, 16, 64},     {"edge", 63, 65, 2, 1, 32, 1025},      {"wide", 100, 128, 5, 1, 20, 127},
    {"head80", 96, 97, 2, 2, 80, 2050}, {"head128", 129, 176, 3, 3, 128, 320}, {"long", 2100, 40, 1, 1, 64, 48},
};

// Packs of every form. Blocks of keys are 64 positions: lengths lie around that.
inline const std::vector<std::vector<TreeSpec>> kTestPacks = {
    plain(1),
    plain(2),
    plain(3),
    plain(5),
    plain(7),
    plain(13),
    plain(64),
    plain(97),
    plain(200),
    {{0, 5, {1, 2, 3}}},
    {{0, 63, {2, 70}}, {0, 0, {9}}},
    {{0, 64, {1, 1, 1, 1}}},
    {{0, 130, {4, 5, 6, 65, 3, 2}}, {0, 1, {1, 1}}, {0, 0, {33}}},
    {{70, 0, {1}}, {1, 0, {1}}, {128, 0, {1}}, {63, 0, {2}}},
    {{129, 40, {3, 4}}, {0, 66, {1, 7}}},
};

}  // namespace mt::test
