"""The command line: `python -m asgi_downloads`, installed as `asgi-downloads`.

What goes wrong before serving is one line on stderr and exit code 2; nothing is imported that the
command does not need.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from shlex import quote
from typing import NoReturn

from asgi_downloads import demo
from asgi_downloads.server.errors import StartError
from asgi_downloads.server.process.checks import check
from asgi_downloads.service.settings import CONFIG, TABLE, Settings, SettingsError, as_toml, gather, nearest

PROGRAM = "asgi-downloads"
DEMO_DIR = Path("demo")
NGINX_LOG = "/var/log/nginx/asgi-downloads.log"


class UsageError(Exception):
    """The command line says something that there is not."""


class _Parser(argparse.ArgumentParser):
    """argparse with errors of one line, which name the nearest of what was perhaps meant."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see '{self.prog} --help')")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        parser = _parser()
        args, unknown = parser.parse_known_args(argv)
        if unknown:
            raise UsageError(_unknown(unknown[0], args.flags))
        code: int = args.run(args)
    except (UsageError, SettingsError, StartError, demo.DemoError) as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="A file download service.", allow_abbrev=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="serve a data directory", allow_abbrev=False)
    _add_settings(serve)
    serve.add_argument(
        "--demo", action="store_true", help=f"fill the data directory with samples if it is new (default: {DEMO_DIR}/)"
    )
    serve.set_defaults(run=_serve)

    make = commands.add_parser("demo", help="make a directory of samples", allow_abbrev=False)
    make.add_argument("directory", metavar="DIR", type=Path, help="new, or empty")
    make.add_argument("--users", type=_count, default=1000, metavar="N", help="rows in the database (default: 1000)")
    make.set_defaults(run=_demo, flags=["--users"])

    check = commands.add_parser("check-config", help="print every setting and where it comes from", allow_abbrev=False)
    _add_settings(check)
    check.set_defaults(run=_check_config)

    nginx = commands.add_parser("nginx-config", help="print a configuration for nginx in front", allow_abbrev=False)
    _add_settings(nginx)
    nginx.add_argument("--listen", action="append", metavar="ADDRESS", help="where nginx listens (default: 80)")
    nginx.add_argument(
        "--server-name", default="_", metavar="NAMES", help="hosts that nginx answers for (default: all)"
    )
    nginx.add_argument(
        "--log-file", default=NGINX_LOG, metavar="PATH", help=f"nginx's access log (default: {NGINX_LOG})"
    )
    nginx.set_defaults(run=_nginx_config)
    nginx.set_defaults(flags=[*nginx.get_default("flags"), "--listen", "--server-name", "--log-file"])

    unit = commands.add_parser("systemd-unit", help="print a unit for systemd", allow_abbrev=False)
    _add_settings(unit)
    unit.add_argument("--socket", action="store_true", help="print the socket's unit, not the service's")
    unit.set_defaults(run=_systemd_unit)
    unit.set_defaults(flags=[*unit.get_default("flags"), "--socket"])
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """A flag for each setting; one that is not given is absent, so that weaker sources are heard."""
    parser.add_argument(
        "positional_data_dir", metavar="DATA_DIR", nargs="?", default=None, help="the same as --data-dir DATA_DIR"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"a TOML file of settings (environment: {CONFIG})")
    for entry in TABLE:
        default = f" (default: {entry.default})" if entry.default else ""
        text = (entry.help + default).replace("%", "%%")
        if entry.kind.metavar == "BOOL":
            parser.add_argument(
                entry.flag, dest=entry.name, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
            )
        else:
            parser.add_argument(
                entry.flag, dest=entry.name, metavar=entry.kind.metavar, default=argparse.SUPPRESS, help=text
            )
    parser.set_defaults(flags=[entry.flag for entry in TABLE])


def _serve(args: argparse.Namespace) -> int:
    from asgi_downloads.server.process.run import run  # and with it uvicorn

    flags = _flags(args)
    gathered = gather(flags, os.environ, args.config)
    if args.demo and "data_dir" not in gathered:
        gathered = gather({**flags, "data_dir": DEMO_DIR}, os.environ, args.config)
    settings = Settings.of(gathered)
    if args.demo and not demo.is_demo(settings.data_dir):
        demo.write_demo(settings.data_dir)
    for warning in check(settings, database_given="database_url" in gathered):
        _say("warning: " + warning)
    return run(settings, partial(_announce, settings, with_urls=args.demo))


def _announce(settings: Settings, url: str, *, with_urls: bool) -> None:
    """The one line that programs read, then what people may try."""
    print(f"Serving {settings.data_dir} on {url}", flush=True)
    if with_urls:
        if settings.uds is None:
            commands = demo.commands("curl", url)
        else:
            commands = demo.commands(f"curl --unix-socket {quote(str(settings.uds))}", "http://localhost")
        print("\nTry:", *commands, sep="\n  ", flush=True)


def _demo(args: argparse.Namespace) -> int:
    demo.write_demo(args.directory, args.users)
    print(f"Made {args.directory} with {args.users} users. Serve it: {PROGRAM} serve {args.directory}")
    return 0


def _check_config(args: argparse.Namespace) -> int:
    gathered = gather(_flags(args), os.environ, args.config)
    for line in as_toml(Settings.of(gathered), gathered):
        print(line)
    return 0


def _nginx_config(args: argparse.Namespace) -> int:
    from asgi_downloads.server.deploy.nginx import nginx_config

    settings = Settings.load(_flags(args), os.environ, args.config)
    print(nginx_config(settings, args.listen or ["80"], args.server_name, args.log_file), end="")
    return 0


def _systemd_unit(args: argparse.Namespace) -> int:
    from asgi_downloads.server.deploy.systemd import service_unit, socket_unit

    gathered = gather(_flags(args), os.environ, args.config)
    settings = Settings.of(gathered)
    print(socket_unit(settings) if args.socket else service_unit(settings, gathered.keys()), end="")
    return 0


def _flags(args: argparse.Namespace) -> dict[str, object]:
    flags = {entry.name: getattr(args, entry.name) for entry in TABLE if hasattr(args, entry.name)}
    if args.positional_data_dir is not None:
        if "data_dir" in flags:
            raise UsageError("the data directory is given twice, as DATA_DIR and as --data-dir")
        flags["data_dir"] = args.positional_data_dir
    return flags


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number below 1000000000")
    return int(text)


def _unknown(argument: str, flags: Sequence[str]) -> str:
    if not argument.startswith("--"):
        return f"{argument!r}: one argument too many"
    return f"{argument}: no such flag; the nearest is {nearest(argument.partition('=')[0], flags)}"


def _say(message: str) -> None:
    """One line on stderr, whatever is in the message."""
    print(f"{PROGRAM}: " + " ".join(message.split()), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
