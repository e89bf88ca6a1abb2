"""Answers one JSON object a line with another: so bench/ drives a rival that stays loaded between timings."""

import json
import os
import sys
from collections.abc import Callable


def serve(answer: Callable[[dict], dict], ready: dict) -> None:
    """Says `ready`, then answers each line of standard input until it ends."""
    print_line(ready)
    for line in sys.stdin:
        print_line(answer(json.loads(line)))


def print_line(value: dict) -> None:
    _answers.write(json.dumps(value) + "\n")
    _answers.flush()


# Libraries print to standard output as they please: their output goes to standard error, and answers keep the real one.
_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
