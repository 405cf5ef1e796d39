"""Where a process's CPU time goes: a thread that looks at all the others a few hundred times a second.

At each look every thread's own CPU clock is read, and what it spent since the last look goes to the innermost frame
that says something about the kind of work. Nothing is traced, so the code runs at nearly its own speed. A look must
wait for the interpreter, so a function that lets it go (a hash does) is told some of what ran before it. The native
threads of the network and the tokeniser have no frames: theirs is what the process spent beyond its Python threads.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.bench.measurement import Profile, Share

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import CodeType, FrameType, TracebackType

    from tests.bench.machine import CpuTimes

INTERVAL = 0.005
"""Seconds between looks."""

REPOSITORY = Path(__file__).parents[2]
TOP = 25
"""Functions told."""

NATIVE = "network and tokeniser: native threads"
OTHER = "event loop and other"

KINDS: tuple[tuple[str, str], ...] = (
    (r"/openvino/", "network, calling thread"),
    (r"services/analysis/encoder\.py:(TextTokeniser|assemble|token_words|words_of|word_case)", "tokeniser"),
    (r"services/analysis/(encoder|word_model)\.py:", "network, calling thread"),
    (r"services/analysis/(events|handlers)\.py:", "analysis: events in and out"),
    (r"services/analysis/|/phonenumbers/", "rules: redaction, urgent, quotes, language"),
    (r"/pydantic|/json/|shared/(events|summaries|cloudevents|questions)\.py:", "JSON and pydantic"),
    (r"/aiokafka/|/faststream/|/fast_depends/|shared/(consumer|publisher|gaps|breaker)\.py:", "Kafka client"),
    (r"/sqlalchemy/|/asyncpg/|shared/database\.py:", "SQL client"),
    (r"deploy/|/httpx/|/httpcore/|tests/bench/texts\.py:", "feeder and its HTTP client"),
    (r"/uvicorn/|/fastapi/|/starlette/|/h11/|/httptools/", "HTTP server"),
    (r"services/gateway/", "gateway's own"),
    (r"services/learning/", "learning's own"),
    (r"/opentelemetry/|shared/telemetry\.py:", "telemetry"),
)
"""The first that fits a frame's `path:function` names its kind; a frame that none fits is judged by its caller."""


class Sampler:
    """Looks while inside `with`."""

    def __init__(self) -> None:
        self._kinds: defaultdict[str, float] = defaultdict(float)
        self._functions: defaultdict[str, float] = defaultdict(float)
        self._threads: defaultdict[str, float] = defaultdict(float)
        self._kind_of: dict[CodeType, str | None] = {}
        self._ours: dict[CodeType, str | None] = {}
        self._names: dict[int, str] = {}
        self._clocks: dict[int, float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._kinds.clear()
        self._functions.clear()
        self._threads.clear()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        for ident, frame in sys._current_frames().items():
            clock = time.clock_gettime(time.pthread_getcpuclockid(ident))
            spent = clock - self._clocks.get(ident, 0.0)
            self._clocks[ident] = clock
            if ident == threading.get_ident():
                self._threads["sampler"] += spent
            elif spent > 0:
                self._threads[self._name(ident)] += spent
                self._attribute(frame, spent)

    def _attribute(self, innermost: FrameType, spent: float) -> None:
        kind = next((kind for frame in _stack(innermost) if (kind := self._kind(frame.f_code))), OTHER)
        self._kinds[kind] += spent
        ours = next((told for frame in _stack(innermost) if (told := self._function(frame.f_code))), None)
        if ours:
            self._functions[ours] += spent

    def _name(self, ident: int) -> str:
        """Threads of one pool go by one name."""
        if ident not in self._names:
            self._names |= {thread.ident or 0: _without_number(thread.name) for thread in threading.enumerate()}
        return self._names.get(ident, "ended meanwhile")

    def _kind(self, code: CodeType) -> str | None:
        if code not in self._kind_of:
            place = f"{code.co_filename}:{code.co_qualname}"
            self._kind_of[code] = next((kind for pattern, kind in KINDS if re.search(pattern, place)), None)
        return self._kind_of[code]

    def _function(self, code: CodeType) -> str | None:
        if code not in self._ours:
            self._ours[code] = _our_function(code)
        return self._ours[code]

    def profile(self, spent: CpuTimes, items: int, seconds: float) -> Profile:
        """What was seen, an item.

        Args:
            spent: CPU time of the process and its servers meanwhile.
            items: that went through.
            seconds: of wall-clock time that this took.
        """
        seen = sum(self._kinds.values())
        kinds = defaultdict(float, self._kinds)
        kinds[NATIVE] = max(0.0, spent.own - seen - self._threads["sampler"])
        for name, cpu in spent.servers.items():
            kinds[f"server: {name}"] += cpu
        return Profile(
            _shares(kinds, items),
            _shares(self._threads, items),
            _shares(self._functions, items),
            seconds * 1000 / items,
        )


def _shares(spent: Mapping[str, float], items: int) -> tuple[Share, ...]:
    largest = sorted(spent.items(), key=lambda pair: -pair[1])[:TOP]
    return tuple(Share(what, seconds * 1000 / items) for what, seconds in largest)


def _stack(innermost: FrameType) -> Iterator[FrameType]:
    frame: FrameType | None = innermost
    while frame is not None:
        yield frame
        frame = frame.f_back


def _our_function(code: CodeType) -> str | None:
    path = Path(code.co_filename)
    for folder in ("shared", "services", "deploy"):
        if path.is_relative_to(REPOSITORY / folder):
            return f"{path.relative_to(REPOSITORY)}:{code.co_firstlineno} {code.co_qualname}"
    return None


def _without_number(name: str) -> str:
    return re.sub(r"[-_ ]?\d+$", "", name)
