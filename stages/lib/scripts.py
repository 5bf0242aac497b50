"""Scripts that put no space between words, in the syntax of Polars' engine, for within brackets."""

# ー, which lengthens the vowel before it, is of neither kana by Unicode
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
