// Sums and products of sizes at the edge of 64 bits.
#include <cstdint>
#include <string>

#include "../../native/base/sizes.h"
#include "check.h"

namespace {

// The code of the error that `size` throws, "" where it throws none.
template <class Size>
std::string error_of(Size size) {
  try {
    size();
  } catch (const mt::Error& error) {
    return mt::error_code_name(error.code());
  }
  return "";
}

}  // namespace

int main() {
  using namespace mt;
  const size_t big = size_t{1} << 32;
  CHECK_EQ(product_of({}), 1u);
  CHECK_EQ(product_of({3, 5, 7}), 105u);
  CHECK_EQ(product_of({big, big - 1}), big * (big - 1));
  CHECK_EQ(product_of({big, big / 2, 0, big}), 0u);
  CHECK_EQ(sum_of(SIZE_MAX - 1, 1), SIZE_MAX);
  CHECK_EQ(error_of([&] { product_of({big, big}); }), "OUT_OF_MEMORY");
  CHECK_EQ(error_of([&] { product_of({big / 2, 2, big / 2, 4}); }), "OUT_OF_MEMORY");
  CHECK_EQ(error_of([&] { product_of({SIZE_MAX, 2}); }), "OUT_OF_MEMORY");
  CHECK_EQ(error_of([&] { sum_of(SIZE_MAX, 1); }), "OUT_OF_MEMORY");
  return mt::test::finish("base_sizes_test");
}
