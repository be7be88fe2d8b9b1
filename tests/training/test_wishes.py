"""What a user says of a recipe: no key but a recipe's can be said, and every refusal names the key."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from whole_recipes import LLAMA, nested, refused

from everysum.errors import EverysumError, InputError, UsageError
from everysum.training.wishes import check_wishes, merged, overrides_from, read_recipe

# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("network.widht", "network.width"),
        ("width", "network.width"),
        ("seeed", "seed"),
        ("optimizer.matrix_rates", "optimizer.matrix_rate"),
        ("schedule.batchsize", "schedule.batch_size"),
        ("context_lenght", "network.context_length"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(key: str, meant: str) -> None:
    text = (
        f"no recipe has the key {key!r}\n  do: did you mean {meant!r}? `everysum train --print-recipe` shows every key"
    )
    assert refused(merged(LLAMA, nested(key, 1))) == text
    with pytest.raises(UsageError) as refusal:
        overrides_from([f"{key}=1"])
    assert str(refusal.value) == text


def test_a_key_like_no_other_is_refused_without_a_guess() -> None:
    assert refused(merged(LLAMA, {"xyzzy": 1})) == (
        "no recipe has the key 'xyzzy'\n  do: `everysum train --print-recipe` shows every key"
    )


IMPOSSIBLE = [
    ("network.width", 0, "greater than or equal to 1"),
    ("network.width", "wide", "valid integer"),
    ("network.layers", 2.5, "valid integer"),
    ("network.dropout", 1.0, "less than 1"),
    ("network.rotary_base", 0, "greater than 0"),
    ("network.kind", "mamba", "gpt or llama"),
    ("tokenizer.kind", "letters", "'characters', 'words', 'byte_pair' or 'kept'"),
    ("optimizer.matrix_rate", -1, "greater than 0"),
    ("optimizer.matrix_rate", float("nan"), "finite number"),
    ("optimizer.clip", float("inf"), "finite number"),
    ("schedule.steps", 0, "greater than or equal to 1"),
    ("schedule.decay_share", 1.5, "less than or equal to 1"),
    ("engine.dtype", "float16", "'float32' or 'bfloat16'"),
    ("engine.threads", 100_000, "less than or equal to 1024"),
    ("engine.device", ["cpu"], "valid string"),
    ("seed", -1, "greater than or equal to 0"),
    ("seed", 2**63, "less than 9223372036854775808"),
    ("minutes", 0, "greater than 0"),
    ("minutes", float("inf"), "finite number"),
    ("text", 3, "valid dictionary"),
    ("network", 3, "valid dictionary"),
    ("schedule", None, "valid dictionary"),
]


@pytest.mark.parametrize(("key", "value", "wanted"), IMPOSSIBLE)
def test_an_impossible_value_is_refused_by_the_name_of_its_key(key: str, value: Any, wanted: str) -> None:
    said = refused(merged(LLAMA, nested(key, value))).splitlines()
    assert said[0] == f"the recipe's {key} cannot be {value!r}"
    assert said[1].startswith("  wanted: ")
    assert wanted in said[1]
    assert said[2] == "  do: `everysum train --print-recipe` shows every key and what it can be"
    assert len(said) == 3


@pytest.mark.parametrize(("key", "value", "wanted"), IMPOSSIBLE)
def test_an_impossible_wish_is_refused_before_the_rest_is_chosen(key: str, value: Any, wanted: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"the recipe's {key} cannot be {value!r}")):
        check_wishes(nested(key, value))


@pytest.mark.parametrize(
    "wishes", [{}, {"minutes": None}, {"network": {"width": 8}}, {"network": {"kind": "gpt"}}, LLAMA]
)
def test_a_part_of_a_recipe_may_be_wished_for(wishes: dict[str, Any]) -> None:
    check_wishes(wishes)


def test_what_a_recipe_lacks_is_named() -> None:
    lacking = {**LLAMA, "schedule": {"batch_size": 4, "evaluate_every": 2, "sample_every": 5}}
    assert refused(lacking).splitlines()[0] == "the recipe lacks schedule.steps"


@pytest.mark.parametrize(
    ("content", "text"),
    [("[1]", "holds something else"), ("{", "is broken"), ("\xff", "is broken"), (None, "cannot be read")],
)
def test_a_file_that_is_no_recipe_is_named(content: str | None, text: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=re.escape(f"{path} {text}")):
        read_recipe(path)


# --- --set ------------------------------------------------------------------------------------------------------------


def test_assignments_are_json_where_they_can_be_and_words_otherwise() -> None:
    said = ["network.width=64", "engine.dtype=bfloat16", "engine.compiled=true", 'text.paths=["a=b.txt"]', "name=a=b"]
    assert overrides_from([*said, "network.width=96"]) == {
        "network": {"width": 96},
        "engine": {"dtype": "bfloat16", "compiled": True},
        "text": {"paths": ["a=b.txt"]},
        "name": "a=b",
    }


def test_an_assignment_that_sets_nothing_is_refused() -> None:
    with pytest.raises(UsageError) as refusal:
        overrides_from(["network.width"])
    assert str(refusal.value) == ("--set 'network.width' sets nothing\n  wanted: key=value, such as schedule.steps=500")


@pytest.mark.parametrize("said", ["network=5", "=5", "network.=5", "network.width.more=5"])
def test_only_single_values_can_be_assigned(said: str) -> None:
    with pytest.raises(EverysumError, match="no recipe has the key"):
        overrides_from([said])


trees: some.SearchStrategy[Any] = some.recursive(
    some.dictionaries(some.sampled_from("abc"), some.integers(), max_size=3),
    lambda inner: some.dictionaries(some.sampled_from("abc"), inner | some.integers(), max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(trees, trees, trees)
def test_merging_lets_the_later_stand_and_loses_nothing_else(first: Any, second: Any, third: Any) -> None:
    before = json.dumps(first)
    both = merged(first, second)
    assert merged(both, second) == both
    assert merged(first, {}) == merged({}, first) == first
    assert json.dumps(first) == before
    assert set(both) == set(first) | set(second)
    for key, value in both.items():
        if key not in second:
            assert value == first[key]
        elif not (isinstance(second[key], dict) and isinstance(first.get(key), dict)):
            assert value == second[key]
        else:
            assert value == merged(first[key], second[key])
    if all_sections_agree(first, second, third):
        assert merged(merged(first, second), third) == merged(first, merged(second, third))


def all_sections_agree(*all_values: Any) -> bool:
    """Whether a key that is a section in one of them is a section wherever it stands."""
    keys = {key for values in all_values for key in values}
    for key in keys:
        held = [values[key] for values in all_values if key in values]
        sections = [isinstance(value, dict) for value in held]
        if any(sections) and not (all(sections) and all_sections_agree(*held)):
            return False
    return True
