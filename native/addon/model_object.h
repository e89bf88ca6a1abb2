// The model and session objects of JavaScript (NativeModel and NativeSession of src/binding.ts).
//
// Their methods are closures over a shared handle: there is no wrapped pointer that a wrong `this` could misread.
#pragma once
#include "../model/llama.h"
#include "engine_thread.h"

namespace mt::addon {

// Has weightBytes, backend, reserve, score, logits, session, dispose.
Napi::Object new_model_object(Napi::Env env, std::shared_ptr<EngineThread> engine, std::shared_ptr<Llama> llama);

}  // namespace mt::addon
