"""The rules: how an element of each operation's result is computed. One table of text, read as data by every evaluator.

The language is that of `everysum.explain.templates`; names are the arguments of PyTorch's operations, as their schemas
have them. A rule's lines are the operation's results in order. `...` is the whole index of the element asked for. An
operation in place has the rule of the one that it is named after: `add_` that of `add`.
"""

from __future__ import annotations

from typing import Any

from everysum.explain.templates import Node, compiled

ALONG = "self[*replaced(dim, {k})] for {k} in range(size(self, dim))"
OVER = "self[*over(dim, keepdim, {k})]"
COUNT = "extent(self, dim)"


def along(k: str, formula: str = "{x}") -> str:
    """A formula for every element on the axis `dim`."""
    return f"{formula.format(x=f'self[*replaced(dim, {k})]')} for {k} in range(size(self, dim))"


def over(k: str, formula: str = "{x}") -> str:
    """A formula for every element of the axes that a reduction takes together."""
    return f"{formula.format(x=f'self[*over(dim, keepdim, {k})]')} for {k} in range(extent(self, dim))"


LARGEST = f"named(largest, max({along('m')}))"
EXPONENTIALS = f"named(total, sum({along('k', 'exp({x} - ' + LARGEST + ')')}))"
SOFTMAX = f"exp(self[...] - {LARGEST}) / {EXPONENTIALS}"

ROW = "input[*tail(normalized_shape, {k})] for {k} in range(product(normalized_shape))"
ROW_MEAN = "named(mean, sum(" + ROW.format(k="m") + ") / product(normalized_shape))"
ROW_VARIANCE = (
    f"named(variance, sum((input[*tail(normalized_shape, k)] - {ROW_MEAN}) ** 2 for k in"
    " range(product(normalized_shape))) / product(normalized_shape))"
)
ROW_SQUARES = (
    "named(mean_square, sum(" + "input[*tail(normalized_shape, k)] ** 2 for k in range(product(normalized_shape)))"
    " / product(normalized_shape))"
)

CHANNEL_MEAN = (
    "named(mean, sum(input[*of_channel(input, m)] for m in range(channel_extent(input))) / channel_extent(input))"
)
CHANNEL_SQUARES = f"sum((input[*of_channel(input, k)] - {CHANNEL_MEAN}) ** 2 for k in range(channel_extent(input)))"
CHANNEL_SCALE = f"rsqrt(named(variance, {CHANNEL_SQUARES} / channel_extent(input)) + eps)"

AXES_MEAN = f"named(mean, sum({over('m')}) / {COUNT})"
AXES_SQUARES = f"sum({over('k', '({x} - ' + AXES_MEAN + ') ** 2')})"

ELEMENTWISE = """
    abs acos acosh asin asinh atan atanh ceil cos cosh digamma erf erfc exp exp2 expm1 floor isinf isnan lgamma log
    log10 log1p log2 reciprocal relu round rsqrt sigmoid sign silu sin sinc sinh sqrt tan tanh trunc
"""

COPIES = "clone lift_fresh_copy alias_copy detach_copy expand_copy _to_copy"

