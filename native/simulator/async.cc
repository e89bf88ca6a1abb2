// Barriers, TMA loads and wgmma of one block, as the PTX ISA defines them in "mbarrier", "Tensor copies" and
// "Asynchronous warpgroup level matrix multiply".
#include "async.h"

#include <bit>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "fibers.h"

namespace mt::host_device {
namespace {

constexpr int kPoison = 0xff;  // a NaN in float32, bf16 and f16
constexpr int kWarpgroupThreads = 128;
constexpr int kTileRows = 64;  // m and k of a wgmma instruction
constexpr int kTileK = 16;

[[noreturn, gnu::format(printf, 1, 2)]] void fail(const char* format, ...) {
  thread_local char message[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  fail_thread(message);
}

// ---- barriers ----

enum : uint32_t { kFenced = 0x5a, kNotFenced = 0x35 };

// The contents of a barrier's 8 bytes.
struct Barrier {
  uint32_t count : 12;    // arrivals that complete a phase
  uint32_t pending : 12;  // arrivals that the current phase still expects
  uint32_t tag : 7;       // kFenced or kNotFenced; anything else is not initialised
  uint32_t parity : 1;    // parity of the current phase
  int32_t bytes;          // bytes that the current phase still expects
};
static_assert(sizeof(Barrier) == sizeof(uint64_t));

struct Load {
  char* target;
  TensorMap map;
  int col, row;
  uint64_t* barrier;
};

// Products in flight that add to the same accumulators, one after another.
struct Chain {
  int n;
  std::vector<float> sums;     // [64, n]
  std::vector<float*> c;       // the accumulators of each thread of the warpgroup
  std::vector<int> in_flight;  // for each thread, the products that it has not waited for
};

struct Product {
  uint64_t a, b;
  std::vector<uint16_t> operands;  // the values of a and b when the product was issued
};
using Products = std::vector<std::shared_ptr<const Product>>;

struct Thread {
  const float* fenced = nullptr;     // the accumulators of the last wgmma_fence
  std::vector<float> fenced_values;  // their values at that time
  Products uncommitted;
  std::vector<Products> groups;  // committed, oldest first
  std::shared_ptr<Chain> chain;  // null if nothing is in flight
};

struct State {
  char* shared = nullptr;
  size_t bytes = 0;
  int thread_count = 0;
  std::vector<std::pair<uint64_t*, int>> unfenced;  // barriers, and the threads that initialised them
  std::deque<Load> loads;
  std::vector<Thread> threads;  // empty before the first wgmma_fence
};

thread_local State state;

Thread& thread_state(int thread) {
  if (state.threads.empty()) state.threads.resize(state.thread_count);
  return state.threads[thread];
}
Thread& self() { return thread_state(current_thread()); }

int offset_of(const void* p) { return static_cast<int>(static_cast<const char*>(p) - state.shared); }

bool is_shared(const void* p, size_t bytes) {
  const auto at = reinterpret_cast<uintptr_t>(p), start = reinterpret_cast<uintptr_t>(state.shared);
  return at >= start && bytes <= state.bytes && at - start <= state.bytes - bytes;
}

Barrier read(const uint64_t* barrier) { return std::bit_cast<Barrier>(*barrier); }

void check_place(const uint64_t* barrier, const char* what) {
  if (!is_shared(barrier, 8) || reinterpret_cast<uintptr_t>(barrier) % 8 != 0)
    fail("%s: the barrier is not in shared memory at a multiple of 8", what);
}

// Reads a barrier, and checks that the running thread or the TMA unit may use it.
Barrier use(const uint64_t* barrier, const char* what, bool by_tma = false) {
  check_place(barrier, what);
  const Barrier b = read(barrier);
  if (b.tag != kFenced && b.tag != kNotFenced)
    fail("%s: the barrier at byte %d of shared memory is not initialised", what, offset_of(barrier));
  for (const auto& [unfenced, thread] : state.unfenced)
    if (unfenced == barrier && (by_tma || thread != current_thread()))
      fail("%s: no mbarrier_fence_init since the barrier at byte %d was initialised", what, offset_of(barrier));
  return b;
}

void write(uint64_t* barrier, Barrier b) {
  if (b.pending == 0 && b.bytes == 0) {
    b.parity ^= 1;
    b.pending = b.count;
  }
  *barrier = std::bit_cast<uint64_t>(b);
}

struct Wait {
  const uint64_t* barrier;
  uint32_t parity;
};

bool is_complete(const void* operands) {
  const auto* wait = static_cast<const Wait*>(operands);
  return read(wait->barrier).parity != wait->parity;
}

std::string describe_wait(const void* operands) {
  const auto* wait = static_cast<const Wait*>(operands);
  const Barrier b = read(wait->barrier);
  return "for parity " + std::to_string(wait->parity) + " of the barrier at byte " +
         std::to_string(offset_of(wait->barrier)) + " of shared memory: " + std::to_string(b.count - b.pending) +
         " of " + std::to_string(b.count) + " arrivals have come, " + std::to_string(b.bytes) + " bytes are expected";
}

// ---- wgmma ----

// A matrix [rows, 16] of 16-bit elements by its descriptor: rows of 128 bytes in groups of eight, 128-byte swizzle.
struct Operand {
  Operand(uint64_t descriptor, int rows, const char* name) {
    const uint32_t start = (descriptor & 0x3fff) << 4;
    stride_ = (descriptor >> 32 & 0x3fff) << 4;
    if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0)
      fail("wgmma: the descriptor of %s does not ask for the 128-byte swizzle at base offset 0", name);
    if ((start & 1023) > 96 || start % 32 != 0)
      fail("wgmma: %s starts at shared address %u, no multiple of 1024 plus 0, 32, 64 or 96", name, start);
    // A descriptor holds 18 bits of an address, which is enough for shared memory.
    first_ = static_cast<int64_t>(start) - kSharedBase;
    const int64_t end = first_ / 1024 * 1024 + (rows / 8 - 1) * int64_t{stride_} + 1024;
    if (first_ < 0 || end > static_cast<int64_t>(state.bytes)) fail("wgmma: %s lies outside shared memory", name);
  }
  uint16_t at(int row, int k) const {
    uint32_t address = static_cast<uint32_t>(first_ + kSharedBase) + row / 8 * stride_ + row % 8 * 128 + 2 * k;
    address ^= (address >> 7 & 7) << 4;
    uint16_t bits;
    std::memcpy(&bits, state.shared + (address - kSharedBase), 2);
    return bits;
  }

 private:
  int64_t first_;
  uint32_t stride_;
};

std::vector<uint16_t> read_operands(uint64_t a, uint64_t b, int n) {
  const Operand first(a, kTileRows, "a"), second(b, n, "b");  // fails before there is a vector to be left behind
  std::vector<uint16_t> values;
  values.reserve((kTileRows + n) * kTileK);
  for (int m = 0; m < kTileRows; m++)
    for (int k = 0; k < kTileK; k++) values.push_back(first.at(m, k));
  for (int i = 0; i < n; i++)
    for (int k = 0; k < kTileK; k++) values.push_back(second.at(i, k));
  return values;
}

// Calls body(element of c[n / 8][4], index into [64, n]) for all elements of a thread's fragment.
template <class Body>
void for_fragment(int thread, int n, const Body& body) {
  const int row = thread / 32 * 16 + thread % 32 / 4, col = thread % 4 * 2;
  for (int j = 0; j < n / 8; j++)
    for (int e = 0; e < 4; e++) body(4 * j + e, (row + e / 2 * 8) * n + col + 8 * j + e % 2);
}

void multiply(Chain& chain, const std::vector<uint16_t>& operands, float (*widen)(uint16_t)) {
  std::vector<float> b(kTileK * chain.n);  // [k, n]
  const uint16_t* from = &operands[kTileRows * kTileK];
  for (int i = 0; i < chain.n; i++)
    for (int k = 0; k < kTileK; k++) b[k * chain.n + i] = widen(from[i * kTileK + k]);
  for (int m = 0; m < kTileRows; m++)
    for (int k = 0; k < kTileK; k++) {
      const float a = widen(operands[m * kTileK + k]);
      float* sums = &chain.sums[m * chain.n];
      const float* row = &b[k * chain.n];
      for (int i = 0; i < chain.n; i++) sums[i] += a * row[i];
    }
}

struct WgmmaOperands {
  int thread;
  float* c;
  int n;
  uint64_t a, b;
  float (*widen)(uint16_t);
};

// fail() never unwinds the stack, so all checks come before anything is allocated.
void check_wgmma(void* const* lanes) {
  const auto& first = *static_cast<const WgmmaOperands*>(lanes[0]);
  const Chain* chain = thread_state(first.thread).chain.get();
  for (int i = 0; i < kWarpgroupThreads; i++) {
    const auto& mine = *static_cast<const WgmmaOperands*>(lanes[i]);
    const Thread& thread = thread_state(mine.thread);
    if (mine.n != first.n || mine.a != first.a || mine.b != first.b)
      fail("wgmma: thread %d of the warpgroup has other descriptors than thread 0", i);
    if (thread.chain.get() != chain) fail("wgmma: only a part of the warpgroup has waited for the products before");
    if (chain && (chain->n != mine.n || chain->c[i] != mine.c))
      fail("wgmma: other accumulators than those of the products in flight");
    if (chain) continue;
    if (thread.fenced != mine.c) fail("wgmma: no wgmma_fence since the accumulators were free");
    if (std::memcmp(mine.c, thread.fenced_values.data(), mine.n / 2 * sizeof(float)) != 0)
      fail("wgmma: the accumulators were written after wgmma_fence");
  }
}

std::shared_ptr<Chain> start_chain(void* const* lanes, int n) {
  auto chain = std::make_shared<Chain>();
  chain->n = n;
  chain->sums.resize(kTileRows * n);
  chain->in_flight.resize(kWarpgroupThreads);
  for (int i = 0; i < kWarpgroupThreads; i++) {
    float* c = static_cast<const WgmmaOperands*>(lanes[i])->c;
    chain->c.push_back(c);
    for_fragment(i, n, [&](int element, int at) { chain->sums[at] = c[element]; });
    std::memset(c, kPoison, n / 2 * sizeof(float));
  }
  return chain;
}

void start_wgmma(void* const* lanes) {
  check_wgmma(lanes);
  const auto& first = *static_cast<const WgmmaOperands*>(lanes[0]);
  auto product = std::make_shared<const Product>(first.a, first.b, read_operands(first.a, first.b, first.n));
  std::shared_ptr<Chain> chain = thread_state(first.thread).chain;
  if (!chain) chain = start_chain(lanes, first.n);
  multiply(*chain, product->operands, first.widen);
  for (int i = 0; i < kWarpgroupThreads; i++) {
    Thread& thread = thread_state(static_cast<const WgmmaOperands*>(lanes[i])->thread);
    thread.chain = chain;
    thread.uncommitted.push_back(product);
    chain->in_flight[i]++;
  }
}

// Completes the running thread's part of a product.
void land(Thread& thread, const Product& product) {
  const int me = current_thread() % kWarpgroupThreads;
  Chain& chain = *thread.chain;
  if (me % 32 == 0 && read_operands(product.a, product.b, chain.n) != product.operands)
    fail("wgmma_wait: a or b was written while wgmma was reading it");
  if (--chain.in_flight[me] > 0) return;
  float* c = chain.c[me];
  for (int i = 0; i < chain.n / 2; i++)
    if (std::bit_cast<uint32_t>(c[i]) != 0xffffffffu) fail("wgmma_wait: the accumulators were written in flight");
  for_fragment(me, chain.n, [&](int element, int at) { c[element] = chain.sums[at]; });
  thread.chain = nullptr;
  thread.fenced = nullptr;
}

}  // namespace

// ---- a block's life ----

void begin_async_block(char* shared, size_t bytes, int threads) {
  state = {};
  state.shared = shared;
  state.bytes = bytes;
  state.thread_count = threads;
}

const char* end_async_thread(int thread) {
  if (state.threads.empty()) return nullptr;
  const Thread& t = state.threads[thread];
  return t.uncommitted.empty() && t.groups.empty() ? nullptr : "the thread ends with wgmma in flight";
}

const char* end_async_block() { return state.loads.empty() ? nullptr : "the block ends with TMA loads in flight"; }

uint32_t address_of_shared(const void* p) { return static_cast<uint32_t>(kSharedBase + offset_of(p)); }

// ---- barriers ----

void init_mbarrier(uint64_t* barrier, int count) {
  check_place(barrier, "mbarrier_init");
  if (count < 1 || count > 4095) fail("mbarrier_init: a count of %d", count);
  const auto arrivals = static_cast<uint32_t>(count);
  *barrier = std::bit_cast<uint64_t>(Barrier{arrivals, arrivals, kNotFenced, 0, 0});
  state.unfenced.emplace_back(barrier, current_thread());
}

void fence_mbarriers() {
  std::erase_if(state.unfenced, [](const auto& entry) {
    if (entry.second != current_thread()) return false;
    Barrier b = read(entry.first);
    b.tag = kFenced;
    *entry.first = std::bit_cast<uint64_t>(b);
    return true;
  });
}

void arrive_mbarrier(uint64_t* barrier, int expected_bytes) {
  Barrier b = use(barrier, "mbarrier_arrive");
  if (b.pending == 0)
    fail("mbarrier_arrive: more than the %d arrivals of the barrier at byte %d of shared memory", int(b.count),
         offset_of(barrier));
  constexpr int kMaxBytes = (1 << 20) - 1;
  if (expected_bytes < 0 || b.bytes > kMaxBytes - expected_bytes)
    fail("mbarrier_arrive_expect: %d bytes more, a barrier counts to %d", expected_bytes, kMaxBytes);
  b.bytes += expected_bytes;
  b.pending--;
  write(barrier, b);
}

void wait_mbarrier(uint64_t* barrier, uint32_t parity) {
  use(barrier, "mbarrier_wait");
  if (parity > 1) fail("mbarrier_wait: parity %u", parity);
  const Wait wait = {barrier, parity};
  wait_until("mbarrier_wait", &wait, is_complete, describe_wait);
}

// ---- TMA ----

void issue_load(void* shared, const TensorMap& map, int col, int row, uint64_t* barrier) {
  use(barrier, "tma_load", true);
  const size_t bytes = static_cast<size_t>(map.box_rows) * kBoxBytes;
  if (!is_shared(shared, bytes)) fail("tma_load: the target lies outside shared memory");
  if (address_of_shared(shared) % 1024 != 0)
    fail("tma_load: shared address %u is no multiple of 1024", address_of_shared(shared));
  std::memset(shared, kPoison, bytes);
  state.loads.push_back({static_cast<char*>(shared), map, col, row, barrier});
}

bool land_load(bool newest) {
  if (state.loads.empty()) return false;
  const Load load = newest ? state.loads.back() : state.loads.front();
  if (newest)
    state.loads.pop_back();
  else
    state.loads.pop_front();
  const uint32_t base = address_of_shared(load.target);
  for (int r = 0; r < load.map.box_rows; r++)
    for (int c = 0; c < kBoxCols; c++) {
      const int row = load.row + r, col = load.col + c;
      const bool inside = row >= 0 && row < load.map.rows && col >= 0 && col < load.map.cols;
      const uint16_t bits = inside ? load.map.data[row * load.map.stride + col] : uint16_t{0};
      uint32_t address = base + r * kBoxBytes + 2 * c;
      address ^= (address >> 7 & 7) << 4;
      std::memcpy(state.shared + (address - kSharedBase), &bits, 2);
    }
  Barrier b = read(load.barrier);
  b.bytes -= load.map.box_rows * kBoxBytes;
  write(load.barrier, b);
  return true;
}

// ---- wgmma ----

void fence_accumulators(const float* c, int n) {
  Thread& thread = self();
  if (thread.chain) return;  // products on the same accumulators need none
  thread.fenced = c;
  thread.fenced_values.assign(c, c + n / 2);
}

void issue_wgmma(float* c, int n, uint64_t a, uint64_t b, float (*widen)(uint16_t)) {
  WgmmaOperands mine = {current_thread(), c, n, a, b, widen};
  meet_warpgroup("wgmma", &mine, start_wgmma);
}

void commit_wgmma() {
  Thread& thread = self();
  thread.groups.push_back(std::move(thread.uncommitted));
  thread.uncommitted.clear();
}

void wait_wgmma(int pending) {
  Thread& thread = self();
  while (thread.groups.size() > static_cast<size_t>(pending)) {
    for (const auto& product : thread.groups.front()) land(thread, *product);
    thread.groups.erase(thread.groups.begin());
  }
}

}  // namespace mt::host_device
