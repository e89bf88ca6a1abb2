// step() reads its arguments, queues a job and returns a promise.
#include "session_object.h"

#include "javascript.h"

namespace mt::addon {
namespace {

// Reads sequences from [sequences, 3]: first row, length, stream.
std::vector<SessionSequence> read_sequences(Napi::Value value) {
  std::vector<SessionSequence> sequences;
  for (const auto& [first_row, length, stream] : read_triples(value, "sequences")) {
    sequences.push_back({.first_row = first_row, .length = length, .stream = stream});
  }
  return sequences;
}

class StepJob final : public Job {
 public:
  StepJob(const Napi::CallbackInfo& info, std::shared_ptr<Session> session)
      : Job(info[3]),
        session_(std::move(session)),
        sequences_(read_sequences(info[0])),
        offsets_(read_int32s(info[1], "offsets")),
        ids_(read_int32s(info[2], "ids")),
        next_(info.Env(), sequences_.size()),
        log_probs_(info.Env(), sequences_.size()) {}

  void run(const Control& control) override {
    const std::shared_ptr<Session> session = std::move(session_);
    session->step({sequences_, offsets_, ids_}, next_.values(), log_probs_.values(), control);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result["ids"] = next_.array();
    result["logProbs"] = log_probs_.array();
    return result;
  }

 private:
  std::shared_ptr<Session> session_;
  std::vector<SessionSequence> sequences_;
  std::vector<int32_t> offsets_, ids_;
  ResultArray<Napi::Int32Array> next_;
  ResultArray<Napi::Float32Array> log_probs_;
};

}  // namespace

Napi::Object new_session_object(Napi::Env env, std::shared_ptr<EngineOwned<Session>> session) {
  Napi::Object object = Napi::Object::New(env);
  define_method(object, "step", [session](const Napi::CallbackInfo& info) {
    return promise_of(info.Env(), [&] {
      if (!session->get()) throw Error(ErrorCode::DISPOSED, "the session or its model was disposed");
      return session->engine()->push(info.Env(), std::make_unique<StepJob>(info, session->get()));
    });
  });
  define_method(object, "dispose", [session](const Napi::CallbackInfo& info) {
    session->release();
    return info.Env().Undefined();
  });
  return object;
}

}  // namespace mt::addon
