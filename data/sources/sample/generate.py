"""Write the sample: synthetic tweets that do or don't report a disaster, with known faults planted.

    python data/sources/sample/generate.py      # rewrites the CSV files beside this program, byte for byte

A tweet is a frame from vocabulary.toml, filled and then dressed up: `compose` decides what it says and so its
label, `dress` adds what tweets have whatever they say, `plant` adds the faults. Standard library only.
"""

import csv
import random
import re
import string
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED = 20

ROWS = {"train": 2900, "validation": 500, "test": 1200, "unlabelled": 300}  # before copies are planted
LABELLED = ("train", "validation", "test")

# (kind of frame, what fills {real}, what fills {unreal}): share of a role; None: the frame has no such slot
MIX = {
    ("contrast", "literal", "figurative"): 0.18,
    ("contrast", "figurative", "literal"): 0.18,
    ("told", "literal", None): 0.27,
    ("told", "figurative", None): 0.29,
    ("unreal", None, "literal"): 0.08,
}
SAME_KEYWORD = 0.7  # of the contrasts: both sides use the same keyword, one literally, one figuratively
TOO_ALIKE = 0.7  # two tweets that share more of their words than this would be copies that nobody planted

FLIPPED = 0.02  # of labelled rows
COPIED = 0.03  # of labelled rows
# (where the copy goes, where its original stands): share of the copies, or how many
COPIES_BETWEEN = {
    ("train", "train"): 0.5,
    ("train", "test"): 0.25,
    ("train", "validation"): 0.1,
    ("test", "test"): 0.15,
}
OPPOSITE_BETWEEN = {("train", "train"): 9, ("train", "test"): 3}

COLUMNS = ["id", "keyword", "location", "text", "target"]
FAULT_COLUMNS = ["id", "role", "fault", "edit", "other_id", "other_role", "target", "true_target"]

LOCATIONS = [
    "Kesterton", "Marlow Bay", "London, UK", "New York, NY", "São Tadeu", "worldwide", "she/her | 23",
    "Toronto", "Port Ellery, South Coast", "Nairobi, Kenya", "🌍", "in the garden", "Los Angeles, CA",
    "ÜT: 51.47,-0.02", "Brennick & Oakhaven", "Melbourne, Australia", "Vårsund", "everywhere you look",
    "Lagos", "México", "India", "your mum's house", "Tallow Creek, TX", "Manchester", "#1 fan club",
]  # fmt: skip
GENERAL_TAGS = ["news", "omg", "Monday", "nowplaying", "mood", "update", "local", "fail", "life", "TBT", "RT"]
EMOJI = ["😂", "😭", "🔥", "🙏", "😱", "💔", "❤️", "🌊", "🚨", "👀", "💀", "🎉", "⚡", "🤯"]
ASIDES = ["lol", "omg", "wow", "smh", "tbh", "ugh", "pls RT", "seriously", "haha", "!!!", "...", "jeez"]
ENTITIES = ["&lt;3", "&gt;&gt;", "&amp; that's that", "-&gt;"]
NAMES = ["sam", "jo", "kesterton", "dj", "real", "miss", "the", "news", "big", "its"]
ENDINGS = ["_k", "94", "live", "xo", "_uk", "hq", "tv", "smith", "7", "_official"]
SPARE_WORDS = {"the", "a", "an", "just", "so", "and", "that", "my"}  # dropping one never changes what is said


@dataclass(frozen=True)
class Tweet:
    role: str
    frame: str
    phrases: tuple[str, ...]  # as vocabulary.toml has them
    filled: tuple[str, ...]  # as the tweet has them
    body: str  # what is said, before `dress`
    family: str
    target: int
    text: str = ""
    keyword: str = ""
    location: str = ""
    id: int = 0
    wrong: bool = False  # the label written is not `target`
    copy_of: "Tweet | None" = None
    edit: str = ""

    @property
    def written_target(self) -> int:
        return 1 - self.target if self.wrong else self.target


