"""The command line `mint`. Commands import what is heavy themselves: `mint check` never loads torch."""

from __future__ import annotations

import difflib
import gc
from pathlib import Path

import click

import mintdsl
from mintdsl.tools import cli_training, forms, programs, show
from mintdsl.tools.group import Mint, run
from mintdsl.tools.options import checked_target, say, takes_program
from mintdsl.tools.programs import STDIN, Usage

_output = click.option(
    "--output",
    "form",
    type=click.Choice(list(forms.FORMS)),
    default="text",
    help="Form of the answer (docs/output.md).",
)


@click.group(cls=Mint, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(mintdsl.__version__, prog_name="mint")
def cli() -> None:
    """Write an invertible network as a formula, get a proof and a PyTorch module.

    FILE is a .mint file, - for standard input, or a packaged spec such as mintnet/mnist_small.mint (see `mint list
    specs`). NAME is a layer or flow in it.

    Exit codes: 0 proved, 1 not proved, 2 wrong usage, 3 internal error.
    """


# ---------------------------------------------------------------- proofs


@cli.command(short_help="Prove a network invertible, or show what breaks it.")
@takes_program
@_output
@click.option("--fix", is_flag=True, help="Apply the safe fixes to FILE, then check again.")
@click.option("--unsafe-fixes", "unsafe", is_flag=True, help="With --fix, also those that make another program.")
@click.pass_context
def check(
    ctx: click.Context,
    file: str,
    name: str | None,
    option: str | None,
    defines: tuple[str, ...],
    form: str,
    fix: bool,
    unsafe: bool,
) -> None:
    """Prove that a network is invertible, or show where the proof breaks.

    \b
    Example: mint check mintnet/mnist_small.mint -D K=32
    """
    if unsafe and not fix:
        raise Usage("--unsafe-fixes says which fixes --fix may apply; give both")
    if fix:
        _fix(file, form, unsafe=unsafe)
    asked = programs.ask(file, name, option, defines)
    report = asked.program.check(asked.name, **asked.sizes)
    say(forms.FORMS[form](asked, report))
    ctx.exit(0 if report.ok else 1)


def _fix(file: str, form: str, *, unsafe: bool) -> None:
    from mintdsl.diagnostics.model import Safety
    from mintdsl.tools import fixes

    if file == "-":
        raise Usage("--fix needs a file to write to, not standard input")
    if not Path(file).exists():
        programs.locate(file)
        raise Usage(f"{file} is a packaged spec; copy it to change it")
    allowed = (Safety.SAFE, Safety.UNSAFE) if unsafe else (Safety.SAFE,)
    done = 0
    for _ in range(8):  # a fix may bring to light what another one repairs
        program = programs.open_program(file)
        edits = fixes.edits_of(program.check().diagnostics, program.main, allowed)
        if not edits:
            break
        text = fixes.applied(program.sources[program.main].text, edits)
        programs.write_atomically(Path(file), text.encode())
        done += len(edits)
    if form == "text":
        nothing = f"{file}: no {'' if unsafe else 'safe '}fix to apply"
        click.echo(f"{file}: {done} edit{'s' * (done != 1)} made" if done else nothing)


@cli.command(short_help="Print the proof, or write it as a document.")
@takes_program
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "latex", "svg", "html", "json"]),
    help="Form of the proof; by default that of the suffix of FILE, else text. json is a certificate.",
)
@click.option("-o", "--out", metavar="FILE", help="File to write: .txt .md .tex .svg .html .json.")
@click.option("--brief", is_flag=True, help="Without the statements of the rules (text).")
@click.option("--support", "seen", is_flag=True, help="Also what each output can see, through the masks (text).")
@click.option("--force", is_flag=True, help="Overwrite a file that is not such a proof.")
@click.pass_context
def prove(
    ctx: click.Context,
    file: str,
    name: str | None,
    option: str | None,
    defines: tuple[str, ...],
    form: str | None,
    out: str | None,
    brief: bool,
    seen: bool,
    force: bool,
) -> None:
    """Print the proof: every expression, what is known of its Jacobian, and the rule.

    As a certificate (json) it is of NAME or the last definition, and `mint check-proof` checks it.

    \b
    Examples: mint prove mintnet/mint.mint Mint; mint prove mintnet/mnist_small.mint -o proof.html;
    mint prove mintnet/mnist.mint --brief --support
    """
    from mintdsl.tools import proof_forms

    asked = programs.ask(file, name, option, defines)
    chosen, path = proof_forms.chosen(form, out, asked, force=force)
    if seen and chosen != "text":
        raise Usage("--support goes with the text of a proof; `mint draw --support` draws it")
    report = asked.program.check(asked.target if chosen == "json" else asked.name, **asked.sizes)
    at = show.terminal() if path is None else show.Terminal(color=False, width=110, boxes=True)
    done = proof_forms.written(asked, report, chosen, proof_forms.Wanted(brief, seen), at)
    if path is not None and done == proof_forms.NOTHING:
        raise Usage("nothing to prove: the file defines no layer and no flow")
    if path is not None and done is not None:
        programs.write_atomically(path, done.encode())
        click.echo(f"{path}: {proof_forms.FORMS[chosen].title} of {asked.target}")
    elif done is not None:
        click.echo(done, nl=False, color=True)
    say(show.diagnostics(report.diagnostics, report.sources, err=True), err=True)
    ctx.exit(0 if report.ok else 1)


