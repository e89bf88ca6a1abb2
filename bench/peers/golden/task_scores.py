"""Writes test/golden/task-files/scores.json: what lm-evaluation-harness 0.4.13 gives for a few documents of tasks in chats, with choices
that are prompts and with acc_mutual_info, on the shared SmolLM2 in float32 (expand_gguf.py makes MODEL). Run with its packages:
cd SHARED; python .../task_scores.py MODEL OUT [LIMIT]"""

import json
import sys

from lm_eval import simple_evaluate
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM

model, out = sys.argv[1:3]
base = {"dataset_path": "json", "validation_split": "validation", "output_type": "multiple_choice", "metadata": {"version": 1}}
accuracies = [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ["acc", "acc_norm", "acc_mutual_info"]]
copa = {
    **base, "dataset_kwargs": {"data_files": {"validation": "data/eval/copa/validation.jsonl"}}, "metric_list": accuracies,
    "doc_to_text": "{{premise}} {{'Why?' if question == 'cause' else 'So what?'}}", "doc_to_target": "label",
    "doc_to_choice": "{{[choice1, choice2]}}", "fewshot_config": {"sampler": "first_n"},
}
winogrande = {
    **base, "dataset_kwargs": {"data_files": {"validation": "data/eval/winogrande/validation.jsonl"}}, "metric_list": accuracies,
    # The harness's own winogrande.yaml names Python functions, which do just this.
    "doc_to_text": "{{answer|int - 1}}", "doc_to_target": "{{sentence.split('_', 1)[1].strip()}}",
    "doc_to_choice": "{{[sentence.split('_', 1)[0] + option1, sentence.split('_', 1)[0] + option2]}}",
}
generated = {
    **base, "dataset_kwargs": {"data_files": {"validation": "golden/lm-eval/data/qa.jsonl"}}, "output_type": "generate_until",
    "doc_to_text": "{{question}}", "doc_to_target": "{{answers.text[0]}}", "generation_kwargs": {"until": ["\n"], "max_gen_toks": 16},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}
runs = [
    ("winogrande_prompts", winogrande, {}),
    ("winogrande_chat", winogrande, {"chat": True}),
    ("copa_plain", copa, {}),
    ("copa_chat", copa, {"chat": True}),
    ("copa_chat_shots", {**copa, "num_fewshot": 2, "description": "Finish the story."}, {"chat": True, "multiturn": False}),
    # Without a word about it, the harness makes shots messages of their own.
    ("copa_chat_turns", {**copa, "num_fewshot": 2, "gen_prefix": "Because"}, {"chat": True, "instruction": "Be brief."}),
    ("answers_chat", generated, {"chat": True}),
]
limit = int(sys.argv[3]) if len(sys.argv) > 3 else 6
lm = HFLM(pretrained=model, dtype="float32", device="cpu", batch_size=8)
cases = []
for name, config, manner in runs:
    config = {"task": name, **config}
    chat = manner.get("chat", False)
    results = simple_evaluate(
        lm, tasks=[ConfigurableTask(config=json.loads(json.dumps(config)))], limit=limit if config is not generated else min(limit, 2),
        apply_chat_template=chat, system_instruction=manner.get("instruction"), log_samples=True, bootstrap_iters=0,
        **({"fewshot_as_multiturn": manner["multiturn"]} if "multiturn" in manner else {}),
    )
    metrics = [entry["metric"] for entry in config["metric_list"]]
    samples = [
        {
            "requests": [
                [*request[:2], *answer] if config["output_type"] == "multiple_choice" else [request[0], answer]
                for request, answer in zip(
                    [list(arguments.values()) if isinstance(arguments, dict) else list(arguments) for arguments in (sample["arguments"].values() if isinstance(sample["arguments"], dict) else sample["arguments"])],
                    [resp[0] for resp in sample["resps"]],
                )
            ],
            "metrics": {metric: sample[metric] for metric in metrics},
        }
        for sample in sorted(results["samples"][name], key=lambda sample: sample["doc_id"])
    ]
    figures = {metric: results["results"][name][f"{metric},none"] for metric in metrics}
    cases.append({"config": config, **manner, "samples": samples, "figures": figures})
with open(out, "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n")
