"""What becomes of errors: one line for people or one object for programs, and an exit code."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Final

import typer
from pydantic_core import to_jsonable_python
from typer.core import TyperCommand

from greenroom.cli.options import KEYS
from greenroom.cli.output import err, printable
from greenroom.domain.errors import GreenroomError, InvalidInput, KeysUnavailable, StoreError

REFUSED: Final = 1
"""Exit code: the rules say no, or a check failed."""
INVALID: Final = 2
"""Exit code: what was asked cannot be meant."""
UNUSABLE: Final = 3
"""Exit code: the store cannot be used."""
BROKEN: Final = 70
"""Exit code: an error of greenroom itself (`EX_SOFTWARE`)."""


class Guarded(TyperCommand):
    """A command whose errors never show a traceback, unless `--debug` asks for it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; with `--json`, a wrong one is told as an object."""
        as_json = "--json" in args
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if getattr(error, "option_name", None) == "--keys":
                vars(error).update(message=f"It comes first: {_with_keys(ctx)}", possibilities=None)
            if not as_json or getattr(error, "exit_code", None) != INVALID:
                raise
            _tell({"code": "usage", "message": _usage(error)}, as_json=True)
            raise typer.Exit(INVALID) from None

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (typer.Abort, BrokenPipeError):
            raise
        except GreenroomError as error:
            if ctx.params.get("debug"):
                raise
            if isinstance(error, KeysUnavailable) and KEYS.get() is None:
                error.add_note(f"Name them before the command: {_with_keys(ctx)}")
            _tell(described(_by_option(error, ctx)), as_json=bool(ctx.params.get("as_json")))
            raise typer.Exit(exit_code(error)) from None
        except Exception as error:
            # Those of the parser say themselves how to end.
            if ctx.params.get("debug") or hasattr(error, "exit_code"):
                raise
            message = f"{type(error).__name__}: {error}; --debug shows where"
            told = {"code": "internal", "message": message}
            _tell(told, as_json=bool(ctx.params.get("as_json")))
            raise typer.Exit(BROKEN) from None


def exit_code(error: GreenroomError) -> int:
    """How a command ends that failed by this error."""
    match error:
        case InvalidInput():
            return INVALID
        case StoreError():
            return UNUSABLE
        case _:
            return REFUSED


def _by_option(error: GreenroomError, ctx: Any) -> GreenroomError:
    """The same fault in the words of the command line: what `--kind` said is `kinds[0]` inside."""
    if not isinstance(error, InvalidInput):
        return error
    found = re.fullmatch(r"(\w+)s\[(\d+)\]", error.path)
    if found is None:
        return error
    for option in ctx.command.params:
        if option.name == found[1] and option.multiple:
            said = ctx.params[option.name][int(found[2])]
            return type(error)(f"{option.opts[0]} {said}", error.expected, error.nearest)
    return error


def described(error: GreenroomError) -> dict[str, Any]:
    """`code`, `message`, the error's own facts, and a `hint` where a command line can help."""
    facts = {name: value for name, value in vars(error).items() if not name.startswith("_")}
    hint = " ".join(getattr(error, "__notes__", ()))
    told = {"code": error.code, "message": str(error), **facts}
    return {**told, "hint": hint} if hint else told


def _with_keys(ctx: Any) -> str:
    """The command with the option that says where keys are, which is that of all commands."""
    program, _, command = str(ctx.command_path).partition(" ")
    return f"{program} --keys URL {command} ..."


def _usage(error: Exception) -> str:
    """What the parser of arguments complains of."""
    worded = getattr(error, "format_message", None)
    return str(error) if worded is None else str(worded())


def _tell(error: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stderr.write(json.dumps({"error": to_jsonable_python(error)}) + "\n")
        return
    console = err()
    line = f"[bold red]{error['code']}[/bold red]: "
    console.print(line, end="", soft_wrap=True)
    console.print(printable(error["message"]), markup=False, soft_wrap=True)
    if "hint" in error:
        console.print(printable(error["hint"]), style="dim", markup=False, soft_wrap=True)
