"""Scores continuations on a random LLaMA-7B in bfloat16 with transformers on the GPU: the rival of gpu_model_bench.

    python3 gpu_scoring.py [--tiny]
    --tiny takes a small model, on the CPU where there is no GPU: it tries the program, and its figures mean nothing.

Each sequence is a prompt of 150 tokens and a continuation of 6. The last token is not run, and the head runs on the
last 6 rows alone, which is what one writes by hand. It prints a row for each batch size of gpu-check's table, then the best.
Without torch, transformers or a GPU the row says so and the exit status is 77.
"""

import statistics
import sys
import time

try:
    import torch
    import transformers
    from transformers import LlamaConfig, LlamaForCausalLM
except ImportError as error:
    print(f"row\ttransformers\tMISSING ({error})")
    sys.exit(77)

PROMPT, CONTINUATION = 150, 6
ROUNDS = 5


def make_model(tiny: bool, device: str) -> LlamaForCausalLM:
    sizes = (
        {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 2}
        if tiny
        else {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32}
    )
    config = LlamaConfig(vocab_size=32000, max_position_embeddings=2048, tie_word_embeddings=False, **sizes)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        return LlamaForCausalLM(config).eval()


@torch.inference_mode()
def score(model: LlamaForCausalLM, ids: torch.Tensor, device: str) -> torch.Tensor:
    """Gives the log-probabilities of the last tokens, [batch, CONTINUATION]. They and ids [batch, tokens] are on the host."""
    ids = ids.to(device)
    logits = model(input_ids=ids[:, :-1], logits_to_keep=CONTINUATION, use_cache=False).logits
    log_probs = torch.log_softmax(logits.float(), dim=-1)
    return log_probs.gather(-1, ids[:, -CONTINUATION:, None]).squeeze(-1).cpu()


def main(tiny: bool) -> None:
    if not tiny and not torch.cuda.is_available():
        print("row\ttransformers\tMISSING (torch sees no GPU)")
        sys.exit(77)
    print(f"row\ttransformers\t{transformers.__version__}, torch {torch.__version__}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = make_model(tiny, device)
    generator = torch.Generator(device="cpu").manual_seed(1)
    best = 0.0
    for batch in [2, 4] if tiny else [8, 16, 32, 64, 128]:
        shape = (batch, PROMPT + CONTINUATION)
        ids = torch.randint(32000, shape, generator=generator, device="cpu")
        score(model, ids, device)
        times = []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            log_probs = score(model, ids, device)
            times.append(time.perf_counter() - begin)
        assert log_probs.shape == (batch, CONTINUATION) and bool((log_probs < 0).all())
        rate = batch / statistics.median(times)
        best = max(best, rate)
        tokens = rate * (PROMPT + CONTINUATION - 1)
        print(f"row\tscoring, batches of {batch}\t{tokens:8.0f} tokens/s run, {rate:7.1f} sequences/s", flush=True)
    print(f"best {best:.1f} sequences/s")


if __name__ == "__main__":
    main("--tiny" in sys.argv[1:])
