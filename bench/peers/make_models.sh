#!/usr/bin/env bash
# Makes the models that the peers and bench/ are timed on, under models/ beside this file (about 15 GB), once setup.sh has
# run: the shared SmolLM2 in float32, random weights at the three shapes, and those again as GGUF in each dtype.
#   make_models.sh [SHARED]        default: the folder shared/ beside the repository
set -euo pipefail
cd "$(dirname "$0")"
shared=$(realpath "${1:-../../../shared}")
python=.venv/bin/python

[ -e models/smollm2-135m ] || $python expand_gguf.py "$shared/models/smollm2-135m" models/smollm2-135m
for shape in 135M 110M 1.1B; do
  [ -e models/$shape ] || $python make_checkpoint.py $shape
  for dtype in float32 bfloat16 float16; do
    [ -e models/$shape/$dtype.gguf ] || $python write_gguf.py $shape $dtype
  done
done