@cli.command("check-proof", short_help="Check a certificate against a spec, step by step.")
@click.argument("file", metavar="SPEC")
@click.argument("proof", metavar="PROOF")
@click.argument("name", required=False, metavar="[NAME]")
@click.option("-D", "defines", multiple=True, metavar="K=4", help="Value of a size; may be repeated.")
@click.option("--trusted", is_flag=True, help="Also list what this check takes for granted.")
@click.pass_context
def check_proof(
    ctx: click.Context, file: str, proof: str, name: str | None, defines: tuple[str, ...], trusted: bool
) -> None:
    """Check the certificate PROOF, written by `mint prove -o PROOF.json`, against SPEC.

    SPEC is read anew and compared with what the certificate states. Then a kernel, which shares no code with the
    checker, tests every step. Exit code 1 when the certificate does not prove what SPEC says, or is not of NAME.

    \b
    Example: mint prove mintnet/mint.mint -o mint.json && mint check-proof mintnet/mint.mint mint.json
    """
    from mintdsl.tools import certificates

    asked = programs.ask(file, name, None, defines)
    ok, lines = certificates.checked(asked, proof, trusted=trusted, at=show.terminal())
    say(lines, err=not ok)
    ctx.exit(0 if ok else 1)


@cli.command(short_help="Explain a code, a rule or a name.")
@click.argument("word", nargs=-1, required=True, metavar="CODE|RULE|NAME")
def explain(word: tuple[str, ...]) -> None:
    """Explain a code, a rule, a kind of defect, or a name of the language.

    \b
    Examples: mint explain E0404; mint explain I-TRI; mint explain elu; mint explain "diag > 0"
    """
    from mintdsl.tools import registry

    text = " ".join(word)
    try:
        lines = registry.explain(text, show.terminal())
    except registry.Unknown as unknown:
        near = f"; did you mean {', '.join(unknown.near)}?" if unknown.near else "; see `mint list codes` and so on"
        raise Usage(f"nothing is called {text[:80]}{near}") from None
    say(lines)


@cli.command("list", short_help="List rules, codes, or the words of the language.")
@click.argument("what", metavar="WHAT")
def list_(what: str) -> None:
    """List rules, codes, or the words of the language.

    WHAT is one of rules, codes, defects, activations, bijections, claims, constraints, parametrisations, kinds, inits,
    steps, orders, specs.

    \b
    Example: mint list activations
    """
    from mintdsl.tools import registry

    if what not in registry.LISTS:
        raise Usage(f"nothing to list under {what[:60]}; there are {', '.join(registry.LISTS)}")
    say(registry.list_text(what, show.terminal()))


# ---------------------------------------------------------------- texts


@cli.command(short_help="Generate the PyTorch module.")
@takes_program
@click.option("-o", "out", metavar="OUT.py", help="File to write; standard output by default.")
@click.option("--force", is_flag=True, help="Overwrite a file that mintdsl did not write.")
def build(
    file: str, name: str | None, option: str | None, defines: tuple[str, ...], out: str | None, force: bool
) -> None:
    """Generate the PyTorch module of a flow or layer (the last of the file by default).

    \b
    Example: mint build mintnet/mnist_small.mint -o mnist_small.py
    """
    asked = programs.ask(file, name, option, defines)
    target = checked_target(asked)
    source = asked.program.generate(target, **asked.sizes)
    if out is None or out == "-":
        click.echo(source, nl=False)
        return
    path = Path(out)
    if path.exists() and not force and not programs.is_generated(path):
        raise Usage(f"{path} was not written by mintdsl; --force overwrites it")
    programs.write_atomically(path, source.encode())
    click.echo(f"{path}: {target}, {source.count(chr(10)):,} lines")


@cli.command(short_help="Format files.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", "only", is_flag=True, help="Write nothing; exit 1 when a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change, exit 1 when something would.")
@click.pass_context
def fmt(ctx: click.Context, files: tuple[str, ...], only: bool, diff: bool) -> None:
    """Bring files into the one layout; with - standard input to standard output.

    A file with syntax errors is left as it is.

    \b
    Example: mint fmt --diff flows/*.mint
    """
    codes = [_format(file, write=not (only or diff), diff=diff) for file in files]
    ctx.exit(max(codes))


