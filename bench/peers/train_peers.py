"""One training step a question, by a way that PyTorch users train: python train_peers.py MODEL full|lora library|flat THREADS

`library` is transformers, with PEFT for LoRA: examples padded to the longest, as data collators do, logits of all positions.
`flat` is a plain loop over rows without padding, and the head on scored rows only: the work that mt-llama does.
Both train in float32 with AdamW and a clipped norm, adapters of rank 8 on all linear maps of the layers.
A question is {"examples": [{"ids": [...], "scored": n}]}, of which the last n ids are what the loss is on.
The answer is {"seconds", "cpuSeconds", "loss"}; `loss` is that before the step.
"""
import json
import math
import sys
import time

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

from serve import serve

folder, method, way, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
torch.manual_seed(1)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
RANK, ALPHA = 8, 16
MAPS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Adapted(torch.nn.Module):
    """A linear map beside which a low-rank one is trained."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        bound = 1 / math.sqrt(linear.in_features)
        self.a = torch.nn.Parameter(torch.empty(RANK, linear.in_features).uniform_(-bound, bound))
        self.b = torch.nn.Parameter(torch.zeros(linear.out_features, RANK))

    def forward(self, x):
        return self.linear(x) + F.linear(F.linear(x, self.a), self.b) * (ALPHA / RANK)


def adapt_flat():
    model.requires_grad_(False)
    for layer in model.model.layers:
        for part in (layer.self_attn, layer.mlp):
            for name in MAPS:
                if hasattr(part, name):
                    setattr(part, name, Adapted(getattr(part, name)))


def flat_hidden(ids, positions, lengths):
    """Hidden states [tokens, dim] of all examples, one after another: attention goes example by example."""
    config = model.config
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    x = model.model.embed_tokens(ids)
    cos, sin = (t[0][:, None] for t in model.model.rotary_emb(x[None], positions[None]))

    def turned(y):
        first, second = y.chunk(2, -1)
        return y * cos + torch.cat((-second, first), -1) * sin

    for layer in model.model.layers:
        h = layer.input_layernorm(x)
        attention = layer.self_attn
        q = turned(attention.q_proj(h).view(-1, heads, dim))
        k = turned(attention.k_proj(h).view(-1, kv_heads, dim))
        v = attention.v_proj(h).view(-1, kv_heads, dim)
        out = [
            F.scaled_dot_product_attention(*(t.transpose(0, 1)[None] for t in parts), is_causal=True, enable_gqa=True)
            for parts in zip(q.split(lengths), k.split(lengths), v.split(lengths))
        ]
        x = x + attention.o_proj(torch.cat([o[0].transpose(0, 1) for o in out]).reshape(-1, heads * dim))
        h = layer.post_attention_layernorm(x)
        x = x + layer.mlp.down_proj(F.silu(layer.mlp.gate_proj(h)) * layer.mlp.up_proj(h))
    return model.model.norm(x)


def flat_loss(examples):
    ids, positions, rows, targets = [], [], [], []
    for example in examples:
        own, scored = example["ids"], example["scored"]
        rows += range(len(ids) + len(own) - scored - 1, len(ids) + len(own) - 1)
        targets += own[-scored:]
        positions += range(len(own))
        ids += own
    hidden = flat_hidden(torch.tensor(ids), torch.tensor(positions), [len(e["ids"]) for e in examples])
    return F.cross_entropy(model.lm_head(hidden[rows]), torch.tensor(targets))


def library_loss(examples):
    length = max(len(e["ids"]) for e in examples)
    ids = torch.tensor([e["ids"] + [0] * (length - len(e["ids"])) for e in examples])
    mask = torch.tensor([[1] * len(e["ids"]) + [0] * (length - len(e["ids"])) for e in examples])
    labels = torch.tensor([
        [-100] * (len(e["ids"]) - e["scored"]) + e["ids"][-e["scored"]:] + [-100] * (length - len(e["ids"]))
        for e in examples
    ])
    return model(input_ids=ids, attention_mask=mask, labels=labels).loss


if method == "lora" and way == "flat":
    adapt_flat()
elif method == "lora":
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=MAPS, task_type="CAUSAL_LM"))
model.train()
parameters = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(parameters, lr=1e-5, betas=(0.9, 0.999), weight_decay=0.0)


def step(question):
    start, cpu_start = time.perf_counter(), time.process_time()
    loss = (flat_loss if way == "flat" else library_loss)(question["examples"])
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return {
        "seconds": time.perf_counter() - start,
        "cpuSeconds": time.process_time() - cpu_start,
        "loss": loss.item(),
    }


serve(step, {"parameters": sum(p.numel() for p in parameters)})
