"""Trains with PyTorch what mt-llama train trains: the loss, norm and learning rate of each step, as JSON lines.

    mt-llama mixture mine.yaml --data-root DATA --templates-dir TEMPLATES --model MODEL --seed 1 --examples 30 --json > examples.json
    bench/peers/.venv/bin/python bench/peers/train_steps.py MODEL examples.json --batch 5 --lr 0.01 --warmup 2 --decay 0.1 --max-norm 4

With --adapter DIR, an adapter of MODEL is trained from the weights that DIR has on, by PEFT. The first step of a warm-up leaves an adapter as it was drawn.
The schedule is linear. Examples are cut into tokens by the tokenizers library, padded, and run as one batch a step.
"""
import argparse
import json

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, get_linear_schedule_with_warmup

parser = argparse.ArgumentParser()
parser.add_argument('model')
parser.add_argument('examples')
parser.add_argument('--adapter')
parser.add_argument('--batch', type=int, required=True)
parser.add_argument('--lr', type=float, required=True)
parser.add_argument('--warmup', type=int, default=0)
parser.add_argument('--decay', type=float, default=0)
parser.add_argument('--max-norm', type=float, default=1)
options = parser.parse_args()

examples = json.load(open(options.examples))['examples']
tokenizer = AutoTokenizer.from_pretrained(options.model)
model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
if options.adapter:
    from peft import PeftModel
    model = PeftModel.from_pretrained(model, options.adapter, is_trainable=True)
trained = [p for p in model.parameters() if p.requires_grad]
steps = len(examples) // options.batch
matrices = [p for p in trained if p.dim() == 2]
vectors = [p for p in trained if p.dim() == 1]
optimizer = torch.optim.AdamW(
    [{'params': matrices, 'weight_decay': options.decay}, {'params': vectors, 'weight_decay': 0.0}], lr=options.lr)
schedule = get_linear_schedule_with_warmup(optimizer, options.warmup, steps)

for step in range(steps):
    rows = []
    for example in examples[step * options.batch:(step + 1) * options.batch]:
        before = tokenizer(example['input']).input_ids
        ids = tokenizer(f"{example['input']} {example['target']}").input_ids
        assert ids[:len(before)] == before, 'a token crosses the boundary'
        rows.append((ids + [tokenizer.eos_token_id], len(before)))
    length = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (length - len(ids)) for ids, _ in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (length - len(ids)) for ids, _ in rows])
    labels = torch.tensor([[-100] * before + ids[before:] + [-100] * (length - len(ids)) for ids, before in rows])
    loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(trained, options.max_norm)
    rate = schedule.get_last_lr()[0]
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    print(json.dumps({'loss': loss.item(), 'norm': norm.item(), 'learningRate': rate}), flush=True)
