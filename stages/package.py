"""Lay the model out as it is handed on: the trained files and, beside them, its card.

The card is in the Hub's format (huggingface.co/docs/hub/model-cards) and tells scores on every labelled role,
which is why the folder is made last: a change of the card's words trains nothing.
"""

import json
import shutil

from stages.lib.pages.pages import markdown_page
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import replacing_folder, write_json, write_text
from stages.lib.task import read_task

CARD = "README.md"


def main(*, task: InPath, trained: InPath, evaluation: InPath, model: OutPath, metrics: OutPath) -> None:
    what = read_task(task)
    scores = json.loads(evaluation.read_bytes())
    with replacing_folder(model) as folder:
        for path in sorted(trained.iterdir()):
            shutil.copyfile(path, folder / path.name)
        write_text(
            markdown_page("model_card.md", {"title": what.title, "roles": list(scores)}), folder / CARD
        )
        sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    write_json({"bytes": sum(sizes.values()), "files": len(sizes)}, metrics)
    print(f"package: {model} ({sum(sizes.values()) / 1e6:.1f} MB)")


if __name__ == "__main__":
    run(main)
