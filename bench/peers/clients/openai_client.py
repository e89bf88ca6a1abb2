"""OpenAI's client for Python: models, completions, chat, streams, errors, aborts (run by bench/serve/clients.ts)."""

import asyncio
import json
import os
from collections.abc import Callable

import openai

url = os.environ["MT_LLAMA_URL"]
model = os.environ["MT_LLAMA_MODEL"]
client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
greedy = {"model": model, "temperature": 0, "max_tokens": 16}
prompt = "The capital of France is"
messages = [{"role": "user", "content": "Name a colour."}]


def models() -> str:
    (found,) = client.models.list().data
    assert client.models.retrieve(model).id == found.id
    return found.id


def completions() -> str:
    answer = client.completions.create(prompt=prompt, **greedy)
    assert answer.usage.completion_tokens <= 16
    return answer.choices[0].text


def streamed() -> None:
    whole = client.completions.create(prompt=prompt, **greedy).choices[0].text
    with client.completions.create(prompt=prompt, stream=True, **greedy) as stream:
        assert "".join(event.choices[0].text for event in stream) == whole


def echo() -> str:
    found = client.completions.create(prompt=prompt, echo=True, logprobs=3, **{**greedy, "max_tokens": 1}).choices[0]
    offsets = found.logprobs.text_offset
    assert [found.text[i:j] for i, j in zip(offsets, [*offsets[1:], None])] == found.logprobs.tokens
    return f"{len(offsets)} tokens"


def chat() -> str:
    whole = client.chat.completions.create(messages=messages, **greedy).choices[0].message.content
    with client.chat.completions.create(messages=messages, stream=True, **greedy) as stream:
        assert "".join(event.choices[0].delta.content or "" for event in stream) == whole
    return whole


def errors() -> str:
    missing = failure(openai.NotFoundError, lambda: client.completions.create(prompt=prompt, **{**greedy, "model": "gpt-4"}))
    wrong = failure(openai.BadRequestError, lambda: client.completions.create(prompt=prompt, top_p=2, **greedy))
    return f"{missing.code}; {wrong.param}"


def leave() -> None:
    """Leaves a stream and a call that would go on for long, and is answered again."""
    # SmolLM2's ends of text are banned: it would end early by itself.
    long = {**greedy, "max_tokens": 4000, "logit_bias": {"0": -100, "2": -100, "4": -100}}
    with client.completions.create(prompt=prompt, stream=True, **long) as stream:
        next(iter(stream))
    failure(openai.APITimeoutError, lambda: client.with_options(timeout=0.3).completions.create(prompt=prompt, **long))
    client.completions.create(prompt=prompt, **{**greedy, "max_tokens": 1})


def at_once() -> None:
    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as own:
            answers = await asyncio.gather(*(own.completions.create(prompt=prompt, **greedy) for _ in range(16)))
            return [answer.choices[0].text for answer in answers]

    assert set(asyncio.run(ask())) == {completions()}


def failure(kind: type[Exception], call: Callable[[], object]) -> Exception:
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


checks = {
    "models.list, models.retrieve": models,
    "completions.create": completions,
    "completions.create, stream": streamed,
    "completions.create, echo and logprobs": echo,
    "chat.completions.create, whole and streamed": chat,
    "NotFoundError, BadRequestError": errors,
    "a stream that is left, a call that times out": leave,
    "AsyncOpenAI, 16 at once": at_once,
}
for what, check in checks.items():
    try:
        print(json.dumps({"what": what, "holds": True, "note": check() or ""}))
    except Exception as error:  # noqa: BLE001
        print(json.dumps({"what": what, "holds": False, "note": repr(error)}))
