"""The Host field's value: what may follow `Host:` and what may not."""

import re

_HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|\[[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+\]"  # RFC 3986 §3.2.2 IP-literal
    rb"|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
)


def valid_host(value: bytes) -> bool:
    """Whether `value` is `uri-host [":" port]` (RFC 9110 §7.2)."""
    return _HOST.fullmatch(value) is not None
