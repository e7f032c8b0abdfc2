"""`mint draw`: the architecture as SVG or PNG by itself, or by Graphviz."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mintdsl.driver import Program
from mintdsl.tools.architecture import Architecture, Block, TooLarge, architecture
from mintdsl.tools.layout import COLOURS, layout
from mintdsl.tools.programs import write_atomically
from mintdsl.tools.scene import Scene, png, svg

if TYPE_CHECKING:
    from graphviz import Digraph

CENTRE = "centre"
_OWN, _DOT = (".svg", ".png"), (".dot", ".pdf", ".svg", ".png")


class DrawingError(Exception):
    """A drawing that cannot be made as asked; the message says what can."""


def draw(program: Program, name: str, sizes: Mapping[str, int], out: str, engine: str | None = None) -> Path | None:
    """Draw the proved definition `name` into `out` ("-": SVG to standard output). Raises DrawingError, OSError."""
    path = Path("-.svg" if out == "-" else out)
    kind = path.suffix.lower()
    if kind not in _DOT:
        raise DrawingError(f"{out}: the name must end in .svg, .png, .dot or .pdf")
    engine = engine or ("mint" if kind in _OWN else "dot")
    if engine == "mint" and kind not in _OWN:
        raise DrawingError(f"{kind} needs --engine dot; mint itself writes .svg and .png")
    core, _ = program.core()
    key = core.find(name)
    assert key is not None, name
    try:
        found = architecture(core, key, sizes)
    except TooLarge as problem:
        raise DrawingError(str(problem)) from None
    if engine == "dot":
        _graphviz(found, path, to_stdout=out == "-")
        return None if out == "-" else path
    return _write(layout(found), path, out)


def draw_support(program: Program, name: str, sizes: Mapping[str, int], out: str, output: str) -> Path | None:
    """Draw what an output of the definition `name` can see. Raises DrawingError, OSError."""
    from mintdsl.proof.stages import network
    from mintdsl.tools import support
    from mintdsl.tools.support_picture import middle, picture, scene

    path = Path("-.svg" if out == "-" else out)
    if path.suffix.lower() not in _OWN:
        raise DrawingError(f"{out}: with --support the name must end in .svg or .png")
    core, _ = program.core()
    key = core.find(name)
    assert key is not None, name
    definition = core.definitions[key]
    try:
        net = network(core, key, support.known_sizes(definition, sizes), support.of_formals(definition, sizes))
        chosen = middle(net) if output == CENTRE else support.index(output, net.outputs)
        found = picture(net, name, chosen)
    except ValueError as problem:
        raise DrawingError(str(problem)) from None
    return _write(scene(found), path, out)


def _write(page: Scene, path: Path, out: str) -> Path | None:
    if out == "-":
        print(svg(page), end="")
        return None
    if path.suffix.lower() == ".svg":
        write_atomically(path, svg(page).encode())
    else:
        png(page, path)
    return path


# ---------------------------------------------------------------- Graphviz


def _graphviz(found: Architecture, path: Path, *, to_stdout: bool) -> None:
    try:
        import graphviz
    except ModuleNotFoundError:
        raise DrawingError("--engine dot needs the Python package graphviz; .svg and .png need nothing") from None
    graph = digraph(found)
    kind = path.suffix.lower().removeprefix(".")
    if kind == "dot":
        write_atomically(path, graph.source.encode())
        return
    try:
        data = graph.pipe(format=kind)
    except graphviz.ExecutableNotFound:
        raise DrawingError(
            "--engine dot needs Graphviz, whose program `dot` is not on the PATH (apt install graphviz); "
            ".svg and .png without --engine dot need nothing"
        ) from None
    except graphviz.CalledProcessError as error:
        raise DrawingError(f"dot failed with status {error.returncode}") from None
    if to_stdout:
        print(data.decode(), end="")
    else:
        write_atomically(path, data)


def digraph(found: Architecture) -> Digraph:
    """The same architecture for Graphviz: groups are clusters, edges carry shapes."""
    import graphviz

    graph = graphviz.Digraph(found.name)
    given = f" (given {found.given})" if found.given else ""
    graph.attr(label=f"{found.name}{given}: {found.conclusion}", labelloc="t", fontname="Helvetica", fontsize="16")
    graph.attr("node", shape="box", style="filled,rounded", fontname="Helvetica", fontsize="11", margin="0.15,0.07")
    graph.attr("edge", fontname="Helvetica", fontsize="10", color="#5a6372")
    numbers = iter(range(10**6))
    last = ""

    def add(into: Digraph, block: Block) -> None:
        nonlocal last
        if block.parts:
            copies = f"  x {block.copies}" if block.copies != "1" else ""
            with into.subgraph(name=f"cluster_{next(numbers)}") as inner:
                inner.attr(
                    label=graphviz.escape(f"{block.title}{copies}"), style="rounded", color="#b9c1cd", fontsize="12"
                )
                for part in block.parts:
                    add(inner, part)
            return
        fill, line = COLOURS[block.kind]
        node = f"n{next(numbers)}"
        into.node(node, graphviz.escape("\n".join(_words(block))), fillcolor=fill, color=line)
        if last:
            graph.edge(last, node, label=graphviz.escape(f" {block.shape}"))
        last = node

    for block in found.blocks:
        add(graph, block)
    return graph


def _words(block: Block) -> list[str]:
    copies = f"  x {block.copies}" if block.copies != "1" else ""
    facts = [f"log-det {block.log_det}"] * bool(block.log_det) + [f"inverse {block.inverse}"] * bool(block.inverse)
    lines = [block.title + copies, block.proof, ", ".join(facts)]
    if block.counts is not None and block.counts.stored:
        lines.append(f"{block.counts.stored:,} parameters ({block.counts.live:,} live)")
    return [line for line in lines if line]
