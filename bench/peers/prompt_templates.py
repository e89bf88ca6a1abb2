"""Renders templates with plain Jinja2 in promptsource's environment and draws with Python's random, as mt-llama has to.

    .venv/bin/python prompt_templates.py FILE       # prints FILE, test/golden/prompts/templates.json, anew

FILE is {"names": what all templates are given, "seed": of each rendering, "rows": [{"template": ...}, ...], "draws":
[{"seed": ..., "lengths": [...]}, ...]}; what the rows give is written over what they hold. A row's "names" says whether
jinja2.meta finds names that the template has to be given.
"""

import json
import random
import sys
from collections import Counter
from pathlib import Path

from jinja2 import BaseLoader, Environment, meta


def most_frequent(items):
    if not items:
        return None
    counts = Counter(items).most_common()
    return [item for item, count in counts if count == counts[0][1]]


environment = Environment(loader=BaseLoader)
environment.globals["zip"] = zip
environment.filters["choice"] = lambda items: random.choice(items)
environment.filters["most_frequent"] = most_frequent
environment.filters["highlight"] = lambda text: "<span style='color: #F08080'>" + text + "</span>"


def rendered(template: str, names: dict, seed: int) -> dict:
    random.seed(seed)
    try:
        found = bool(meta.find_undeclared_variables(environment.parse(template)))
        # The names are copied, since a template may change the lists among them.
        text = environment.from_string(template).render(**json.loads(json.dumps(names)))
        return {"names": found, "text": text}
    except Exception as error:  # noqa: BLE001 an exception of a template is its answer
        return {"error": f"{type(error).__name__}: {error}"}


def drawn(seed: int, lengths: list[int]) -> list[int]:
    random.seed(seed)
    return [random.choice(range(length)) for length in lengths]


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text())
    rows = [
        json.dumps({"template": row["template"]} | rendered(row["template"], told["names"], told["seed"]), ensure_ascii=False)
        for row in told["rows"]
    ]
    draws = [json.dumps(row | {"indices": drawn(row["seed"], row["lengths"])}) for row in told["draws"]]
    head = f'"names": {json.dumps(told["names"], ensure_ascii=False)},\n"seed": {told["seed"]}'
    print(f'{{\n{head},\n"rows": [\n' + ",\n".join(rows) + '\n],\n"draws": [\n' + ",\n".join(draws) + "\n]\n}")
