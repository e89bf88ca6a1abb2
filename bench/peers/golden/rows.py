"""Writes rows of the evaluation's tasks for the tests: test/golden/data, in the layout that docs/data.md describes.

Each task has eight rows, made up, with what published rows have too: spaces at ends, quotes, other scripts, long and short
choices.
"""

import json
from pathlib import Path

SST2 = [
    ("a warm , patient film that earns every one of its tears . ", 1),
    ("two hours of people shouting in corridors ", 0),
    ("the jokes are old , and they were never good . ", 0),
    ("quietly astonishing", 1),
    ("it 's hard to dislike a film this fond of its own clutter ", 1),
    ("naïve , overlong and -- worst of all -- dull . ", 0),
    ("see it for the café scene alone ; 90 minutes well spent . ", 1),
    ("no . ", 0),
]
OPENBOOKQA = [
    ("A kettle left on a hot stove", ["loses water as steam", "gains water", "turns to ice", "stays full"], "A"),
    ("Which of these gives its own light?", ["the Moon", "a mirror", "a candle", "a pond"], "C"),
    ("Roots take up", ["sunlight", "water", "wind", "noise from birds in the branches"], "B"),
    ("A magnet will pull", ["wood", "glass", "paper", "an iron nail"], "D"),
    ("Day and night come from", ["Earth turning", "clouds", "tides", "the wind"], "A"),
    ("To see a small cell one needs", ["a drum", "a microscope", "a map", "salt"], "B"),
    ("Rust on a gate is", ["a kind of paint", "a plant", "iron that met air and water", "old snow"], "C"),
    ("Water boils at 100 °C", ["on a high peak", "in space", "never", "at sea level"], "D"),
]
COPA = [
    ("The window was open all night.", "The room grew cold.", "The lamp broke.", "effect", 0),
    ("The dog barked.", "It slept.", "A stranger came to the door.", "cause", 1),
    ("I missed the bus.", "I was late for work.", "I baked a cake.", "effect", 0),
    ("The plant died.", "Nobody had watered it for weeks.", "It was green.", "cause", 0),
    ("She won the race.", "She had trained all winter long.", "She lost her shoe.", "cause", 0),
    ("He dropped the glass.", "It sang.", "It broke into pieces.", "effect", 1),
    ("The café closed early.", "The guests went home.", "The guests came in.", "effect", 0),
    ("The lights went out.", "The moon rose.", "A storm had cut the line.", "cause", 1),
]
WINOGRANDE = [
    ("Anna taught Berta to swim because _ knew how.", "Anna", "Berta", "1"),
    ("Anna taught Berta to swim because _ was afraid of water.", "Anna", "Berta", "2"),
    ("The box did not fit in the bag because the _ was too big.", "box", "bag", "1"),
    ("The box did not fit in the bag because the _ was too small.", "box", "bag", "2"),
    ("Carl lent Dirk his coat, as _ was cold.", "Carl", "Dirk", "2"),
    ("The soup was eaten before the bread, for the _ was hot.", "soup", "bread", "1"),
    ("Zoë outran Mia because _ had the longer legs.", "Zoë", "Mia", "1"),
    ("The chair broke under the table when the _ proved heavy.", "chair", "table", "2"),
]
WIC = [
    ("bank", "We sat on the bank of the river.", "She took her money to the bank.", 0),
    ("run", "Run for the train!", "He ran all the way.", 1),
    ("light", "A light coat.", "Turn on the light.", 0),
    ("cold", "The cold water.", "A cold day in May .", 1),
    ("spring", "The spring of the clock broke.", "They met in spring.", 0),
    ("read", "Read the letter.", "She reads a book a week.", 1),
    ("head", "The head of the school spoke.", "My head hurts.", 0),
    ("build", "They build boats.", "He built a house.", 1),
]
MNLI = [
    ("The shop opens at nine.", "The shop is open at noon", 1),
    ("All the children slept.", "No child was awake.", 0),
    ("He has never been to Rome.", "He lived in Rome for years.", 2),
    ("um well i guess we could go there you know", "They may go.", 0),
    ("Prices rose by 5% in March.", "Prices fell in March.", 2),
    ("The letter was written in 1910 , in Zürich .", "It was a long letter.", 1),
    ("She paid $4.50.", "She paid something.", 0),
    ("The road was closed.", "There had been an accident.", 1),
]
RTE = [
    ("The bridge, built in 1932, was closed on Monday after cracks were found.", "The bridge is open.", 1),
    ("Maria Lopez, who leads the firm, said profits rose.", "Maria Lopez leads the firm.", 0),
    ("The ferry \"Aurora\" sank near Malta; all were saved.", "A ferry sank.", 0),
    ("Two men were held in Paris.", "Two men were freed.", 1),
    ("Rice is the staple food of half the world.", "Half the world eats rice.", 0),
    ("The team lost its last game, 2-1.", "The team won its last game.", 1),
    ("Oil rose to 71 dollars a barrel, then fell.", "Oil costs 90 dollars.", 1),
    ("The mayor's son was born in May.", "The mayor has a son.", 0),
]
SQUAD = [
    ("The Aar is a river of Switzerland. It is 288 km long.", "How long is the Aar", ["288 km"]),
    ("Coffee came to Vienna in 1683.", "When did coffee come to Vienna?", ["1683", "in 1683"]),
    ("Lena found the key under\tthe  mat.", "Where was the key?", ["under the mat", "mat"]),
    ("The choir sings on Sundays;\nits leader is Ms. Oduya.", "Who leads the choir?", ["Ms. Oduya", "Oduya"]),
]
REVIEWS = [
    "We came for the view and stayed for the soup. The soup was gone by eight; the view, happily, was not.",
    "Broken on arrival.\n\nSent back. Twice.",
    "C'était très bon — 10/10, would eat again. " * 4,
    "The instructions are in six languages, none of them clear. Step 4 needs a part (B-12) that the box lacks.",
]

TASKS = {
    "sst2": [dict(sentence=s, label=label) for s, label in SST2],
    "openbookqa": [
        dict(question_stem=q, choices=dict(text=texts, label=list("ABCD")), answerKey=key) for q, texts, key in OPENBOOKQA
    ],
    "copa": [dict(premise=p, choice1=a, choice2=b, question=q, label=label) for p, a, b, q, label in COPA],
    "winogrande": [dict(sentence=s, option1=a, option2=b, answer=key) for s, a, b, key in WINOGRANDE],
    "wic": [dict(word=w, sentence1=a, sentence2=b, label=label) for w, a, b, label in WIC],
    "mnli": [dict(premise=p, hypothesis=h, label=label) for p, h, label in MNLI],
    "rte": [dict(premise=p, hypothesis=h, label=label) for p, h, label in RTE],
    "squad": [dict(context=c, question=q, answers=dict(text=golds)) for c, q, golds in SQUAD],
}
FILES = {"mnli": "validation_matched", "openbookqa": "test"}


def data_file(root: Path, task: str) -> Path:
    return root / "data" / task / f"{FILES.get(task, 'validation')}.jsonl"


def write_lines(file: Path, rows: list) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows))


def write_rows(root: Path) -> None:
    for task, rows in TASKS.items():
        write_lines(data_file(root, task), [dict(row, idx=i) for i, row in enumerate(rows)])
    write_lines(root / "data" / "reviews.jsonl", [dict(text=text) for text in REVIEWS])


def texts() -> list[str]:
    """Gives every text of the rows, to train small vocabularies on."""

    def strings(value) -> list[str]:
        if isinstance(value, str):
            return [value]
        values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return [text for inner in values for text in strings(inner)]

    return strings(list(TASKS.values())) + REVIEWS
