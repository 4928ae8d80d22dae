"""The command line: `asgi-downloads`, or `python -m asgi_downloads`.

What goes wrong before serving is one line on stderr and exit code 2; nothing is imported that the
command does not need.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from shlex import quote
from typing import Any, NoReturn

import asgi_downloads
from asgi_downloads import demo
from asgi_downloads.endpoints.links.keys import KeysError
from asgi_downloads.server.errors import StartError
from asgi_downloads.server.process import streams
from asgi_downloads.service.setting import Given, SettingsError, nearest
from asgi_downloads.service.setting_kinds import SWITCH_WORDS, duration
from asgi_downloads.service.settings import CONFIG, TABLE, Settings, as_toml, gather

PROGRAM = "asgi-downloads"
DEMO_DIR = Path("demo")
NGINX_LOG = "/var/log/nginx/asgi-downloads.log"


class UsageError(Exception):
    """The command line says something that there is not."""


class _Parser(argparse.ArgumentParser):
    """argparse with errors of one line, which name the nearest of what was perhaps meant."""

    def __init__(self, **options: Any) -> None:
        self._switches: set[str] = set()
        self._flags: list[str] = []
        super().__init__(allow_abbrev=False, **options)

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        """Declare a flag, and keep its names for the words of errors."""
        action = super().add_argument(*names, **options)
        self._flags += action.option_strings
        if action.nargs == 0:
            self._switches.update(action.option_strings)
        return action

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        for one, value in pairwise(["", *(sys.argv[1:] if args is None else args), ""]):
            flag, equals, _ = one.partition("=")
            if flag in self._switches and (equals or value.lower() in SWITCH_WORDS):
                raise UsageError(f"{flag} is a switch and takes no value: write {flag} or leave it out")
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and unknown[0].startswith("--"):
            flag = unknown[0].partition("=")[0]
            raise UsageError(f"{unknown[0]}: no such flag; the nearest is {nearest(flag, self._flags)}")
        if unknown:
            raise UsageError(f"{unknown[0]!r}: one argument too many")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see '{self.prog} --help')")


class _Version(argparse.Action):
    """argparse's, which would look the version up for every command."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> NoReturn:
        print(PROGRAM, asgi_downloads.__version__)
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    streams.open_missing()
    try:
        args = _parser().parse_args(argv)
        code: int = args.run(args)
    except (UsageError, SettingsError, StartError, KeysError, demo.DemoError) as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="A file download service.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of the package and end")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="serve a data directory")
    _add_settings(serve, _serve)
    serve.add_argument(
        "--demo", action="store_true", help=f"fill the data directory with samples if it is new (default: {DEMO_DIR}/)"
    )

    make = commands.add_parser("demo", help="make a directory of samples")
    make.set_defaults(run=_demo)
    make.add_argument("directory", metavar="DIR", type=Path, help="new, or empty")
    make.add_argument("--users", type=_count, default=1000, metavar="N", help="rows in the database (default: 1000)")

    sign = commands.add_parser("sign", help="print a link to a file or a folder, which ends after a while")
    sign.add_argument("path", metavar="PATH", help="as it stands behind /browse/: holiday/, files/report.pdf")
    _add_settings(sign, _sign, positional=False)
    sign.add_argument("--expires", default="7d", metavar="TIME", help="when it ends: 12h, 7d, never (default: 7d)")
    sign.add_argument("--save", action="store_true", help="files are to be saved only, not looked at")
    sign.add_argument("--no-archives", action="store_true", help="a folder is not to be had as one ZIP")
    sign.add_argument("--password-file", metavar="FILE", help="ask for the password that this file holds")
    sign.add_argument("--base", default="", metavar="URL", help="what goes in front, as https://files.example")

    keys = commands.add_parser("keys", help="make a key for links, or list their ids")
    keys.add_argument("action", choices=("new", "list"), help="new: a fresh key, which signs from now on")
    _add_settings(keys, _keys, positional=False)

    check = commands.add_parser("check-config", help="print every setting and where it comes from")
    _add_settings(check, _check_config)

    example = commands.add_parser("example-config", help="print a TOML file with every setting, for you to change")
    example.set_defaults(run=_example_config)

    nginx = commands.add_parser("nginx-config", help="print a configuration for nginx in front")
    _add_settings(nginx, _nginx_config)
    nginx.add_argument("--snippet", action="store_true", help="print what goes into a server{} that there is already")
    nginx.add_argument("--listen", action="append", metavar="ADDRESS", help="where nginx listens (default: 80)")
    nginx.add_argument("--server-name", default="_", metavar="NAMES", help="hosts that it answers for (default: all)")
    nginx.add_argument(
        "--certificate", metavar="PATH", help="what nginx shows to TLS clients; needs --listen '443 ssl'"
    )
    nginx.add_argument("--certificate-key", metavar="PATH", help="the certificate's private key")
    nginx.add_argument("--log-file", default=NGINX_LOG, metavar="PATH", help=f"its access log (default: {NGINX_LOG})")

    unit = commands.add_parser("systemd-unit", help="print a unit for systemd")
    _add_settings(unit, _systemd_unit)
    unit.add_argument("--socket", action="store_true", help="print the socket's unit, not the service's")
    return parser


