// Times the matrix products of LLaMA-7B through the launchers that the forward pass calls, beside cuBLAS's plain
// product of the same operands in the same run. Each is checked before it is timed. Prints rows for gpu-check's table.
//   gpu_gemm_bench [--tiny]    small sizes, to test the program in the simulator; the figures mean nothing there
#include <cmath>
#include <cstdio>
#include <cstring>

#include "base/dtype.h"
#include "base/error.h"
#include "gpu_product.h"
#ifdef MT_LLAMA_CUBLAS
#include "gpu_cublas.h"
#endif

namespace mt::bench {
namespace {

constexpr ProductShape kLlama7b[] = {{"qkv", Epilogue::kQkv, 12288, 4096, 128},
                                     {"o", Epilogue::kLinearAdd, 4096, 4096, 0},
                                     {"gate-up", Epilogue::kSwiglu, 22016, 4096, 0},
                                     {"down", Epilogue::kLinearAdd, 4096, 11008, 0},
                                     {"head", Epilogue::kHead, 32000, 4096, 0}};
constexpr ProductShape kTiny[] = {{"qkv", Epilogue::kQkv, 96, 32, 32},
                                  {"o", Epilogue::kLinearAdd, 32, 32, 0},
                                  {"gate-up", Epilogue::kSwiglu, 176, 32, 0},
                                  {"down", Epilogue::kLinearAdd, 32, 96, 0},
                                  {"head", Epilogue::kHead, 256, 32, 0}};

#ifndef MT_LLAMA_CUBLAS

float widen(bf16 x) { return bf16_to_f32(x.bits); }
float widen(f16 x) { return f16_to_f32(x.bits); }

// Rows of a b^T by the definition, to check against if there is no cuBLAS.
template <class T>
class HostProduct {
 public:
  std::vector<float> rows(Device& device, const Product<T>& product, int first, int count) {
    const int64_t n = product.shape().n, k = product.shape().k;
    if (b_.empty()) {
      b_.resize(n * k);
      device.download(b_.data(), product.b(0), b_.size() * sizeof(T));
    }
    std::vector<T> a(count * k);
    device.download(a.data(), product.a(0) + first * k, a.size() * sizeof(T));
    std::vector<float> c(count * n);
    for (int64_t r = 0; r < count; r++)
      for (int64_t col = 0; col < n; col++) {
        double sum = 0;
        for (int64_t i = 0; i < k; i++) sum += double{widen(a[r * k + i])} * widen(b_[col * k + i]);
        c[r * n + col] = static_cast<float>(sum);
      }
    return c;
  }

 private:
  std::vector<T> b_;
};

#endif

class GemmBench {
 public:
  GemmBench(Device& device, bool tiny) : device_(device), tiny_(tiny) {
#ifdef MT_LLAMA_CUBLAS
    cublas_ = std::make_unique<Cublas>(device);
#else
    row("cuBLAS", "MISSING (CMake found none)");
#endif
  }

  template <class T>
  bool measure(const ProductShape& shape, int m, const char* type) {
    Product<T> product(device_, shape, m);
    char what[100];
    std::snprintf(what, sizeof what, "%s %d x %d, M %d, %s", shape.name, shape.n, shape.k, m, type);
    product.run(0);
    const double error = worst_error(product);
    if (!(error <= 1)) {
      row(what, "WRONG: an element is off by %.3g times what is allowed", error);
      return false;
    }
    std::vector<std::function<void(int)>> sides = {[&](int i) { product.run(i); }};
#ifdef MT_LLAMA_CUBLAS
    // cuBLAS writes c in T without an epilogue, which is the least that a product could write.
    const DeviceMemory c(device_, sizeof(T) * product.copies() * m * shape.n);
    sides.push_back([&](int i) {
      cublas_->multiply(product.a(i), product.b(i), m, shape.n, shape.k,
                        static_cast<T*>(c.data()) + int64_t{i % product.copies()} * m * shape.n);
    });
#endif
    const std::vector<double> seconds = time_in_turns(device_, sides, tiny_ ? 1 : 7, tiny_ ? 0 : 4e-3);
    const double flops = 2.0 * m * shape.n * shape.k;
    const auto tflops = [&](size_t side) { return flops / seconds[side] / 1e12; };
    const double share = 100 * tflops(0) / kPeakTflops;
    if (seconds.size() == 1)
      row(what, "%9.1f us %6.1f TFLOP/s %5.1f %% of 989", seconds[0] * 1e6, tflops(0), share);
    else
      row(what, "%9.1f us %6.1f TFLOP/s %5.1f %% of 989; cuBLAS %9.1f us %6.1f TFLOP/s; ratio %.2f", seconds[0] * 1e6,
          tflops(0), share, seconds[1] * 1e6, tflops(1), seconds[1] / seconds[0]);
    return true;
  }

 private:
  // The largest error in the first, middle and last rows.
  template <class T>
  double worst_error(Product<T>& product) {
    const int m = product.m();
    double worst = 0;
#ifdef MT_LLAMA_CUBLAS
    const int count = std::min(m, 64), n = product.shape().n, k = product.shape().k;
    const DeviceMemory c(device_, sizeof(float) * count * n);
#else
    const int count = 1;
    HostProduct<T> host;
#endif
    for (const int first : {0, (m - count) / 2, m - count}) {
#ifdef MT_LLAMA_CUBLAS
      cublas_->multiply(product.a(0) + int64_t{first} * k, product.b(0), count, n, k, static_cast<float*>(c.data()));
      std::vector<float> want(static_cast<size_t>(count) * n);
      device_.download(want.data(), c.data(), want.size() * sizeof(float));
#else
      const std::vector<float> want = host.rows(device_, product, first, count);
#endif
      const double error = product.worst_error(first, count, want);
      worst = error > worst || std::isnan(error) ? error : worst;
    }
    return worst;
  }

  Device& device_;
  bool tiny_;
#ifdef MT_LLAMA_CUBLAS
  std::unique_ptr<Cublas> cublas_;
#endif
};

int run(bool tiny) {
  std::string reason;
  if (MT_TARGET::list_devices(reason).empty()) {
    std::printf("skipped: %s\n", reason.c_str());
    return 77;
  }
  Device device(0);
  row("device", "%s, %d multiprocessors, compute capability %d.%d", device.info().name.c_str(),
      device.info().multiprocessors, device.info().major, device.info().minor);
  GemmBench bench(device, tiny);
  bool right = true;
  for (const ProductShape& shape : tiny ? kTiny : kLlama7b) {
    for (const int m : tiny ? std::vector<int>{1, 70} : std::vector<int>{256, 512, 1024, 2048, 4096, 8192, 16384})
      right &= bench.measure<bf16>(shape, m, "bf16");
    right &= bench.measure<f16>(shape, tiny ? 17 : 2048, "f16");
  }
  return right ? 0 : 1;
}

}  // namespace
}  // namespace mt::bench

int main(int count, char** arguments) {
  const bool tiny = count == 2 && std::strcmp(arguments[1], "--tiny") == 0;
  if (count > 1 && !tiny) {
    std::fprintf(stderr, "gpu_gemm_bench [--tiny]\n");
    return 2;
  }
  try {
    return mt::bench::run(tiny);
  } catch (const mt::Error& error) {
    std::printf("%s: %s\n", mt::error_code_name(error.code()), error.what());
    return 1;
  }
}
