// The ops of the head. What it chooses of a row may differ by rounding; so ids are held to the logits.
#include <algorithm>
#include <cmath>

#include "../ops.h"
#include "../product_run.h"
#include "../random.h"

namespace mt::check {
namespace {

class Head : public ProductRun {
 public:
  Head(Backend& backend, const OpCase& c, DType rounding)
      : ProductRun(backend, c, rounding, c.shape.dim, c.shape.vocab, MatrixKind::kPlain) {}

  // [rows, vocab], of the first rows
  Output logits(int rows) {
    std::vector<float> logits(size_t(rows) * case_.shape.vocab);
    backend_.head_logits({x_.data, rows, x_.cols, x_.dtype}, next_weight(), logits.data(), Control());
    return {"logits", case_.shape.vocab, std::move(logits)};
  }
};

class HeadLogits final : public Head {
 public:
  HeadLogits(Backend& backend, const OpCase& c, DType rounding)
      : Head(backend, c, rounding), logits_(size_t(tokens()) * c.shape.vocab) {}
  void run(const Control& control) override { backend_.head_logits(x_, next_weight(), logits_.data(), control); }
  std::vector<Output> outputs() override { return {{"logits", case_.shape.vocab, logits_}}; }
  double bytes() const override { return bytes_of(x_) + memory_bytes() + double(logits_.size()) * sizeof(float); }

 private:
  double bound(const Element& e) const override { return product(e.row, e.col); }

  std::vector<float> logits_;
};

class HeadScore final : public Head {
 public:
  HeadScore(Backend& backend, const OpCase& c, DType rounding)
      : Head(backend, c, rounding),
        log_probs_(tokens()),
        argmax_(tokens()),
        top_ids_(size_t(tokens()) * c.top_k),
        top_log_probs_(top_ids_.size()) {
    for (int i = 0; i < tokens(); i++) targets_.push_back((i * 131 + 7) % c.shape.vocab);
  }
  void run(const Control& control) override {
    backend_.head_score(x_, next_weight(), targets_, case_.top_k, {log_probs_, argmax_, top_ids_, top_log_probs_},
                        control);
  }
  std::vector<Output> outputs() override {
    const int k = std::max(1, case_.top_k);
    return {{"log_prob", 1, log_probs_},
            {"argmax", 1, {argmax_.begin(), argmax_.end()}},
            {"top id", k, {top_ids_.begin(), top_ids_.end()}},
            {"top log_prob", k, top_log_probs_}};
  }
  double bytes() const override {
    return bytes_of(x_) + memory_bytes() + double(tokens()) * (2 + 2 * case_.top_k) * sizeof(float);
  }

  void judge(const std::vector<Output>& want, OpRun& other, Judge& judge) override {
    const std::vector<Output> got = other.outputs();
    const int vocab = case_.shape.vocab;
    const std::vector<float> own_logits = logits(tokens()).values;
    for (size_t o = 0; o < want.size(); o++)
      for (size_t i = 0; i < want[o].values.size(); i++) {
        const int row = static_cast<int>(i) / want[o].cols;
        const double widest = widest_product(row), there = want[o].values[i], here = got[o].values[i];
        if (o == 0 || o == 3) {
          judge.add(want[o], i, here, 2 * widest + 32 * kHalfUnit * (std::fabs(there) + 1));
        } else if (!(here >= 0 && here < vocab)) {
          judge.add(want[o], i, here, there, INFINITY, widest);
        } else {
          // Ids may differ if the reference's own logits for them are closer together than the error.
          const float* of_row = &own_logits[size_t(row) * vocab];
          const double error = std::fabs(double{of_row[int(here)]} - of_row[int(there)]);
          judge.add(want[o], i, here, there, error, widest);
        }
      }
  }

