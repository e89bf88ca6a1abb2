"""Runs lm-evaluation-harness on one of the checkpoints with the rows of the tests: test/golden/lm-eval/TASK.jsonl.

A row has its context, and for each request its continuation and log-likelihood, or the generated text; results.json has the
harness's own accuracies. The prompts are the model card's, as shared by all tasks of the protocol `card`.
"""

import json
from pathlib import Path

import lm_eval
from lm_eval.models.huggingface import HFLM
from rows import TASKS, data_file, write_lines

CHECKPOINT = "llama-tokenizer-json"
CHOICES = {
    "sst2": (
        "{{sentence}} Based on this review, would the user recommend this product? No or Yes?",
        ["No", "Yes"],
        "label",
    ),
    "openbookqa": (
        "{{question_stem}} Which is the correct answer? - (A) {{choices.text[0]}} - (B) {{choices.text[1]}}"
        " - (C) {{choices.text[2]}} - (D) {{choices.text[3]}}",
        "{{choices.text}}",
        "{{choices.label.index(answerKey)}}",
    ),
    "copa": (
        "{{premise}} {{'This happened because...' if question == 'cause' else 'As a consequence...'}}"
        " Help me pick the more plausible option: - {{choice1}} - {{choice2}}",
        "{{[choice1, choice2]}}",
        "label",
    ),
    "winogrande": (
        "{{sentence}} In the previous sentence, does _ refer to {{option1}} or {{option2}}?",
        "{{[option1, option2]}}",
        "{{answer|int - 1}}",
    ),
    "wic": (
        'Does the word "{{word}}" have the same meaning in these two sentences? Yes, No? {{sentence1}} {{sentence2}}',
        ["No", "Yes"],
        "label",
    ),
    "mnli": (
        "{{premise}} Question: Does this imply that {{hypothesis}}? Please response with 'Yes', 'No', or 'Maybe'.",
        ["Yes", "Maybe", "No"],
        "label",
    ),
    "rte": ('Given {{premise}} Is it guaranteed true that "{{hypothesis}}"? Yes or no?', ["Yes", "no"], "label"),
}
ANSWERS = "Answer the question according to the context. Question: {{question}}. Context: {{context}}. Answer:"


def write_harness(root: Path) -> None:
    def evaluate(tasks: list, add_bos_token: bool) -> dict:
        checkpoint = str(root / "hf" / CHECKPOINT)
        model = HFLM(pretrained=checkpoint, dtype="float32", batch_size=1, device="cpu", add_bos_token=add_bos_token)
        return lm_eval.simple_evaluate(model=model, tasks=tasks, log_samples=True, bootstrap_iters=0)

    common = lambda task, file: dict(
        task=task,
        dataset_path="json",
        dataset_kwargs=dict(data_files=dict(validation=str(file))),
        validation_split="validation",
    )
    mean = dict(aggregation="mean", higher_is_better=True)
    configs = [
        common(task, data_file(root, task))
        | dict(
            output_type="multiple_choice",
            doc_to_text=prompt,
            doc_to_choice=choices,
            doc_to_target=gold,
            metric_list=[dict(metric="acc", **mean), dict(metric="acc_norm", **mean)],
        )
        for task, (prompt, choices, gold) in CHOICES.items()
    ]
    configs.append(
        common("squad", data_file(root, "squad"))
        | dict(
            output_type="generate_until",
            doc_to_text=ANSWERS,
            doc_to_target="{{answers.text[0]}}",
            generation_kwargs=dict(until=["\n"], max_gen_toks=64, do_sample=False),
            metric_list=[dict(metric="exact_match", **mean)],
        )
    )
    # A window begins with BOS anyway: told to add one, the harness would score a second.
    reviews = (
        common("reviews", root / "data" / "reviews.jsonl")
        | dict(
            output_type="loglikelihood_rolling",
            doc_to_text="",
            doc_to_target="{{text}}",
            metric_list=[dict(metric="word_perplexity"), dict(metric="byte_perplexity")],
        )
    )
    found = evaluate(configs, add_bos_token=True)
    rolled = evaluate([reviews], add_bos_token=False)
    for task, samples in (found["samples"] | rolled["samples"]).items():
        write_lines(root / "lm-eval" / f"{task}.jsonl", [row(task, s) for s in sorted(samples, key=lambda s: s["doc_id"])])
    results = {task: {name: found["results"][task][f"{name},none"] for name in ("acc", "acc_norm")} for task in CHOICES}
    (root / "lm-eval" / "results.json").write_text(json.dumps(results, indent=2) + "\n")


def row(task: str, sample: dict) -> dict:
    arguments = [(a["arg_0"], a.get("arg_1")) for a in sample["arguments"].values()] if isinstance(
        sample["arguments"], dict
    ) else sample["arguments"]
    answers = [answers[0] for answers in sample["resps"]]
    if task == "squad":
        return dict(doc=sample["doc_id"], context=arguments[0][0], generated=answers[0])
    if task == "reviews":
        answer = answers[0]
        return dict(
            doc=sample["doc_id"],
            logLikelihood=float(answer[0] if isinstance(answer, (list, tuple)) else answer),
            words=sample["word_perplexity"][1],
            bytes=sample["byte_perplexity"][1],
        )
    requests = [
        dict(continuation=continuation, logLikelihood=float(answer[0]), isGreedy=str(answer[1]) == "True")
        for (_, continuation), answer in zip(arguments, answers)
    ]
    return dict(doc=sample["doc_id"], context=arguments[0][0], requests=requests, acc=sample["acc"], acc_norm=sample["acc_norm"])


assert set(CHOICES) | {"squad"} == set(TASKS)
