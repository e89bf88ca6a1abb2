// Each method of the trainer object has a job. It reads and checks its arguments, queues the job and returns a promise.
#include "trainer_object.h"

#include <array>
#include <utility>

#include "owned_object.h"
#include "pack_arrays.h"

namespace mt::addon {
namespace {

constexpr std::array<std::pair<const char*, ParameterPart>, 4> kParts = {{{"weight", ParameterPart::kWeight},
                                                                          {"gradient", ParameterPart::kGradient},
                                                                          {"mean", ParameterPart::kMean},
                                                                          {"square", ParameterPart::kSquare}}};

ParameterPart read_part(Napi::Value value) {
  const std::string name = read_string(value, "part");
  std::string names;
  for (const auto& [known, part] : kParts) {
    if (name == known) return part;
    names += (names.empty() ? "" : ", ") + std::string(known);
  }
  throw Error(ErrorCode::INVALID_ARGUMENT, "part is \"" + name + "\", expected one of " + names);
}

class ForwardBackwardJob final : public Job {
 public:
  ForwardBackwardJob(const Napi::CallbackInfo& info, std::shared_ptr<Trainer> trainer)
      : Job(info[1]), trainer_(std::move(trainer)), pack_(read_object(info[0], "pack")) {
    weights_ = read_floats(info[0].As<Napi::Object>()["weights"], "weights");
    request_ = {.pack = pack_.pack(), .targets = pack_.targets(), .weights = weights_};
    request_.pack.rows = pack_.rows();
    check_request(request_, trainer_->config());
  }

  void run(const Control& control) override {
    const std::shared_ptr<Trainer> trainer = std::move(trainer_);
    loss_ = trainer->forward_backward(request_, control);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result["loss"] = loss_.loss;
    result["correct"] = loss_.correct;
    return result;
  }

 private:
  std::shared_ptr<Trainer> trainer_;
  PackArrays pack_;
  std::vector<float> weights_;
  TrainRequest request_;
  HeadLoss loss_;
};

StepOptions read_step(Napi::Value value) {
  const Napi::Object object = read_object(value, "options");
  const auto number = [&](const char* name) { return read_number(object[name], name); };
  return {.adamw = {.step = static_cast<int>(read_integer(object["step"], "step", 1, INT32_MAX)),
                    .lr = number("learningRate"),
                    .beta1 = number("beta1"),
                    .beta2 = number("beta2"),
                    .eps = number("eps"),
                    .weight_decay = number("weightDecay")},
          .max_norm = read_float(object["maxNorm"], "maxNorm"),
          .decay_vectors = read_bool(object["decayVectors"], "decayVectors")};
}

class UpdateJob final : public Job {
 public:
  UpdateJob(const Napi::CallbackInfo& info, std::shared_ptr<Trainer> trainer)
      : Job(info[1]), trainer_(std::move(trainer)), options_(read_step(info[0])) {}

  void run(const Control&) override {
    const std::shared_ptr<Trainer> trainer = std::move(trainer_);
    norm_ = trainer->step(options_);
  }

  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, norm_); }

 private:
  std::shared_ptr<Trainer> trainer_;
  StepOptions options_;
  double norm_ = 0;
};

class ReadJob final : public Job {
 public:
  ReadJob(const Napi::CallbackInfo& info, std::shared_ptr<Trainer> trainer)
      : Job(info[2]),
        trainer_(std::move(trainer)),
        name_(read_string(info[0], "name")),
        part_(read_part(info[1])),
        values_(info.Env(), trainer_->parameters().size(name_)) {}

  void run(const Control&) override {
    const std::shared_ptr<Trainer> trainer = std::move(trainer_);
    trainer->parameters().read(name_, part_, values_.values());
  }

  Napi::Value result(Napi::Env) override { return values_.array(); }

 private:
  std::shared_ptr<Trainer> trainer_;
  std::string name_;
  ParameterPart part_;
  ResultArray<Napi::Float32Array> values_;
};

class WriteJob final : public Job {
 public:
  WriteJob(const Napi::CallbackInfo& info, std::shared_ptr<Trainer> trainer)
      : Job(info[3]),
        trainer_(std::move(trainer)),
        name_(read_string(info[0], "name")),
        part_(read_part(info[1])),
        values_(read_floats(info[2], "values")) {
    trainer_->parameters().check_size(name_, values_.size());
  }

  void run(const Control&) override {
    const std::shared_ptr<Trainer> trainer = std::move(trainer_);
    trainer->parameters().write(name_, part_, values_);
  }

  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 private:
  std::shared_ptr<Trainer> trainer_;
  std::string name_;
  ParameterPart part_;
  std::vector<float> values_;
};

}  // namespace

std::vector<AdapterSpec> read_adapters(Napi::Value value) {
  const Napi::Array array = read_array(value, "adapters");
  std::vector<AdapterSpec> specs;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Object object = read_object(array[i], "adapters");
    specs.push_back({.module = read_string(object["module"], "module"),
                     .rank = read_int(object["rank"], "rank"),
                     .scale = read_float(object["scale"], "scale")});
  }
  return specs;
}

Napi::Object new_trainer_object(Napi::Env env, std::shared_ptr<EngineOwned<Trainer>> trainer) {
  Napi::Object object = Napi::Object::New(env);
  constexpr const char* kDisposed = "the trainer or its model was disposed";
  define_job<ForwardBackwardJob>(object, "forwardBackward", trainer, kDisposed);
  define_job<UpdateJob>(object, "step", trainer, kDisposed);
  define_job<ReadJob>(object, "read", trainer, kDisposed);
  define_job<WriteJob>(object, "write", trainer, kDisposed);
  define_dispose(object, trainer);
  return object;
}

}  // namespace mt::addon
