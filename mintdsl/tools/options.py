"""What the commands share: their options, the definition they work on, their output."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import click

from mintdsl.tools import show
from mintdsl.tools.programs import Asked, Usage

F = TypeVar("F", bound=Callable[..., None])


def takes_program(command: F) -> F:
    """FILE, the definition and -D, as most commands take them."""
    command = click.option("-D", "defines", multiple=True, metavar="K=4", help="Value of a size; may be repeated.")(
        command
    )
    command = click.option("--flow", "option", metavar="NAME", help="The same as NAME.")(command)
    command = click.argument("name", required=False, metavar="[NAME]")(command)
    return click.argument("file", metavar="FILE")(command)


def checked_target(asked: Asked) -> str:
    """The definition to work on; shows the diagnostics and exits with 1 when it is not proved."""
    report = asked.program.check(asked.target, **asked.sizes)
    say(show.diagnostics(report.diagnostics, report.sources, err=True), err=True)
    if not report.ok:
        raise click.exceptions.Exit(1)
    if asked.target is None:
        raise Usage("the file defines no layer and no flow")
    return asked.target


def say(lines: Iterable[str], *, err: bool = False) -> None:
    """Lines of output; colours are decided in `show`, not by click."""
    for line in lines:
        click.echo(line, err=err, color=True)