def _add_settings(parser: argparse.ArgumentParser, run: Any, *, positional: bool = True) -> None:
    """A flag for each setting; one that is not given is absent, so that weaker sources are heard."""
    parser.set_defaults(run=run, positional_data_dir=None)
    if positional:
        parser.add_argument(
            "positional_data_dir", metavar="DATA_DIR", nargs="?", help="the same as --data-dir DATA_DIR"
        )
    parser.add_argument("--config", metavar="FILE", help=f"a TOML file of settings (environment: {CONFIG})")
    for each in TABLE:
        default = f" (default: {each.default})" if each.default else ""
        switch = each.kind.metavar == "BOOL"
        options: Any = {"action": argparse.BooleanOptionalAction} if switch else {"metavar": each.kind.metavar}
        text = (each.help + default).replace("%", "%%")
        parser.add_argument(each.flag, dest=each.name, default=argparse.SUPPRESS, help=text, **options)


def _serve(args: argparse.Namespace) -> int:
    from asgi_downloads.server.process.checks import check
    from asgi_downloads.server.process.run import run  # and with it uvicorn
    from asgi_downloads.service.directories import BROWSE_URL, is_plain_folder

    gathered = _gathered(args)
    if args.demo and "data_dir" not in gathered:
        gathered["data_dir"] = Given(DEMO_DIR, "--demo")
    settings = Settings.of(gathered)
    if args.demo and isinstance(settings.data_dir, Path) and not demo.is_demo(settings.data_dir):
        demo.write_demo(settings.data_dir)
    for warning in check(settings):
        _say("warning: " + warning)
    if is_plain_folder(settings):
        _say(f"{settings.data_dir} has none of the guide's directories: all of it is shown at {BROWSE_URL}/")
    return run(settings, partial(_announce, settings, with_urls=args.demo))


def _announce(settings: Settings, url: str, *, with_urls: bool) -> None:
    """The one line that programs read, then what people may try."""
    streams.tell(f"Serving {settings.data_dir} on {url}\n")
    if with_urls and settings.uds is None:
        streams.tell("\n  ".join(["\nTry:", *demo.commands("curl", url)]) + "\n")
    elif with_urls:
        curl = f"curl --unix-socket {quote(str(settings.uds))}"
        streams.tell("\n  ".join(["\nTry:", *demo.commands(curl, "http://localhost")]) + "\n")


def _demo(args: argparse.Namespace) -> int:
    demo.write_demo(args.directory, args.users)
    return _print(f"Made {args.directory} with {args.users} users. Serve it: {PROGRAM} serve {args.directory}\n")


def _check_config(args: argparse.Namespace) -> int:
    gathered = _gathered(args)
    return _print("\n".join(as_toml(Settings.of(gathered), gathered)) + "\n")


