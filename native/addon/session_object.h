// The session object of JavaScript (NativeSession of src/binding.ts): sequences with a KV cache.
#pragma once
#include "../model/session.h"
#include "engine_thread.h"

namespace mt::addon {

// What the closures of one session share. Freed on the engine thread.
class SessionHandle {
 public:
  SessionHandle(std::shared_ptr<EngineThread> engine, std::shared_ptr<Session> session)
      : engine_(std::move(engine)), session_(std::move(session)) {}
  ~SessionHandle() { dispose(); }

  EngineThread& engine() { return *engine_; }
  // Throws DISPOSED.
  std::shared_ptr<Session> session() const;
  void dispose() { engine_->release(std::move(session_)); }

 private:
  std::shared_ptr<EngineThread> engine_;
  std::shared_ptr<Session> session_;
};

// Has step, dispose.
Napi::Object new_session_object(Napi::Env env, std::shared_ptr<SessionHandle> handle);

}  // namespace mt::addon
