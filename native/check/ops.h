// The table of ops. A new op gets a file in ops/ and a line here: tests then compare it with the reference on every
// backend, and benchmarks time it.
#pragma once
#include "op_run.h"

namespace mt::check {

extern const OpKind embed, rms_norm, qkv, attention, append_kv, linear_add_out, swiglu, linear_add_down, gather_rows,
    head_score, head_sample, head_logits;
extern const OpKind embed_backward, scatter_rows, rms_norm_backward, linear_backward, thin_backward, adapter_products,
    swiglu_backward, attention_backward, rope_backward, head_loss, repack, convert, adamw;

inline const OpKind* const kForwardOps[] = {&embed,       &rms_norm,       &qkv,         &attention,
                                            &append_kv,   &linear_add_out, &swiglu,      &linear_add_down,
                                            &gather_rows, &head_score,     &head_sample, &head_logits};
// Those of training. Their packs have no segments.
inline const OpKind* const kBackwardOps[] = {&head_loss,
                                             &rms_norm_backward,
                                             &linear_backward,
                                             &thin_backward,
                                             &adapter_products,
                                             &swiglu_backward,
                                             &attention_backward,
                                             &rope_backward,
                                             &scatter_rows,
                                             &embed_backward,
                                             &repack,
                                             &convert,
                                             &adamw};

}  // namespace mt::check
