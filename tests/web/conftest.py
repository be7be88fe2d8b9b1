"""The page in a browser: served as `everysum open` serves it, watched for errors and for requests to other hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browsing import Watched, context_of, started
from opus_mt import opus_mt_translator
from small_translators import saved_translator
from tiny import train_tiny, write_text

from everysum.model import Model, load
from everysum.server.guard import Admission
from everysum.server.limits import Limits
from everysum.server.listening import listen, running
from everysum.web.app import page_application

TOKEN = "a-token-of-the-tests"
RHYME = "humpty dumpty sat on a wall.\nhumpty dumpty had a great fall.\n"


IN_ALL_RUNS = (
    "test_each_chapter_shows_python_s_numbers_before_and_after_its_control_is_worked",
    "test_predictions_are_the_models",
    "test_it_opens_from_disk_and_explains_a_logit_as_python_does",
    "test_the_first_paint_comes_within_a_second",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser takes seconds for a test: all but a few are for `make test-page`."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.name.partition("[")[0] not in IN_ALL_RUNS:
            item.add_marker(pytest.mark.page)


@pytest.fixture(scope="module", autouse=True)
def _away_from_runs(elsewhere: Path) -> None:
    """The page offers what lies in ./runs: tests begin without any."""


@contextmanager
def serving(models: Sequence[Path]) -> Iterator[str]:
    """The page's address, without token and route."""
    limits, bound = Limits(), listen("127.0.0.1", 0)
    with running(page_application(Admission(token=TOKEN), limits, models), bound, limits):
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"


@pytest.fixture(scope="session")
def humpty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows one rhyme."""
    folder = tmp_path_factory.mktemp("humpty")
    train_tiny(write_text(folder, RHYME * 60), folder / "humpty", {"schedule": {"steps": 150}})
    return folder / "humpty"


@pytest.fixture(scope="session")
def humpty(humpty_folder: Path) -> Model:
    return load(humpty_folder, device="cpu")


@pytest.fixture(scope="session")
def home(humpty_folder: Path) -> Iterator[str]:
    """The page with a model to look into."""
    with serving([humpty_folder]) as address:
        yield address


@pytest.fixture(scope="session")
def translator_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A translator: an encoder, and a decoder that asks it."""
    return saved_translator("transformer", tmp_path_factory.mktemp("translator"))


@pytest.fixture(scope="session")
def translator(translator_folder: Path) -> Model:
    return load(translator_folder, device="cpu")


@pytest.fixture
def translator_watched(
    request: pytest.FixtureRequest, chromium: None, translator_folder: Path, humpty_folder: Path
) -> Iterator[Watched]:
    """The page with a language model and a translator."""
    with serving([humpty_folder, translator_folder]) as address, watching(request, address) as page:
        yield page


@pytest.fixture(scope="session")
def marian_folder(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A translator as Helsinki-NLP lays them out."""
    return opus_mt_translator(test_data / "parallel" / "multi30k", tmp_path_factory.mktemp("opus-mt"))


@pytest.fixture(scope="session")
def marian(marian_folder: Path) -> Model:
    return load(marian_folder, device="cpu", dtype="float32")


@pytest.fixture
def marian_watched(request: pytest.FixtureRequest, chromium: None, marian_folder: Path) -> Iterator[Watched]:
    with serving([marian_folder]) as address, watching(request, address) as page:
        yield page


@pytest.fixture
def token() -> str:
    return TOKEN


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with started() as running_browser:
        yield running_browser


@contextmanager
def watching(request: pytest.FixtureRequest, address: str) -> Iterator[Watched]:
    """A fresh page; the test fails if anything went wrong on it, whatever else it asserts."""
    context = context_of(request.getfixturevalue("browser"), **getattr(request, "param", {}))
    page = Watched(context, address)
    page.page.goto(f"{address}?token={TOKEN}")
    yield page
    context.close()
    assert page.accuse() == []


@pytest.fixture
def watched(request: pytest.FixtureRequest, chromium: None, home: str) -> Iterator[Watched]:
    with watching(request, home) as page:
        yield page


@pytest.fixture
def bare_watched(
    request: pytest.FixtureRequest, chromium: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    """The page without any model."""
    monkeypatch.chdir(tmp_path)
    with serving([]) as address, watching(request, address) as page:
        yield page


@pytest.fixture
def long_watched(
    request: pytest.FixtureRequest, chromium: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """The page with a network that sees 2,048 tokens at once."""
    folder = tmp_path_factory.mktemp("long")
    schedule = {"steps": 1, "batch_size": 1, "evaluate_every": 1, "sample_every": 1}
    wishes = {"network": {"context_length": 2048, "layers": 1}, "schedule": schedule}
    train_tiny(write_text(folder, RHYME * 200), folder / "long", wishes)
    with serving([folder / "long"]) as address, watching(request, address) as page:
        yield page
