"""Prints how far gradients of PyTorch's bfloat16 (torch.autocast, weights in float32) are from the golden ones in float32.

    bench/peers/.venv/bin/python bench/peers/train_bfloat16.py ../shared/golden/hf/*

Of each checkpoint with train.safetensors: the norm of the difference of all gradients as a share of the norm of the golden ones, the largest
such share of a tensor, and the difference of the loss as a share.
"""
import json
import os
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

for folder in sys.argv[1:]:
    if not os.path.exists(f'{folder}/train.safetensors'):
        continue
    golden = load_file(f'{folder}/train.safetensors')
    losses = json.load(open(f'{folder}/case.json'))['train']['losses']
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.autocast('cpu', torch.bfloat16):
        loss = model(input_ids=golden['input_ids'].long(), labels=golden['labels'].long()).loss
    loss.backward()
    pairs = [(p.grad, golden[f'grad.{name}']) for name, p in model.named_parameters()]
    share = (sum((a - b).norm() ** 2 for a, b in pairs) / sum(b.norm() ** 2 for _, b in pairs)).sqrt()
    worst = max((a - b).norm() / b.norm() for a, b in pairs)
    print(os.path.basename(folder), f'all {share:.4f}, worst {worst:.4f}, loss {loss.item() / losses[0] - 1:.1e}')
