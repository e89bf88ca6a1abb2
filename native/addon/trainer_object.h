// The trainer object of JavaScript (NativeTrainer of src/native/types.ts).
#pragma once
#include "../train/trainer.h"
#include "engine_thread.h"

namespace mt::addon {

// Reads an array of { module, rank, scale }.
std::vector<AdapterSpec> read_adapters(Napi::Value value);

// Makes an object with forwardBackward, step, read, write, dispose. Its closures share the trainer.
Napi::Object new_trainer_object(Napi::Env env, std::shared_ptr<EngineOwned<Trainer>> trainer);

}  // namespace mt::addon
