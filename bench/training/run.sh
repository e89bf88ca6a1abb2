#!/usr/bin/env bash
# Trains adapters of SmolLM2-135M-Instruct in two ways, then all of its weights, on the mixtures beside this file, evaluates
# the model before and after, and prints the differences: the figures of docs/training.md. It takes three hours and a half
# of two cores; what was stopped goes on. Run it in the root of the repository after `npm run build`, with ../shared beside it.
set -euo pipefail
runs=build/training
node bench/training/passages.mjs ../shared/data/train $runs/data
for run in lora lora-yes-no full-passages; do
  node dist/cli/main.js train --config "bench/training/$run.yaml"
done
node dist/cli/main.js compare $runs/lora/eval/step-0000000 $runs/lora/eval/step-0000500 \
  $runs/lora-yes-no/eval/step-0001100 $runs/full-passages/eval/step-0001400
# On whole sets
whole=sst2,openbookqa,copa,winogrande,wic,rte
node dist/cli/main.js eval --model ../shared/models/smollm2-135m/model-q4_1.gguf --dtype bfloat16 \
  --data-dir ../shared/data/eval --tasks $whole --out $runs/base-whole
node dist/cli/main.js eval --model $runs/full-passages/step-0001400 --dtype bfloat16 \
  --data-dir ../shared/data/eval --tasks $whole,xquad,tydiqa,squad --out $runs/full-passages-whole
node dist/cli/main.js compare $runs/base-whole $runs/full-passages-whole --tasks $whole
