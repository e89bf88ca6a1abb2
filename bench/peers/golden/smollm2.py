"""What transformers and promptsource say of SmolLM2 on the first items of the card's sets: test/golden/smollm2.json.

    PYTHONPATH=PROMPTSOURCE smollm2.py SHARED MODEL

SHARED is the folder with data/eval and promptsource/templates, MODEL the checkpoint as a Hugging Face folder in float32
(../make_models.sh makes it), PROMPTSOURCE a clone of promptsource, which needs setuptools < 81.

t0: promptsource renders prompts and choices; a choice's score is the sum of its tokens' log-softmax. release: the prompts and tokens of
the released scripts, with the tokenizer's own EOS and newline for LLaMA's 2 and 13, and what is generated greedily. card: the answers
to the card's questions (its choices are scored by lm-evaluation-harness elsewhere). `prompts` is the digest of all prompts, of t0 with their choices.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

import torch
from promptsource import templates
from transformers import AutoModelForCausalLM, AutoTokenizer

ITEMS = 2
T0 = {
    "sst2": "glue/sst2",
    "openbookqa": "openbookqa/main",
    "copa": "super_glue/copa",
    "winogrande": "winogrande/winogrande_xl",
    "wic": "super_glue/wic",
    "mnli": "glue/mnli",
    "rte": "super_glue/rte",
}
FILES = {
    **{task: f"{task}/validation.jsonl" for task in T0},
    "mnli": "mnli/validation_matched.jsonl",
    "squad": "squad/dev-v1.1.json",
    "xquad": "xquad/xquad.en.json",
    "mlqa": "mlqa/test-context-en-question-en.fixture.json",
    "tydiqa": "tydiqa/tydiqa.goldp.en.dev.json",
}
SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)


def wrapped(prompt):
    return f"{SYSTEM}### Human: {prompt}### Assistant:"


def plausible(row):
    because = "This happened because..." if row["question"] == "cause" else "As a consequence..."
    return f"{row['premise']} {because} Help me pick the more plausible option: - {row['choice1']}. - {row['choice2']}"


def four(row):
    options = " - ".join(f"({letter}) {text}" for letter, text in zip("ABCD", row["choices"]["text"]))
    return f"{row['question_stem']} Which is the correct answer? - {options}"


RELEASE = {
    "sst2": lambda row: f"{row['sentence'].lstrip()} Based on this review, would the user recommend this product? No or Yes?",
    "openbookqa": lambda row: wrapped(four(row)),
    "copa": lambda row: wrapped(plausible(row)),
    "winogrande": lambda row: wrapped(
        f"{row['sentence']} In the previous sentence, does _ refer to {row['option1']} or {row['option2']}?"
    ),
    "wic": lambda row: wrapped(
        f'Does the word "{row["word"]}" have the same meaning in these two sentences? Yes, No? {row["sentence1"]} {row["sentence2"]}'
    ),
    "mnli": lambda row: wrapped(
        f"{row['premise']} Question: Does this imply that {row['hypothesis']}? Please response with 'Yes', 'No', or 'Maybe'."
    ),
    "rte": lambda row: wrapped(f'Given {row["premise"]} Is it guaranteed true that "{row["hypothesis"]}"? Yes or no?'),
}
ANSWERED = ["xquad", "tydiqa", "mlqa", "squad"]


def question(row, context):
    return f"Answer the question according to the context. Question: {row['question']}. Context: {context}. Answer:"


def rows_of(shared: Path, task: str) -> list[dict]:
    file = shared / "data" / "eval" / FILES[task]
    if file.suffix == ".jsonl":
        with open(file, encoding="utf-8") as lines:
            return [json.loads(line) for line, _ in zip(lines, range(ITEMS))]
    questions = (
        {"question": qa["question"], "context": paragraph["context"]}
        for article in json.loads(file.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
        if task != "tydiqa" or qa["id"].startswith("english-")
    )
    return [row for row, _ in zip(questions, range(ITEMS))]


class Oracle:
    def __init__(self, folder: str) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        (self.newline,) = self.ids("\n")

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    @torch.inference_mode()
    def score(self, prompt: str, choice: str) -> float:
        start, whole = self.ids(prompt), self.ids(f"{prompt} {choice}")
        assert whole[: len(start)] == start, "the choice merges with the prompt"
        logits = self.model(torch.tensor([whole])).logits[0, len(start) - 1 : -1].double()
        return logits.log_softmax(-1).gather(1, torch.tensor(whole[len(start) :])[:, None]).sum().item()

    @torch.inference_mode()
    def generate(self, ids: list[int], stop: list[int]) -> list[int]:
        """The prompt's ids and at most 64 more, up to the first of `stop`."""
        inputs = torch.tensor([ids])
        out = self.model.generate(
            inputs,
            attention_mask=torch.ones_like(inputs),
            max_new_tokens=64,
            eos_token_id=stop,
            pad_token_id=self.tokenizer.eos_token_id,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        best = torch.stack([logits[0].topk(2).values for logits in out.logits])
        margin = (best[:, 0] - best[:, 1]).min().item()
        if margin < 1e-3:
            print(f"two tokens are {margin} apart after {self.tokenizer.decode(ids)[-60:]!r}", file=sys.stderr)
        found = out.sequences[0].tolist()
        return found[:-1] if found[-1] in stop else found

    def decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)


