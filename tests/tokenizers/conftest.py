"""Texts that the tokenizer tests share: real ones from the test test_data, and everything a string can hold."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def many_scripts(test_data: Path) -> str:
    """The Universal Declaration's beginning in eleven languages and nine scripts."""
    languages = ["eng", "deu", "rus", "ell_monotonic", "arb", "hin", "tha", "jpn", "kor", "cmn_hans", "amh"]
    with zipfile.ZipFile(test_data / "text" / "udhr2.zip") as archive:
        texts = [archive.read(f"udhr2/{language}.txt").decode("utf-8") for language in languages]
    return "".join(text[:4000] for text in texts)


@pytest.fixture(scope="session")
def naughty_strings(test_data: Path) -> list[str]:
    """The big list of naughty strings: what breaks programs that read text."""
    strings: list[str] = json.loads((test_data / "fuzz" / "blns.json").read_text(encoding="utf-8"))
    return strings


@pytest.fixture(scope="session")
def shakespeare(test_data: Path) -> str:
    return (test_data / "text" / "tinyshakespeare.txt").read_text(encoding="utf-8")