 private:
  std::vector<int32_t> targets_;
  std::vector<float> log_probs_;
  std::vector<int32_t> argmax_, top_ids_;
  std::vector<float> top_log_probs_;
};

// What choose_token() picks: `id` if it is drawn within 2^-16 of the random number, for a device may round the weights
// otherwise.
Choice nearest_choice(std::span<const float> logits, const Draw& draw, const LogitChanges& changes, double id) {
  constexpr uint64_t kNear = uint64_t{1} << 48;
  std::vector<TokenWeight> scratch(logits.size());
  for (const uint64_t bits :
       {draw.random - std::min(draw.random, kNear), draw.random + std::min(~draw.random, kNear)}) {
    Draw near = draw;
    near.random = bits;
    const Choice choice = choose_token(logits, near, changes, scratch);
    if (choice.id == id) return choice;
  }
  return choose_token(logits, draw, changes, scratch);
}

// Adjustments of about every third token, with penalties, addends of either sign and bans.
void add_adjustments(int row, int vocab, std::vector<Adjustment>& adjustments) {
  const float addends[] = {0, -2.5f, 1.25f, -HUGE_VALF, 0.5f};
  for (int id = row % 3; id < vocab; id += 1 + (id + row) % 5) {
    const int turn = id * 7 + row;
    adjustments.push_back({id, turn % 3 == 0 ? 1 : turn % 3 == 1 ? 1.5f : 0.7f, addends[turn % 5]});
  }
}

// Masks of some tokens: of many, of few, of the last one alone.
void add_mask(int row, int vocab, std::vector<uint32_t>& masks) {
  const size_t begin = masks.size();
  masks.resize(begin + mask_words(vocab));
  const int step = row / 3 % 3 == 0 ? 2 : row / 3 % 3 == 1 ? 37 : vocab;
  for (int id = vocab - 1; id >= 0; id -= step) masks[begin + id / 32] |= uint32_t{1} << id % 32;
}

class HeadSample final : public Head {
 public:
  HeadSample(Backend& backend, const OpCase& c, DType rounding)
      : Head(backend, c, rounding), ids_chosen_(tokens()), log_probs_(tokens()) {
    const Sampling samplings[] = {{.temperature = 0.8f, .top_k = c.top_k, .top_p = 0.9f},
                                  {.temperature = 1.5f, .min_p = 0.05f}};
    for (int i = 0; i < tokens(); i++) {
      draws_.push_back({samplings[i % 2], random_bits(7, i, 0)});
      // Of three rows one is as it is, one is drawn from adjusted logits, of one the best of these is taken; most of
      // the last two have a mask too.
      if (!c.adjusted || i % 3 == 0) continue;
      Draw& draw = draws_.back();
      if (i % 3 == 1) draw = {};
      draw.adjustments_begin = static_cast<int32_t>(adjustments_.size());
      add_adjustments(i, c.shape.vocab, adjustments_);
      draw.adjustments_end = static_cast<int32_t>(adjustments_.size());
      if (i % 12 >= 9) continue;
      draw.mask = static_cast<int32_t>(masks_.size() / mask_words(c.shape.vocab));
      add_mask(i, c.shape.vocab, masks_);
    }
  }
  void run(const Control& control) override {
    backend_.head_sample(x_, next_weight(), draws_, {adjustments_, masks_}, ids_chosen_, log_probs_, control);
  }
  std::vector<Output> outputs() override {
    return {{"id", 1, {ids_chosen_.begin(), ids_chosen_.end()}}, {"log_prob", 1, log_probs_}};
  }
  double bytes() const override { return bytes_of(x_) + memory_bytes() + double(tokens()) * 2 * sizeof(float); }

  // Rounding may move a draw to the token beside it. So the other's logits are held to the reference's, and what it
  // draws to its own logits.
  void judge(const std::vector<Output>& want, OpRun& other, Judge& judge) override {
    auto& head = static_cast<HeadSample&>(other);
    const std::vector<Output> got = other.outputs();
    const Output own = logits(tokens());
    const std::vector<float> there = head.logits(tokens()).values;
    const size_t vocab = case_.shape.vocab;
    for (size_t i = 0; i < there.size(); i++)
      judge.add(own, i, there[i], product(static_cast<int>(i / vocab), static_cast<int>(i % vocab)));
    for (int r = 0; r < tokens(); r++) {
      const double id = got[0].values[r], log_prob = got[1].values[r];
      const Choice choice = nearest_choice({&there[r * vocab], vocab}, draws_[r], {adjustments_, masks_}, id);
      judge.add(want[0], r, id, choice.id, std::fabs(id - choice.id), 0);
      judge.add(want[1], r, log_prob, choice.log_prob, std::fabs(log_prob - choice.log_prob), 1e-5);
    }
  }

 private:
  std::vector<Draw> draws_;
  std::vector<Adjustment> adjustments_;
  std::vector<uint32_t> masks_;
  std::vector<int32_t> ids_chosen_;
  std::vector<float> log_probs_;
};

class HeadLossRun final : public OpRun {
 public:
  HeadLossRun(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        h_(random_activations(tokens(), c.shape.dim)),
        dh_(random_rows(tokens(), c.shape.dim)),
        dw_(random_rows(c.shape.vocab, c.shape.dim)),
        weights_(random(tokens(), 6, 1)) {
    const std::vector<float> values = random(size_t(c.shape.vocab) * c.shape.dim, 5, 1, c.dtype);
    w_ = matrix(values.data(), c.shape.vocab, c.shape.dim, MatrixKind::kPlain);
    w_t_ = matrix(nullptr, c.shape.dim, c.shape.vocab, MatrixKind::kPlain);
    backend_.backward()->transpose(*w_, *w_t_);
    for (int i = 0; i < tokens(); i++) targets_.push_back((i * 131 + 7) % c.shape.vocab);
  }
  void run(const Control& control) override {
    loss_ = backend_.backward()->head_loss(h_, *w_, *w_t_, targets_, weights_, dh_, dw_, control);
  }
  std::vector<Output> outputs() override {
    return {{"loss", 1, {static_cast<float>(loss_.loss)}},
            {"correct", 1, {static_cast<float>(loss_.correct)}},
            output("dh", dh_),
            output("dw", dw_)};
  }
  double flops() const override { return 6.0 * tokens() * dw_.rows * dw_.cols; }
  double bytes() const override {
    return 2 * double(w_->rows) * w_->cols * dtype_size(case_.dtype) + bytes_of(h_) + bytes_of(dh_) + 2 * bytes_of(dw_);
  }

 private:
  View h_, dh_, dw_;
  std::unique_ptr<Matrix> w_, w_t_;
  const std::vector<float> weights_;
  std::vector<int32_t> targets_;
  HeadLoss loss_;
};

}  // namespace

const OpKind head_score = {"head_score", make_run<HeadScore>, true, 4};
const OpKind head_sample = {"head_sample", make_run<HeadSample>, true, 4};
const OpKind head_logits = {"head_logits", make_run<HeadLogits>, true, 4};
const OpKind head_loss = {"head_loss", make_run<HeadLossRun>};

}  // namespace mt::check
