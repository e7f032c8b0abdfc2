"""The group of commands, the process around it, and the one place where problems become messages and exit codes."""

from __future__ import annotations

import gc
import os
import sys
import traceback

import click

from mintdsl.driver import FileProblem
from mintdsl.tools.programs import Usage

STAGES = {
    "syntax": "reading the program",
    "core": "elaboration",
    "proof": "proof",
    "codegen": "generation of the module",
    "diagnostics": "rendering of messages",
    "runtime": "the generated module",
    "data": "reading data",
    "train": "training",
    "verify": "verification",
    "tools": "the command line",
}


class Mint(click.Group):
    """A group whose commands may raise: FileProblem and OSError are usage, all else is a fault of mintdsl."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; 2 for files that cannot be used, 3 for errors of mintdsl itself."""
        try:
            result: object = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except (click.exceptions.Exit, click.ClickException, click.Abort, KeyboardInterrupt):
            raise
        except BrokenPipeError:  # the reader left, as `head` does: nobody is there to be told
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            ctx.exit(141)
        except FileProblem as problem:
            raise Usage(str(problem)) from None
        except OSError as problem:
            name = f"{problem.filename}: " if problem.filename else ""
            raise Usage(f"{name}{problem.strerror or problem}") from None
        except Exception as error:
            _internal(error)
            ctx.exit(3)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use, not of the alphabet."""
        del ctx
        return list(self.commands)


def _internal(error: Exception) -> None:
    stage = "unknown"
    frame = error.__traceback__
    while frame is not None:
        name = str(frame.tb_frame.f_globals.get("__name__", ""))
        if name.startswith("mintdsl."):
            stage = STAGES.get(name.split(".")[1], stage)
        frame = frame.tb_next
    detail = str(error).splitlines()[0][:200] if str(error) else ""
    click.echo(f"mint: internal error in {stage}: {type(error).__name__}{f': {detail}' if detail else ''}", err=True)
    click.echo("This is a fault of mintdsl, not of your program. Please report it with the spec and this", err=True)
    click.echo("message; MINTDSL_TRACEBACK=1 shows where it happened.", err=True)
    if os.environ.get("MINTDSL_TRACEBACK") == "1":
        traceback.print_exception(error)


def run(group: click.Group) -> None:
    """One command, then the process ends: cycles need no collector, except where a command turns it on."""
    gc.disable()
    try:
        code = group.main(prog_name="mint", standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        code = problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("mint: interrupted", err=True)
        code = 130
    sys.exit(code if isinstance(code, int) else 0)
