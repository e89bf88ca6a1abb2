#!/usr/bin/env bash
# Installs the peers of bench/ beside this file: .venv (torch, transformers, lm-eval) and node_modules (node-llama-cpp).
# It needs Python 3.11 or later with venv, and npm. The package depends on none of this.
set -euo pipefail
cd "$(dirname "$0")"

"${PYTHON:-python3}" -m venv .venv
.venv/bin/pip install --quiet --requirement requirements.txt
npm install
