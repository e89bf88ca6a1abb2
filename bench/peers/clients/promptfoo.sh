#!/usr/bin/env bash
# promptfoo's openai provider runs a config of two prompts and two providers; its install is large, and lies in PROMPTFOO, a folder where
# `npm install promptfoo@0.123.1 node@22` was run (it needs Node 22). Without it this is skipped.
set -uo pipefail

say() { printf '{"what": "%s", "holds": %s, "note": "%s"}\n' "$@"; }
if [[ ! -x ${PROMPTFOO:-}/node_modules/.bin/promptfoo ]]; then
  say 'promptfoo eval' null 'skipped: PROMPTFOO names no install'
  exit
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/config.yaml" << END
prompts: ['The capital of {{country}} is', 'Name the capital of {{country}}.']
providers:
  - id: openai:completion:$MT_LLAMA_MODEL
    config: {apiBaseUrl: $MT_LLAMA_URL/v1, apiKey: none, temperature: 0, max_tokens: 8}
  - id: openai:chat:$MT_LLAMA_MODEL
    config: {apiBaseUrl: $MT_LLAMA_URL/v1, apiKey: none, temperature: 0, max_tokens: 8}
tests:
  - vars: {country: France}
    assert: [{type: javascript, value: 'output.length > 0'}]
  - vars: {country: Italy}
    assert: [{type: javascript, value: 'output.length > 0'}]
END
export PATH="$PROMPTFOO/node_modules/.bin:$PATH" PROMPTFOO_CONFIG_DIR="$folder" PROMPTFOO_DISABLE_TELEMETRY=1 PROMPTFOO_DISABLE_UPDATE=1
if timeout 300 promptfoo eval --config "$folder/config.yaml" --output "$folder/out.json" --no-cache --no-progress-bar > "$folder/log" 2>&1; then
  say 'promptfoo eval' true "$(node -p 'const {stats} = JSON.parse(fs.readFileSync(process.argv[1])).results; `${stats.successes} passed, ${stats.failures} failed, ${stats.errors} errors`' "$folder/out.json")"
else
  say 'promptfoo eval' false "$(tail -n 3 "$folder/log" | tr -d '\\"\n' | tail -c 200)"
fi
