"""Writes test/golden/task-files/cases.json: what lm-evaluation-harness 0.4.13 makes of prompts, shots, filters, flags, templates,
patterns, groups, and of prompts in chat templates.

    python bench/peers/golden/task_files.py test/golden/task-files/cases.json

It runs in the project's folder beside the shared folder, with the packages of lm-evaluation-harness.
"""

import json
import re
import sys
from random import Random
from types import SimpleNamespace

from lm_eval.api import metrics
from lm_eval.api.task import ConfigurableTask
from lm_eval.api.samplers import ContextSampler, FirstNSampler
from lm_eval.filters import build_filter_ensemble
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.utils import apply_template
from transformers import AutoTokenizer


def shots():
    cases = []
    for size, count in [(3, 2), (10, 3), (30, 4), (30, 7), (200, 5), (300, 12), (5, 5)]:
        for name, kind in [("default", ContextSampler), ("first_n", FirstNSampler)]:
            for holds in [False, True]:
                if holds and count == size:
                    continue
                pool = [{"n": i // 2 if size == 10 else i} for i in range(size)]
                sampler = kind(pool)
                sampler.set_rnd(1234)
                drawn = [
                    [shot["n"] for shot in sampler.sample(count, eval_doc=pool[i % size] if holds else None)]
                    for i in range(8)
                ]
                cases.append({"rows": [row["n"] for row in pool], "count": count, "sampler": name, "holds": holds, "drawn": drawn})
    return cases


texts = [
    "The answer is 42. So $3.50 or 12",
    "#### 1,234.5 and #### -7",
    "  Hello World\n",
    "answer: (B) because",
    "",
    "caf\u00e9 \u00c9T\u00c9 \u0663 x\u00a0y",
    "a\nb\r\nc",
    "\U0001f600 no 3% 4%",
]


def filters():
    pipelines = [
        [["take_first", None]],
        [["regex", {"regex_pattern": r"#### (\-?[0-9\.\,]+)"}], ["take_first", None]],
        [["regex", {"group_select": -1, "regex_pattern": r"(-?[$0-9.,]{2,})|(-?[0-9]+)"}], ["take_first", None]],
        [["regex", {"regex_pattern": r"\(([A-D])\)", "fallback": "none"}], ["lowercase", None], ["take_first", None]],
        [["remove_whitespace", None], ["take_first", None]],
        [["lowercase", None], ["remove_whitespace", None], ["take_first", None]],
        [["uppercase", None], ["take_first", None]],
        [["regex", {"regex_pattern": r"\w+"}], ["map", {"mapping_dict": {"The": "1", "Hello": "2"}, "default_value": "0"}], ["take_first", None]],
    ]
    cases = []
    for pipeline in pipelines:
        instances = [
            Instance(request_type="generate_until", doc={}, arguments=("", {}), idx=0, metadata=("t", i, 1))
            for i in range(len(texts))
        ]
        for instance, text in zip(instances, texts):
            instance.resps = [text]
        build_filter_ensemble("x", pipeline).apply(instances)
        steps = [{"function": name, **(options or {})} for name, options in pipeline]
        cases.append({"steps": steps, "texts": texts, "filtered": [instance.filtered_resps["x"] for instance in instances]})
    return cases


def exact_match():
    flags = [
        {},
        {"ignore_case": True},
        {"ignore_punctuation": True},
        {"ignore_numbers": True},
        {"ignore_case": True, "ignore_punctuation": True, "ignore_numbers": True},
        {"regexes_to_ignore": [",", r"\$", r"(?s).*#### ", r"\.$"]},
        {"regexes_to_ignore": [r"\bthe\b"], "ignore_case": True},
    ]
    pairs = [("A b.", "a b"), ("A b.", "A b."), ("$1,000.", "1000"), ("x #### 5", "5"), ("the  cat", "THE cat"), ("a1", "a2"), ("\u00c9t\u00e9!", "\u00e9t\u00e9"), ("", "")]
    return [
        {"flags": flag, "pairs": pairs, "scores": [float(metrics.exact_match_hf_evaluate([p], [g], **flag)["exact_match"]) for p, g in pairs]}
        for flag in flags
    ]


def templates():
    doc = {"a": "x y", "n": 3, "list": ["p", "q"], "none": None, "flag": True, "deep": {"k": "v"}, "f": 1.5}
    sources = [
        "{{a}}\n", "{{a}}\n\n", "{% if flag %}\nyes\n{% endif %}\n", "{{list}}", "{{none}}", "{{missing}}", "{{deep.k}}",
        "{{deep.other}}", "{% if missing %}a{% endif %}", "{{missing|default('d')}}", "{{ missing is defined }}",
        "{{a|regex_replace('x', 'z')}}", "{{a|regex_replace('([xy])', '<\\\\1>', 1)}}", "{{a|regex_replace('(?P<w>x)', '\\\\g<w>!')}}",
        "{% for i in missing %}{% endfor %}", "{{ 'x' == missing }}", "{{ missing ~ 'a' }}", "{{ [missing] }}", "{{ f }} {{ n }} {{ flag }}",
        "{{a.split(' ')|join('-')}}", "{{ 'x' in missing }}", "{{ list|length }}", "{{ missing|length }}", "{{ missing|list }}", "{{ not missing }}",
        "{{ list[5] }}", "{{ {missing: 1} }}",
    ]
    cases = []
    for source in sources:
        try:
            cases.append({"source": source, "doc": doc, "text": apply_template(source, doc)})
        except Exception as error:
            cases.append({"source": source, "doc": doc, "exception": type(error).__name__})
    return cases


def numbers():
    """Lines of JSON as Python reads them, and what a template prints of their numbers."""
    lines = [
        "2", "2.0", "-0", "-0.0", "0.0", "1e2", "1E+2", "-3.0e0", "2.5", "1e16", "1e400", "-1e400", "123456789012345678901234567890",
        "-9007199254740993", "9007199254740993.0", "NaN", "Infinity", "-Infinity", "[1, 2.0, [3.0]]", '{"y": 4.0, "z": [5, "6.0"]}',
        '"2.0"', '"NaN and \\"1e5\\" -0"', "true", "null", "1.0e-7", "100000000000000000000.0",
    ]
    source = "{{x}} {{[x]}} {{x|string|length}} {{x is number}} {{x is float}}"
    cases = []
    for line in lines:
        text = f'{{"a 1.0": 1, "x": {line}}}'
        cases.append({"line": text, "source": source, "text": apply_template(source, json.loads(text))})
    return cases


def patterns():
    sources = [
        r"#### (\-?[0-9\.\,]+)", r"(-?[$0-9.,]{2,})|(-?[0-9]+)", r"\b[A-D]\b", r"(?i)answer: *\(([a-d])", r"^\s*(\w+)", r"(?s)a.b", r"a.b",
        r"(?m)^(\w+)$", r"\w+$", r"[^\w\s]", r"[\W]+", r"[]a-c-]+", r"\$\\?boxed\{([^}]*)\}", r"(?P<n>\d+)%", r"a{,2}b", r"{x}", r"\A\d|\d\Z",
        r"a*", r"((-?[0-9.]+)|no)", r"[\[\]&|~()-]", r"\u00e9|\x41+", r"\.\s*$", r"(?<=is )\w", r"\Bb", r"$", r"[^]x]", "\U0001f600+", "[\U0001f600-\U0001f602]",
        r"(\d+)(?=%)", r"\\n", r"[\n\t]+", r"x(?#c)\S",
    ]
    everything = [*texts, "a\nb a\rb axb aab aaab", "{x} [y] & ~ | -", "\\n \t it's \\boxed{42} $\\boxed{7}", "x\u2028y a\u00a0b \u0441\u043b\u043e\u0432\u043e \u2116"]
    return [
        {"pattern": source, "texts": everything, "matches": [[[m.group(0), *m.groups()] for m in re.finditer(source, text)] for text in everything]}
        for source in sources
    ]


def groups():
    cases = []
    rnd = Random(1)
    for sizes in [[10, 10], [5, 100, 31], [2, 3, 4, 5]]:
        values = [rnd.random() for _ in sizes]
        errors = [rnd.random() / 10 for _ in sizes]
        cases.append({
            "sizes": sizes, "values": values, "errors": errors,
            "weighted": metrics.aggregate_subtask_metrics(values, sizes, True),
            "unweighted": metrics.aggregate_subtask_metrics(values, sizes, False),
            "pooled": float(metrics.pooled_sample_stderr(errors, sizes)),
            "unweighted_error": float(metrics.unweighted_mean_stderr(errors)),
        })
    return cases


def aggregates():
    rnd = Random(2)
    lls = [-rnd.random() * 100 for _ in range(9)]
    weights = [rnd.randint(1, 50) for _ in lls]
    golds = [rnd.randint(0, 1) for _ in lls]
    predicted = [rnd.randint(0, 1) for _ in lls]
    return {
        "logLikelihoods": lls, "weights": weights, "golds": golds, "predicted": predicted,
        "perplexity": metrics.perplexity(lls),
        "weighted_perplexity": metrics.weighted_perplexity(list(zip(lls, weights))),
        "bits_per_byte": metrics.bits_per_byte(list(zip(lls, weights))),
        "f1": float(metrics.f1_score(list(zip(golds, predicted)))),
        "f1_none": float(metrics.f1_score([(0, 0), (0, 0)])),
    }


def contexts():
    file = "data/copa/validation.jsonl"
    base = {
        "task": "t", "dataset_path": "json", "output_type": "multiple_choice", "doc_to_text": "{{premise}}\n", "doc_to_target": "label",
        "doc_to_choice": "{{[choice1, choice2]}}", "dataset_kwargs": {"data_files": {"validation": file, "test": file, "train": file}},
    }
    sample = {"premise": "P", "choice1": "A", "choice2": "B", "label": 1, "question": "cause"}
    configs = [
        {"validation_split": "validation", "num_fewshot": 3},
        {"test_split": "test", "fewshot_split": "test", "num_fewshot": 4},
        {"test_split": "test", "training_split": "train", "num_fewshot": 2, "description": "About {{question}}:\n"},
        {"test_split": "test", "fewshot_split": "train", "num_fewshot": 5, "fewshot_delimiter": " | ", "target_delimiter": ""},
        {"validation_split": "validation", "num_fewshot": 2, "doc_to_choice": ["cause", "effect"], "doc_to_target": "question", "doc_to_text": "premise"},
        {"validation_split": "validation", "num_fewshot": 1, "fewshot_config": {"samples": [sample], "sampler": "first_n"}},
        {"output_type": "generate_until", "validation_split": "validation", "num_fewshot": 2, "fewshot_config": {"sampler": "first_n"}, "doc_to_choice": None, "doc_to_target": "{{[choice1,choice2][label]}}"},
        {"output_type": "loglikelihood", "validation_split": "validation", "num_fewshot": 2, "doc_to_choice": None, "doc_to_target": " {{choice1}}"},
    ]
    return [case(base, changes, {}) for changes in configs]


def case(base, changes, chat):
    """The requests of a task's first documents; chat: what fewshot_context() takes beside them."""
    config = {key: value for key, value in {**base, **changes}.items() if value is not None}
    own = json.loads(json.dumps(config))
    files = own["dataset_kwargs"]["data_files"]
    own["dataset_kwargs"]["data_files"] = {split: "test/golden/" + file for split, file in files.items()}
    task = ConfigurableTask(config=own)
    task.set_fewshot_seed(1234)
    rows = []
    for i, doc in task.doc_iterator(limit=2 if chat else 5):
        context = task.fewshot_context(doc, config.get("num_fewshot", 0), gen_prefix=task.doc_to_prefix(doc), **chat)
        is_chat = chat.get("apply_chat_template", False)
        requests = task.construct_requests(doc, context, metadata=("t", i, 1), apply_chat_template=is_chat)
        requests = requests if isinstance(requests, list) else [requests]
        rows.append([list(r.args)[: 1 if r.request_type == "generate_until" else 2] for r in requests])
    return {"config": config, "rows": rows}


chat_templates = {
    # SmolLM2: a system message of its own where there is none.
    "chatml": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helper<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    # Gemma's manner: no system, and contents stripped.
    "no-system": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{{ '<start_of_turn>' + message['role'] + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
    # LLaMA 2's manner: the system within the first message of the user.
    "inst": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' %}{% else %}{% set loop_messages = messages %}{% set system = '' %}{% endif %}{% for message in loop_messages %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'].strip() + ' [/INST]' }}{% else %}{{ ' ' + message['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
}


def chats():
    file = "data/copa/validation.jsonl"
    base = {
        "task": "t", "dataset_path": "json", "output_type": "multiple_choice", "doc_to_text": "{{premise}}\nWhy?", "doc_to_target": "label",
        "doc_to_choice": "{{[choice1, choice2]}}", "dataset_kwargs": {"data_files": {"validation": file}}, "validation_split": "validation",
        "fewshot_config": {"sampler": "first_n"},
    }
    prompts = {"doc_to_text": "{{label}}", "doc_to_choice": "{{[premise + ' ' + choice1, premise + ' ' + choice2]}}", "doc_to_target": "so {{question}}"}
    generated = {"output_type": "generate_until", "doc_to_choice": None, "doc_to_target": "{{[choice1,choice2][label]}}"}
    configs = [
        {},
        {"num_fewshot": 2},
        {"num_fewshot": 2, "description": "About {{question}}.", "target_delimiter": " => ", "fewshot_delimiter": " | "},
        {"num_fewshot": 1, "description": "D.\n\n", "doc_to_text": "{{premise}}\n"},
        {"gen_prefix": "Answer:"},
        {"num_fewshot": 2, "gen_prefix": "Answer: ", "description": "D"},
        {"num_fewshot": 1, "gen_prefix": "question", "doc_to_text": "{{premise}}\n"},
        {"num_fewshot": 1, "gen_prefix": "Answer:", "fewshot_config": {"sampler": "first_n", "gen_prefix": "{{question}} "}},
        {**generated, "num_fewshot": 1, "description": "D"},
        {**generated, "num_fewshot": 2, "gen_prefix": "So"},
        {"output_type": "loglikelihood", "num_fewshot": 1, "doc_to_choice": None, "doc_to_target": " {{choice1}}", "description": "D"},
        prompts,
        {**prompts, "num_fewshot": 2, "description": "D", "target_delimiter": " - "},
        {**prompts, "gen_prefix": "Hence", "num_fewshot": 1},
        {"doc_to_text": "label", "doc_to_choice": ["One", "Two"], "doc_to_target": "premise"},
        {"metric_list": [{"metric": "acc"}, {"metric": "acc_mutual_info"}], "doc_to_choice": ["A", "B"]},
        {"metric_list": [{"metric": "acc_mutual_info"}], "target_delimiter": "", "doc_to_choice": [" A", " B"]},
    ]
    tokenizer = AutoTokenizer.from_pretrained("../shared/models/smollm2-135m")
    model = SimpleNamespace(tokenizer=tokenizer, chat_template_args={})

    def rendered(messages, add_generation_prompt=True):
        return HFLM.apply_chat_template(model, messages, add_generation_prompt)

    cases = []
    for number, changes in enumerate(configs):
        # One template and manner for most: each is seen with every kind of task.
        names = [None, *chat_templates] if number < 5 else [[None, *chat_templates][number % 4], "chatml"]
        for name in names:
            for multiturn in [False, True] if name and changes.get("num_fewshot") else [False]:
                for instruction in [None, "Be brief."] if number in (1, 2, 3) else [None]:
                    tokenizer.chat_template = chat_templates.get(name)
                    chat = {"system_instruction": instruction}
                    if name:
                        chat |= {"apply_chat_template": True, "fewshot_as_multiturn": multiturn, "chat_template": rendered}
                    cases.append({"template": name, "multiturn": multiturn, "instruction": instruction, **case(base, changes, chat)})
    return {"templates": chat_templates, "bos": tokenizer.bos_token, "eos": tokenizer.eos_token, "cases": cases}


parts = [contexts, chats, shots, filters, exact_match, templates, numbers, patterns, groups, aggregates]
with open(sys.argv[1], "w") as file:
    cases = ",\n".join(f"{json.dumps(part.__name__)}: {json.dumps(part(), ensure_ascii=False)}" for part in parts)
    file.write("{" + cases + "}")
    file.write("\n")
