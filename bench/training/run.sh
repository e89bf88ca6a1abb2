#!/usr/bin/env bash
# Trains adapters of SmolLM2-135M-Instruct in two ways, then all of its weights, on the mixtures beside this file, evaluates
# the model before and after, and prints the differences: the figures of docs/training.md. It takes two hours of two
# cores; what was stopped goes on. Run it in the root of the repository after `npm run build`, with ../shared beside it.
set -euo pipefail
runs=build/training
node bench/training/passages.mjs ../shared/data/train $runs/data
for run in lora lora-yes-no full-passages; do
  node dist/cli/main.js train --config "bench/training/$run.yaml"
done
node dist/cli/main.js compare $runs/lora/eval/step-0000000 $runs/lora/eval/step-0000500 \
  $runs/lora-yes-no/eval/step-0001100 $runs/full-passages/eval/step-0000330
