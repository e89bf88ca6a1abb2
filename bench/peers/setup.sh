#!/usr/bin/env bash
# Installs the peers of bench/ beside this file: .venv (torch, transformers, lm-eval, openai) and node_modules (node-llama-cpp, openai, LangChain.js,
# autocannon).
# It needs Python 3.11 or later with venv, and npm. The package depends on none of this.
set -euo pipefail
cd "$(dirname "$0")"

"${PYTHON:-python3}" -m venv .venv
.venv/bin/pip install --quiet --requirement requirements.txt
npm install

# llama-server, which bench/serve/speed.ts can compare with, is in no package: `setup.sh llama-server` builds it in .venv/llama.cpp, from
# the llama.cpp that the source of llama-cpp-python carries. That takes CMake, a compiler and some time.
if [[ ${1:-} == llama-server ]]; then
  mkdir -p .venv/llama.cpp
  .venv/bin/pip download --quiet --no-deps --no-binary llama-cpp-python --dest .venv/llama.cpp llama-cpp-python==0.3.36
  tar --extract --file .venv/llama.cpp/llama_cpp_python-0.3.36.tar.gz --directory .venv/llama.cpp
  cmake -S .venv/llama.cpp/llama_cpp_python-0.3.36/vendor/llama.cpp -B .venv/llama.cpp/build -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
    -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_USE_PREBUILT_UI=OFF
  cmake --build .venv/llama.cpp/build --target llama-server --parallel 2
  ls "$PWD/.venv/llama.cpp/build/bin/llama-server"
fi
