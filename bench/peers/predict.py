"""Label the texts of a CSV with transformers' pipeline and pandas.

`python -m bench.peers.predict in.csv out.csv models/finetuned`
"""

import sys

import pandas as pd
from transformers import pipeline


def main(source: str, output: str, model: str) -> None:
    table = pd.read_csv(source)
    classify = pipeline("text-classification", model=model, batch_size=32, truncation=True, max_length=128)
    answers = classify(table["text"].tolist())
    table["label"] = [answer["label"] for answer in answers]
    table["probability"] = [answer["score"] for answer in answers]
    table.to_csv(output, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
