"""The customary chain of disaster-tweet tutorials: eight `re.sub` calls, a text at a time."""

import re

import pandas as pd


def clean_column(texts: pd.Series) -> pd.Series:
    return texts.map(clean_text)


def clean_text(text: str) -> str:
    text = text.lower()
    text = re.sub(r"https?://t\.co/[A-Za-z0-9]+", "", text)
    text = re.sub(r"@\w+", "", text)
    text = re.sub(r"#", "", text)
    text = re.sub(r"[^A-Za-z0-9]", " ", text)
    text = re.sub(r"\d+\W", "", text)
    text = re.sub(r"\b\w{1,2}\b", "", text)
    return re.sub(r"\s+", " ", text).strip()