def digest(texts: list) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def t0(oracle: Oracle, rows: list[dict], data_set: str) -> dict:
    found = {}
    for template in templates.DatasetTemplates(data_set).templates.values():
        if not (template.metadata.original_task and template.answer_choices):
            continue
        texts, scores = [], []
        for row in rows:
            parts = template.apply(row)
            if len(parts) != 2 or not all(parts):
                scores.append(None)
                continue
            choices = template.get_answer_choices_list(row)
            texts += [parts[0], *choices]
            scores.append([round(oracle.score(parts[0], choice), 5) for choice in choices])
        found[template.name] = {"prompts": digest(texts), "scores": scores}
    return found


def release(oracle: Oracle, rows: list[dict], task: str) -> dict:
    is_question = task in ANSWERED
    prompts, texts = [], []
    for row in rows:
        if is_question:
            prompt = question(row, " ".join(word for word in re.split("[ \t\r\n\u202f]", row["context"]) if word))
        else:
            prompt = RELEASE[task](row)
        ids = [oracle.tokenizer.eos_token_id, *oracle.ids(prompt)]
        if is_question:
            ids = ids[:1024]
        whole, start = oracle.decode(oracle.generate(ids, [oracle.newline])), oracle.decode(ids)
        prompts.append(prompt)
        texts.append(whole.replace(start, "") if is_question else whole[len(start) :])
    return {"prompts": digest(prompts), "texts": texts}


def card(oracle: Oracle, rows: list[dict]) -> dict:
    prompts = [question(row, row["context"]) for row in rows]
    texts = []
    for prompt in prompts:
        ids = oracle.ids(prompt)
        answer = oracle.decode(oracle.generate(ids, [oracle.tokenizer.eos_token_id, oracle.newline])[len(ids) :])
        texts.append(answer.split("\n")[0])
    return {"prompts": digest(prompts), "texts": texts}


def main(shared: Path, folder: str) -> None:
    templates.TEMPLATES_FOLDER_PATH = str(shared / "promptsource" / "templates")
    oracle = Oracle(folder)
    rows = {task: rows_of(shared, task) for task in FILES}
    found = {"card": {}, "release": {}, "t0": {}}
    for task in FILES:
        print(task, file=sys.stderr)
        found["release"][task] = release(oracle, rows[task], task)
        if task in ANSWERED:
            found["card"][task] = card(oracle, rows[task])
        else:
            found["t0"][task] = t0(oracle, rows[task], T0[task])
    out = Path(__file__).parents[3] / "test" / "golden" / "smollm2.json"
    text = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    lines = [
        f"{text(protocol)}:{{\n" + ",\n".join(f"{text(task)}:{text(value)}" for task, value in tasks.items()) + "\n}"
        for protocol, tasks in found.items()
    ]
    out.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
