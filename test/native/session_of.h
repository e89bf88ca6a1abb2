// A session with room for so many tokens.
#pragma once
#include <memory>

#include "../../native/model/session.h"

namespace mt::test {

inline Session session_of(const std::shared_ptr<Llama>& model, int32_t rows) {
  Session session(model);
  session.resize(rows, {});
  return session;
}

}  // namespace mt::test
