// Each method of the model object has a job. It reads and checks its arguments, queues the job and returns a promise.
#include "model_object.h"

#include <algorithm>

#include "../model/embed.h"
#include "score_arrays.h"
#include "session_object.h"
#include "trainer_object.h"

namespace mt::addon {
namespace {

// What the methods of one model share. The model is freed on the engine thread, with its sessions.
class ModelHandle {
 public:
  ModelHandle(std::shared_ptr<EngineThread> engine, std::shared_ptr<Llama> llama)
      : llama_(std::move(engine), std::move(llama)) {}

  EngineThread& engine() { return *llama_.engine(); }

  std::shared_ptr<Llama> llama() const {
    auto llama = llama_.get();
    if (!llama) throw Error(ErrorCode::DISPOSED, "the model was disposed");
    return llama;
  }

  // A session or trainer of the model, which is disposed with it.
  template <class User>
  std::shared_ptr<EngineOwned<User>> add(std::shared_ptr<User> user) {
    auto owned = std::make_shared<EngineOwned<User>>(llama_.engine(), std::move(user));
    std::erase_if(users_, [](const auto& other) { return other.expired(); });
    users_.push_back(owned);
    return owned;
  }

  void dispose() {
    for (const auto& user : users_) {
      if (const auto owned = user.lock()) owned->release();
    }
    llama_.release();
  }

 private:
  EngineOwned<Llama> llama_;
  std::vector<std::weak_ptr<Releasable>> users_;
};

class ScoreJob final : public Job {
 public:
  ScoreJob(const Napi::CallbackInfo& info, std::shared_ptr<Llama> llama)
      : Job(info[1], read_flag(info[2], "isUrgent")), llama_(llama), arrays_(info[0], llama->config(), 0) {}

  void run(const Control& control) override {
    const std::shared_ptr<Llama> llama = std::move(llama_);
    score(*llama, arrays_.request(), arrays_.outputs(), control);
  }

  Napi::Value result(Napi::Env env) override { return arrays_.result(env); }

 private:
  std::shared_ptr<Llama> llama_;
  ScoreArrays arrays_;
};

Pooling read_pooling(Napi::Value value) {
  const std::string name = read_string(value, "pooling");
  if (name == "mean") return Pooling::kMean;
  if (name == "last") return Pooling::kLast;
  throw Error(ErrorCode::INVALID_ARGUMENT, "pooling is \"" + name + "\", expected mean or last");
}

class EmbedJob final : public Job {
 public:
  EmbedJob(const Napi::CallbackInfo& info, std::shared_ptr<Llama> llama)
      : Job(info[3], read_flag(info[4], "isUrgent")),
        llama_(llama),
        offsets_(read_int32s(info[0], "offsets")),
        ids_(read_int32s(info[1], "ids")),
        request_({offsets_, ids_, read_pooling(info[2])}) {
    check_request(request_, llama->config());
    vectors_ = {info.Env(), (offsets_.size() - 1) * static_cast<size_t>(llama->config().hidden_size)};
  }

  void run(const Control& control) override {
    const std::shared_ptr<Llama> llama = std::move(llama_);
    embed(*llama, request_, vectors_.values(), control);
  }

  Napi::Value result(Napi::Env) override { return vectors_.array(); }

 private:
  std::shared_ptr<Llama> llama_;
  std::vector<int32_t> offsets_, ids_;
  EmbedRequest request_;
  ResultArray<Napi::Float32Array> vectors_;
};

class ReserveJob final : public Job {
 public:
  ReserveJob(const Napi::CallbackInfo& info, std::shared_ptr<Llama> llama)
      : Job(info[1]),
        llama_(std::move(llama)),
        max_tokens_(static_cast<int>(read_integer(info[0], "packTokens", 1, 1 << 24))) {}

  void run(const Control&) override {
    const std::shared_ptr<Llama> llama = std::move(llama_);
    pack_tokens_ = llama->reserve(max_tokens_);
    free_bytes_ = llama->free_bytes();
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result["packTokens"] = pack_tokens_;
    if (free_bytes_ != SIZE_MAX) result["freeBytes"] = static_cast<double>(free_bytes_);
    return result;
  }

