"""What is printed for nginx: nginx accepts it whatever the settings are, or one line says why it cannot be."""

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from asgi_downloads.server.deploy.nginx import Site, nginx_config
from asgi_downloads.server.errors import StartError
from asgi_downloads.service.settings import Settings
from tests.support.nginx import uncommented
from tests.support.tools import require

PLAIN = Site()
OFFLOAD = "/_files/"


@dataclass(frozen=True)
class Refused:
    id: str
    settings: Settings
    says: str
    site: Site | None = PLAIN


REFUSED = [
    Refused("variable-in-a-path", Settings(data_dir=Path("/srv/$x"), accel_prefix=OFFLOAD), "cannot be written"),
    Refused("line-in-a-path", Settings(data_dir=Path("/srv/a\nb"), accel_prefix=OFFLOAD), "cannot be written"),
    Refused("any-port", Settings(port=0), "has to know the port"),
    Refused("directive-in-a-host", Settings(host="a;b"), "'a;b' cannot be written"),
    Refused("directive-in-a-prefix", Settings(root_path="/a;b"), "'/a;b' cannot be written"),
    Refused("directive-in-an-offload", Settings(accel_prefix="/a{/"), "cannot be written"),
    Refused("all-is-offload", Settings(accel_prefix="/"), "hides the service"),
    Refused("offload-is-the-prefix", Settings(accel_prefix="/x/", root_path="/x"), "hides the service"),
    Refused("directive-in-listen", Settings(), "nothing that nginx can listen on", Site(("80; root /",))),
    Refused("directive-in-names", Settings(), "not a list of host names", Site(server_name="a; b")),
    Refused("tls-without-a-certificate", Settings(), "TLS needs all three", Site(("443 ssl",))),
    Refused("tls-without-a-key", Settings(), "TLS needs all three", Site(("443 ssl",), certificate="/c")),
    Refused("certificate-without-tls", Settings(), "TLS needs all three", Site(certificate="/c", certificate_key="/k")),
    Refused("snippet-by-a-name", Settings(host="localhost"), "needs an address", None),
    Refused("snippet-with-a-colon", Settings(uds=Path("/run/a:b")), "ends at its colon", None),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_what_nginx_could_misread_is_refused(case: Refused) -> None:
    with pytest.raises(StartError, match=case.says):
        nginx_config(case.settings, case.site)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("openssl")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    subprocess.run(
        [*new, "-subj", "/CN=a", "-keyout", str(path), "-out", f"{path}.crt"], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture(scope="module")
def accepted(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Fails unless nginx accepts what is printed, alone and with everything switched on that is off."""
    require("nginx")
    here = tmp_path_factory.mktemp("nginx")
    (here / "nginx.conf").write_text(
        f"pid {here}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{ include '{here}/[ab].conf'; }}\n"
    )

    def check(*printed: str) -> None:
        for switched_on in (False, True):
            for name in "ab":
                (here / f"{name}.conf").unlink(missing_ok=True)
            for name, text in zip("ab", printed, strict=False):
                on = uncommented(text) if switched_on else text
                on = re.sub("/etc/ssl/[a-z/.-]+", str(certificate), on)
                (here / f"{name}.conf").write_bytes(os.fsencode(on))
            tested = subprocess.run(
                ["nginx", "-t", "-e", "stderr", "-c", str(here / "nginx.conf")], capture_output=True, timeout=20
            )
            assert tested.returncode == 0, (tested.stderr, printed)
            assert b"[warn]" not in tested.stderr

    return check


NAMES = st.lists(st.sampled_from([bytes([each]) for each in b"ab .:;{}()#\"'\\%~\xe9\xff"]), min_size=1).map(b"".join)
PATHS = st.lists(NAMES.filter(lambda name: name not in (b".", b"..")), min_size=1, max_size=3).map(
    lambda names: Path(os.fsdecode(b"/" + b"/".join(names)))
)
BELOW = st.text("abz09-._~+", min_size=1, max_size=9)
CHOSEN = st.fixed_dictionaries(
    {"data_dir": PATHS},
    optional={
        "uds": PATHS,
        "host": st.sampled_from(["127.0.0.1", "0.0.0.0", "::", "::1", "[::1]", "localhost", "192.0.2.1"]),
        "port": st.integers(1, 65535),
        "root_path": BELOW.map("/{}".format),
        "accel_prefix": BELOW.map("/{}/".format),
        "stall_timeout": st.floats(0.1, 3600),
        "keep_alive_timeout": st.floats(1, 3600),
        "metrics": st.booleans(),
        "max_downloads": st.integers(0, 1_000_000),
        "max_downloads_per_client": st.integers(0, 1_000_000),
        "workers": st.integers(1, 4),
        "rate_limit": st.integers(0, 1 << 40),
    },
)
LISTEN = st.sampled_from([("80",), ("8080", "[::]:8080"), ("127.0.0.1:81",), ("443 ssl",), ("80", "443 ssl http2")])


@given(CHOSEN, LISTEN, st.booleans(), st.sampled_from(["_", "a.example", "a.example *.b.example"]))
@examples(max_examples=150, deadline=None)
@pytest.mark.slow
def test_nginx_accepts_what_is_printed_for_any_settings(
    accepted: Callable[..., None], certificate: Path, chosen: dict[str, Any], listen: Any, snippet: bool, names: str
) -> None:
    tls = str(certificate) if "ssl" in str(listen) else None
    site = None if snippet else Site(listen, names, "/dev/null", tls, tls)
    try:
        printed = nginx_config(Settings(**chosen), site)
    except StartError as error:
        assume(not re.search("hides the service|needs an address|ends at its colon", str(error)))
        raise
    accepted(printed if site else f"server {{\n{printed}}}\n")


SETTINGS = {
    "plain": Settings(),
    "everything": Settings(
        data_dir=Path('/srv/my "own" da\\ta'),
        accel_prefix=OFFLOAD,
        root_path="/dl",
        metrics=True,
        max_downloads=1_000_000,
        max_downloads_per_client=2,
    ),
    "name-that-is-not-utf-8": Settings(data_dir=Path(os.fsdecode(b"/srv/caf\xe9")), accel_prefix=OFFLOAD),
    "unix-socket": Settings(uds=Path("/run/a b.sock"), accel_prefix=OFFLOAD),
    "alike": Settings(root_path="/files2", accel_prefix="/files/"),
}


@pytest.mark.parametrize("chosen", SETTINGS.values(), ids=SETTINGS)
def test_two_instances_do_not_collide(chosen: Settings, accepted: Callable[..., None]) -> None:
    """Two sites beside each other, and two paths of one site."""
    other = Settings(port=9000, root_path="/other", accel_prefix="/_others/")
    site, another = Site(log_file="/dev/null"), Site(server_name="b.example", log_file="/dev/null")
    accepted(nginx_config(chosen, site), nginx_config(other, another))
    accepted(f"server {{\n{nginx_config(chosen, None)}\n{nginx_config(other, None)}}}\n")
    assert nginx_config(chosen, site) == nginx_config(chosen, site)


def test_every_gap_is_filled() -> None:
    for site in (Site(), Site(("443 ssl",), certificate="/c", certificate_key="/k"), None):
        for chosen in SETTINGS.values():
            printed = nginx_config(chosen, site)
            assert not re.search(r"%\{|%if|%end", printed)
    assert r'alias "/srv/my \"own\" da\\ta/";' in nginx_config(SETTINGS["everything"])
    assert "limit_conn " not in nginx_config(SETTINGS["everything"], None), "a server{} has no place for its zone"


def test_only_a_store_that_nginx_is_to_fetch_from_has_a_location() -> None:
    def printed(**values: object) -> str:
        return nginx_config(Settings(port=8000, **values))  # type: ignore[arg-type]

    assert "location = /.asgi-downloads/store {" in printed(data_dir="s3://bucket/prefix", store_mode="accel")
    for values in ({"data_dir": "s3://bucket/prefix"}, {"data_dir": "/srv", "store_mode": "accel"}):
        assert "/.asgi-downloads/store" not in printed(**values)
