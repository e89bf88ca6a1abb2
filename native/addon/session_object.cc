// Each method reads its arguments, queues a job and returns a promise.
#include "session_object.h"

#include <algorithm>

#include "owned_object.h"
#include "score_arrays.h"

namespace mt::addon {
namespace {

Sampling read_sampling(Napi::Value value) {
  const Napi::Object object = read_object(value, "sampling");
  return {.temperature = read_float(object["temperature"], "temperature"),
          .top_k = read_int(object["topK"], "topK"),
          .top_p = read_float(object["topP"], "topP"),
          .min_p = read_float(object["minP"], "minP"),
          .seed = static_cast<uint64_t>(read_integer(object["seed"], "seed", 0, int64_t{1} << 53))};
}

// The adjustments of the sequences of a step, one list after another; undefined reads as no adjustments.
struct Adjustments {
  std::vector<int32_t> offsets;  // [sequences + 1]
  std::vector<Adjustment> values;

  Adjustments(Napi::Value value, size_t sequences) : offsets(sequences + 1) {
    if (value.IsUndefined()) return;
    const Napi::Object object = read_object(value, "adjustments");
    offsets = read_int32s(object["offsets"], "offsets of adjustments");
    const std::vector<int32_t> ids = read_int32s(object["ids"], "ids of adjustments");
    const std::vector<float> penalties = read_floats(object["penalties"], "penalties of adjustments");
    const std::vector<float> addends = read_floats(object["addends"], "addends of adjustments");
    const auto check_length = [](const char* name, size_t length, size_t expected) {
      if (length == expected) return;
      throw Error(ErrorCode::INVALID_ARGUMENT, std::string(name) + " of adjustments has " + std::to_string(length) +
                                                   " elements, expected " + std::to_string(expected));
    };
    check_length("offsets", offsets.size(), sequences + 1);
    check_length("penalties", penalties.size(), ids.size());
    check_length("addends", addends.size(), ids.size());
    const bool is_whole = offsets.front() == 0 && offsets.back() == static_cast<int64_t>(ids.size());
    if (!is_whole || !std::ranges::is_sorted(offsets)) {
      throw Error(ErrorCode::INVALID_ARGUMENT,
                  "offsets of adjustments do not rise from 0 to " + std::to_string(ids.size()));
    }
    for (size_t i = 0; i < ids.size(); i++) values.push_back({ids[i], penalties[i], addends[i]});
  }

  std::span<const Adjustment> of(size_t sequence) const {
    return std::span(values).subspan(offsets[sequence], offsets[sequence + 1] - offsets[sequence]);
  }
};

// The masks of a step, which its sequences may share; undefined reads as no masks.
struct Masks {
  std::vector<int32_t> of_sequences;  // [sequences] which mask is each one's; -1: none
  std::vector<int32_t> words;         // [masks, mask_words(vocab)]
  size_t each;

  Masks(Napi::Value value, size_t sequences, int vocab) : of_sequences(sequences, -1), each(mask_words(vocab)) {
    if (value.IsUndefined()) return;
    const Napi::Object object = read_object(value, "masks");
    of_sequences = read_int32s(object["ofSequences"], "ofSequences of masks");
    words = read_int32s(object["words"], "words of masks");
    const auto fail = [](const std::string& message) { throw Error(ErrorCode::INVALID_ARGUMENT, message); };
    if (of_sequences.size() != sequences) {
      fail("ofSequences of masks has " + std::to_string(of_sequences.size()) + " elements, expected " +
           std::to_string(sequences));
    }
    if (words.size() % each != 0) {
      fail("words of masks has " + std::to_string(words.size()) + " elements, expected " + std::to_string(each) +
           " each");
    }
    const auto masks = static_cast<int64_t>(words.size() / each);
    for (const int32_t mask : of_sequences) {
      if (mask < -1 || mask >= masks) {
        fail("ofSequences of masks has " + std::to_string(mask) + "; there are " + std::to_string(masks));
      }
    }
  }

  std::span<const uint32_t> of(size_t sequence) const {
    if (of_sequences[sequence] < 0) return {};
    // Signed and unsigned integers of one width may be read as each other.
    return {reinterpret_cast<const uint32_t*>(words.data()) + of_sequences[sequence] * each, each};
  }
};

// Reads sequences from [sequences, 3]: first row, length, stream; and a list with the sampling of each.
std::vector<SessionSequence> read_sequences(Napi::Value value, Napi::Value samplings) {
  std::vector<SessionSequence> sequences;
  for (const auto& [first_row, length, stream] : read_triples(value, "sequences")) {
    sequences.push_back({.first_row = first_row, .length = length, .stream = stream});
  }
  const Napi::Array list = read_array(samplings, "samplings");
  if (list.Length() != sequences.size()) {
    throw Error(ErrorCode::INVALID_ARGUMENT, "samplings has " + std::to_string(list.Length()) + " elements, expected " +
                                                 std::to_string(sequences.size()));
  }
  for (uint32_t i = 0; i < list.Length(); i++) sequences[i].sampling = read_sampling(list[i]);
  return sequences;
}

// Reads how many alternatives each sequence asks for; undefined is none. Returns how many these are together. They are
// checked here, before memory for the results is taken.
size_t read_top_counts(Napi::Value value, int vocab, std::vector<SessionSequence>& sequences) {
  if (value.IsUndefined()) return 0;
  const std::vector<int32_t> counts = read_int32s(value, "topCounts");
  if (counts.size() != sequences.size()) {
    throw Error(ErrorCode::INVALID_ARGUMENT, "topCounts has " + std::to_string(counts.size()) + " elements, expected " +
                                                 std::to_string(sequences.size()));
  }
  size_t sum = 0;
  for (size_t i = 0; i < counts.size(); i++) {
    if (counts[i] < 0 || counts[i] > vocab) {
      throw Error(ErrorCode::INVALID_ARGUMENT, "topCounts[" + std::to_string(i) + "] is " + std::to_string(counts[i]) +
                                                   ", expected 0 .. " + std::to_string(vocab));
    }
    sequences[i].top_k = counts[i];
    sum += counts[i];
  }
  return sum;
}

// Reads [n, 3]: first row, the row it goes to, number of rows.
std::vector<RowCopy> read_copies(Napi::Value value) {
  std::vector<RowCopy> copies;
  for (const auto& [from, to, count] : read_triples(value, "copies")) copies.push_back({from, to, count});
  return copies;
}

class ResizeJob final : public Job {
 public:
  ResizeJob(const Napi::CallbackInfo& info, std::shared_ptr<Session> session)
      : Job(info[2]),
        session_(std::move(session)),
        rows_(static_cast<int32_t>(read_integer(info[0], "rows", 0, INT32_MAX))),
        copies_(read_copies(info[1])) {}

