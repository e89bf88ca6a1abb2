#!/usr/bin/env bash
# curl: models, completions, chat, a stream, statuses of errors, a body over the limit, a client that leaves.
set -uo pipefail

# check WHAT COMMAND...: prints whether the command succeeds, and the end of what it prints.
check() {
  local what=$1 note holds=true
  shift
  note=$("$@" 2>&1) || holds=false
  python3 -c 'import json, sys; print(json.dumps({"what": sys.argv[1], "holds": sys.argv[2] == "true", "note": sys.argv[3][-100:]}))' \
    "$what" "$holds" "$note"
}

post() { curl --silent --show-error --max-time 60 --header 'content-type: application/json' "$@"; }
status() { post --output /dev/null --write-out '%{http_code}' "$@"; }
# is STATUS CURL-ARGUMENTS...
is() {
  local found
  found=$(status "${@:2}")
  echo "$found"
  [[ $found == "$1" ]]
}

asked="\"model\": \"$MT_LLAMA_MODEL\", \"temperature\": 0, \"max_tokens\": 16"
prompt="{$asked, \"prompt\": \"The capital of France is\"}"
stream() { post --no-buffer "$MT_LLAMA_URL/v1/completions" --data "{$asked, \"prompt\": \"The sea\", \"stream\": true}" | tail -n 2 | grep '^data: \[DONE\]$'; }
chat() { post --fail "$MT_LLAMA_URL/v1/chat/completions" --data "{$asked, \"messages\": [{\"role\": \"user\", \"content\": \"Name a colour.\"}]}"; }
leave() {
  post --max-time 0.3 "$MT_LLAMA_URL/v1/completions" --data "{$asked, \"max_tokens\": 4000, \"prompt\": \"The sea\"}"
  [[ $? == 28 ]] && post --fail "$MT_LLAMA_URL/v1/completions" --data "$prompt" > /dev/null
}
form() {
  [[ $(curl --silent --max-time 60 --output /dev/null --write-out '%{http_code}' "$MT_LLAMA_URL/v1/completions" --data 'prompt=x') == 415 ]]
}
large=$(mktemp)
trap 'rm -f "$large"' EXIT
head --bytes 20000000 /dev/zero | tr '\0' ' ' > "$large"

check 'GET /v1/models' curl --silent --fail --max-time 60 "$MT_LLAMA_URL/v1/models"
check 'POST /v1/completions' post --fail "$MT_LLAMA_URL/v1/completions" --data "$prompt"
check 'a stream that ends with [DONE]' stream
check 'POST /v1/chat/completions' chat
check '400: no JSON' is 400 "$MT_LLAMA_URL/v1/completions" --data '{'
check '404: no such path' is 404 "$MT_LLAMA_URL/v1/nothing"
check '405: GET of what takes POST' is 405 --request GET "$MT_LLAMA_URL/v1/completions"
check '413: 20 MB' is 413 "$MT_LLAMA_URL/v1/completions" --data-binary "@$large"
check '413: 20 MB in chunks' is 413 "$MT_LLAMA_URL/v1/completions" --header 'transfer-encoding: chunked' --data-binary "@$large"
check '415: a form' form
check 'leaves after 0.3 s' leave
