// Runs a fuzz target without libFuzzer: TARGET RUNS [SEED] on random inputs, always the same ones, or TARGET FILE... on
// inputs that libFuzzer has kept. Before a crash ends the process, the input is written to crash-TARGET.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// The sanitizers, where they are linked, ask these functions: an error ends in a signal, as other crashes do.
extern "C" [[gnu::visibility("default")]] const char* __asan_default_options() { return "abort_on_error=1"; }
extern "C" [[gnu::visibility("default")]] const char* __ubsan_default_options() {
  return "abort_on_error=1:print_stacktrace=1";
}

namespace {

std::vector<uint8_t> input;
std::string kept;

void keep_input(int number) {
  std::signal(number, SIG_DFL);
  std::ofstream(kept, std::ios::binary).write(reinterpret_cast<const char*>(input.data()), input.size());
  std::fprintf(stderr, "the input is in %s\n", kept.c_str());
  std::raise(number);
}

void run_random(uint64_t runs, uint32_t seed) {
  std::mt19937 random(seed);
  for (uint64_t i = 0; i < runs; i++) {
    // Long inputs have many changes, short ones few: both find something.
    input.resize(random() % 4 == 0 ? random() % 1500 : random() % 120);
    // Small numbers choose more often than large ones what is looked at.
    const bool small = random() % 2 == 0;
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(small && random() % 4 != 0 ? random() % 8 : random());
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%llu runs of seed %u\n", static_cast<unsigned long long>(runs), seed);
}

}  // namespace

int main(int argc, char** argv) {
  kept = "crash-" + std::filesystem::path(argv[0]).filename().string();
  for (const int number : {SIGABRT, SIGSEGV, SIGFPE}) std::signal(number, keep_input);
  if (argc < 2) {
    std::fprintf(stderr, "expected a number of runs, or files\n");
    return 2;
  }
  char* end = nullptr;
  const uint64_t runs = std::strtoull(argv[1], &end, 10);
  if (*end == 0) {
    run_random(runs, argc > 2 ? static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)) : 1);
    return 0;
  }
  for (int i = 1; i < argc; i++) {
    std::ifstream file(argv[i], std::ios::binary);
    input.assign(std::istreambuf_iterator<char>(file), {});
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  return 0;
}
