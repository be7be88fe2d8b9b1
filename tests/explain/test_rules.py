"""The table of rules: each one recomputes what PyTorch computed, and the whole table is data."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from everysum.explain import rules, rules_as_json
from everysum.explain.record import Record, recorded
from everysum.explain.templates import compiled

GENERATOR = torch.Generator()


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def positive(*shape: int, seed: int = 0) -> Tensor:
    return draw(*shape, seed=seed).abs() + 0.1


def whole(*shape: int, below: int = 5, seed: int = 0) -> Tensor:
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(seed))


def record_of(function: Callable[[], Any]) -> Record:
    with torch.no_grad():
        return recorded(None, function, {})


X, Y, Z = draw(3, 4), draw(3, 4, seed=1), draw(3, 4, seed=2)
P, ROW, DEEP, IDS = positive(3, 4), draw(4, seed=3), draw(2, 3, 4, seed=4), whole(2, 3)
MASK, UNIT = X > 0, torch.tanh(X) * 0.9
SQUARE, CUBE = draw(4, 5, seed=5), draw(2, 4, 5, seed=6)
aten = torch.ops.aten

CASES: dict[str, Callable[[], Any]] = {
    # matrix products
    "mm": lambda: X @ SQUARE,
    "bmm": lambda: torch.bmm(DEEP, CUBE),
    "mv": lambda: aten.mv(X, ROW),
    "dot": lambda: aten.dot(ROW, X[0]),
    "vdot": lambda: aten.vdot(ROW, X[0]),
    "addmm": lambda: torch.addmm(draw(5), X, SQUARE, beta=0.5, alpha=2.0),
    "addmv": lambda: torch.addmv(draw(3), X, ROW, alpha=3.0),
    "baddbmm": lambda: torch.baddbmm(draw(2, 3, 5), DEEP, CUBE, alpha=0.3),
    "addbmm": lambda: torch.addbmm(draw(3, 5), DEEP, CUBE, beta=2.0),
    "convolution": lambda: (
        F.conv1d(draw(2, 4, 7), draw(6, 2, 3), draw(6), padding=1, stride=2, groups=2, dilation=2),
        F.conv2d(draw(1, 2, 5, 4), draw(3, 2, 3, 2), padding=(1, 0)),
    ),
    "_grouped_mm": lambda: aten._grouped_mm(
        draw(6, 8).bfloat16(), draw(3, 8, 16).bfloat16(), torch.tensor([2, 2, 6], dtype=torch.int32)
    ),
    # element by element
    "add": lambda: (torch.add(X, Y, alpha=0.5), X + 2, X + ROW),
    "sub": lambda: (torch.sub(X, Y, alpha=0.5), X - 2),
    "rsub": lambda: aten.rsub(X, 1.5, 2),
    "mul": lambda: (X * Y, X * 3),
    "div": lambda: (X / P, X / 3, torch.div(X, P, rounding_mode="trunc"), torch.div(X, P, rounding_mode="floor")),
    "div.Scalar": lambda: aten.div.Scalar(X, 3),
    "floor_divide": lambda: (aten.floor_divide(X, P), whole(3) // 2),
    "remainder": lambda: (torch.remainder(X, 0.7), whole(4) % 3),
    "fmod": lambda: torch.fmod(X, 0.7),
    "pow": lambda: (X**2, X**3, P**-0.5, P**Y, 2.0**X),
    "neg": lambda: -X,
    "addcmul": lambda: torch.addcmul(X, Y, Z, value=0.5),
    "addcdiv": lambda: torch.addcdiv(X, Y, P, value=0.5),
    "lerp": lambda: (torch.lerp(X, Y, 0.3), torch.lerp(X, Y, P)),
    "atan2": lambda: torch.atan2(X, Y),
    "hypot": lambda: torch.hypot(X, Y),
    "maximum": lambda: torch.maximum(X, Y),
    "minimum": lambda: torch.minimum(X, Y),
    "clamp": lambda: (X.clamp(-0.5, 0.5), X.clamp(min=0.1), X.clamp(max=0.2), torch.clamp(X, Y, None)),
    "clamp_min": lambda: torch.clamp_min(X, 0.1),
    "clamp_max": lambda: torch.clamp_max(X, 0.1),
    "unary": lambda: [getattr(torch, name)(X) for name in UNARY],
    "of one": lambda: [getattr(torch, name)(UNIT) for name in ("acos", "asin", "atanh", "tan")],
    "of positive": lambda: [getattr(torch, name)(P) for name in POSITIVE] + [torch.acosh(P + 1)],
    "isnan": lambda: (
        torch.isnan(torch.log(X)),
        aten.isinf(1 / torch.relu(X)),
        torch.nan_to_num(torch.log(X), nan=3.0),
    ),
    "gelu": lambda: (F.gelu(X), F.gelu(X, approximate="tanh")),
    "activations": lambda: (
        F.silu(X),
        F.hardtanh(X),
        F.hardsigmoid(X * 4),
        F.hardswish(X * 4),
        F.leaky_relu(X, 0.2),
        F.prelu(X, torch.tensor([0.3])),
        F.elu(X, 0.7),
        F.selu(X),
        F.mish(X),
        F.softplus(X * 9, beta=2.0),
        F.logsigmoid(X),
        F.threshold(X, 0.1, -3.0),
        F.glu(DEEP, dim=-1),
        torch.logaddexp(X, Y),
        torch.frac(X),
        aten.rsqrt(P),
    ),
    "comparisons": lambda: (X == Y, X != Y, X < Y, X <= 0, X > Y, X >= 0),
    "logic": lambda: (
        torch.logical_not(MASK),
        torch.logical_and(MASK, Y > 0),
        torch.logical_or(MASK, Y > 0),
        torch.logical_xor(MASK, Y > 0),
        ~MASK,
        MASK & (Y > 0),
        MASK | (Y > 0),
        MASK ^ (Y > 0),
        ~whole(4),
        whole(4) & 3,
    ),
    # choices
    "where": lambda: (torch.where(MASK, X, Y), torch.where(MASK, X, 0.0)),
    "masked_fill": lambda: (X.masked_fill(MASK, -torch.inf), X.masked_fill(MASK, torch.tensor(2.0))),
    "tril": lambda: (X.tril(), X.tril(1), X.triu(), X.triu(-1)),
    # softmax and its family
    "softmax": lambda: (X.softmax(-1), DEEP.softmax(1), X.log_softmax(0), X.logsumexp(1), DEEP.logsumexp((0, 2), True)),
    "_safe_softmax": lambda: aten._safe_softmax(torch.tensor([[0.0, -torch.inf, 1], [-torch.inf] * 3]), -1),
    # normalization
    "native_layer_norm": lambda: (
        F.layer_norm(DEEP, (4,), ROW, ROW),
        F.layer_norm(DEEP, (3, 4)),
        F.layer_norm(X, (4,), ROW),
    ),
    "native_batch_norm": lambda: (
        F.batch_norm(DEEP, torch.zeros(3), torch.ones(3), draw(3), draw(3), training=True),
        F.batch_norm(X, draw(4), positive(4), training=False),
    ),
    "rms_norm": lambda: (F.rms_norm(X, (4,), ROW, 1e-6), F.rms_norm(DEEP, (3, 4))),
    # reductions
    "sums": lambda: (X.sum(), X.sum(0), DEEP.sum((0, 2), keepdim=True), X.mean(), DEEP.mean(-1), whole(3).sum()),
    "prod": lambda: (X.prod(), X.prod(1)),
    "largest": lambda: (X.amax(0), DEEP.amin((0, 1), True), X.max(), X.min(), X.max(1), X.min(0, keepdim=True)),
    "any": lambda: (MASK.any(), MASK.all(1), MASK.any(0, keepdim=True), X.count_nonzero()),
    "var": lambda: (
        X.var(),
        X.std(1),
        DEEP.var((0, 2), correction=0),
        torch.var_mean(X, 0),
        torch.std(X, 1, unbiased=False),
    ),
    "linalg_vector_norm": lambda: [torch.linalg.vector_norm(X, p, dim=-1) for p in (1, 2, 3, math.inf)],
    "norm": lambda: aten.norm.ScalarOpt_dim(X, 2, [1]),
    "cumsum": lambda: (X.cumsum(1), DEEP.cumsum(0), P.cumprod(1), whole(5).cumsum(0)),
    "nll_loss_forward": lambda: [
        F.cross_entropy(X, torch.tensor([1, -100, 3]), weight, reduction=reduction)
        for reduction in ("mean", "sum", "none")
        for weight in (None, P[0])
    ],
    "mse_loss": lambda: [F.mse_loss(X, Y, reduction=reduction) for reduction in ("mean", "sum", "none")],
    "histc": lambda: torch.histc(X, 4, -1.0, 1.0),
    "bincount": lambda: (torch.bincount(whole(9)), torch.bincount(whole(9), P.flatten()[:9])),
    # order
    "argmax": lambda: (X.argmax(), X.argmax(1), X.argmin(0, keepdim=True)),
    "sort": lambda: (X.sort(1), X.sort(0, descending=True), whole(9).sort(stable=True)),
    "topk": lambda: (X.topk(2), DEEP.topk(2, dim=1, largest=False)),
    # look-ups
    "embedding": lambda: F.embedding(IDS, draw(5, 3)),
    "index": lambda: (
        X[torch.tensor([2, 0, -1])],
        DEEP[:, IDS[0, :2] % 3],
        DEEP[torch.tensor([1, 0]), :, torch.tensor([[3, 0], [1, 2]])],
        X[MASK],
        DEEP[torch.tensor([True, False])],
    ),
    "index_select": lambda: DEEP.index_select(1, torch.tensor([2, 2, 0])),
    "gather": lambda: X.gather(1, torch.tensor([[0, 3], [2, 2], [1, 0]])),
    "take": lambda: aten.take(X, torch.tensor([11, 0, 5])),
    # copies
    "copies": lambda: (
        [getattr(aten, f"{name}_copy")(X) for name in ("lift_fresh", "alias", "detach")],
        (aten.expand_copy(ROW, [3, 4]), torch.zeros(4).copy_(ROW), ROW[0].item()),
        X.clone(),
        X.double(),
        X.int(),
        X.bool(),
        X.t().contiguous(),
        X.flip(1),
        X.roll(1),
        X.roll((1, 2), (0, 1)),
    ),
    "cat": lambda: (
        torch.cat([X, Y[:1], Z]),
        torch.cat([DEEP, DEEP], -1),
        torch.stack([X, Y], 1),
        torch.stack([X, Y], -1),
    ),
    "repeat": lambda: (X.repeat(2, 3), ROW.repeat(2, 1, 2), X.repeat_interleave(2, dim=0)),
    "constant_pad_nd": lambda: (F.pad(X, (1, 2)), F.pad(X, (0, -1, 2, 0), value=7.0)),
    # writes
    "fills": lambda: (
        torch.empty(3).fill_(2),
        X.clone().zero_(),
        torch.full((2,), 3.0),
        torch.full_like(X, 2),
        X.new_full((2,), 1.0),
    ),
    "index_put": lambda: (
        torch.zeros(3, 4).index_put_((torch.tensor([0, 2]), torch.tensor([1, 3])), torch.tensor([5.0, 6.0])),
        X.clone().index_put_((torch.tensor([1, 1, 0]),), Y, accumulate=True),
        X.clone().masked_fill_(MASK, 3.0),
        aten.index_put(X, [MASK], torch.tensor(9.0)),
        aten.index_put(DEEP, [None, torch.tensor([2, 0])], draw(2, 2, 4)),
    ),
    "scatter": lambda: (
        torch.zeros(3, 4).scatter_(1, torch.tensor([[0, 3], [2, 1], [1, 0]]), Y),
        X.scatter(0, torch.tensor([[0, 2, 1, 1]]), 9.0),
        X.scatter_add(1, torch.tensor([[0, 0, 1], [2, 2, 2], [3, 0, 3]]), Y),
    ),
    "index_copy": lambda: (
        X.index_copy(0, torch.tensor([2, 0]), Y[:2]),
        X.index_fill(1, torch.tensor([3, 0]), 1.0),
        X.index_add(0, torch.tensor([0, 2, 0]), Y, alpha=2),
    ),
    "slice_scatter": lambda: (
        torch.slice_scatter(X, Y[:, :2], 1, 0, 4, 2),
        torch.slice_scatter(X, Y[:1], 0, -1),
        torch.select_scatter(X, Y[0], 0, 1),
    ),
    # constants
    "constants": lambda: (
        torch.arange(4),
        torch.arange(2, 5),
        torch.arange(1.0, 3.0, 0.4),
        torch.linspace(0, 1, 5),
        torch.eye(3),
        torch.zeros(2),
        torch.ones(2),
        torch.zeros_like(X),
        torch.ones_like(X),
        X.new_zeros(2),
        X.new_ones(2),
        aten.scalar_tensor(2.5),
    ),
    "native_dropout": lambda: aten.native_dropout(X, 0.4, True),
    "diff": lambda: torch.diff(X),
    "fused attention": lambda: F.scaled_dot_product_attention(draw(1, 2, 3, 4), draw(1, 2, 5, 4), draw(1, 2, 5, 4)),
}
UNARY = [
    *("abs", "asinh", "atan", "ceil", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1", "floor", "reciprocal"),
    *("relu", "round", "sigmoid", "sign", "sin", "sinc", "sinh", "tanh", "trunc"),
]
POSITIVE = ["digamma", "lgamma", "log", "log10", "log1p", "log2", "sqrt"]


@pytest.mark.parametrize("name", CASES)
def test_every_element_is_what_its_rule_says(name: str) -> None:
    record = record_of(CASES[name])
    verdict = record.verify()
    assert verdict.numbers > 0
    assert (verdict.unexplained, verdict.wrong) == (0, 0), str(verdict)


def test_the_cases_try_every_rule() -> None:
    tried = set()
    for case in CASES.values():
        record = record_of(case)
        record.list()  # opens what is fused
        for inner in [record, *(nested for nested in record.nested.values() if nested is not None)]:
            for operation in inner.operations:
                packet, overload = operation.facts.packet, operation.facts.name.split(".")[2]
                tried.add(packet if f"{packet}.{overload}" not in rules.RULES else f"{packet}.{overload}")
    on_gpus = {"aten._fused_rms_norm"}  # held against F.rms_norm below
    assert {name for name in rules.RULES if name not in tried} - on_gpus == set()


def test_a_wrong_rule_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rules.RULES, "aten.mm", "out[i, j] = sum(self[i, k] * mat2[k, j] for k in range(2))")
    verdict = record_of(lambda: X @ SQUARE).verify()
    assert verdict.wrong > 10
    assert verdict.worst > 1e-3
    assert "wrong: " in str(verdict)


def test_what_has_no_rule_is_counted_by_its_operation() -> None:
    verdict = record_of(lambda: torch.linalg.qr(SQUARE)[1] * 2).verify()
    assert set(verdict.opaque) == {"aten.linalg_qr.default"}
    assert verdict.unexplained == 4 * 4 + 4 * 5
    assert verdict.wrong == 0


def test_a_number_without_a_rule_lists_what_its_operation_read_and_guesses_nothing() -> None:
    record = record_of(lambda: {"triangle": torch.linalg.qr(SQUARE)[1]})
    number = record["triangle"][0, 0]
    assert number.kind == "opaque"
    assert number.recomputed is None
    assert len(number.terms) == 0
    assert [argument for argument, _ in number.inputs] == ["A"]
    assert "no formula is known for it, and none is guessed" in str(number.explain())
    assert number.explain().as_json()["inputs"] == [{"argument": "A", "tensor": number.inputs[0][1]}]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_the_tolerance_is_that_of_the_narrowest_type(dtype: torch.dtype) -> None:
    def compute() -> Tensor:
        x = draw(5, 32).to(dtype)
        return F.layer_norm((x @ x.mT).softmax(-1), (5,)).float() * 2

    verdict = record_of(compute).verify()
    assert (verdict.unexplained, verdict.wrong) == (0, 0), str(verdict)
    number = record_of(lambda: {"out": compute().double()})["out"][0, 0]
    assert number.tolerance.dtype == "float32"  # read, although float64 is written
    assert number.terms[0].terms[0].tolerance.dtype == str(dtype if dtype != torch.float64 else torch.float32)[6:]


# --- the table is data -----------------------------------------------------------------------------------------------


def test_the_table_survives_json_and_says_everything_that_it_uses() -> None:
    table = rules_as_json()
    assert json.loads(json.dumps(table)) == table
    assert len(table["rules"]) > 150
    used: dict[str, set[str]] = {"call": set(), "indices": set(), "reduce": set()}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for key in used.keys() & node.keys():
                used[key].add(node[key])
        for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            walk(item)

    walk(table["rules"])
    special = {"converted", "drawn"}
    assert used["call"] - special <= table["functions"].keys() | table["size_functions"].keys()
    assert used["indices"] <= table["index_functions"].keys()
    assert used["reduce"] <= {"sum", "max", "min", "prod", "any", "all"}
    for words in ("functions", "index_functions", "size_functions"):
        assert all(table[words].values())


def plain_value(node: Any, tensors: dict[str, Any], index: list[int], places: dict[str, int]) -> Any:  # noqa: PLR0911, PLR0912
    """A second evaluator, as plain as can be: one element, nested loops, nothing but the table as JSON."""
    if "constant" in node:
        return node["constant"]
    if "name" in node:
        return plain_value(node["of"], tensors, index, places)
    if "argument" in node:
        return tensors[node["argument"]]
    if "variable" in node:
        return places[node["variable"]]
    if "choose" in node:
        taken = "then" if plain_value(node["choose"], tensors, index, places) else "else"
        return plain_value(node[taken], tensors, index, places)
    if "reduce" in node:
        count = plain_value(node["count"], tensors, index, places)
        values = [plain_value(node["of"], tensors, index, {**places, node["over"]: k}) for k in range(count)]
        return sum(values) if node["reduce"] == "sum" else max(values)
    if "read" in node:
        at: list[int] = []
        for item in node["at"]:
            if "all" in item:
                at += index
            elif item.get("indices") == "replaced":
                dim, place = (plain_value(part, tensors, index, places) for part in item["of"])
                at += [place if axis == dim % len(index) else spot for axis, spot in enumerate(index)]
            elif item.get("indices") == "tail":
                place = plain_value(item["of"][1], tensors, index, places)
                at += [*index[:-1], place]
            elif "captured" in item:
                at += index[:-1]
            else:
                at.append(plain_value(item, tensors, index, places))
        value = tensors[node["read"]]
        return value[tuple(at[len(at) - value.ndim :])].item() if isinstance(value, np.ndarray) else value
    arguments = node["of"]
    if node["call"] == "size":
        return plain_value(arguments[0], tensors, index, places).shape[
            plain_value(arguments[1], tensors, index, places)
        ]
    if node["call"] == "given":
        return tensors[arguments[0]["argument"]] is not None
    if node["call"] == "place":
        return index[plain_value(arguments[0], tensors, index, places)]
    values = [plain_value(part, tensors, index, places) for part in arguments]
    return {
        "add": lambda x, y: x + y,
        "subtract": lambda x, y: x - y,
        "multiply": lambda x, y: x * y,
        "divide": lambda x, y: x / y,
        "power": lambda x, y: x**y,
        "exp": math.exp,
        "negative": lambda x: -x,
        "rsqrt": lambda x: 1 / math.sqrt(x),
        "at_most": lambda x, y: x <= y,
        "product": math.prod,
    }[node["call"]](*values)


@pytest.mark.parametrize(
    ("rule", "tensors", "expected"),
    [
        ("aten.mm", {"self": X, "mat2": SQUARE}, X @ SQUARE),
        (
            "aten.addmm",
            {"self": draw(3, 5), "mat1": X, "mat2": SQUARE, "alpha": 2, "beta": 1},
            draw(3, 5) + 2 * (X @ SQUARE),
        ),
        ("aten.add", {"self": X, "other": ROW, "alpha": 1}, X + ROW),
        ("aten._softmax", {"self": X, "dim": 1}, X.softmax(1)),
        ("aten.tril", {"self": X, "diagonal": 0}, X.tril()),
        ("aten.embedding", {"weight": SQUARE, "indices": whole(3, below=4)}, SQUARE[whole(3, below=4)]),
        (
            "aten.native_layer_norm",
            {"input": X, "normalized_shape": [4], "weight": ROW, "bias": None, "eps": 1e-5},
            F.layer_norm(X, (4,), ROW),
        ),
        (
            "aten._fused_rms_norm",
            {"input": X, "normalized_shape": [4], "weight": ROW, "eps": 1e-6},
            F.rms_norm(X, (4,), ROW, 1e-6),
        ),
    ],
)
def test_another_evaluator_that_has_only_the_json_computes_the_same(
    rule: str, tensors: dict[str, Any], expected: Tensor
) -> None:
    statement = json.loads(json.dumps(rules_as_json()))["rules"][rule][0]
    values = {
        k: v.double().numpy() if isinstance(v, Tensor) and v.is_floating_point() else v for k, v in tensors.items()
    }
    values = {k: v.numpy() if isinstance(v, Tensor) else v for k, v in values.items()}
    for index in np.ndindex(*expected.shape):
        names = [item["variable"] for item in statement["index"] if "variable" in item]
        places = dict(zip(names, index[len(index) - len(names) :], strict=True))
        found = plain_value(statement["value"], values, list(index), places)
        assert found == pytest.approx(expected[index].item(), abs=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("out[i] + 1", "a rule reads result"),
        ("out[i] = sum(self[k] for k in self)", "range"),
        ("out[i] = self.shape", "the language of rules has no"),
    ],
)
def test_a_rule_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError) as refusal:
        compiled(text)
    assert said in str(refusal.value)