 private:
  std::shared_ptr<Llama> llama_;
  int max_tokens_;
  int pack_tokens_ = 0;
  size_t free_bytes_ = 0;
};

// Ends once all jobs before it have, and what was released before it is freed.
class FreedJob final : public Job {
 public:
  void run(const Control&) override {}
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }
};

class LogitsJob final : public Job {
 public:
  LogitsJob(const Napi::CallbackInfo& info, std::shared_ptr<Llama> llama)
      : Job(info[1]), llama_(llama), ids_(read_int32s(info[0], "ids")) {
    check_sequence(ids_, llama->config());
    logits_ = {info.Env(), ids_.size() * static_cast<size_t>(llama->config().vocab_size)};
  }

  void run(const Control& control) override {
    const std::shared_ptr<Llama> llama = std::move(llama_);
    sequence_logits(*llama, ids_, logits_.values().data(), control);
  }

  Napi::Value result(Napi::Env) override { return logits_.array(); }

 private:
  std::shared_ptr<Llama> llama_;
  std::vector<int32_t> ids_;
  ResultArray<Napi::Float32Array> logits_;
};

class NewTrainerJob final : public Job {
 public:
  NewTrainerJob(const Napi::CallbackInfo& info, std::shared_ptr<ModelHandle> handle)
      : Job(info[2]),
        handle_(std::move(handle)),
        llama_(handle_->llama()),
        adapters_(read_adapters(info[0])),
        kept_bytes_(static_cast<size_t>(read_integer(info[1], "keptBytes", 0, int64_t{1} << 53))) {}

  void run(const Control&) override { trainer_ = std::make_shared<Trainer>(std::move(llama_), adapters_, kept_bytes_); }

  Napi::Value result(Napi::Env env) override { return new_trainer_object(env, handle_->add(std::move(trainer_))); }

 private:
  std::shared_ptr<ModelHandle> handle_;
  std::shared_ptr<Llama> llama_;
  std::vector<AdapterSpec> adapters_;
  size_t kept_bytes_;
  std::shared_ptr<Trainer> trainer_;
};

}  // namespace

Napi::Object new_model_object(Napi::Env env, std::shared_ptr<EngineThread> engine, std::shared_ptr<Llama> llama) {
  // The owner is made first, so that the engine thread destroys the model if the rest fails.
  const auto handle = std::make_shared<ModelHandle>(std::move(engine), std::move(llama));
  Napi::Object object = Napi::Object::New(env);
  const auto weight_bytes = static_cast<double>(handle->llama()->weight_bytes());
  define_value(object, "weightBytes", Napi::Number::New(env, weight_bytes));
  define_value(object, "backend", Napi::String::New(env, handle->llama()->backend().name()));
  define_method(object, "reserve", [handle](const Napi::CallbackInfo& info) {
    return promise_of(info.Env(), [&] {
      return handle->engine().push(info.Env(), std::make_unique<ReserveJob>(info, handle->llama()));
    });
  });
  define_method(object, "score", [handle](const Napi::CallbackInfo& info) {
    return promise_of(info.Env(), [&] {
      return handle->engine().push(info.Env(), std::make_unique<ScoreJob>(info, handle->llama()));
    });
  });
  define_method(object, "embed", [handle](const Napi::CallbackInfo& info) {
    return promise_of(info.Env(), [&] {
      return handle->engine().push(info.Env(), std::make_unique<EmbedJob>(info, handle->llama()));
    });
  });
  define_method(object, "logits", [handle](const Napi::CallbackInfo& info) {
    return promise_of(info.Env(), [&] {
      return handle->engine().push(info.Env(), std::make_unique<LogitsJob>(info, handle->llama()));
    });
  });
  define_method(object, "session", [handle](const Napi::CallbackInfo& info) {
    return thrown_by(info.Env(), [&] {
      return new_session_object(info.Env(), handle->add(std::make_shared<Session>(handle->llama())));
    });
  });
  define_method(object, "trainer", [handle](const Napi::CallbackInfo& info) {
    return promise_of(info.Env(),
                      [&] { return handle->engine().push(info.Env(), std::make_unique<NewTrainerJob>(info, handle)); });
  });
  define_method(object, "dispose", [handle](const Napi::CallbackInfo& info) {
    return promise_of(info.Env(), [&] {
      handle->dispose();
      return handle->engine().push(info.Env(), std::make_unique<FreedJob>());
    });
  });
  return object;
}

}  // namespace mt::addon
