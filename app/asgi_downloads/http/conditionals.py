"""Preconditions, one function each (RFC 9110 §13.1). None: absent or to be ignored; else whether it holds.

Which to ask, and in which order, is the business of `plan`. `last_modified` is the date that a 200 would say.
"""

from asgi_downloads.http.validators import (
    is_entity_tag,
    parse_entity_tags,
    parse_http_date,
    strongly_equal,
    weakly_equal,
)


def if_match(value: bytes | None, etag: bytes | None) -> bool | None:
    """RFC 9110 §13.1.1. A malformed value names no tag, so it cannot hold: what it guards stays guarded."""
    if value is None:
        return None
    if value == b"*":
        return True
    return etag is not None and any(strongly_equal(etag, tag) for tag in parse_entity_tags(value))


def if_unmodified_since(value: bytes | None, last_modified: int | None, now: int) -> bool | None:
    """RFC 9110 §13.1.4: MUST be ignored without a modification date or with an invalid one."""
    date = _date(value, last_modified, now)
    return None if date is None or last_modified is None else last_modified <= date


def if_none_match(value: bytes | None, etag: bytes | None) -> bool | None:
    """RFC 9110 §13.1.2. A malformed value names no tag, so it holds and the content is sent."""
    if value is None:
        return None
    if value == b"*":
        return False
    return etag is None or not any(weakly_equal(etag, tag) for tag in parse_entity_tags(value))


def if_modified_since(value: bytes | None, last_modified: int | None, now: int) -> bool | None:
    """RFC 9110 §13.1.3: MUST be ignored without a modification date, with an invalid one, or with several."""
    date = _date(value, last_modified, now)
    return None if date is None or last_modified is None else last_modified > date


def if_range(value: bytes | None, etag: bytes | None, last_modified: int | None, now: int) -> bool | None:
    """RFC 9110 §13.1.5: one strong entity tag, or one date that is a strong validator; exactly ours."""
    if value is None:
        return None
    if b'"' in value[:3]:  # what tells a tag from a date, says §13.1.5
        return etag is not None and is_entity_tag(value) and strongly_equal(etag, value)
    if last_modified is None or last_modified >= now:
        return False  # RFC 9110 §8.8.2.2: within the second that it names, the content may still change
    return parse_http_date(value, now) == last_modified


def _date(value: bytes | None, last_modified: int | None, now: int) -> int | None:
    return None if value is None or last_modified is None else parse_http_date(value, now)
