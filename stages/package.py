"""Lay the model out as it is handed on: the trained files and, beside them, its card.

The card is in the Hub's format (huggingface.co/docs/hub/model-cards) and tells scores on every labelled role,
which is why the folder is made last: a change of the card's words trains nothing.
"""

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.lib.card.content import Told, content, judged_roles
from stages.lib.card.front_matter import Origin, front_matter
from stages.lib.digests import sha256
from stages.lib.encoders.served import read_served
from stages.lib.pages.pages import markdown_page
from stages.lib.pages.shown_scores import scores_to_show
from stages.lib.params import load_params
from stages.lib.sources.source import read_source
from stages.lib.stage import InPath, OutPath, run
from stages.lib.statistics.predictions import FINETUNED
from stages.lib.tables import replacing_folder, write_json, write_text
from stages.lib.task import read_task
from stages.lib.training.knobs import Params

CARD = "README.md"
WEIGHTS = "model.safetensors"
PROVENANCE = "provenance.json"  # of the encoder's folder


def card_of(told: Told, origin: Origin) -> str:
    evaluation = told.metrics["evaluate"]
    scores = {role: evaluation[FINETUNED][role] for role in judged_roles(evaluation)}
    languages = told.metrics["profile"]["languages"]
    matter = front_matter(told.task, origin, scores, scores_to_show(told.task), languages)
    return matter + "\n" + markdown_page("model_card.md", content(told))


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def main(
    *,
    task: InPath,
    source: InPath,
    encoder: InPath,
    trained: InPath,
    ingested: InPath,
    split: InPath,
    tokenized: InPath,
    profile: InPath,
    finetuned: InPath,
    evaluation: InPath,
    errors: InPath,
    robustness: InPath,
    confidence: Annotated[float, typer.Option(help="of the intervals in the evaluation")],
    model: OutPath,
    metrics: OutPath,
) -> None:
    knobs = load_params("finetune", Params)  # what was trained with is told, and decides nothing
    numbers = (ingested, split, tokenized, profile, finetuned, evaluation, errors, robustness)
    origin = Origin(source.name, read_source(source).hub, read_json(encoder / PROVENANCE))
    told = Told(
        task=read_task(task),
        served=read_served(trained),
        encoder=origin.encoder,
        knobs=knobs.model_dump(),
        metrics={path.stem: read_json(path) for path in numbers},
        confidence=confidence,
        source=origin.source,
        sha256=sha256(trained / WEIGHTS),
    )
    with replacing_folder(model) as folder:
        for path in sorted(trained.iterdir()):
            shutil.copyfile(path, folder / path.name)
        write_text(card_of(told, origin), folder / CARD)
        sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    write_json({"bytes": sum(sizes.values()), "files": len(sizes)}, metrics)
    print(f"package: {model} ({sum(sizes.values()) / 1e6:.1f} MB)")


if __name__ == "__main__":
    run(main)