RULES: dict[str, str] = {
    # matrix products
    "aten.mm": "out[i, j] = sum(self[i, k] * mat2[k, j] for k in range(size(self, 1)))",
    "aten.bmm": "out[b, i, j] = sum(self[b, i, k] * mat2[b, k, j] for k in range(size(self, 2)))",
    "aten.mv": "out[i] = sum(self[i, k] * vec[k] for k in range(size(self, 1)))",
    "aten.dot": "out[...] = sum(self[k] * tensor[k] for k in range(size(self, 0)))",
    "aten.vdot": "out[...] = sum(self[k] * other[k] for k in range(size(self, 0)))",
    "aten.addmm": "out[i, j] = beta * self[i, j] + alpha * sum(mat1[i, k] * mat2[k, j] for k in range(size(mat1, 1)))",
    "aten.addmv": "out[i] = beta * self[i] + alpha * sum(mat[i, k] * vec[k] for k in range(size(mat, 1)))",
    "aten.baddbmm": "out[b, i, j] = beta * self[b, i, j]"
    " + alpha * sum(batch1[b, i, k] * batch2[b, k, j] for k in range(size(batch1, 2)))",
    "aten.addbmm": "out[i, j] = beta * self[i, j] + alpha * sum(sum(batch1[b, i, k] * batch2[b, k, j]"
    " for k in range(size(batch1, 2))) for b in range(size(batch1, 0)))",
    "aten._grouped_mm": "out[i, j] = (bias[j] if given(bias) else 0) + sum(self[i, k]"
    " * mat2[sum(1 if offs[g] <= i else 0 for g in range(size(offs, 0))), k, j] for k in range(size(self, 1)))",
    "aten.convolution": "out[b, c, *place] = (bias[c] if given(bias) else 0) + sum(sum("
    "(input[b, d + group_start(input, weight, groups), *window(stride, padding, dilation, w)]"
    " if inside(stride, padding, dilation, w) else 0) * weight[c, d, *unraveled(weight, 2, w)]"
    " for d in range(size(weight, 1))) for w in range(extent_from(weight, 2)))",
    # element by element
    "aten.add": "out[...] = self[...] + alpha * other[...]",
    "aten.sub": "out[...] = self[...] - alpha * other[...]",
    "aten.rsub": "out[...] = other[...] - alpha * self[...]",
    "aten.mul": "out[...] = self[...] * other[...]",
    "aten.div": "out[...] = floor(self[...] / other[...]) if rounding_mode == 'floor' else"
    " (trunc(self[...] / other[...]) if rounding_mode == 'trunc' else self[...] / other[...])",
    "aten.div.Tensor": "out[...] = self[...] / other[...]",
    "aten.div.Scalar": "out[...] = self[...] / other[...]",
    "aten.floor_divide": "out[...] = floor(self[...] / other[...])",
    "aten.remainder": "out[...] = self[...] % other[...]",
    "aten.fmod": "out[...] = self[...] - trunc(self[...] / other[...]) * other[...]",
    "aten.pow": "out[...] = self[...] ** exponent[...]",
    "aten.neg": "out[...] = -self[...]",
    "aten.addcmul": "out[...] = self[...] + value * tensor1[...] * tensor2[...]",
    "aten.addcdiv": "out[...] = self[...] + value * tensor1[...] / tensor2[...]",
    "aten.lerp": "out[...] = self[...] + weight[...] * (end[...] - self[...])",
    "aten.atan2": "out[...] = atan2(self[...], other[...])",
    "aten.hypot": "out[...] = sqrt(self[...] ** 2 + other[...] ** 2)",
    "aten.maximum": "out[...] = maximum(self[...], other[...])",
    "aten.minimum": "out[...] = minimum(self[...], other[...])",
    "aten.clamp": "out[...] = minimum(maximum(self[...], min[...] if given(min) else self[...]),"
    " max[...] if given(max) else maximum(self[...], min[...] if given(min) else self[...]))",
    "aten.clamp_min": "out[...] = maximum(self[...], min[...])",
    "aten.clamp_max": "out[...] = minimum(self[...], max[...])",
    **{f"aten.{name}": f"out[...] = {name}(self[...])" for name in ELEMENTWISE.split()},
    "aten.gelu": "out[...] = 0.5 * self[...] * (1 + tanh(0.7978845608028654 * (self[...] + 0.044715 * self[...] ** 3)))"
    " if approximate == 'tanh' else 0.5 * self[...] * (1 + erf(self[...] / 1.4142135623730951))",
    "aten.hardtanh": "out[...] = minimum(maximum(self[...], min_val), max_val)",
    "aten.hardsigmoid": "out[...] = minimum(maximum(self[...] + 3, 0), 6) / 6",
    "aten.hardswish": "out[...] = self[...] * minimum(maximum(self[...] + 3, 0), 6) / 6",
    "aten.leaky_relu": "out[...] = self[...] if self[...] > 0 else self[...] * negative_slope",
    "aten._prelu_kernel": "out[...] = self[...] if self[...] > 0 else self[...] * weight[...]",
    "aten.elu": "out[...] = scale * self[...] if self[...] > 0 else scale * alpha * expm1(self[...] * input_scale)",
    "aten.mish": "out[...] = self[...] * tanh(log1p(exp(self[...])))",
    "aten.softplus": "out[...] = self[...] if self[...] * beta > threshold else log1p(exp(self[...] * beta)) / beta",
    "aten.log_sigmoid_forward": "output[...] = -log1p(exp(-self[...]))\nbuffer[...] = exp(-abs(self[...]))",
    "aten.logaddexp": "out[...] = maximum(self[...], other[...])"
    " + log1p(exp(minimum(self[...], other[...]) - maximum(self[...], other[...])))",
    "aten.nan_to_num": "out[...] = ((nan if given(nan) else 0) if isnan(self[...]) else minimum(maximum(self[...],"
    " neginf if given(neginf) else smallest()), posinf if given(posinf) else largest()))",
    "aten.frac": "out[...] = self[...] - trunc(self[...])",
    "aten.eq": "out[...] = self[...] == other[...]",
    "aten.ne": "out[...] = self[...] != other[...]",
    "aten.lt": "out[...] = self[...] < other[...]",
    "aten.le": "out[...] = self[...] <= other[...]",
    "aten.gt": "out[...] = self[...] > other[...]",
    "aten.ge": "out[...] = self[...] >= other[...]",
    "aten.logical_not": "out[...] = not self[...]",
    "aten.logical_and": "out[...] = self[...] and other[...]",
    "aten.logical_or": "out[...] = self[...] or other[...]",
    "aten.logical_xor": "out[...] = (self[...] != 0) != (other[...] != 0)",
    "aten.bitwise_not": "out[...] = ~self[...]",
    "aten.bitwise_and": "out[...] = self[...] & other[...]",
    "aten.bitwise_or": "out[...] = self[...] | other[...]",
    "aten.bitwise_xor": "out[...] = self[...] ^ other[...]",
    # choices
    "aten.where": "out[...] = self[...] if condition[...] else other[...]",
    "aten.masked_fill": "out[...] = value[...] if mask[...] else self[...]",
    "aten.tril": "out[...] = self[...] if place(-1) - place(-2) <= diagonal else 0",
    "aten.triu": "out[...] = self[...] if place(-1) - place(-2) >= diagonal else 0",
    "aten.threshold": "out[...] = self[...] if self[...] > threshold else value",
    # softmax and its family
    "aten._softmax": f"out[...] = {SOFTMAX}",
    "aten._safe_softmax": f"out[...] = 0 if {LARGEST} == -infinity() else {SOFTMAX}",
    "aten._log_softmax": f"out[...] = self[...] - {LARGEST} - log({EXPONENTIALS})",
    "aten.logsumexp": f"out[...] = max({over('m')}) + log(sum({over('k', '{x}')}))".replace(
        "sum(self[*over(dim, keepdim, k)]", f"sum(exp(self[*over(dim, keepdim, k)] - max({over('m')}))"
    ),
    # normalization: recomputed from x, since in 16 bits kernels hold more digits of the mean than they store
    "aten.native_layer_norm": f"out[...] = (input[...] - {ROW_MEAN}) * rsqrt({ROW_VARIANCE} + eps)"
    f" * (weight[...] if given(weight) else 1) + (bias[...] if given(bias) else 0)\n"
    f"mean[...] = {ROW_MEAN}\nrstd[...] = rsqrt({ROW_VARIANCE} + eps)",
    "aten._fused_rms_norm": f"out[...] = input[...] * rsqrt({ROW_SQUARES} + (eps if given(eps) else epsilon(input)))"
    " * (weight[...] if given(weight) else 1)\n"
    f"rstd[...] = rsqrt({ROW_SQUARES} + (eps if given(eps) else epsilon(input)))",
    "aten.native_batch_norm": f"out[...] = ((input[...] - {CHANNEL_MEAN}) * {CHANNEL_SCALE} if training else"
    " (input[...] - running_mean[channel()]) * rsqrt(running_var[channel()] + eps))"
    " * (weight[channel()] if given(weight) else 1) + (bias[channel()] if given(bias) else 0)\n"
    f"mean[...] = {CHANNEL_MEAN}\nscale[...] = {CHANNEL_SCALE}\n"
    f"kept_mean[...] = (1 - momentum) * running_mean[...] + momentum * {CHANNEL_MEAN}"
    " if training else running_mean[...]\n"
    "kept_variance[...] = (1 - momentum) * running_var[...]"
    f" + momentum * {CHANNEL_SQUARES} / (channel_extent(input) - 1)"
    " if training else running_var[...]",
    # sums and other reductions
    "aten.sum": f"out[...] = sum({over('k')})",
    "aten.mean": f"out[...] = sum({over('k')}) / {COUNT}",
    "aten.prod": f"out[...] = prod({over('k')})",
    "aten.amax": f"out[...] = max({over('k')})",
    "aten.amin": f"out[...] = min({over('k')})",
    "aten.max": f"out[...] = max({over('k')})",
    "aten.min": f"out[...] = min({over('k')})",
    "aten.any": f"out[...] = any({over('k')})",
    "aten.all": f"out[...] = all({over('k')})",
    "aten.count_nonzero": f"out[...] = sum({over('k', '({x} != 0)')})",
    "aten.var": f"out[...] = {AXES_SQUARES} / maximum({COUNT} - correction_of(correction, unbiased), 0)",
    "aten.std": f"out[...] = sqrt({AXES_SQUARES} / maximum({COUNT} - correction_of(correction, unbiased), 0))",
    "aten.var_mean": f"var[...] = {AXES_SQUARES} / maximum({COUNT} - correction_of(correction, unbiased), 0)\n"
    f"mean[...] = {AXES_MEAN}",
    "aten.linalg_vector_norm": f"out[...] = sqrt(sum({over('k', '{x} ** 2')})) if ord == 2 else"
    f" (sum({over('k', 'abs({x})')}) if ord == 1 else (max({over('k', 'abs({x})')}) if ord == infinity()"
    f" else sum({over('k', 'abs({x}) ** ord')}) ** (1 / ord)))",
    "aten.norm": f"out[...] = sqrt(sum({over('k', '{x} ** 2')})) if p == 2 else"
    f" sum({over('k', 'abs({x}) ** p')}) ** (1 / p)",
    "aten.cumsum": "out[...] = sum(self[*replaced(dim, k)] for k in range(place(dim) + 1))",
    "aten.cumprod": "out[...] = prod(self[*replaced(dim, k)] for k in range(place(dim) + 1))",
    "aten.nll_loss_forward": "output[...] = (0 if target[...] == ignore_index else -self[..., target[...]]"
    " * (weight[target[...]] if given(weight) else 1)) if reduction == 0 else"
    " -sum((0 if target[k] == ignore_index else self[k, target[k]] * (weight[target[k]] if given(weight) else 1))"
    " for k in range(size(target, 0))) / (total_weight[...] if reduction == 1 else 1)\n"
    "total_weight[...] = 0 if reduction == 0 else sum((0 if target[k] == ignore_index else"
    " (weight[target[k]] if given(weight) else 1)) for k in range(size(target, 0)))",
    "aten.mse_loss": "out[...] = (self[...] - target[...]) ** 2 if reduction == 0 else"
    " sum((self[*unraveled(self, 0, k)] - target[*unraveled(self, 0, k)]) ** 2 for k in range(extent_from(self, 0)))"
    " / (extent_from(self, 0) if reduction == 1 else 1)",
    "aten.histc": "out[i] = sum((1 if"
    " minimum(floor((self[*unraveled(self, 0, k)] - min) * bins / (max - min)), bins - 1) == i"
    " and self[*unraveled(self, 0, k)] >= min and self[*unraveled(self, 0, k)] <= max else 0)"
    " for k in range(extent_from(self, 0)))",
    "aten.bincount": "out[i] = sum((weights[k] if given(weights) else 1) if self[k] == i else 0"
    " for k in range(size(self, 0)))",
    # order: which place holds the one that is asked for; ties are broken as the pass broke them
    "aten.argmax": "out[...] = ranked(self, dim, keepdim, 0, True)",
    "aten.argmin": "out[...] = ranked(self, dim, keepdim, 0, False)",
    "aten.max.dim": "values[...] = self[*chosen(dim, keepdim, indices[...])]\n"
    "indices[...] = ranked(self, dim, keepdim, 0, True)",
    "aten.min.dim": "values[...] = self[*chosen(dim, keepdim, indices[...])]\n"
    "indices[...] = ranked(self, dim, keepdim, 0, False)",
    "aten.sort": "values[...] = self[*replaced(dim, indices[...])]\n"
    "indices[...] = ranked(self, dim, True, place(dim), descending)",
    "aten.topk": "values[...] = self[*replaced(dim, indices[...])]\n"
    "indices[...] = ranked(self, dim, True, place(dim) if sorted else 0, largest)",
    # look-ups: the number, and the index that chose it
    "aten.embedding": "out[*row, j] = weight[indices[*row], j]",
    "aten.index": "out[...] = self[*looked_up(indices)]",
    "aten.index_select": "out[...] = self[*replaced(dim, index[place(dim)])]",
    "aten.gather": "out[...] = self[*replaced(dim, index[...])]",
    "aten.take": "out[...] = self[*unraveled(self, 0, index[...])]",
    # copies
    **{f"aten.{name}": "out[...] = converted(self[...])" for name in COPIES.split()},
    "aten.copy": "out[...] = converted(src[...])",
    "aten.cat": "out[...] = tensors[piece(tensors, dim)][*replaced(dim, place_in_piece(tensors, dim))]",
    "aten.stack": "out[...] = tensors[place(dim)][*without(dim)]",
    "aten.repeat": "out[...] = self[*tiled(self)]",
    "aten.flip": "out[...] = self[*flipped(dims)]",
    "aten.roll": "out[...] = self[*rolled(shifts, dims)]",
    "aten.constant_pad_nd": "out[...] = self[*unpadded(pad)] if within(self, pad) else value",
    # writes into a part of a tensor
    "aten.fill": "out[...] = value[...]",
    "aten.zero": "out[...] = 0",
    "aten.index_put": "out[...] = (self[...] if accumulate or hits(indices) == 0 else 0)"
    " + (sum(values[*hit(indices, k)] for k in range(hits(indices)) ) if accumulate else"
    " (values[*hit(indices, hits(indices) - 1)] if hits(indices) > 0 else 0))",
    "aten.scatter": "out[...] = src[*scattered(dim, index, scatters(dim, index) - 1)] if scatters(dim, index) > 0"
    " else self[...]",
    "aten.scatter.value": "out[...] = value if scatters(dim, index) > 0 else self[...]",
    "aten.scatter_add": "out[...] = self[...]"
    " + sum(src[*scattered(dim, index, k)] for k in range(scatters(dim, index)))",
    "aten.index_copy": "out[...] = source[*replaced(dim, last_place(index, place(dim)))]"
    " if copies(index, place(dim)) > 0 else self[...]",
    "aten.index_fill": "out[...] = value[...] if copies(index, place(dim)) > 0 else self[...]",
    "aten.index_add": "out[...] = self[...] + alpha * sum(source[*replaced(dim, nth_place(index, place(dim), k))]"
    " for k in range(copies(index, place(dim))))",
    "aten.slice_scatter": "out[...] = src[*replaced(dim, (place(dim) - start_of(self, dim, start)) // step)]"
    " if within_slice(self, dim, start, end, step) else self[...]",
    "aten.select_scatter": "out[...] = src[*without(dim)] if place(dim) == index else self[...]",
    # constants
    "aten.arange.default": "out[i] = 1 * i",
    "aten.arange.start": "out[i] = start + i",
    "aten.arange.start_step": "out[i] = start + i * step",
    "aten.linspace": "out[i] = start + i * (end - start) / (steps - 1)",
    "aten.full": "out[...] = fill_value",
    "aten.full_like": "out[...] = fill_value",
    "aten.new_full": "out[...] = fill_value",
    "aten.scalar_tensor": "out[...] = s",
    **{f"aten.{name}": "out[...] = 0" for name in ("zeros", "zeros_like", "new_zeros")},
    **{f"aten.{name}": "out[...] = 1" for name in ("ones", "ones_like", "new_ones")},
    "aten.eye": "out[i, j] = 1 if i == j else 0",
    "aten._local_scalar_dense": "out[...] = self[...]",
    # training
    "aten.native_dropout": "out[...] = input[...] * mask[...] / (1 - p) if train else input[...]\nmask[...] = drawn()",
    "aten.glu": "out[...] = self[...] * sigmoid(self[*replaced(dim, place(dim) + size(self, dim) // 2)])",
}

