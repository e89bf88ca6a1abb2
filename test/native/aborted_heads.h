// Ops of the head that are cancelled midway: they stop with ABORTED, and afterwards give the same bits as before.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "op_compare.h"
#include "sanitizer.h"

namespace mt::test {

struct HeadOp {
  const OpKind* kind;
  int top_k = 0;
};
inline const HeadOp kHeadOps[] = {{&head_score}, {&head_score, 1}, {&head_score, 3}, {&head_sample}, {&head_logits}};

inline OpCase case_of(const HeadOp& head, int rows, int vocab) {
  return {
      .shape = {"head", 17, 33, 1, 1, 2, vocab}, .dtype = DType::kBFloat16, .trees = plain(rows), .top_k = head.top_k};
}

// A backend whose work can be counted in steps, and that lets a test step in at one of them.
struct Stepped {
  std::string name;
  std::unique_ptr<Backend> backend;
  // Counts steps from 0 again, and calls `then`, where it is not empty, when step n begins.
  std::function<void(int n, std::function<void()> then)> at_step;
  std::function<int()> steps;
  // How many steps of an op, which takes `all`, may still come after the one at which it is cancelled.
  std::function<int(const HeadOp&, int all)> overrun;
  // Whether the op polls its control after the last step.
  std::function<bool(const HeadOp&)> polls_at_end;
};

// The code of the error that `body` throws, or "".
template <class Body>
std::string code_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error_code_name(error.code());
  }
  return "";
}

// Cancels each op of the head at each of its steps.
inline void cancel_at_every_step(const Stepped& on, int rows, int vocab) {
  for (const HeadOp& head : kHeadOps) {
    const auto run = (*head.kind)(*on.backend, case_of(head, rows, vocab));
    on.at_step(0, {});
    run->run();
    const std::vector<Output> want = run->outputs();
    const int all = on.steps(), overrun = on.overrun(head, all);
    const std::string name = on.name + ", " + head.kind->name + " with top_k " + std::to_string(head.top_k);
    check(all > 2 * overrun, "%s: %d steps, of which %d may come too late", name.c_str(), all, overrun);
    for (int n = 0; n < all; n += kSanitized ? 5 : 1) {
      int32_t words[2] = {};
      on.at_step(n, [&words] { Control(words).cancel(); });
      const std::string error = code_of([&] { run->run(Control(words)); });
      const int taken = on.steps();
      const bool must = n + 1 + overrun < all || on.polls_at_end(head);
      check(error == "ABORTED" || (error.empty() && !must), "%s: cancelled at step %d of %d, its error is \"%s\"",
            name.c_str(), n, all, error.c_str());
      check(taken > n && taken <= n + 1 + overrun, "%s: cancelled at step %d of %d, it took %d", name.c_str(), n, all,
            taken);
      on.at_step(0, {});
      run->run();
      check(same_bits(run->outputs(), want), "%s: after it was cancelled at step %d of %d, other bits", name.c_str(), n,
            all);
    }
  }
}

}  // namespace mt::test
