#!/bin/bash
# Scores a file by an array of Slurm, one shard a task, and joins the shards once all are done:
#   id=$(sbatch --parsable examples/slurm.sh requests.jsonl ./llama ./scores)
#   sbatch --dependency=afterok:$id --wrap="npx mt-llama merge ./scores"
# A task that was killed or preempted is run again from its start; shards that are done end at once. To run again those that
# merge names: sbatch --array=3,17 examples/slurm.sh requests.jsonl ./llama ./scores
#SBATCH --job-name=mt-llama
#SBATCH --array=1-64%16
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=02:00:00
#SBATCH --requeue
set -euo pipefail
input=$1
model=$2
out=$3

# As many as --array says. SLURM_ARRAY_TASK_COUNT would be 2 for --array=3,17, and cut the file otherwise.
shards=64

# Where the nodes have processors of several kinds, all shards need the same instruction set:
# export MT_LLAMA_CPU=avx2

exec npx mt-llama score "$input" --model "$model" --threads "$SLURM_CPUS_PER_TASK" --quiet \
  --shard "$SLURM_ARRAY_TASK_ID/$shards" --out "$out"
