"""The cases, by topic. Each module has a list `CASES`; here they are one table."""

from collections import Counter
from typing import Final

from tests.conformance.case import Case
from tests.conformance.cases import (
    conditionals,
    containment,
    documents,
    endpoints,
    fields,
    integrity,
    methods,
    multipart,
    options,
    parameters,
    peers_go,
    peers_nginx,
    ranges,
    routing,
    wire,
)

TOPICS: Final = (
    endpoints,
    routing,
    methods,
    parameters,
    containment,
    fields,
    ranges,
    multipart,
    conditionals,
    documents,
    integrity,
    options,
    wire,
    peers_go,
    peers_nginx,
)

CASES: Final[tuple[Case, ...]] = tuple(case for topic in TOPICS for case in topic.CASES)

if twice := [id_ for id_, count in Counter(case.id for case in CASES).items() if count > 1]:
    raise ValueError(f"two cases have one id: {twice}")
