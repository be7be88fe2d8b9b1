"""The other peer of benchmarks/decoding.py: llama.cpp, at its best.

It is driven through the ctypes functions of llama-cpp-python, without that library's Python class: one `llama_decode` a
token, and the largest of the logits found by numpy in some microseconds. What is chosen for it:

* as many threads as cores, for prompts too, which are read 512 tokens at a time (n_ubatch);
* flash attention or not, and a pool of threads that stays or llama.cpp's own choice: each of the four is tried on the
  very work that is measured, and the fastest taken, for every file and every part;
* weights repacked at load, as it does by itself (use_extra_bufts); its cache in float16, as it is by itself;
* no messages: they go to a function that does nothing, and is not Python's;
* it takes part twice: as it is, which maps the file into memory, in pages of 4 KiB; and with huge pages, which it does
  not ask for itself: read instead of mapped, and with glibc told to ask for them (HUGE_PAGES). On one core that made it
  up to 1.4 times as fast.

`pip install llama-cpp-python` compiles for the processor at hand, unless a wheel made with GGML_NATIVE=OFF is in its
cache: without AVX-512 and bfloat16 it reads prompts at half the speed. Then

    CMAKE_ARGS="-DGGML_NATIVE=ON" pip install --no-cache-dir --force-reinstall --no-deps llama-cpp-python

The benchmark prints what the library says of itself, and says aloud where it leaves instructions unused.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from decoding_models import weights_of_gguf
from decoding_peers import Ids, measured
from taking_turns import Missing

Work = Callable[["Context"], Any]
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""What the process of a contestant with huge pages begins with."""
IGNORED: list[Any] = []
"""Kept alive as long as llama.cpp may call it."""


def library_of() -> Any:
    """llama_cpp, silent."""
    try:
        import llama_cpp
    except ImportError:
        raise Missing("llama-cpp-python is not installed; see benchmarks/llama_cpp_peer.py") from None
    if not IGNORED:
        does_nothing = ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p).value
        IGNORED.append(llama_cpp.llama_log_callback(does_nothing))
        llama_cpp.llama_log_set(IGNORED[0], None)
        llama_cpp.llama_backend_init()
    return llama_cpp


def says_of_itself() -> str:
    """Its version and the instructions that it was compiled for; and those of the processor that it leaves unused."""
    library = library_of()
    compiled = library.llama_print_system_info().decode()
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    here = {"AVX512": " avx512f", "AVX512_VNNI": " avx512_vnni", "AVX512_BF16": " avx512_bf16"}
    unused = [name for name, flag in here.items() if flag in flags and f"{name} = 1" not in compiled]
    warning = f"\nSLOWER THAN IT COULD BE: compiled without {', '.join(unused)}; see benchmarks/llama_cpp_peer.py"
    return f"llama-cpp-python {library.__version__}: {compiled.strip(' |')}{warning if unused else ''}"


class LlamaCpp:
    """llama.cpp with a GGUF file, mapped or read into memory."""

    def __init__(self, file: Path, threads: int, mapped: bool = True) -> None:
        self.library, self.file, self.threads = library_of(), file, threads
        settings = self.library.llama_model_default_params()
        if not mapped:
            settings.load_mode = self.library.LLAMA_LOAD_MODE_NONE
        self.model = self.library.llama_model_load_from_file(str(file).encode(), settings)
        if not self.model:
            raise RuntimeError(f"llama.cpp could not read {file}")
        self.chosen: dict[str, Context] = {}

    def weights(self) -> tuple[int, int]:
        return weights_of_gguf(self.file)

    def settings(self) -> dict[str, str]:
        """What was the fastest for each part."""
        return {part: context.name for part, context in self.chosen.items()}

    def fastest(self, part: str, sequences: int, work: Work) -> Any:
        """Do the work in the context that was the fastest of four when it was first asked for."""
        if part not in self.chosen:
            best, least = None, math.inf
            for flash, pool in itertools.product((False, True), (False, True)):
                context = Context(self, flash=flash, pool=pool, sequences=sequences)
                taken = least_seconds(work, context)
                slower, least = (best, taken) if taken < least else (context, least)
                best = context if slower is not context else best
                if slower is not None:
                    slower.free()
            self.chosen[part] = best
        return work(self.chosen[part])

    def decode(self, ids: Ids, tokens: int) -> dict[str, Any]:
        def work(context: Context) -> dict[str, Any]:
            context.clear()
            began = time.perf_counter()
            found = [context.read(ids)]
            stamps = [time.perf_counter()]
            for _ in range(tokens - 1):
                found.append(context.read_one(found[-1]))
                stamps.append(time.perf_counter())
            return measured(began, stamps, found)

        return self.fastest("decoding", 1, work)

    def prefill(self, ids: Ids) -> float:
        def work(context: Context) -> float:
            context.clear()
            began = time.perf_counter()
            context.read(ids)
            return time.perf_counter() - began

        return self.fastest("prefill", 1, work)

    def batch(self, prompts: Sequence[Ids], tokens: int) -> float:
        def work(context: Context) -> float:
            context.clear()
            began = time.perf_counter()
            newest = context.read_rows(prompts, 0)
            for place in range(tokens - 1):
                newest = context.read_rows(newest[:, None], len(prompts[0]) + place)
            return time.perf_counter() - began

        return self.fastest("batch", len(prompts), work)


