"""The grammar of Host (RFC 9110 §7.2 and RFC 3986 §3.2.2), for the 400 that RFC 9112 §3.2 demands."""

import re
from ipaddress import AddressValueError, IPv6Address

_PORT = rb"(?::[0-9]*)?"
_NAME = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%%[0-9A-Fa-f]{2})*%b" % _PORT)  # reg-name, also IPv4
_LITERAL = re.compile(rb"\[(?:(?P<ipv6>[0-9A-Fa-f:.]+)|[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+)\]%b" % _PORT)


def valid_host(value: bytes) -> bool:
    """Whether a Host value is `uri-host [ ":" port ]`; an empty one is (RFC 9112 §3.2)."""
    if _NAME.fullmatch(value):
        return True
    match = _LITERAL.fullmatch(value)
    return match is not None and (match["ipv6"] is None or _is_ipv6(match["ipv6"]))


def _is_ipv6(text: bytes) -> bool:
    try:
        IPv6Address(text.decode())
    except AddressValueError:
        return False
    return True
