// Only types and ranges are checked here; whether the parts of a tensor fit is for check_tensor() to say.
#include "tensors.h"

#include "../model/tensor_reader.h"
#include "javascript.h"

namespace mt::addon {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 53;

std::vector<int64_t> read_shape(Napi::Value value) {
  const Napi::Array array = read_array(value, "tensor shape");
  std::vector<int64_t> shape;
  for (uint32_t i = 0; i < array.Length(); i++) {
    shape.push_back(read_integer(array[i], "tensor shape", 0, kMaxSize));
  }
  return shape;
}

// `name` is the tensor's, for messages.
StoredPart read_part(Napi::Value value, const std::string& name) {
  const Napi::Object object = read_object(value, "tensor part");
  StoredPart part;
  part.file = read_path(object["file"], "tensor file");
  part.offset = static_cast<uint64_t>(read_integer(object["offset"], "tensor offset", 0, kMaxSize));
  part.bytes = static_cast<uint64_t>(read_integer(object["bytes"], "tensor bytes", 0, kMaxSize));
  part.type = stored_type(read_string(object["type"], "tensor type"), part.file + ": \"" + name + "\"");
  part.shape = read_shape(object["shape"]);
  const Napi::Value interleaved = object["ropeInterleaved"];
  part.rope_interleaved = !interleaved.IsUndefined() && read_bool(interleaved, "ropeInterleaved");
  return part;
}

StoredStack read_stack(Napi::Object object, const std::string& name) {
  StoredStack stack;
  const Napi::Array parts = read_array(object["parts"], "tensor parts");
  for (uint32_t i = 0; i < parts.Length(); i++) stack.parts.push_back(read_part(parts[i], name));
  const Napi::Value axis = object["axis"];
  if (!axis.IsUndefined()) stack.axis = static_cast<StoredStack::Axis>(read_integer(axis, "tensor axis", 0, 1));
  return stack;
}

StoredTensor read_tensor(Napi::Value value) {
  const Napi::Object object = read_object(value, "tensor");
  StoredTensor tensor;
  tensor.name = read_string(object["name"], "tensor name");
  tensor.shape = read_shape(object["shape"]);
  tensor.values = read_stack(object, tensor.name);
  const Napi::Value base = object["base"], adapters = object["adapters"];
  if (!base.IsUndefined()) {
    const Napi::Object object = read_object(base, "tensor base");
    tensor.base = read_stack(object, tensor.name);
    const Napi::Value subtract = object["subtract"];
    tensor.subtract_base = !subtract.IsUndefined() && read_bool(subtract, "tensor base's subtract");
  }
  if (adapters.IsUndefined()) return tensor;
  const Napi::Array array = read_array(adapters, "tensor adapters");
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Object adapter = read_object(array[i], "tensor adapter");
    tensor.adapters.push_back({.a = read_part(adapter["a"], tensor.name),
                               .b = read_part(adapter["b"], tensor.name),
                               .scale = read_float(adapter["scale"], "adapter scale")});
  }
  return tensor;
}

class ReadRowsJob final : public Job {
 public:
  explicit ReadRowsJob(const Napi::CallbackInfo& info)
      : Job(info[5]),
        tensor_(read_tensor(info[0])),
        head_dim_(static_cast<int>(read_integer(info[1], "headDim", 1, kMaxDimension))),
        type_(stored_type(read_string(info[4], "type"), "a tensor")) {
    if (tensor_.shape.empty() || tensor_.shape.size() > 2) {
      throw Error(ErrorCode::INVALID_ARGUMENT, "tensor shape is neither [out, in] nor [n]");
    }
    for (const int64_t n : tensor_.shape) {
      if (n < 1 || n > kMaxDimension) throw Error(ErrorCode::INVALID_ARGUMENT, "tensor shape is out of range");
    }
    check_tensor(tensor_, tensor_.shape, head_dim_);
    const int64_t rows = tensor_.shape[0], unit = TensorReader(head_dim_, Control()).row_unit(tensor_);
    first_ = static_cast<int>(read_integer(info[2], "first row", 0, rows - 1));
    count_ = static_cast<int>(read_integer(info[3], "rows", 1, rows - first_));
    if (first_ % unit != 0 || count_ % unit != 0) {
      throw Error(ErrorCode::INVALID_ARGUMENT, "rows are read in multiples of " + std::to_string(unit));
    }
    const auto block = static_cast<int64_t>(block_values(type_));
    if (tensor_.shape.back() % block != 0 || encode_limit(type_) == 0) {
      throw Error(ErrorCode::TENSOR_DTYPE, "\"" + tensor_.name + "\" cannot be written as " + stored_type_name(type_) +
                                               ", which has blocks of " + std::to_string(block));
    }
    const int64_t cols = tensor_.shape.size() == 2 ? tensor_.shape[1] : 1;
    bytes_ = {info.Env(), stored_bytes(type_, static_cast<size_t>(count_ * cols))};
  }

  void run(const Control& control) override {
    TensorReader reader(head_dim_, control);
    const auto values = reader.read(tensor_, first_, count_, encode_limit(type_), stored_type_name(type_));
    encode(type_, values.data(), values.size(), bytes_.values().data());
  }

  Napi::Value result(Napi::Env) override { return bytes_.array(); }

 private:
  static constexpr int64_t kMaxDimension = 1 << 24;

  StoredTensor tensor_;
  int head_dim_;
  StoredType type_;
  int first_ = 0;
  int count_ = 0;
  ResultArray<Napi::Uint8Array> bytes_;
};

}  // namespace

std::vector<StoredTensor> read_tensors(Napi::Value value) {
  const Napi::Array array = read_array(value, "tensors");
  std::vector<StoredTensor> tensors;
  for (uint32_t i = 0; i < array.Length(); i++) {
    Napi::HandleScope scope(array.Env());
    tensors.push_back(read_tensor(array[i]));
  }
  return tensors;
}

std::unique_ptr<Job> new_read_rows_job(const Napi::CallbackInfo& info) { return std::make_unique<ReadRowsJob>(info); }

}  // namespace mt::addon