def _example_config(args: argparse.Namespace) -> int:
    from asgi_downloads.service.example import example_config

    return _print(example_config())


def _nginx_config(args: argparse.Namespace) -> int:
    from asgi_downloads.server.deploy.nginx import Site, nginx_config

    if args.snippet and (args.listen or args.certificate):
        raise UsageError("a snippet goes into a server that says itself where it listens, and with which certificate")
    site = Site(tuple(args.listen or ["80"]), args.server_name, args.log_file, args.certificate, args.certificate_key)
    return _print(nginx_config(Settings.of(_gathered(args)), None if args.snippet else site))


def _systemd_unit(args: argparse.Namespace) -> int:
    from asgi_downloads.server.deploy.systemd import service_unit, socket_unit

    gathered = _gathered(args)
    settings = Settings.of(gathered)
    return _print(socket_unit(settings) if args.socket else service_unit(settings, gathered.keys()))


def _sign(args: argparse.Namespace) -> int:
    from asgi_downloads.endpoints.links.signing import sign_link
    from asgi_downloads.service.directories import granted_path

    settings = Settings.of(_gathered(args))
    if settings.link_keys_file is None:
        raise UsageError("there are no links without --link-keys-file: make one with 'asgi-downloads keys new'")
    path = granted_path(settings, args.path)
    if path is None:
        raise UsageError(f"{args.path!r}: nothing of that name is served")
    expires = None if args.expires == "never" else _lasting(args.expires, settings)
    if expires is None and not settings.link_forever:
        raise UsageError("a link without an end needs --link-forever, here and where it is served")
    link = sign_link(
        path,
        keys_file=settings.link_keys_file,
        expires=expires,
        save=args.save,
        zip=not args.no_archives,
        password=_password(args.password_file) if args.password_file else None,
        base=args.base,
    )
    return _print(link + "\n")


def _lasting(text: str, settings: Settings) -> float:
    try:
        seconds = duration(1, sys.maxsize).parse(text)
    except ValueError:
        raise UsageError(f"--expires: {text!r} is not a time such as 12h or 7d") from None
    if seconds > settings.link_max:
        raise UsageError(f"--expires: {text} is longer than --link-max, {settings.link_max / 86400:g}d")
    return seconds


def _password(path: str) -> bytes:
    try:
        password = Path(path).read_bytes().removesuffix(b"\n").removesuffix(b"\r")
    except OSError as error:
        raise UsageError(f"--password-file: {path}: {error.strerror}") from None
    if not password:
        raise UsageError(f"--password-file: {path} is empty")
    return password


def _keys(args: argparse.Namespace) -> int:
    from asgi_downloads.endpoints.links.keys import add_key, read_keys

    path = Settings.of(_gathered(args)).link_keys_file
    if path is None:
        raise UsageError("which file of keys? Say --link-keys-file")
    if args.action == "new":
        return _print(add_key(path) + "\n")
    first, *others = read_keys(path)
    return _print("".join([f"{first} signs\n", *(f"{kid} verifies\n" for kid in others)]))


def _gathered(args: argparse.Namespace) -> dict[str, Given]:
    flags = {each.name: getattr(args, each.name) for each in TABLE if hasattr(args, each.name)}
    if args.positional_data_dir is not None:
        if "data_dir" in flags:
            raise UsageError("the data directory is given twice, as DATA_DIR and as --data-dir")
        flags["data_dir"] = args.positional_data_dir
    return gather(flags, os.environ, args.config)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number below 1000000000")
    return int(text)


def _print(text: str) -> int:
    """Print what a command was asked for; half of it would be a mistake, so a full disk is one as well."""
    try:
        streams.write_all(text)
    except OSError as error:
        raise UsageError(f"standard output: {error.strerror}") from None
    return 0


def _say(message: str) -> None:
    """One line on stderr, whatever is in the message."""
    with suppress(OSError):
        print(f"{PROGRAM}: " + " ".join(message.split()), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
