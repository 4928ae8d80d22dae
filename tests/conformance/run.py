"""Runs a case against a target: fills in the validators, asks, and keeps what the reference said."""

from dataclasses import replace

from tests.conformance.case import Case, Request
from tests.conformance.client import Answer
from tests.conformance.judge import faults
from tests.conformance.targets import Target


class SetupFailed(Exception):
    """What a case stands on is not there: no verdict on its rule."""


class Bench:
    """A target with the validators it gave for each path.

    With `without_validators`, a path that has none gets a made-up tag: FastAPI's streamed routes are asked that way.
    """

    def __init__(self, target: Target, *, without_validators: bool = False) -> None:
        self.target = target
        self._without_validators = without_validators
        self._validators: dict[bytes, tuple[str, str]] = {}
        self.last: list[tuple[Request, Answer]] = []
        """What was asked last, and answered."""

    def perform(self, case: Case) -> list[Answer]:
        """The answers to the exchange of `case`. Raises `SetupFailed` if a validator that it needs is missing."""
        answers = self.target.exchange([self._filled(request) for request in case.exchange])
        self.last = list(zip(case.exchange, answers, strict=False))
        return answers

    def _filled(self, request: Request) -> Request:
        if not any("{" in value for _, value in request.headers):
            return request
        etag, modified = self._validators_of(request.target)
        marks = {"{etag}": etag, "{weak}": f"W/{etag}", "{last-modified}": modified, "{tag}": etag.strip('"')}
        headers = []
        for name, value in request.headers:
            for mark, text in marks.items():
                value = value.replace(mark, text)
            headers.append((name, value))
        return replace(request, headers=tuple(headers))

    def _validators_of(self, target: bytes) -> tuple[str, str]:
        if target not in self._validators:
            (answer,) = self.target.exchange([Request(target)])
            etag, modified = answer.get("etag"), answer.get("last-modified")
            if answer.status == 200 and etag is None and self._without_validators:
                etag = '"no-validator"'
            if answer.status != 200 or etag is None:
                raise SetupFailed(f"{self.target.name}: {target!r} has no validators ({answer.status})")
            self._validators[target] = (etag, modified or "")
        return self._validators[target]


def verdict(case: Case, bench: Bench, reference: "Recorder | None") -> list[str]:
    """What is wrong with the target's answers to `case`; nothing if it holds."""
    beside = reference.answers(case) if case.kind == "fastapi" and reference is not None else None
    return faults(case, bench.perform(case), beside)


class Recorder:
    """The reference's answers, each asked for once."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._answers: dict[str, list[Answer]] = {}

    def unchecked(self, case: Case) -> list[Answer]:
        """What came back, be it nothing: some cases are about requests that FastAPI cannot answer."""
        if case.id not in self._answers:
            self._answers[case.id] = self.bench.perform(case)
        return self._answers[case.id]

    def answers(self, case: Case) -> list[Answer]:
        """What came back to a `fastapi` case; raises `SetupFailed` if that is nothing."""
        answers = self.unchecked(case)
        if not all(answer.status for answer in answers):
            raise SetupFailed(f"the reference does not answer {case.id}: {answers}")
        return answers