DRAWN = {
    "bernoulli": "a random draw: 1 with the probability that the operation was given, otherwise 0",
    "normal": "a random draw from a normal distribution",
    "randn": "a random draw from the standard normal distribution",
    "randn_like": "a random draw from the standard normal distribution",
    "rand": "a random draw, uniform between 0 and 1",
    "rand_like": "a random draw, uniform between 0 and 1",
    "uniform": "a random draw from a uniform distribution",
    "randint": "a random whole number",
    "randint_like": "a random whole number",
    "randperm": "a random order",
    "random": "a random whole number",
    "exponential": "a random draw from an exponential distribution",
    "multinomial": "a random draw with the probabilities that the operation was given",
    "native_dropout": "a random draw: 1 with the probability of being kept, otherwise 0",
}
"""Operations whose numbers no sum made: they were drawn."""

UNFILLED = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"}
"""Operations that only reserve memory: what stands there is left over from something else."""


def rule_of(name: str, packet: str) -> tuple[Node, ...] | None:
    """The rule of an operation: that of its overload where it has one of its own."""
    plain = packet + (("." + name.split(".")[2]) if name.count(".") > 1 else "")
    text = RULES.get(plain) or RULES.get(packet)
    return None if text is None else compiled(text)


def rules_as_json() -> dict[str, Any]:
    """The whole table as data for an evaluator in another language, with what it must know beside the rules."""
    from everysum.explain.functions import FUNCTIONS
    from everysum.explain.lookups import INDEX_FUNCTIONS, SIZE_FUNCTIONS

    return {
        "rules": {name: list(compiled(text)) for name, text in sorted(RULES.items())},
        "drawn": dict(sorted(DRAWN.items())),
        "unfilled": sorted(UNFILLED),
        "functions": {name: function.meaning for name, function in sorted(FUNCTIONS.items())},
        "index_functions": {name: function.__doc__ for name, function in sorted(INDEX_FUNCTIONS.items())},
        "size_functions": {name: function.__doc__ for name, function in sorted(SIZE_FUNCTIONS.items())},
    }
