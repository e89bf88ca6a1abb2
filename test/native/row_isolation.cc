// Each case runs twice: as it is, and with one row spoilt. Rows that do not see that one have the same bits.
#include "row_isolation.h"

#include <cfloat>
#include <cmath>
#include <cstring>
#include <functional>

#include "../../native/check/case.h"
#include "check.h"
#include "pack_building.h"
#include "random.h"
#include "session_of.h"
#include "tiny_model.h"

namespace mt::test {
namespace {

using check::kWholeWindow;

// The largest float: it becomes an infinity where it is rounded to a half, or multiplied.
const float kSpoilers[] = {NAN, INFINITY, -INFINITY, FLT_MAX};

struct Floats {
  int cols;
  std::vector<float> values;  // [rows, cols]

  int rows() const { return static_cast<int>(values.size()) / cols; }
  std::span<const float> row(int r) const { return std::span(values).subspan(size_t(r) * cols, cols); }
  void spoil(int r, float with) { std::fill_n(values.begin() + ptrdiff_t(r) * cols, cols, with); }
};

Floats random_rows(int rows, int cols, uint64_t seed) { return {cols, random(size_t(rows) * cols, seed, 1)}; }

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Rows on a device and back.
class Memory {
 public:
  explicit Memory(Backend& backend) : backend_(backend) {}

  View view(int rows, int cols, DType dtype) {
    buffers_.push_back(backend_.allocate(size_t(rows) * cols * dtype_size(dtype) + 64));
    return {buffers_.back()->data(), rows, cols, dtype};
  }
  View upload(const Floats& rows, DType dtype = DType::kFloat32) {
    const View v = view(rows.rows(), rows.cols, dtype);
    std::vector<uint16_t> halves;
    for (const float x : rows.values) halves.push_back(dtype == DType::kBFloat16 ? f32_to_bf16(x) : f32_to_f16(x));
    const void* data = dtype == DType::kFloat32 ? static_cast<const void*>(rows.values.data()) : halves.data();
    backend_.upload(v.data, data, rows.values.size() * dtype_size(dtype));
    return v;
  }
  Floats read(View v) {
    Floats rows = {v.cols, std::vector<float>(size_t(v.rows) * v.cols)};
    if (v.dtype == DType::kFloat32) {
      backend_.download(rows.values.data(), v.data, rows.values.size() * 4);
      return rows;
    }
    std::vector<uint16_t> halves(rows.values.size());
    backend_.download(halves.data(), v.data, halves.size() * 2);
    for (size_t i = 0; i < halves.size(); i++)
      rows.values[i] = v.dtype == DType::kBFloat16 ? bf16_to_f32(halves[i]) : f16_to_f32(halves[i]);
    return rows;
  }
  std::unique_ptr<Matrix> matrix(int rows, int cols, MatrixKind kind, HeadShape heads, DType dtype) {
    buffers_.push_back(backend_.allocate(backend_.matrix_bytes(rows, cols, kind, heads, dtype)));
    auto matrix = backend_.create_matrix(rows, cols, kind, heads, dtype, buffers_.back()->data());
    backend_.write_rows(*matrix, 0, rows, random(size_t(rows) * cols, 77, 0.5f).data());
    backend_.finish_rows();
    return matrix;
  }