def _format(file: str, *, write: bool, diff: bool) -> int:
    from mintdsl.tools import fixes

    program = programs.open_program("-") if file == "-" else mintdsl.load(file)
    source = program.sources[program.main]
    errors = fixes.syntax_errors(program)
    if errors:
        say(show.diagnostics(errors, program.sources, err=True), err=True)
        return 1
    text = fixes.formatted(program)
    changed = text != source.text
    if diff:
        before, after = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
        for line in difflib.unified_diff(before, after, file, f"{file} (formatted)"):
            click.echo(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n", nl=False)
    elif file == "-" and write:
        click.echo(text, nl=False)
        return 0
    elif changed:
        if write:
            programs.write_atomically(Path(file), text.encode())
        click.echo(f"{'formatted' if write else 'would format'} {STDIN if file == '-' else file}")
    return int(changed and not write)


@cli.command(short_help="Write a starter spec.")
@click.argument("name", metavar="NAME")
@click.option("-o", "out", metavar="FILE", help="File to write; NAME.mint by default.")
def new(name: str, out: str | None) -> None:
    """Write a starter spec: a flow NAME with a layer of its own, explained.

    \b
    Example: mint new MyFlow && mint check MyFlow.mint
    """
    from mintdsl.tools.new import starter

    path = Path(out or f"{name}.mint")
    try:
        text = starter(name, str(path))
    except ValueError as error:
        raise Usage(str(error)) from None
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise Usage(f"{path} exists already; choose another name or -o FILE") from None
    click.echo(f"{path}: a flow to start from; try `mint check {path}`")


# ---------------------------------------------------------------- pictures and numbers


@cli.command(short_help="Draw the architecture.")
@takes_program
@click.option("-o", "out", metavar="OUT", help="File to write, .svg, .png, .dot or .pdf; NAME.svg by default.")
@click.option(
    "--engine",
    type=click.Choice(["mint", "dot"]),
    help="mint draws by itself (.svg, .png); dot needs Graphviz (.dot, .pdf, .svg, .png).",
)
@click.option(
    "--support",
    "output",
    is_flag=False,
    flag_value="centre",
    metavar="[C,H,W]",
    help="Draw what an output can see instead, the centre by default.",
)
def draw(
    file: str,
    name: str | None,
    option: str | None,
    defines: tuple[str, ...],
    out: str | None,
    engine: str | None,
    output: str | None,
) -> None:
    """Draw the architecture with shapes, proofs and parameters, or what its outputs can see.

    \b
    Examples: mint draw mintnet/mnist_small.mint -o mnist_small.svg
              mint draw mintnet/mnist.mint -o seen.png --support
    """
    from mintdsl.tools import draw as drawing

    if output is not None and engine == "dot":
        raise Usage("--support is drawn by mint itself, not by dot")
    asked = programs.ask(file, name, option, defines)
    target = checked_target(asked)
    try:
        if output is None:
            path = drawing.draw(asked.program, target, asked.sizes, out or f"{target}.svg", engine)
        else:
            out = out or f"{target}-support.svg"
            path = drawing.draw_support(asked.program, target, asked.sizes, out, output)
    except drawing.DrawingError as error:
        raise Usage(str(error)) from None
    if path is not None:
        click.echo(f"{path}: {target}")


@cli.command(short_help="Test the module against the proof.")
@takes_program
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Of weights and inputs.")
@click.pass_context
def verify(
    ctx: click.Context, file: str, name: str | None, option: str | None, defines: tuple[str, ...], seed: int
) -> None:
    """Test the generated module against the proof: structure, log-det, inverse.

    \b
    Example: mint verify mintnet/mnist_small.mint -D K=16
    """
    gc.enable()
    asked = programs.ask(file, name, option, defines)
    target = checked_target(asked)
    try:
        from mintdsl.verify import NoShape, verify as compare
    except ModuleNotFoundError as error:
        raise Usage(f"verify needs the module {error.name}, which is not installed") from None
    try:
        found = compare(asked.program, target, dict(asked.sizes), seed)
    except NoShape as error:
        raise Usage(f"{error}: verify a flow on a shape of its own that uses it") from None
    say(show.verification(found, show.terminal()))
    failed = sum(not r.ok for r in found.rows)
    say([f"{target}: {len(found.rows)} checks, {f'{failed} failed' if failed else 'all passed'} (seed {seed})"])
    ctx.exit(0 if found.ok else 1)


cli.add_command(cli_training.train)
cli.add_command(cli_training.sample)


@cli.command(short_help="Show everything once, on real images.")
@click.option("-o", "out", default="demo", metavar="FOLDER", help="Folder to write; demo by default.")
@click.option("--seconds", type=click.FloatRange(0.5, 3600), default=60.0, help="Time for training.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, help="Of weights, noise and samples.")
@click.pass_context
def demo(ctx: click.Context, out: str, seconds: float, seed: int) -> None:
    """Show everything once, on real images: proof, module, training, inverse, samples.

    \b
    Example: mint demo -o demo --seconds 60
    """
    gc.enable()
    from mintdsl.tools import demo as demonstration

    ctx.exit(0 if demonstration.run(Path(out), seconds, seed) else 1)


def main() -> None:
    """The entry point."""
    run(cli)


if __name__ == "__main__":
    main()
