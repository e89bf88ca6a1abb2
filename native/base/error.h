// The one error type of the native code, and the one list of its codes.
#pragma once
#include <stdexcept>
#include <string>

namespace mt {

// Every code native code can throw. src/errors.ts holds the same names; a test compares the two.
#define MT_ERROR_CODES(X)                                                  \
  X(INVALID_ARGUMENT)   /* a length, range or type the caller got wrong */ \
  X(TOKEN_OUT_OF_RANGE) /* a token id below 0 or not below vocab_size */   \
  X(CONTEXT_LENGTH)     /* a position at or past the context length */     \
  X(FILE_READ)          /* a weight file cannot be opened or ends early */ \
  X(TENSOR_SHAPE)       /* a tensor's bytes and shape disagree */          \
  X(TENSOR_DTYPE)       /* a stored type this build cannot read */         \
  X(WEIGHT_NOT_FINITE)  /* a NaN or an infinity among the weights */       \
  X(OUT_OF_MEMORY)      /* the device or the host has no room */           \
  X(ABORTED)            /* the job's cancel word was set */                \
  X(DISPOSED)           /* the model or session was disposed */            \
  X(DEVICE_UNAVAILABLE) /* no such device, driver or instruction set */    \
  X(INTERNAL)           /* a bug of ours */

enum class ErrorCode {
#define X(name) name,
  MT_ERROR_CODES(X)
#undef X
};

// The code's name as programs see it: "OUT_OF_MEMORY".
inline const char* error_code_name(ErrorCode code) {
  switch (code) {
#define X(name)         \
  case ErrorCode::name: \
    return #name;
    MT_ERROR_CODES(X)
#undef X
  }
  return "INTERNAL";
}

// Its message says where something is wrong, what was found, and what was expected. The addon turns it into a
// JavaScript Error with a `code`.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace mt
