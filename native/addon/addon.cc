// The module: errorCodes, storedTypes(), cpu(), gpus(), gpuFreeBytes(), parameters(), weightBytes(), readRows(),
// load(), peaks(), timeOp() (NativeAddon of src/native/types.ts).
#include <algorithm>
#include <string_view>

#include "../backend/gpus.h"
#include "../base/cpu_info.h"
#include "../model/parameters.h"
#include "bench_jobs.h"
#include "device.h"
#include "javascript.h"
#include "model_object.h"
#include "tensors.h"
#include "value_job.h"

namespace mt::addon {
namespace {

// State of one environment: the main thread and every Worker have their own.
struct InstanceData {
  std::shared_ptr<EngineThread> engine;
};

std::shared_ptr<EngineThread> engine_of(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<InstanceData>()->engine;
}

// Reads the sizes of a model, and which biases and norms it has.
LlamaConfig read_sizes(Napi::Value value) {
  const Napi::Object object = read_object(value, "config");
  const auto number = [&](const char* name) { return read_int(object[name], name); };
  LlamaConfig config;
  config.vocab_size = number("vocabSize");
  config.hidden_size = number("hiddenSize");
  config.intermediate_size = number("intermediateSize");
  config.layers = number("layers");
  config.heads = number("heads");
  config.kv_heads = number("kvHeads");
  config.head_dim = number("headDim");
  config.context_length = number("contextLength");
  const auto flag = [&](const char* name) { return read_bool(object[name], name); };
  config.tied_head = flag("tiedHead");
  config.qkv_bias = flag("qkvBias");
  config.head_norms = flag("headNorms");
  config.o_bias = flag("oBias");
  config.mlp_bias = flag("mlpBias");
  config.check_sizes();
  return config;
}

LlamaConfig read_config(Napi::Value value) {
  LlamaConfig config = read_sizes(value);
  const Napi::Object object = value.As<Napi::Object>();
  config.rms_norm_eps = read_float(object["rmsNormEps"], "rmsNormEps");
  config.rope_frequencies = read_floats(object["ropeFrequencies"], "ropeFrequencies");
  config.rope_attention_factor = read_float(object["ropeAttentionFactor"], "ropeAttentionFactor");
  config.windows = read_int32s(object["windows"], "windows");
  config.check();
  return config;
}

class LoadJob final : public Job {
 public:
  LoadJob(const Napi::CallbackInfo& info, std::shared_ptr<EngineThread> engine)
      : Job(info[3]),
        engine_(std::move(engine)),
        config_(read_config(info[0])),
        tensors_(read_tensors(info[1])),
        options_(read_run_options(info[2])) {}

  void run(const Control& control) override {
    llama_ = std::make_shared<Llama>(make_backend(options_.device, options_.threads), std::move(config_), tensors_,
                                     options_.dtype, control);
  }

  Napi::Value result(Napi::Env env) override { return new_model_object(env, std::move(engine_), std::move(llama_)); }

 private:
  std::shared_ptr<EngineThread> engine_;
  LlamaConfig config_;
  std::vector<StoredTensor> tensors_;
  RunOptions options_;
  std::shared_ptr<Llama> llama_;
};

Napi::Value read_rows(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&] { return engine_of(info)->push(info.Env(), new_read_rows_job(info)); });
}

Napi::Value load(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&] {
    const auto engine = engine_of(info);
    return engine->push(info.Env(), std::make_unique<LoadJob>(info, engine));
  });
}

Napi::Value peaks(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&] { return engine_of(info)->push(info.Env(), new_peaks_job(info)); });
}

Napi::Value time_op(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&] { return engine_of(info)->push(info.Env(), new_time_op_job(info)); });
}

// Returns a promise of the value that `compute` returns on the engine thread.
template <class Value>
Napi::Value push_value(const Napi::CallbackInfo& info, Napi::Value control, typename ValueJob<Value>::Compute compute,
                       typename ValueJob<Value>::Convert convert) {
  return engine_of(info)->push(info.Env(), std::make_unique<ValueJob<Value>>(control, std::move(compute), convert));
}

Napi::Value number_of(Napi::Env env, const size_t& value) { return Napi::Number::New(env, static_cast<double>(value)); }

