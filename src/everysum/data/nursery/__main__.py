"""`python -m everysum.data.nursery` writes nursery.txt anew."""

from __future__ import annotations

from everysum.data.nursery.book import nursery_text, nursery_text_path

if __name__ == "__main__":
    nursery_text_path().write_text(nursery_text(), encoding="utf-8", newline="\n")