 private:
  Backend& backend_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
};

void append(Floats& all, const Floats& part) {
  Floats joined = {all.cols + part.cols, {}};
  for (int r = 0; r < part.rows(); r++) {
    if (all.cols > 0) joined.values.insert(joined.values.end(), all.row(r).begin(), all.row(r).end());
    joined.values.insert(joined.values.end(), part.row(r).begin(), part.row(r).end());
  }
  all = std::move(joined);
}

Floats from_ids(const std::vector<int32_t>& ids, int cols) { return {cols, {ids.begin(), ids.end()}}; }

// ---- ops whose rows see themselves alone ----

constexpr HeadShape kHeads = {4, 2, 16};
constexpr int kRows = 37, kDim = 40, kFfn = 33, kVocab = 1100;

struct RowOp {
  const char* name;
  int cols;
  bool activations;  // of the input, else float32
  std::function<Floats(Memory&, View input)> run;
};

std::vector<RowOp> row_ops(Backend& b, DType dtype) {
  const DType activation = b.activation_dtype(dtype);
  const auto pack = [&b](std::span<const int32_t> rows, std::span<const int32_t> cache_rows) {
    std::vector<int32_t> zeros(kRows, 0), pos(kRows);
    for (int i = 0; i < kRows; i++) pos[i] = i;
    const Tree tree = {0, kRows};
    return b.place(
        {.ids = zeros, .pos = pos, .branch_start = zeros, .trees = {&tree, 1}, .rows = rows, .cache_rows = cache_rows},
        kHeads, {});
  };
  const int q_dim = kHeads.heads * kHeads.head_dim, kv_dim = kHeads.kv_heads * kHeads.head_dim;
  std::vector<int32_t> same(kRows);
  for (int i = 0; i < kRows; i++) same[i] = i;
  const auto qkv = [=, &b](Memory& m, View h, bool head_norms) {
    const auto w = m.matrix(q_dim + 2 * kv_dim, kDim, MatrixKind::kQkv, kHeads, dtype);
    QkvFinish finish = {.bias = {},
                        .q_norm = {},
                        .k_norm = {},
                        .eps = 1e-5f,
                        .rope = {m.upload(random_rows(kRows, kHeads.head_dim / 2, 6)),
                                 m.upload(random_rows(kRows, kHeads.head_dim / 2, 7))}};
    if (head_norms) {
      finish.q_norm = m.upload(random_rows(1, kHeads.head_dim, 8));
      finish.k_norm = m.upload(random_rows(1, kHeads.head_dim, 9));
    }
    const View q = m.view(kRows, q_dim, DType::kFloat32), k = m.view(kRows, kv_dim, DType::kFloat32),
               v = m.view(kRows, kv_dim, DType::kFloat32);
    b.qkv(*pack({}, {}), h, *w, finish, kHeads, q, k, v);
    Floats all = m.read(q);
    append(all, m.read(k));
    append(all, m.read(v));
    return all;
  };
  return {
      {"rms_norm", kDim, false,
       [&b, activation](Memory& m, View x) {
         const View y = m.view(kRows, kDim, activation);
         b.rms_norm(x, m.upload(random_rows(1, kDim, 5)), 1e-5f, y);
         return m.read(y);
       }},
      {"qkv", kDim, true, [=](Memory& m, View h) { return qkv(m, h, false); }},
      {"qkv with head norms", kDim, true, [=](Memory& m, View h) { return qkv(m, h, true); }},
      {"append_kv", kv_dim, false,
       [=, &b](Memory& m, View k) {
         const KvCache cache = {{m.view(kRows, kv_dim, DType::kFloat32)}, {m.view(kRows, kv_dim, DType::kFloat32)}};
         b.append_kv(*pack({}, same), k, k, cache, 0);
         Floats all = m.read(cache.k[0]);
         append(all, m.read(cache.v[0]));
         return all;
       }},
      {"linear_add", kDim, true,
       [=, &b](Memory& m, View a) {
         const auto w = m.matrix(65, kDim, MatrixKind::kPlain, {}, dtype);
         const View x = m.upload(random_rows(kRows, 65, 8));
         b.linear_add(a, *w, {}, x, x);
         return m.read(x);
       }},
      {"linear_add's sum", 65, false,
       [=, &b](Memory& m, View x) {
         const auto w = m.matrix(65, kDim, MatrixKind::kPlain, {}, dtype);
         b.linear_add(m.upload(random_rows(kRows, kDim, 9), activation), *w, {}, x, x);
         return m.read(x);
       }},
      {"swiglu", kDim, true,
       [=, &b](Memory& m, View h) {
         const auto w = m.matrix(2 * kFfn, kDim, MatrixKind::kGateUp, {}, dtype);
         const View f = m.view(kRows, kFfn, activation);
         b.swiglu(h, *w, {}, f);
         return m.read(f);
       }},
      {"what adapters add", 5, true,
       [=, &b](Memory& m, View z) {
         const auto w = m.matrix(65, kDim, MatrixKind::kPlain, {}, dtype);
         const auto w_b = m.matrix(65, 5, MatrixKind::kPlain, {}, dtype);
         const View h = m.upload(random_rows(kRows, kDim, 9), activation), x = m.upload(random_rows(kRows, 65, 8));
         b.linear_add(h, *w, {}, x, x, {z, w_b.get()});
         Floats all = m.read(x);
         if (dtype == DType::kFloat16) return all;  // in which nothing is trained
         const auto gate_up = m.matrix(2 * kFfn, kDim, MatrixKind::kGateUp, {}, dtype);
         const auto gate_up_b = m.matrix(2 * kFfn, 5, MatrixKind::kGateUp, {}, dtype);
         const View f = m.view(kRows, kFfn, activation);
         b.swiglu(h, *gate_up, {}, f, {z, gate_up_b.get()});
         append(all, m.read(f));
         return all;
       }},
      {"gather_rows", kDim, false,
       [=, &b](Memory& m, View x) {
         const View y = m.view(kRows, kDim, DType::kFloat32);
         b.gather_rows(*pack(same, {}), x, y);
         return m.read(y);
       }},
      {"head_score", kDim, true,
       [=, &b](Memory& m, View h) {
         const auto w = m.matrix(kVocab, kDim, MatrixKind::kPlain, {}, dtype);
         constexpr int kTop = 3;
         std::vector<float> log_prob(kRows), top_log_prob(kRows * kTop);
         std::vector<int32_t> argmax(kRows), top_ids(kRows * kTop);
         b.head_score(h, *w, same, kTop, {log_prob, argmax, top_ids, top_log_prob}, Control());
         for (const int32_t id : top_ids) CHECK(id >= 0 && id < kVocab);
         for (const int32_t id : argmax) CHECK(id >= 0 && id < kVocab);
         Floats all = {1, log_prob};
         append(all, from_ids(argmax, 1));
         append(all, from_ids(top_ids, kTop));
         append(all, {kTop, top_log_prob});
         return all;
       }},
      {"head_logits", kDim, true,
       [=, &b](Memory& m, View h) {
         const auto w = m.matrix(kVocab, kDim, MatrixKind::kPlain, {}, dtype);
         Floats logits = {kVocab, std::vector<float>(kRows * kVocab)};
         b.head_logits(h, *w, logits.values.data(), Control());
         return logits;
       }},
      {"head_sample", kDim, true,
       [=, &b](Memory& m, View h) {
         const auto w = m.matrix(kVocab, kDim, MatrixKind::kPlain, {}, dtype);
         const Sampling sampling = {.temperature = 0.8f, .top_k = 50, .top_p = 0.9f};
         std::vector<Draw> draws;
         std::vector<Adjustment> adjustments;
         std::vector<uint32_t> masks;
         for (int r = 0; r < kRows; r++) {
           const auto begin = static_cast<int32_t>(adjustments.size());
           for (int id = r; r % 2 == 0 && id < kVocab; id += 3) adjustments.push_back({id, 1.3f, -0.5f});
           draws.push_back({sampling, random_bits(1, r, 2), begin, static_cast<int32_t>(adjustments.size())});
           if (r % 3 > 0) continue;
           draws.back().mask = static_cast<int32_t>(masks.size() / mask_words(kVocab));
           masks.insert(masks.end(), mask_words(kVocab), 0x6b6b6b6bu);
         }
         std::vector<int32_t> ids(kRows);
         std::vector<float> log_prob(kRows);
         b.head_sample(h, *w, draws, {adjustments, masks}, ids, log_prob, Control());
         for (const int32_t id : ids) CHECK(id >= 0 && id < kVocab);
         Floats all = {1, log_prob};
         append(all, from_ids(ids, 1));
         return all;
       }},
  };
}

void test_row_ops(Backend& b, DType dtype, bool shows, int step) {
  const std::string where = b.name() + " " + std::string(dtype_name(dtype));
  int turn = 0;
  for (const RowOp& op : row_ops(b, dtype)) {
    const DType in = op.activations ? b.activation_dtype(dtype) : DType::kFloat32;
    const Floats clean = random_rows(kRows, op.cols, 1);
    Memory memory(b);
    const Floats want = op.run(memory, memory.upload(clean, in));
    for (const int spoilt : {0, 5, kRows - 1})
      for (const float with : kSpoilers) {
        if (turn++ % step != 0) continue;
        Floats rows = clean;
        rows.spoil(spoilt, with);
        Memory own(b);
        const Floats got = op.run(own, own.upload(rows, in));
        for (int r = 0; r < kRows; r++)
          if (r != spoilt)
            check(same_bits(got.row(r), want.row(r)), "%s %s: row %d changes where row %d is %g", where.c_str(),
                  op.name, r, spoilt, with);
        if (shows && std::isnan(with))
          check(std::isnan(got.row(spoilt)[0]), "%s %s: a row of NaN gives %g", where.c_str(), op.name,
                got.row(spoilt)[0]);
      }
  }
}

// ---- attention ----

constexpr int kSegment = 70, kSkew = 3;  // rows of the cache that the second tree sees, behind others that no one sees

// A tree of a prefix and branches, one behind the cache, and a plain sequence.
struct AttentionPack {
  std::vector<int32_t> pos, branch_start;
  std::vector<Tree> trees;