def least_seconds(work: Work, context: Context) -> float:
    """The best of three times, or of two where the work is long; the first time, everything is allocated."""
    taken: list[float] = []
    while len(taken) < 3 and (len(taken) < 2 or sum(taken) < 4):
        began = time.perf_counter()
        work(context)
        taken.append(time.perf_counter() - began)
    return min(taken)


class PoolSettings(ctypes.Structure):
    """ggml_threadpool_params, which llama-cpp-python does not declare."""

    _fields_ = (
        ("cpumask", ctypes.c_bool * 512),
        ("n_threads", ctypes.c_int),
        ("prio", ctypes.c_int),
        ("poll", ctypes.c_uint32),
        ("strict_cpu", ctypes.c_bool),
        ("paused", ctypes.c_bool),
    )


class Context:
    """One of llama.cpp's contexts: a cache, and a way to compute."""

    def __init__(self, owner: LlamaCpp, *, flash: bool, pool: bool, sequences: int) -> None:
        self.library = library = owner.library
        self.name = ("flash attention" if flash else "no flash attention") + (", pool of threads" if pool else "")
        settings = library.llama_context_default_params()
        settings.n_ctx, settings.n_seq_max = (1024, 1) if sequences == 1 else (256 * sequences, sequences)
        settings.n_batch, settings.n_ubatch = settings.n_ctx, 512
        settings.n_threads = settings.n_threads_batch = owner.threads
        settings.flash_attn_type = int(flash)
        self.handle = library.llama_init_from_model(owner.model, settings)
        self.vocabulary = library.llama_vocab_n_tokens(library.llama_model_get_vocab(owner.model))
        self.one = np.zeros(1, np.int32)
        self.batch_of_one = self.batch_of(self.one)
        self.pool = self.attached_pool(owner.threads) if pool else None

    def attached_pool(self, threads: int) -> int:
        functions = self.library.llama_cpp._lib
        settings = PoolSettings()
        functions.ggml_threadpool_params_init(ctypes.byref(settings), threads)
        functions.ggml_threadpool_new.restype = ctypes.c_void_p
        pool = functions.ggml_threadpool_new(ctypes.byref(settings))
        functions.llama_attach_threadpool.argtypes = [ctypes.c_void_p] * 3
        functions.llama_attach_threadpool(self.handle, pool, pool)
        return pool

    def free(self) -> None:
        self.library.llama_free(self.handle)
        if self.pool is not None:
            self.library.llama_cpp._lib.ggml_threadpool_free(ctypes.c_void_p(self.pool))

    def clear(self) -> None:
        self.library.llama_memory_clear(self.library.llama_get_memory(self.handle), False)

    def batch_of(self, token_ids: np.ndarray) -> Any:
        """A batch that reads this array; positions go on from those in the cache, the last token gets logits."""
        pointer = token_ids.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        return self.library.llama_batch_get_one(pointer, len(token_ids))

    def compute(self, batch: Any, rows: int) -> np.ndarray:
        """The likeliest next token of each row."""
        if failed := self.library.llama_decode(self.handle, batch):
            raise RuntimeError(f"llama_decode failed with {failed}")
        return np.ctypeslib.as_array(self.library.llama_get_logits(self.handle), (rows, self.vocabulary)).argmax(-1)

    def read(self, ids: Ids) -> int:
        token_ids = np.array(ids, np.int32)
        return int(self.compute(self.batch_of(token_ids), 1)[0])

    def read_one(self, token_id: int) -> int:
        self.one[0] = token_id
        return int(self.compute(self.batch_of_one, 1)[0])

    def read_rows(self, token_ids: Sequence[Ids] | np.ndarray, place: int) -> np.ndarray:
        """Rows of equal length side by side, which begin at `place` of their texts."""
        rows = np.asarray(token_ids, np.int32)
        count, length = rows.shape
        batch = self.library.llama_batch_init(rows.size, 0, 1)
        view = {
            name: np.ctypeslib.as_array(getattr(batch, name), (rows.size,)) for name in ("token", "pos", "n_seq_id")
        }
        view["token"][:], view["n_seq_id"][:] = rows.ravel(), 1
        view["pos"][:] = np.tile(np.arange(place, place + length), count)
        wanted = np.ctypeslib.as_array(batch.logits, (rows.size,))
        wanted[:] = np.tile(np.arange(length) == length - 1, count)
        for at in range(rows.size):
            batch.seq_id[at][0] = at // length
        batch.n_tokens = rows.size
        newest = self.compute(batch, count)
        self.library.llama_batch_free(batch)
        return newest
