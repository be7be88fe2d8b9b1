"""Texts that the tokenizer tests share: real ones from the test material, and everything a string can hold."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def material() -> Path:
    """The folder of real test material; the test is skipped, saying so, where it is not there."""
    folder = os.environ.get("EVERYSUM_TEST_DATA")
    if not folder:
        pytest.skip("EVERYSUM_TEST_DATA is not set: no test material")
    return Path(folder)


@pytest.fixture(scope="session")
def many_scripts(material: Path) -> str:
    """The Universal Declaration's beginning in eleven languages and nine scripts."""
    languages = ["eng", "deu", "rus", "ell_monotonic", "arb", "hin", "tha", "jpn", "kor", "cmn_hans", "amh"]
    with zipfile.ZipFile(material / "text" / "udhr2.zip") as archive:
        texts = [archive.read(f"udhr2/{language}.txt").decode("utf-8") for language in languages]
    return "".join(text[:4000] for text in texts)


@pytest.fixture(scope="session")
def naughty_strings(material: Path) -> list[str]:
    """The big list of naughty strings: what breaks programs that read text."""
    strings: list[str] = json.loads((material / "fuzz" / "blns.json").read_text(encoding="utf-8"))
    return strings


@pytest.fixture(scope="session")
def shakespeare(material: Path) -> str:
    return (material / "text" / "tinyshakespeare.txt").read_text(encoding="utf-8")