  AttentionPack() {
    add({70, {3, 40, 1}}, 0);
    add({5, {20, 2}}, kSegment);
    add({0, {9}}, 0);
  }
  int tokens() const { return static_cast<int>(pos.size()); }
  const Tree& tree_of(int row) const {
    for (const Tree& tree : trees)
      if (row < tree.end) return tree;
    return trees.back();
  }
  bool sees(int row, int token, int window) const {
    const Tree& tree = tree_of(row);
    return token >= tree.start && token <= row &&
           (token >= branch_start[row] || token < tree.start + tree.prefix_len) && pos[row] - pos[token] < window;
  }
  bool sees_cached(int row, int cache_row, int window) const {
    const Tree& tree = tree_of(row);
    const int position = cache_row - tree.segment_row;
    return position >= 0 && position < tree.segment_len && pos[row] - position < window;
  }

 private:
  struct Lengths {
    int prefix;
    std::vector<int> branches;
  };
  void add(const Lengths& lengths, int segment) {
    const int start = tokens();
    const auto piece = [this](int count, int position) {
      const int begin = tokens();
      for (int i = 0; i < count; i++) {
        branch_start.push_back(begin);
        pos.push_back(position + i);
      }
    };
    piece(lengths.prefix, segment);
    for (const int count : lengths.branches) piece(count, segment + lengths.prefix);
    trees.push_back({start, tokens(), lengths.prefix, segment > 0 ? kSkew : 0, segment});
  }
};

struct AttentionInput {
  Floats q, k, v, cache_k, cache_v;
};

Floats attend(Backend& b, DType dtype, const AttentionPack& pack, HeadShape heads, int window,
              const AttentionInput& in) {
  Memory m(b);
  const std::vector<int32_t> ids(pack.tokens(), 0);
  const auto placed = b.place({ids, pack.pos, pack.branch_start, pack.trees}, heads, {&window, 1});
  const KvCache cache = {{m.upload(in.cache_k)}, {m.upload(in.cache_v)}};
  const View out = m.view(pack.tokens(), in.q.cols, b.activation_dtype(dtype));
  b.attention(*placed, m.upload(in.q), m.upload(in.k), m.upload(in.v), &cache, 0, heads, window, out);
  return m.read(out);
}

void test_attention(Backend& b, DType dtype, HeadShape heads, int window, bool shows, int step) {
  const std::string where = b.name() + " " + std::string(dtype_name(dtype)) + " window " + std::to_string(window);
  const AttentionPack pack;
  const int tokens = pack.tokens(), q_dim = heads.heads * heads.head_dim, kv_dim = heads.kv_heads * heads.head_dim;
  const AttentionInput clean = {random_rows(tokens, q_dim, 1), random_rows(tokens, kv_dim, 2),
                                random_rows(tokens, kv_dim, 3), random_rows(kSegment + 2 * kSkew, kv_dim, 4),
                                random_rows(kSegment + 2 * kSkew, kv_dim, 5)};
  const Floats want = attend(b, dtype, pack, heads, window, clean);
  // Which input, and which of its rows: in a prefix, at the edge of a block, in branches, the last; in the cache, what
  // one tree sees and what no one sees.
  struct Place {
    const char* what;
    Floats AttentionInput::*input;
    std::vector<int> rows;
  };
  const int first_branch = 70, second_tree = 114;
  const std::vector<int> in_pack = {0,
                                    63,
                                    64,
                                    first_branch - 1,
                                    first_branch,
                                    first_branch + 5,
                                    second_tree - 1,
                                    second_tree,
                                    second_tree + 9,
                                    tokens - 5,
                                    tokens - 1};
  const std::vector<int> in_cache = {0, kSkew, kSkew + 63, kSkew + kSegment - 1, kSkew + kSegment};
  const Place places[] = {{"query", &AttentionInput::q, in_pack},
                          {"key", &AttentionInput::k, in_pack},
                          {"value", &AttentionInput::v, in_pack},
                          {"cached key", &AttentionInput::cache_k, in_cache},
                          {"cached value", &AttentionInput::cache_v, in_cache}};
  int turn = 0;
  for (const Place& place : places)
    for (const int spoilt : place.rows)
      for (const float with : kSpoilers) {
        if (turn++ % step != 0) continue;
        AttentionInput in = clean;
        (in.*place.input).spoil(spoilt, with);
        const Floats got = attend(b, dtype, pack, heads, window, in);
        for (int r = 0; r < tokens; r++) {
          const bool cached = place.rows == in_cache, query = place.input == &AttentionInput::q;
          const bool sees = cached  ? pack.sees_cached(r, spoilt, window)
                            : query ? r == spoilt
                                    : pack.sees(r, spoilt, window);
          if (!sees)
            check(same_bits(got.row(r), want.row(r)),
                  "%s attention: row %d changes where %s %d, which it does not see, "
                  "is %g",
                  where.c_str(), r, place.what, spoilt, with);
          else if (shows && (std::isnan(with) || (std::isinf(with) && place.what[std::strlen(place.what) - 1] == 'e')))
            check(!std::isfinite(got.row(r)[0]), "%s attention: row %d sees %s %d, which is %g, and is %g",
                  where.c_str(), r, place.what, spoilt, with, got.row(r)[0]);
        }
      }
}

// ---- requests ----

// A model in which the values of token 7 overflow in the first layer, and of no other token: column 0 of the embedding
// is 0 but for token 7, and the value projection multiplies it by nearly the largest number.
constexpr int32_t kSpoiler = 7;

std::shared_ptr<Llama> load_overflowing(std::unique_ptr<Backend> backend, DType dtype) {
  const LlamaConfig config = tiny_config();
  Checkpoint checkpoint = random_checkpoint(config, 1);
  float* embedding = checkpoint.data("model.embed_tokens.weight");
  for (int id = 0; id < config.vocab_size; id++) embedding[size_t(id) * config.hidden_size] = id == kSpoiler ? 30 : 0;
  float* values = checkpoint.data("model.layers.0.self_attn.v_proj.weight");
  for (int i = 0; i < config.kv_size(); i++)
    values[size_t(i) * config.hidden_size] = dtype == DType::kFloat16 ? 60000 : 3e38f;
  const TemporaryFile file(checkpoint.bytes());
  return std::make_shared<Llama>(std::move(backend), config, checkpoint.in(file), dtype, Control());
}

// Ids of any token but the spoiler.
std::vector<int32_t> calm_ids(std::mt19937& random, size_t count) {
  std::vector<int32_t> ids = random_ids(random, count, 76);
  for (int32_t& id : ids) id += id >= kSpoiler;
  return ids;
}

std::vector<int32_t> with_spoiler(std::vector<int32_t> ids, size_t at) {
  ids.insert(ids.begin() + static_cast<ptrdiff_t>(at), kSpoiler);
  return ids;
}

}  // namespace

void ops_keep_rows_apart(Backend& backend, DType dtype, bool shows, int step) {
  test_row_ops(backend, dtype, shows, step);
  test_attention(backend, dtype, kHeads, kWholeWindow, shows, step);
  test_attention(backend, dtype, {3, 1, 20}, kWholeWindow, shows, 3 * step);
  test_attention(backend, dtype, kHeads, 30, shows, 3 * step);
  test_attention(backend, dtype, {3, 1, 20}, 66, shows, 3 * step);
}

void requests_keep_apart(std::unique_ptr<Backend> backend, DType dtype, bool shows) {
  const std::string where = backend->name() + " " + std::string(dtype_name(dtype));
  const auto model = load_overflowing(std::move(backend), dtype);
  std::mt19937 random(5);
  for (const size_t length : {1, 20, 66}) {
    const std::vector<int32_t> prompt = calm_ids(random, length);
    const std::vector<int32_t> calm = calm_ids(random, 4), spoilt = with_spoiler(calm_ids(random, 4), 0);
    PackBuilding alone, beside;
    alone.add_tree({prompt, {calm}});
    beside.add_plain({spoilt, {calm, spoilt}});  // another caller's
    const size_t first = beside.rows.size();
    beside.add_tree({prompt, {calm, spoilt}});
    const std::vector<float> want = alone.score(*model).log_prob, got = beside.score(*model).log_prob;
    check(std::isfinite(want[0]), "%s: a score of %g", where.c_str(), want[0]);
    check(same_bits(want, std::span(got).subspan(first, want.size())),
          "%s: scores behind %zu tokens change beside a branch and a request that overflow: %.9g, alone %.9g",
          where.c_str(), length, got[first], want[0]);
    if (shows && dtype != DType::kFloat16)
      check(!std::isfinite(got.back()), "%s: a token behind one that overflows has the score %g", where.c_str(),
            got.back());

    const auto generate = [&](const std::vector<std::vector<int32_t>>& prompts) {
      Session session = session_of(model, 200);
      std::vector<SessionSequence> sequences;
      std::vector<int32_t> offsets = {0}, ids, next(prompts.size());
      std::vector<float> log_probs(prompts.size());
      for (size_t i = 0; i < prompts.size(); i++) {
        sequences.push_back({.first_row = static_cast<int32_t>(100 * i), .sampling = {.temperature = 0.7f, .seed = 3}});
        ids.insert(ids.end(), prompts[i].begin(), prompts[i].end());
        offsets.push_back(static_cast<int32_t>(ids.size()));
      }
      session.step({sequences, offsets, ids}, {next, log_probs}, Control());
      return std::vector<float>{static_cast<float>(next[0]), log_probs[0]};
    };
    check(same_bits(generate({prompt}), generate({prompt, with_spoiler(prompt, length / 2)})),
          "%s: a text of %zu tokens changes beside one that overflows", where.c_str(), length);
  }
}

}  // namespace mt::test
