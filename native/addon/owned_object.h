// Methods of an object whose native side the engine thread owns: a session, a trainer.
#pragma once
#include <memory>

#include "engine_thread.h"
#include "javascript.h"

namespace mt::addon {

// Defines a method that queues a job, which is made of its arguments and the owned T, and returns its promise.
template <class J, class T>
void define_job(Napi::Object object, const char* name, const std::shared_ptr<EngineOwned<T>>& owned,
                const char* if_disposed) {
  define_method(object, name, [owned, if_disposed](const Napi::CallbackInfo& info) {
    return promise_of(info.Env(), [&] {
      if (!owned->get()) throw Error(ErrorCode::DISPOSED, if_disposed);
      return owned->engine()->push(info.Env(), std::make_unique<J>(info, owned->get()));
    });
  });
}

// Defines dispose(), which gives the owned object up once running jobs have ended.
template <class T>
void define_dispose(Napi::Object object, const std::shared_ptr<EngineOwned<T>>& owned) {
  define_method(object, "dispose", [owned](const Napi::CallbackInfo& info) {
    owned->release();
    return info.Env().Undefined();
  });
}

}  // namespace mt::addon