  void run(const Control&) override {
    const std::shared_ptr<Session> session = std::move(session_);
    session->resize(rows_, copies_);
  }

  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 private:
  std::shared_ptr<Session> session_;
  int32_t rows_;
  std::vector<RowCopy> copies_;
};

class CopyJob final : public Job {
 public:
  CopyJob(const Napi::CallbackInfo& info, std::shared_ptr<Session> session)
      : Job(info[1], /*is_urgent=*/true), session_(std::move(session)), copies_(read_copies(info[0])) {}

  void run(const Control&) override {
    const std::shared_ptr<Session> session = std::move(session_);
    for (const RowCopy& copy : copies_) session->copy(copy);
  }

  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 private:
  std::shared_ptr<Session> session_;
  std::vector<RowCopy> copies_;
};

class StepJob final : public Job {
 public:
  StepJob(const Napi::CallbackInfo& info, std::shared_ptr<Session> session)
      : Job(info[4], /*is_urgent=*/read_flag(info[5], "isUrgent")),
        session_(std::move(session)),
        sequences_(read_sequences(info[0], info[1])),
        offsets_(read_int32s(info[2], "offsets")),
        ids_(read_int32s(info[3], "ids")),
        adjustments_(info[6], sequences_.size()),
        masks_(info[8], sequences_.size(), session_->config().vocab_size),
        top_count_(read_top_counts(info[7], session_->config().vocab_size, sequences_)),
        next_(info.Env(), sequences_.size()),
        log_probs_(info.Env(), sequences_.size()),
        top_ids_(info.Env(), top_count_),
        top_log_probs_(info.Env(), top_count_) {
    for (size_t i = 0; i < sequences_.size(); i++) {
      sequences_[i].adjustments = adjustments_.of(i);
      sequences_[i].mask = masks_.of(i);
    }
  }

  void run(const Control& control) override {
    const std::shared_ptr<Session> session = std::move(session_);
    session->step({sequences_, offsets_, ids_},
                  {next_.values(), log_probs_.values(), top_ids_.values(), top_log_probs_.values()}, control);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result["ids"] = next_.array();
    result["logProbs"] = log_probs_.array();
    result["topIds"] = top_ids_.array();
    result["topLogProbs"] = top_log_probs_.array();
    return result;
  }

 private:
  std::shared_ptr<Session> session_;
  std::vector<SessionSequence> sequences_;
  std::vector<int32_t> offsets_, ids_;
  Adjustments adjustments_;
  Masks masks_;
  size_t top_count_;
  ResultArray<Napi::Int32Array> next_;
  ResultArray<Napi::Float32Array> log_probs_;
  ResultArray<Napi::Int32Array> top_ids_;
  ResultArray<Napi::Float32Array> top_log_probs_;
};

class SessionScoreJob final : public Job {
 public:
  // How many rows the cache has when the job runs, the session says then.
  SessionScoreJob(const Napi::CallbackInfo& info, std::shared_ptr<Session> session)
      : Job(info[1], read_flag(info[2], "isUrgent")),
        session_(session),
        arrays_(info[0], session->config(), INT32_MAX) {}

  void run(const Control& control) override {
    const std::shared_ptr<Session> session = std::move(session_);
    session->score(arrays_.request(), arrays_.outputs(), control);
  }

  Napi::Value result(Napi::Env env) override { return arrays_.result(env); }

 private:
  std::shared_ptr<Session> session_;
  ScoreArrays arrays_;
};

}  // namespace

Napi::Object new_session_object(Napi::Env env, std::shared_ptr<EngineOwned<Session>> session) {
  Napi::Object object = Napi::Object::New(env);
  constexpr const char* kDisposed = "the session or its model was disposed";
  define_job<ResizeJob>(object, "resize", session, kDisposed);
  define_job<CopyJob>(object, "copy", session, kDisposed);
  define_job<StepJob>(object, "step", session, kDisposed);
  define_job<SessionScoreJob>(object, "score", session, kDisposed);
  define_dispose(object, session);
  return object;
}

}  // namespace mt::addon
