"""What fine-tuning mended and what it broke, against each baseline but the dummy, as pages show it."""

from typing import Any

from stages.lib.pages.model_findings import DUMMY, lost_against, won_against
from stages.lib.pages.on_role import OnRole
from stages.lib.pages.shown_examples import brief_examples, in_cell

View = dict[str, Any]


def shown_mended(on: OnRole, most: int, characters: int) -> list[View]:
    """Of a regression, mended is nearer and broken further off.

    Difference, its interval and p are those of metrics/comparisons.json: McNemar's exact test of a share, the
    paired t of an error. Examples are the worst of the broken and the surest of the mended.
    """
    score = on.task.facts.example_score
    views = []
    for name in on.baselines:
        if name == DUMMY:
            continue
        won, lost = won_against(on, name), lost_against(on, name)
        shown = {"mended": won.reverse().head(most), "broken": lost.head(most)}
        examples = {
            kind: [
                example | {"before": in_cell(said)}
                for example, said in zip(
                    brief_examples(rows, on.task, characters), rows[name].to_list(), strict=True
                )
            ]
            for kind, rows in shown.items()
        }
        difference = on.comparisons.get(name, {}).get(score)
        views.append({"baseline": name, "mended": len(won), "broken": len(lost), "difference": difference})
        views[-1]["examples"] = examples
    return views