def load_vocabulary() -> dict:
    return tomllib.loads((HERE / "vocabulary.toml").read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------ what is said


def deck(cards: list, rng: random.Random) -> Iterator:
    """Deal cards for ever; none comes twice before all have come once."""
    while True:
        shuffled = list(cards)
        rng.shuffle(shuffled)
        yield from shuffled


def fill(template: str, slots: dict[str, list[str]], rng: random.Random, **given: str) -> str:
    """Replace each {slot}: by what is given, or else by one of its values, the same wherever it recurs."""
    for name in dict.fromkeys(re.findall(r"{(\w+)}", template)):
        value = given.get(name) or rng.choice(slots[name])
        if name == "site" and rng.random() < 0.2:
            value += " in " + rng.choice(slots["town"])
        template = template.replace(f"{{{name}}}", value)
    return template


Said = dict[str, list[frozenset[str]]]  # frame or filled phrase: the words of each tweet that has it


def words_of(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def alike(a: frozenset[str], b: frozenset[str]) -> float:
    """The share of their words that two texts have in common."""
    return len(a & b) / len(a | b)


class Composer:
    """Composes tweets of one role; remembers all that was said, so as not to say it twice."""

    def __init__(self, role: str, vocabulary: dict, said: Said, rng: random.Random):
        self.role, self.vocabulary, self.said, self.rng = role, vocabulary, said, rng
        self.families = deck(list(vocabulary["keywords"]), rng)
        self.decks: dict[tuple, Iterator] = {}

    def deal(self, *path: str) -> str:
        """The next card of the list that stands under this path in the vocabulary."""
        if path not in self.decks:
            cards = self.vocabulary
            for key in path:
                cards = cards[key]
            self.decks[path] = deck(cards, self.rng)
        return next(self.decks[path])

    def phrase(self, use: str, family: str, grammar: str) -> str:
        return self.deal(*((use, family) if use == "literal" else (use, self.role, family)), grammar)

    def draft(self, kind: str, real: str | None, unreal: str | None, grammar: str) -> Tweet:
        family = next(self.families)
        other = family if self.rng.random() < SAME_KEYWORD else next(self.families)
        phrases = {}
        if real:
            phrases["real"] = self.phrase(real, family, grammar)
        if unreal:
            phrases["unreal"] = self.phrase(unreal, other if real else family, grammar)
        slots = self.vocabulary["slots"]
        filled = {slot: fill(phrase, slots, self.rng) for slot, phrase in phrases.items()}
        frame = self.deal("frames", self.role, f"{kind}_{grammar}")
        return Tweet(
            role=self.role,
            frame=frame,
            phrases=tuple(phrases.values()),
            filled=tuple(filled.values()),
            body=fill(frame, slots, self.rng, **filled),
            family=family if real and self.rng.random() < 0.5 else other if real and unreal else family,
            target=int(real == "literal"),
        )

    def compose(self, kind: str, real: str | None, unreal: str | None) -> Tweet:
        frames = self.vocabulary["frames"][self.role]
        nouns, clauses = len(frames[f"{kind}_nouns"]), len(frames[f"{kind}_clauses"])
        grammar = "nouns" if self.rng.random() < nouns / (nouns + clauses) else "clauses"
        while True:
            tweet = self.draft(kind, real, unreal, grammar)
            words = words_of(tweet.body)
            keys = (tweet.frame, *tweet.filled)
            if all(alike(words, others) < TOO_ALIKE for key in keys for others in self.said[key]):
                break
        for key in keys:
            self.said[key].append(words)
        return tweet


def compose_role(role: str, rows: int, vocabulary: dict, said: Said, rng: random.Random) -> list[Tweet]:
    composer = Composer(role, vocabulary, said, rng)
    return [composer.compose(*kind) for kind, share in MIX.items() for _ in range(round(rows * share))]


# ------------------------------------------------------------------------------ what it looks like


def url(rng: random.Random) -> str:
    return "http://t.co/" + "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(7))


def mention(rng: random.Random) -> str:
    return "@" + rng.choice(NAMES) + rng.choice(ENDINGS)


def swap_letters(text: str, rng: random.Random) -> str:
    """Two neighbouring letters inside one long word change places."""
    inside = [found.start() for found in re.finditer(r"(?<=[a-z]{2})[a-z](?=[a-z]{3})", text)]
    places = [at for at in inside if text[at] != text[at + 1]]
    if not places:
        return text
    at = rng.choice(places)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def change_case(text: str, rng: random.Random) -> str:
    chance = rng.random()
    if chance < 0.07:
        return text.upper()
    if chance < 0.22:
        return text.lower()
    return text[0].upper() + text[1:]


def hashtag(keyword: str, towns: list[str], rng: random.Random) -> str:
    return "#" + re.sub(r"%20|\W", "", rng.choice([keyword, rng.choice(GENERAL_TAGS), rng.choice(towns)]))


def dress(tweet: Tweet, vocabulary: dict, rng: random.Random) -> Tweet:
    """Give it a keyword, a location and a tweet's looks. Nothing here may look at the label."""
    keyword = rng.choice(vocabulary["keywords"][tweet.family])
    text = tweet.body
    if rng.random() < 0.08:
        text = swap_letters(text, rng)
    if rng.random() < 0.5:
        text = text.replace(" and ", " & ")
    text = change_case(text, rng).replace("&", "&amp;")
    if rng.random() < 0.5 and not text.endswith("."):
        text += rng.choice(["!", ".", "..", "."])
    if rng.random() < 0.15:
        text = re.sub(r"([.:]) ", r"\1\n", text, count=1)
    for chance, addition in [
        (0.12, lambda: rng.choice(ASIDES)),
        (0.04, lambda: rng.choice(ENTITIES)),
        (0.12, lambda: rng.choice(EMOJI)),
        (0.18, lambda: hashtag(keyword, vocabulary["slots"]["town"], rng)),
        (0.07, lambda: hashtag(keyword, vocabulary["slots"]["town"], rng)),
        (0.22, lambda: url(rng)),
        (0.05, lambda: mention(rng)),
    ]:
        if rng.random() < chance:
            text += rng.choice(["\n", " ", " ", " ", " ", " "]) + addition()
    if rng.random() < 0.12:
        text = mention(rng) + " " + text
    return replace(
        tweet,
        text=text,
        keyword=keyword if rng.random() < 0.95 else "",
        location=rng.choice(LOCATIONS) if rng.random() < 0.67 else "",
    )


# ------------------------------------------------------------------------------ what is wrong with it


def drop_word(text: str, rng: random.Random) -> str:
    pieces = text.split(" ")
    spare = [at for at, piece in enumerate(pieces) if piece.lower() in SPARE_WORDS]
    if not spare:
        return text
    del pieces[rng.choice(spare)]
    return " ".join(pieces)


def other_case(text: str) -> str:
    """Lower case, or upper where it is lower already; links and HTML entities stay as they are."""
    turn = str.upper if text == text.lower() else str.lower
    return re.sub(
        r"(http\S+|&\w+;)|[^&h]+|[&h]", lambda found: found[1] if found[1] else turn(found[0]), text
    )


EDITS: dict[str, Callable[[str, random.Random], str]] = {
    "case": lambda text, rng: other_case(text),
    "word dropped": drop_word,
    "link added": lambda text, rng: f"{text} {url(rng)}",
    "mention added": lambda text, rng: f"{mention(rng)} {text}",
    "retweet": lambda text, rng: f"RT {mention(rng)}: {text}",
    "typo": swap_letters,
    "punctuation": lambda text, rng: re.sub(r"[.!]+(?=\s|$)", rng.choice(["!!", "...", ""]), text),
    "spaces": lambda text, rng: text.replace(" ", "  ", 3),
    "hashtag added": lambda text, rng: f"{text} #{rng.choice(GENERAL_TAGS)}",
}


def copy_with_edit(original: Tweet, role: str, edits: Iterator[str], rng: random.Random) -> Tweet:
    """A copy that differs from its original in one small edit, and stands in the given role."""
    while True:
        edit = next(edits)
        text = EDITS[edit](original.text, rng)
        if text != original.text:
            location = rng.choice(LOCATIONS) if rng.random() < 0.67 else ""
            return replace(original, role=role, text=text, location=location, copy_of=original, edit=edit)


def plant(roles: dict[str, list[Tweet]], rng: random.Random) -> dict[str, list[Tweet]]:
    """Plant copies, copies with the opposite label, and flipped labels; no row serves for two of them."""
    opposite_rows = sum(OPPOSITE_BETWEEN.values())
    clean_rows = sum(len(roles[role]) for role in LABELLED)
    copied_rows = round((clean_rows + opposite_rows) * COPIED / (1 - COPIED))
    flipped_share = FLIPPED * (clean_rows + opposite_rows + copied_rows) / clean_rows

    untouched = {role: deck(roles[role], rng) for role in LABELLED}
    planted = {role: list(tweets) for role, tweets in roles.items()}
    edits = deck(list(EDITS), rng)
    for (role, source), share in COPIES_BETWEEN.items():
        for _ in range(round(copied_rows * share)):
            planted[role].append(copy_with_edit(next(untouched[source]), role, edits, rng))
    for (role, source), rows in OPPOSITE_BETWEEN.items():
        for _ in range(rows):
            copy = copy_with_edit(next(untouched[source]), role, edits, rng)
            planted[role].append(replace(copy, wrong=True))
    for role in LABELLED:
        flipped = {next(untouched[role]).text for _ in range(round(len(roles[role]) * flipped_share))}
        planted[role] = [replace(t, wrong=True) if t.text in flipped else t for t in planted[role]]
    return planted


def number(roles: dict[str, list[Tweet]], rng: random.Random) -> dict[str, list[Tweet]]:
    """Ids in an order that tells nothing, with gaps as in the original; each role sorted by id."""
    tweets = [tweet for role in roles.values() for tweet in role]
    ids = list(range(1, len(tweets) * 4 // 3))
    rng.shuffle(ids)
    id_of = dict(zip(((tweet.role, tweet.text) for tweet in tweets), ids, strict=False))

    def numbered(tweet: Tweet) -> Tweet:
        original = tweet.copy_of and replace(tweet.copy_of, id=id_of[tweet.copy_of.role, tweet.copy_of.text])
        return replace(tweet, id=id_of[tweet.role, tweet.text], copy_of=original)

    return {role: sorted(map(numbered, tweets), key=lambda tweet: tweet.id) for role, tweets in roles.items()}


def make(seed: int = SEED) -> dict[str, list[Tweet]]:
    """Every tweet of every role, faults included."""
    rng = random.Random(seed)
    vocabulary = load_vocabulary()
    said: Said = defaultdict(list)
    roles = {role: compose_role(role, rows, vocabulary, said, rng) for role, rows in ROWS.items()}
    dressed = {role: [dress(tweet, vocabulary, rng) for tweet in tweets] for role, tweets in roles.items()}
    return number(plant(dressed, rng), rng)


# ------------------------------------------------------------------------------ files


def row_of(tweet: Tweet) -> list:
    row = [tweet.id, tweet.keyword, tweet.location, tweet.text]
    return row if tweet.role == "unlabelled" else [*row, tweet.written_target]


def fault_of(tweet: Tweet) -> list:
    original = tweet.copy_of
    fault = ("opposite copy" if tweet.wrong else "copy") if original else "flipped label"
    other = [original.id, original.role] if original else ["", ""]
    return [tweet.id, tweet.role, fault, tweet.edit, *other, tweet.written_target, tweet.target]


def write_csv(path: Path, header: list[str], rows: list[list]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write(folder: Path) -> None:
    roles = make()
    for role, tweets in roles.items():
        header = COLUMNS[:-1] if role == "unlabelled" else COLUMNS
        write_csv(folder / f"{role}.csv", header, [row_of(tweet) for tweet in tweets])
    faulty = [tweet for tweets in roles.values() for tweet in tweets if tweet.wrong or tweet.copy_of]
    faulty.sort(key=lambda tweet: tweet.id)
    write_csv(folder / "planted_faults.csv", FAULT_COLUMNS, [fault_of(tweet) for tweet in faulty])
    counts = ", ".join(f"{len(tweets):,} {role}" for role, tweets in roles.items())
    print(f"sample: {counts}; {len(faulty)} planted faults")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
