"""`python -m results_schema` prints the data dictionary: `python -m results_schema > docs/data-dictionary.md`."""

import sys

from results_schema.dictionary import markdown

if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # the page has units such as target²
    sys.stdout.write(markdown())
