// The model object of JavaScript (NativeModel of src/native/types.ts). Its methods are closures over a shared handle,
// so that calling one with a wrong `this` does no harm.
#pragma once
#include "../model/llama.h"
#include "engine_thread.h"

namespace mt::addon {

// Makes an object with weightBytes, backend, reserve, score, embed, logits, session, trainer, dispose.
Napi::Object new_model_object(Napi::Env env, std::shared_ptr<EngineThread> engine, std::shared_ptr<Llama> llama);

}  // namespace mt::addon
