"""What a link serves, to whom, and until when."""

import asyncio
import base64
import hashlib
import io
import re
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from asgi_downloads import sign_link
from asgi_downloads.asgi.types import ASGIApp, Message
from asgi_downloads.endpoints.links.token import Link, parse, to_base64
from asgi_downloads.service.application import create_app
from asgi_downloads.service.settings import Settings
from tests.support.asgi import Recorder, exchange, http_scope
from tests.support.files import write_files

KEY = "11" * 32
FILES = {
    "holiday/a.txt": b"first",
    "holiday/film.srt": b"1\n00:00:01,000 --> 00:00:02,000\nhello\n",
    "holiday/below/b.txt": b"second",
    "holiday/.hidden": b"hidden",
    "files/report.pdf": b"%PDF-",
    "files/secret.txt": b"secret",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    write_files(data, FILES, 1_700_000_000)
    (data / "holiday" / "out.txt").symlink_to("../files/secret.txt")
    (data / "holiday" / "within.txt").symlink_to("a.txt")
    (data / "away").symlink_to(tmp_path)
    (tmp_path / "outside.txt").write_text("outside")
    keys = tmp_path / "keys"
    keys.write_text(f"k1:{KEY}\n")
    keys.chmod(0o600)
    (tmp_path / "revoked").write_text("")
    return data


@pytest.fixture
def app(data: Path) -> ASGIApp:
    return serve(data)


def serve(data: Path, **settings: object) -> ASGIApp:
    here = data.parent
    return create_app(
        Settings(data_dir=data, link_keys_file=here / "keys", revoked_links_file=here / "revoked", **settings)  # type: ignore[arg-type]
    )


def sign(data: Path, path: str, **more: object) -> str:
    return sign_link(path, keys_file=data.parent / "keys", **more)  # type: ignore[arg-type]


def ended(data: Path, path: str, seconds: float = 10) -> str:
    return sign(data, path, expires=-seconds)


def ask(app: ASGIApp, target: str, method: str = "GET", **fields: str) -> Recorder:
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return exchange(app, target, method, headers=headers)


@dataclass(frozen=True)
class Below:
    path: str
    status: int
    content: bytes | None = None


FOLDER = [
    Below("a.txt", 200, b"first"),
    Below("below/b.txt", 200, b"second"),
    Below("within.txt", 200, b"first"),
    Below("", 200),
    Below("below/", 200),
    Below("below", 308),
    Below("a.txt?view", 200),
    Below("film.srt?vtt", 200, b"WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\nhello\n"),
    Below("out.txt", 404),
    Below("out.txt?view", 404),
    Below(".hidden", 404),
    Below("none.txt", 404),
    Below("../files/secret.txt", 404),
    Below("below/../../files/secret.txt", 404),
    Below("./a.txt", 404),
    Below("/a.txt", 404),
    Below("?zip&m=..%2Ffiles%2Fsecret.txt", 404),
    Below("?zip&m=out.txt", 404),
    Below("?zip&m=.hidden", 404),
    Below("?zip&m=../", 404),
    Below("?zip&m=/", 404),
]


@pytest.mark.parametrize("case", FOLDER, ids=lambda case: case.path or "itself")
def test_a_folders_link_grants_what_is_below_it_and_nothing_else(case: Below, app: ASGIApp, data: Path) -> None:
    answer = ask(app, sign(data, "holiday/") + case.path)
    assert answer.status == case.status
    if case.content is not None:
        assert answer.content == case.content
    if case.status < 400:
        assert b"secret" not in answer.content
    else:
        assert re.fullmatch(rb'\{"detail":"(Not Found|File not found: .*)"\}', answer.content)


@pytest.mark.parametrize("target", ["", "?format=json", "?format=text", "?q=o"])
def test_what_leads_out_is_not_named(target: str, app: ASGIApp, data: Path) -> None:
    content = ask(app, sign(data, "holiday/") + target).content
    assert b"out.txt" not in content
    assert b"hidden" not in content.replace(b'type="hidden"', b"").replace(b" hidden>", b"").replace(
        b"aria-hidden", b""
    )


def test_the_archive_of_a_link_has_what_the_link_grants(app: ASGIApp, data: Path) -> None:
    answer = ask(app, sign(data, "holiday/") + "?zip")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert sorted(names) == ["a.txt", "below/b.txt", "film.srt", "within.txt"]
    assert answer.headers[b"content-disposition"] == b'attachment; filename="holiday.zip"'


FILE = [
    Below("report.pdf", 200, b"%PDF-"),
    Below("report.pdf?view", 200),
    Below("", 404),
    Below("secret.txt", 404),
    Below("secret.txt?view", 404),
    Below("report.pdf/", 404),
    Below("?zip", 404),
    Below("?zip&m=secret.txt", 404),
    Below("?format=json", 404),
]


@pytest.mark.parametrize("case", FILE, ids=lambda case: case.path or "its folder")
def test_a_files_link_grants_that_file_alone(case: Below, app: ASGIApp, data: Path) -> None:
    link = sign(data, "files/report.pdf")
    answer = ask(app, link.removesuffix("report.pdf") + case.path)
    assert answer.status == case.status
    assert b"secret" not in answer.content
    if case.content is not None:
        assert answer.content == case.content


def test_a_page_of_a_file_names_no_folder(app: ASGIApp, data: Path) -> None:
    content = ask(app, sign(data, "files/report.pdf") + "?view").content.decode()
    assert 'href="./"' not in content
    assert "Files" not in content.replace('aria-label="Files"', "")


REFUSED_PREFIXES = [
    "../",
    "files/../files/",
    "./files/",
    "files//",
    "/",
    "away/",
    "away/outside.txt",
    ".state/",
    "none/",
]


@pytest.mark.parametrize("prefix", REFUSED_PREFIXES)
def test_even_a_signed_prefix_leads_nowhere_else(prefix: str, app: ASGIApp, data: Path) -> None:
    (data / ".state").mkdir(exist_ok=True)
    assert ask(app, sign(data, prefix)).status == 404


def test_a_token_that_is_not_ours_is_404_whatever_is_wrong_with_it(app: ASGIApp, data: Path) -> None:
    whole = sign(data, "holiday/", save=True)
    token = whole.split("/")[2].encode()
    nothing = ask(app, "/s/nothing/")
    assert nothing.status == 404
    for place in range(len(token)):
        for bit in (1, 32):
            flipped = token[:place] + bytes([token[place] ^ bit]) + token[place + 1 :]
            answer = ask(app, f"/s/{flipped.decode('latin-1')}/")
            assert (answer.content, answer.headers) == (nothing.content, nothing.headers), flipped


def test_a_link_of_another_key_is_404(app: ASGIApp, data: Path) -> None:
    link = Link("k2", 4_000_000_000, "-", b"holiday/")
    assert ask(app, f"/s/{link.token(bytes.fromhex(KEY))}/").status == 404
    link = Link("k1", 4_000_000_000, "-", b"holiday/")
    assert ask(app, f"/s/{link.token(bytes.fromhex('22' * 32))}/").status == 404
    assert ask(app, f"/s/{link.token(bytes.fromhex(KEY))}/").status == 200


def test_without_keys_there_are_no_links(data: Path) -> None:
    assert ask(create_app(Settings(data_dir=data)), sign(data, "holiday/")).status == 404


def test_a_link_without_an_end_needs_leave(data: Path) -> None:
    link = sign(data, "holiday/", expires=None)
    assert ask(serve(data), link).status == 404
    answer = ask(serve(data, link_forever=True), link)
    assert (answer.status, answer.headers[b"cache-control"]) == (200, b"private, max-age=3600")


def test_a_revoked_link_is_404(data: Path) -> None:
    link, other = sign(data, "holiday/"), sign(data, "files/")
    (data.parent / "revoked").write_text(f"# gone\n{hashlib.sha256(link.split('/')[2].encode()).hexdigest()}\n")
    app = serve(data)
    assert (ask(app, link).status, ask(app, other).status) == (404, 200)


def test_the_slash_of_a_folder_is_added_once_the_token_is_known_to_be_good(app: ASGIApp, data: Path) -> None:
    link = sign(data, "holiday/")
    answer = ask(app, link.removesuffix("/"))
    assert (answer.status, answer.headers[b"location"]) == (308, f"./{link.split('/')[2]}/".encode())
    assert ask(app, link.removesuffix("/")[:-1]).status == 404


def test_answers_of_a_link_stay_private_and_are_kept_no_longer_than_it_lasts(app: ASGIApp, data: Path) -> None:
    for target in ("", "a.txt", "?zip", "a.txt?view"):
        fields = ask(app, sign(data, "holiday/", expires=100) + target).headers
        found = re.fullmatch(rb"private, max-age=(\d+)", fields[b"cache-control"])
        assert found is not None
        assert 95 <= int(found[1]) <= 100
        assert (fields[b"referrer-policy"], fields[b"x-robots-tag"]) == (b"no-referrer", b"noindex")
    assert ask(app, sign(data, "holiday/") + "a.txt").headers[b"cache-control"] == b"private, max-age=3600"


def test_a_flag_says_that_files_are_only_saved(app: ASGIApp, data: Path) -> None:
    link = sign(data, "holiday/", save=True)
    fields = ask(app, link + "a.txt").headers
    assert fields[b"content-disposition"] == b'attachment; filename="a.txt"'
    assert fields[b"content-type"] == b"application/octet-stream"
    assert ask(app, link + "a.txt?view").headers[b"content-disposition"] == b'attachment; filename="a.txt"'


def test_a_flag_says_that_there_are_no_archives(app: ASGIApp, data: Path) -> None:
    link = sign(data, "holiday/", zip=False)
    assert ask(app, link + "?zip").status == 404
    assert ask(app, link, "POST").status == 405
    page = ask(app, link).content
    assert b"ZIP" not in page
    assert b"checkbox" not in page


# -- the end


@dataclass(frozen=True)
class Late:
    id: str
    fields: dict[str, str]
    status: int
    method: str = "GET"


LATE = [
    Late("plain", {}, 410),
    Late("head", {}, 410, "HEAD"),
    Late("a range alone", {"range": "bytes=1-2"}, 410),
    Late("a range with the tag", {"range": "bytes=1-2", "if_range": "{tag}"}, 206),
    Late("a range with the tag to check", {"range": "bytes=1-2", "if_none_match": "{tag}"}, 304),
    Late("the tag to check alone", {"if_none_match": "{tag}"}, 410),
    Late("the tag alone", {"if_range": "{tag}"}, 410),
    Late("a stale tag", {"range": "bytes=1-2", "if_range": '"stale"'}, 410),
    Late("a stale tag to check", {"range": "bytes=1-2", "if_none_match": '"stale"'}, 410),
    Late("a weak tag", {"range": "bytes=1-2", "if_range": "W/{tag}"}, 410),
    Late("a weak tag to check", {"range": "bytes=1-2", "if_none_match": "W/{tag}"}, 410),
    Late("any tag", {"range": "bytes=1-2", "if_none_match": "*"}, 410),
    Late("several tags", {"range": "bytes=1-2", "if_none_match": '"x", {tag}'}, 410),
    Late("a date", {"range": "bytes=1-2", "if_range": "{date}"}, 410),
    Late("a head with a range", {"range": "bytes=1-2", "if_range": "{tag}"}, 410, "HEAD"),
    Late("a range beyond the end", {"range": "bytes=10000000-", "if_range": "{tag}"}, 416),
    Late("a range beyond the end of another", {"range": "bytes=10000000-", "if_range": '"stale"'}, 410),
]


@pytest.mark.parametrize("target", ["holiday/|a.txt", "files/report.pdf|", "holiday/|?zip"])
@pytest.mark.parametrize("case", LATE, ids=lambda case: case.id)
def test_an_ended_link_serves_who_continues(case: Late, target: str, app: ASGIApp, data: Path) -> None:
    path, _, below = target.partition("|")
    now = ask(app, sign(data, path) + below).headers
    said = {"tag": now[b"etag"].decode(), "date": now.get(b"last-modified", b"Tue, 14 Nov 2023 22:13:20 GMT").decode()}
    fields = {name: value.format(**said) for name, value in case.fields.items()}
    answer = ask(app, ended(data, path) + below, case.method, **fields)
    assert answer.status == case.status
    if case.status == 410:
        assert answer.headers[b"cache-control"] == b"no-store"
        assert (b"This link ended on" in answer.content) == (case.method == "GET")
    elif case.status < 400:
        assert answer.headers[b"etag"] == now[b"etag"]
        assert answer.headers[b"cache-control"] == b"private, no-cache"


def test_the_grace_has_an_end_and_can_be_none(data: Path) -> None:
    tag = ask(serve(data), sign(data, "holiday/") + "a.txt").headers[b"etag"].decode()
    fields = {"range": "bytes=1-2", "if_range": tag}
    assert ask(serve(data, link_grace=20), ended(data, "holiday/") + "a.txt", **fields).status == 206
    assert ask(serve(data, link_grace=5), ended(data, "holiday/") + "a.txt", **fields).status == 410
    assert ask(serve(data, link_grace=0), ended(data, "holiday/", 0.1) + "a.txt", **fields).status == 410


@pytest.mark.parametrize(("prefix", "below"), [("", "holiday/a.txt"), ("holiday/", "a.txt")])
def test_a_kept_answer_does_not_outlast_its_link(
    prefix: str, below: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small files' answers are kept by their URL, and asked for nothing but the file."""
    monkeypatch.setattr("asgi_downloads.storage.files.state.SETTLING_NS", -1)  # or it would be too new to be kept
    app = serve(data)
    link = sign(data, prefix, expires=2) + below  # links end on whole seconds: one at least is left
    assert [ask(app, link).status for _ in range(3)] == [200, 200, 200]
    found = parse(link.split("/")[2])
    assert found is not None
    time.sleep(max(0.0, found[0].expires - time.time()))  # the one thing to wait for is the clock itself
    assert ask(app, link).status == 410


def test_a_bad_token_is_404_however_old(app: ASGIApp, data: Path) -> None:
    link = ended(data, "holiday/")
    assert (ask(app, link).status, ask(app, link[:-3] + "AA/").status) == (410, 404)


def test_a_person_is_told_when_a_link_ended(app: ASGIApp, data: Path) -> None:
    answer = ask(app, ended(data, "holiday/") + "below/", accept="text/html,*/*;q=0.8")
    assert (answer.status, answer.headers[b"content-type"]) == (410, b"text/html; charset=utf-8")
    assert re.search(rb"<h1>This link ended on \d{4}-\d\d-\d\d at \d\d:\d\d:\d\d UTC</h1>", answer.content)
    assert b'href="../../../.assets/page-' in answer.content


# -- passwords


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def test_a_password_is_asked_for(app: ASGIApp, data: Path) -> None:
    link = sign(data, "holiday/", password="sesame")
    answer = ask(app, link + "a.txt")
    assert (answer.status, bytes(answer.content)) == (401, b'{"detail":"This link has a password"}')
    assert answer.headers[b"www-authenticate"].startswith(b"Basic ")
    assert answer.headers[b"cache-control"] == b"no-store"
    page = ask(app, link, accept="text/html")
    assert (page.status, b'type="password"' in page.content) == (401, True)
    assert page.headers[b"www-authenticate"].startswith(b"Basic ")
    page = ask(app, link, accept="text/html", upgrade_insecure_requests="1")
    assert page.headers[b"www-authenticate"].startswith(b"Form ")
    assert b"a.txt" not in page.content
    assert ask(app, link + "?password=sesame").status == 401


def test_curl_says_the_password_with_each_request(app: ASGIApp, data: Path) -> None:
    link = sign(data, "holiday/", password="sesame")
    assert [ask(app, link + "a.txt", authorization=basic("sesame")).content for _ in range(8)] == [b"first"] * 8
    assert ask(app, link, authorization=basic("simsalabim")).status == 401
    assert ask(app, link, authorization="Basic !").status == 401
    assert ask(app, link, authorization="Bearer x").status == 401


def test_a_link_with_a_password_ends_too(app: ASGIApp, data: Path) -> None:
    link = sign(data, "holiday/", expires=-5, password="sesame")
    assert ask(app, link).status == 401
    assert ask(app, link, authorization=basic("sesame")).status == 410


def post(app: ASGIApp, target: str, form: bytes, client: str = "127.0.0.1") -> Recorder:
    async def run() -> Recorder:
        scope = http_scope(target, "POST", [(b"content-length", b"%d" % len(form))])
        scope["client"] = (client, 1)
        recorder = Recorder(scope)
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                await asyncio.Event().wait()
            sent = True
            return {"type": "http.request", "body": form, "more_body": False}

        await app(scope, receive, recorder.send)
        return recorder

    return asyncio.run(run())


def test_the_form_gets_a_cookie_for_this_link_alone(app: ASGIApp, data: Path) -> None:
    link, other = (sign(data, path, password="sesame öffne") for path in ("holiday/", "files/"))
    answer = post(app, link, b"password=sesame+%C3%B6ffne")
    assert (answer.status, answer.headers[b"location"]) == (303, b"./")
    found = re.fullmatch(
        rb"downloads_link=([\w-]{43}); Path=" + re.escape(link).encode() + rb"; HttpOnly; SameSite=Strict",
        answer.headers[b"set-cookie"],
    )
    assert found is not None
    cookie = f"a=b; downloads_link={found[1].decode()}; c=d"
    assert ask(app, link + "a.txt", cookie=cookie).content == b"first"
    assert ask(app, other, cookie=cookie).status == 401
    assert ask(app, link, cookie=cookie.replace(found[1].decode(), to_base64(bytes(32)))).status == 401


def test_the_form_of_a_files_link_leads_to_the_file(app: ASGIApp, data: Path) -> None:
    link = sign(data, "files/report.pdf", password="sesame")
    answer = post(app, link, b"password=sesame")
    assert answer.headers[b"location"] == b"./report.pdf"
    assert f"Path={link.removesuffix('report.pdf')};".encode() in answer.headers[b"set-cookie"]


def test_wrong_passwords_are_counted_by_address(app: ASGIApp, data: Path) -> None:
    link = sign(data, "holiday/", password="sesame")
    assert [post(app, link, b"password=%d" % n).status for n in range(6)] == [401] * 5 + [429]
    late = post(app, link, b"password=sesame")
    assert late.status == 429  # or who tries would learn by it
    assert 0 < int(late.headers[b"retry-after"]) <= 60
    assert post(app, link, b"password=sesame", "127.0.0.2").status == 303


def test_a_whole_line_of_ipv6_is_one_address(app: ASGIApp, data: Path) -> None:
    link = sign(data, "holiday/", password="sesame")
    statuses = [post(app, link, b"password=x", f"2001:db8::{n}").status for n in range(6)]
    assert statuses == [401] * 5 + [429]
    assert post(app, link, b"password=x", "2001:db8:0:1::1").status == 401


@pytest.mark.parametrize("form", [b"", b"password=", b"other=sesame", b"password=x&password=sesame", b"\xff=\xff&%"])
def test_a_form_without_the_password_is_401(form: bytes, app: ASGIApp, data: Path) -> None:
    assert post(app, sign(data, "holiday/", password="sesame"), form).status == 401


def test_a_form_that_is_too_long_is_413(app: ASGIApp, data: Path) -> None:
    assert post(app, sign(data, "holiday/", password="sesame"), b"password=" + b"x" * 9000).status == 413


def test_ticks_are_taken_once_the_password_was_right(app: ASGIApp, data: Path) -> None:
    link = sign(data, "holiday/", password="sesame")
    cookie = post(app, link, b"password=sesame").headers[b"set-cookie"].decode().partition(";")[0]
    answer = ask(app, link + "?zip&m=a.txt", cookie=cookie)
    assert zipfile.ZipFile(io.BytesIO(answer.content)).namelist() == ["a.txt"]


# -- directories that are there for links alone


def test_a_directory_for_links_alone_is_elsewhere_as_one_that_is_absent(data: Path) -> None:
    theirs = data / "theirs"
    (theirs / "sub").mkdir(parents=True)
    (theirs / "a.txt").write_text("kept back")
    bundle = data / "bundles" / "all"
    bundle.mkdir(parents=True)
    (bundle / "b.txt").write_text("b")
    kept = {"url": "/theirs-only", "path": theirs, "access": "links", "bundle": True, "browse": True}
    app = serve(data, browse=True, directories=(kept,))
    for target in ("/theirs-only/{}", "/browse/theirs-only/{}", "/browse/theirs/{}"):
        for below in ("", "a.txt", "sub", "sub/", "?zip", "?q=a", "a.txt?view", "?format=json", "?zip&m=a.txt"):
            for method in ("GET", "HEAD"):
                answer = ask(app, target.format(below), method)
                absent = ask(app, target.format(below).replace("theirs", "absent"), method)
                assert (answer.status, answer.content, answer.headers) == (404, absent.content, absent.headers), target
    for target in ("/browse/?format=json", "/browse/", "/browse/?q=thei&format=text"):
        assert b"theirs/" not in ask(app, target).content
    archive = zipfile.ZipFile(io.BytesIO(ask(app, "/browse/?zip").content)).namelist()
    assert not [name for name in archive if "theirs" in name]
    link = sign(data, "theirs-only/")
    assert ask(app, link + "a.txt").content == b"kept back"
    assert ask(app, link + "?zip").status == 200


def test_what_lies_in_a_directory_of_the_guide_can_be_kept_back(data: Path) -> None:
    app = serve(data, directories=({"url": "/theirs", "path": data / "files", "access": "links"},))
    assert ask(app, "/file/report.pdf").status == 404
    assert ask(app, sign(data, "theirs/") + "report.pdf").content == b"%PDF-"
