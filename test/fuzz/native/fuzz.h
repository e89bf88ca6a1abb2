// What the native fuzz targets share: numbers cut from the fuzzer's bytes, a tiny model, and what an error may be.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../../../native/model/llama.h"
#include "../../native/tiny_model.h"

namespace mt::fuzz {

// Ends the process as a crash does, so that the input is kept.
[[noreturn]] inline void broken(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::abort();
}

// Cuts an input into numbers. Past its end every number is 0.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }
  uint8_t byte() {
    if (rest_.empty()) return 0;
    const uint8_t value = rest_[0];
    rest_ = rest_.subspan(1);
    return value;
  }
  uint32_t word() {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) value = value << 8 | byte();
    return value;
  }
  // In low .. high, which are at most 255 apart.
  int within(int low, int high) { return low + byte() % (high - low + 1); }
  float real() { return std::bit_cast<float>(word()); }
  // A number near the edges of what checks accept, or any.
  int32_t odd_number() {
    constexpr int32_t kOdd[] = {INT32_MIN,     INT32_MIN + 1, -1,       0, 1, 2, 1 << 24,
                                (1 << 24) + 1, INT32_MAX - 1, INT32_MAX};
    const uint8_t which = byte();
    if (which < std::size(kOdd)) return kOdd[which];
    return which < 128 ? within(-8, 40) : static_cast<int32_t>(word());
  }
  std::span<const uint8_t> rest() const { return rest_; }

 private:
  std::span<const uint8_t> rest_;
};

// Changes one element of an array, or its length by one.
template <class Element>
void spoil(std::vector<Element>& array, Input& input, void (*change)(Element&, Input&)) {
  const int how = input.within(0, 9);
  if (how == 0) array.emplace_back();
  if (how == 1 && !array.empty()) array.pop_back();
  if (how > 1 && !array.empty()) change(array[input.byte() % array.size()], input);
}

inline void change_number(int32_t& number, Input& input) { number = input.odd_number(); }

// Whether `body` throws no mt::Error. One that it throws must have a code of `expected`, and a message.
template <class Body>
bool accepts(std::initializer_list<ErrorCode> expected, Body body) {
  try {
    body();
    return true;
  } catch (const Error& error) {
    if (std::ranges::find(expected, error.code()) == expected.end() || !*error.what()) {
      broken(std::string("an error of the code ") + error_code_name(error.code()) + ": " + error.what());
    }
    return false;
  }
}

// One layer, so small that a pass takes microseconds.
inline std::shared_ptr<Llama> new_tiny_model(bool reference) {
  LlamaConfig config = test::tiny_config();
  config.vocab_size = 11;
  config.hidden_size = 8;
  config.intermediate_size = 12;
  config.layers = 1;
  config.heads = 2;
  config.kv_heads = 1;
  config.head_dim = 4;
  config.context_length = 24;
  config.rope_frequencies = {1, 0.01f};
  return test::load_tiny(reference ? make_reference_backend() : make_cpu_backend(1), DType::kFloat32, config);
}

// It runs on both CPU backends.
inline std::shared_ptr<Llama> tiny_model(bool reference) {
  static const std::shared_ptr<Llama> models[] = {new_tiny_model(false), new_tiny_model(true)};
  return models[reference];
}

}  // namespace mt::fuzz
