// The jobs of the benchmark. They belong to no model: timeOp() makes a backend of its own.
#include "bench_jobs.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "../check/ops.h"
#include "../check/timing.h"
#include "device.h"
#include "javascript.h"

namespace mt::addon {
namespace {

class PeaksJob final : public Job {
 public:
  explicit PeaksJob(const Napi::CallbackInfo& info)
      : Job(info[2]), device_(read_device(read_string(info[0], "device"))), threads_(read_threads(info[1])) {}

  void run(const Control& control) override {
    backend_ = make_backend(device_, 1)->name();
    peaks_ = measure_peaks(device_, threads_, control);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    Napi::Array arithmetic = Napi::Array::New(env);
    for (const Peaks::Arithmetic& a : peaks_.arithmetic) {
      Napi::Object object = Napi::Object::New(env);
      object["instruction"] = a.instruction;
      object["flops"] = a.flops;
      arithmetic[arithmetic.Length()] = object;
    }
    result["arithmetic"] = arithmetic;
    result["read"] = peaks_.read;
    result["backend"] = backend_;
    Napi::Object instructions = Napi::Object::New(env);
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16})
      instructions[std::string(dtype_name(dtype))] = peaks_.by_dtype[static_cast<int>(dtype)];
    result["instructions"] = instructions;
    return result;
  }

 private:
  DeviceName device_;
  int threads_;
  std::string backend_;
  Peaks peaks_;
};

const check::OpKind& read_op(Napi::Value value) {
  const std::string name = read_string(value, "op");
  std::vector<const check::OpKind*> kinds(std::begin(check::kForwardOps), std::end(check::kForwardOps));
  kinds.insert(kinds.end(), std::begin(check::kBackwardOps), std::end(check::kBackwardOps));
  std::string names;
  for (const check::OpKind* kind : kinds) {
    if (name == kind->name) return *kind;
    names += (names.empty() ? "" : ", ") + std::string(kind->name);
  }
  throw Error(ErrorCode::INVALID_ARGUMENT, "op is " + name + ", expected one of " + names);
}

bool is_of_training(const check::OpKind& kind) {
  return std::ranges::find(check::kBackwardOps, &kind) != std::end(check::kBackwardOps);
}

check::OpCase read_case(Napi::Value value, const check::OpKind& kind, DType dtype) {
  constexpr int kMaxTokens = 1 << 20, kMaxSize = 1 << 24;
  const Napi::Object object = read_object(value, "request");
  const auto size = [&](const char* name, int max) {
    return static_cast<int>(read_integer(object[name], name, 1, max));
  };
  check::ModelShape shape = {.name = "of this shape",
                             .dim = size("hiddenSize", kMaxSize),
                             .ffn = size("intermediateSize", kMaxSize),
                             .heads = size("heads", kMaxSize),
                             .kv_heads = size("kvHeads", kMaxSize),
                             .head_dim = size("headDim", kMaxSize),
                             .vocab = size("vocabSize", kMaxSize)};
  if (int64_t{shape.heads} * shape.head_dim > kMaxSize)
    throw Error(ErrorCode::INVALID_ARGUMENT, "heads * headDim is more than " + std::to_string(kMaxSize));
  if (shape.heads % shape.kv_heads != 0 || shape.head_dim % 2 != 0)
    throw Error(ErrorCode::INVALID_ARGUMENT, "heads are to be a multiple of kvHeads and headDim even");
  // What is trained on begins with no cache.
  const int max_cache = is_of_training(kind) ? 0 : kMaxTokens;
  const int cache = static_cast<int>(read_integer(object["cache"], "cache", 0, max_cache));
  return {.shape = shape, .dtype = dtype, .trees = {{cache, 0, {size("rows", kMaxTokens)}}}};
}

class TimeOpJob final : public Job {
 public:
  explicit TimeOpJob(const Napi::CallbackInfo& info)
      : Job(info[2]),
        options_(read_run_options(info[1])),
        kind_(read_op(read_object(info[0], "request")["op"])),
        case_(read_case(info[0], kind_, options_.dtype)),
        seconds_(read_number(read_object(info[0], "request")["seconds"], "seconds")) {
    constexpr double kMaxSeconds = 3600;
    if (!(seconds_ >= 0 && seconds_ <= kMaxSeconds))
      throw Error(ErrorCode::INVALID_ARGUMENT, "seconds is not in 0 .. 3600");
  }

  void run(const Control& control) override {
    const auto backend = make_backend(options_.device, options_.threads);
    timing_ = check::time_op(*backend, kind_, case_, seconds_, control);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result["seconds"] = timing_.median;
    result["secondsP10"] = timing_.low;
    result["secondsP90"] = timing_.high;
    result["runs"] = timing_.runs;
    result["flops"] = timing_.flops;
    result["bytes"] = timing_.bytes;
    result["memoryBytes"] = timing_.memory_bytes;
    result["fromMemory"] = timing_.from_memory;
    result["rowsChecked"] = timing_.rows_checked;
    return result;
  }

 private:
  RunOptions options_;
  const check::OpKind& kind_;
  check::OpCase case_;
  double seconds_;
  check::OpTiming timing_;
};

}  // namespace

std::unique_ptr<Job> new_peaks_job(const Napi::CallbackInfo& info) { return std::make_unique<PeaksJob>(info); }
std::unique_ptr<Job> new_time_op_job(const Napi::CallbackInfo& info) { return std::make_unique<TimeOpJob>(info); }

}  // namespace mt::addon