Napi::Value weight_bytes_of(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&] {
    const auto compute = [options = read_run_options(info[1]), config = read_config(info[0])] {
      // The size does not depend on the number of threads, so one is enough.
      return weight_bytes(*make_backend(options.device, 1), config, options.dtype);
    };
    return push_value<size_t>(info, info[2], compute, number_of);
  });
}

// The words of a text, which single spaces part.
Napi::Array words_of(Napi::Env env, std::string_view text) {
  Napi::Array words = Napi::Array::New(env);
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find(' ', start), text.size());
    words[words.Length()] = Napi::String::New(env, text.data() + start, end - start);
    start = end + 1;
  }
  return words;
}

Napi::Value parameters_of(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array list = Napi::Array::New(env);
  for (const Parameter& parameter : parameters(read_sizes(info[0]))) {
    Napi::HandleScope scope(env);
    Napi::Array shape = Napi::Array::New(env), fields = Napi::Array::New(env);
    for (const int64_t n : parameter.shape()) shape[shape.Length()] = static_cast<double>(n);
    fields[0u] = words_of(env, parameter.rows.fields);
    if (!parameter.is_vector()) fields[1u] = words_of(env, parameter.cols.fields);
    Napi::Object object = Napi::Object::New(env);
    object["name"] = parameter.name;
    object["shape"] = shape;
    object["fields"] = fields;
    list[list.Length()] = object;
  }
  return list;
}

Napi::Value gpus_object(Napi::Env env, const Gpus& found) {
  Napi::Array list = Napi::Array::New(env);
  for (const Gpu& gpu : found.gpus) {
    Napi::Object object = Napi::Object::New(env);
    object["name"] = gpu.name;
    object["computeCapability"] = gpu.compute_capability;
    object["multiprocessors"] = gpu.multiprocessors;
    object["totalBytes"] = static_cast<double>(gpu.total_bytes);
    object["driver"] = gpu.driver;
    object["runtime"] = gpu.runtime;
    list[list.Length()] = object;
  }
  Napi::Object result = Napi::Object::New(env);
  result["gpus"] = list;
  result["reason"] = found.reason;
  return result;
}

Napi::Value gpus(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&] { return push_value<Gpus>(info, info[0], list_gpus, gpus_object); });
}

Napi::Value free_bytes_of(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&] {
    const auto compute = [ordinal = read_int(info[0], "ordinal")] { return gpu_free_bytes(ordinal); };
    return push_value<size_t>(info, info[1], compute, number_of);
  });
}

Napi::Value cpu(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array variants = Napi::Array::New(env);
  for (const std::string& name : cpu_variants()) variants[variants.Length()] = Napi::String::New(env, name);
  Napi::Object result = Napi::Object::New(env);
  result["name"] = processor_name();
  result["threads"] = usable_threads();
  result["variants"] = variants;
  return result;
}

Napi::Value stored_types(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array list = Napi::Array::New(env);
  for (const StoredFormat& format : stored_formats()) {
    Napi::Object object = Napi::Object::New(env);
    object["name"] = format.name;
    object["blockValues"] = static_cast<double>(format.block_values);
    object["blockBytes"] = static_cast<double>(format.block_bytes);
    list[list.Length()] = object;
  }
  return list;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  const auto fill = [&]() -> Napi::Value {
    env.SetInstanceData(new InstanceData{std::make_shared<EngineThread>(env)});
    Napi::Array codes = Napi::Array::New(env);
#define X(name) codes[codes.Length()] = Napi::String::New(env, #name);
    MT_ERROR_CODES(X)
#undef X
    define_value(exports, "errorCodes", codes);
    define_method(exports, "storedTypes", stored_types);
    define_method(exports, "cpu", cpu);
    define_method(exports, "gpus", gpus);
    define_method(exports, "gpuFreeBytes", free_bytes_of);
    define_method(exports, "parameters", parameters_of);
    define_method(exports, "weightBytes", weight_bytes_of);
    define_method(exports, "readRows", read_rows);
    define_method(exports, "load", load);
    define_method(exports, "peaks", peaks);
    define_method(exports, "timeOp", time_op);
    return exports;
  };
  return thrown_by(env, fill).As<Napi::Object>();
}

}  // namespace

NODE_API_MODULE(mt_llama, init)

}  // namespace mt::addon
