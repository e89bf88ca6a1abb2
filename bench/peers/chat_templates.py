"""Renders chat templates with transformers, which those of this project are held to.

    .venv/bin/python chat_templates.py render FOLDER    # prints a line of JSON for each FOLDER/*.jinja
    .venv/bin/python chat_templates.py cases FILE       # prints FILE, test/golden/chat/templates.json, anew

A line of `render` is {"template": name, "texts": [{"text": ...} or {"error": ...}, ...]}, a text for each conversation of
conversations.json with the generation prompt, then one for each without. FILE is {"names": what all templates are given, "rows":
[{"template": ...}, ...]}; what its rows give is written over what they hold.
"""

import datetime
import json
import sys
from pathlib import Path

from transformers.utils import chat_template_utils

here = Path(__file__).parent


class FixedTime(datetime.datetime):
    """Stands on a Saturday before noon in the first days of a year, where paddings, halves of a day and weeks of two years show."""

    @classmethod
    def now(cls, tz=None):
        return cls(2022, 1, 1, 9, 5, 7)


def rendered(template: str, names: dict) -> dict:
    try:
        return {"text": chat_template_utils._compile_jinja_template(template).render(**names)}
    except Exception as error:  # noqa: BLE001 an exception of a template is its answer
        return {"error": f"{type(error).__name__}: {error}"}


def render(folder: Path) -> None:
    conversations = json.loads((here / "conversations.json").read_text())
    for file in sorted(folder.glob("*.jinja")):
        template = file.read_bytes().decode()
        texts = [
            rendered(
                template,
                {
                    "messages": messages,
                    "tools": None,
                    "documents": None,
                    "bos_token": "<s>",
                    "eos_token": "</s>",
                    "add_generation_prompt": prompt,
                },
            )
            for prompt in (True, False)
            for messages in conversations
        ]
        print(json.dumps({"template": file.name, "texts": texts}))


def cases(file: Path) -> None:
    chat_template_utils.datetime = FixedTime
    told = json.loads(file.read_text())
    rows = [
        json.dumps({"template": row["template"]} | rendered(row["template"], told["names"]), ensure_ascii=False)
        for row in told["rows"]
    ]
    names = json.dumps(told["names"], ensure_ascii=False)
    print(f'{{\n"names": {names},\n"rows": [\n' + ",\n".join(rows) + "\n]\n}")


if __name__ == "__main__":
    command, path = sys.argv[1:]
    {"render": render, "cases": cases}[command](Path(path))
