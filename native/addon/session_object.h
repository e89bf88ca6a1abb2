// The session object of JavaScript (NativeSession of src/native/types.ts): sequences with a KV cache.
#pragma once
#include "../model/session.h"
#include "engine_thread.h"

namespace mt::addon {

// Makes an object with resize, copy, step, score, dispose. Its closures share the session.
Napi::Object new_session_object(Napi::Env env, std::shared_ptr<EngineOwned<Session>> session);

}  // namespace mt::addon
