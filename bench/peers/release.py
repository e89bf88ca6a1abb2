"""Holds samples of protocol release to transformers, whose slow LLaMA tokenizer the released scripts use.

    mt-llama eval --protocol release --dtype float32 --model MODEL --data-dir DATA --tasks sst2,xquad_zh --limit 40 --out OUT
    release.py MODEL OUT/samples/*.jsonl

It needs torch, sentencepiece and transformers 4.28, the version of the release's time: later ones decode `<s>` and `<unk>`
otherwise. MODEL is a folder with a SentencePiece tokenizer.model of LLaMA's vocabulary. Each prompt is encoded, continued
greedily in float32 until id 13 or 64 tokens, and decoded again. Texts in which two tokens were nearly as likely somewhere
may differ and are counted apart.
"""

import json
import sys

import torch
from transformers import LlamaForCausalLM, LlamaTokenizer

QUESTIONS = "Answer the question according to the context."
# Another order of summation may choose another token where the logits are no further apart.
CLOSE = 1e-3


def main(folder: str, files: list[str]) -> None:
    tokenizer = LlamaTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"bos_token": "</s>", "eos_token": "</s>", "unk_token": "[UNK]"})
    model = LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
    same = close = cut = 0
    wrong: list[str] = []
    for file in files:
        for line in open(file, encoding="utf-8"):
            sample = json.loads(line)
            is_question = sample["prompt"].startswith(QUESTIONS)
            limit = {"truncation": True, "max_length": 1024} if is_question else {}
            ids = tokenizer(sample["prompt"], return_tensors="pt", **limit).input_ids
            whole = len(tokenizer(sample["prompt"]).input_ids)
            cut += whole > ids.shape[1]
            with torch.no_grad():
                out = model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=64,
                    eos_token_id=13,
                    pad_token_id=0,
                    do_sample=False,
                    output_scores=True,
                    return_dict_in_generate=True,
                )
            text = tokenizer.decode(out.sequences[0], skip_special_tokens=True)
            start = tokenizer.decode(ids[0], skip_special_tokens=True)
            if is_question:
                answer = text.replace(start, "").strip()
                answer = "" if "None" in answer else answer
                own = sample["prediction"]
            else:
                answer = text[len(start) :].strip()
                own = sample["generated"].strip()
            best = torch.stack([logits[0].topk(2).values for logits in out.scores])
            if sample["truncatedTokens"] != whole - ids.shape[1]:
                wrong.append(f"{file} {sample['id']}: {sample['truncatedTokens']} tokens are cut here, {whole - ids.shape[1]} there")
            elif answer == own:
                same += 1
            elif (best[:, 0] - best[:, 1]).min() < CLOSE:
                close += 1
            else:
                wrong.append(f"{file} {sample['id']}: {own!r} here, {answer!r} there")
    print(f"{same} the same ({cut} prompts were cut), {close} with a close choice on the way, {len(wrong)} different")
    print("\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
