"""Programs as large as one asks for, a family for each way in which a program can be long."""

from __future__ import annotations

from collections.abc import Callable

SCALE = "layer A on Vec[D] ensures diag > 0, invertible { param s : scale with diag > 0 map x -> s * x }\n"


def layer(members: str, result: str, claims: str = "lower, diag > 0, invertible") -> str:
    """A layer of one formula."""
    return f"mint 1\nlayer L on Vec[D] ensures {claims} {{\n{members}\n  map x {{ return {result} }}\n}}\n"


def flow(steps: str, before: str = SCALE) -> str:
    """A flow of these steps."""
    return f"mint 1\n{before}flow F on Vec[4] ensures invertible {{\n{steps}\n}}\n"


# ---------------------------------------------------------------- flows


def steps(n: int) -> str:
    """One layer, used n times."""
    return flow("A\n" * n)


def different_steps(n: int) -> str:
    """n layers, each used once."""
    return flow("\n".join(f"A{k}" for k in range(n)), "".join(SCALE.replace("A", f"A{k}") for k in range(n)))


def labelled_steps(n: int) -> str:
    """n labels."""
    return flow("\n".join(f"a{k}: A" for k in range(n)))


def blocks(n: int) -> str:
    """Repeats inside each other, 16 deep, side by side."""
    return flow(("repeat 1 { " * 16 + "A" + " }" * 16 + "\n") * (n // 16))


def squeezes(n: int) -> str:
    """Steps that the language has."""
    text = "squeeze 2  unsqueeze 2\n" * (n // 2)
    return f"mint 1\nflow F on Image[1, 4, 4] ensures invertible {{\n{text}}}\n"


def flows_of_flows(n: int) -> str:
    """64 flows inside each other, each with n / 64 steps more."""
    count = max(n // 64, 1)
    text = f"flow F0 on Vec[4] {{ {'A ' * count}}}\n"
    text += "".join(f"flow F{k} on Vec[4] {{ F{k - 1} {'A ' * count}}}\n" for k in range(1, 64))
    return flow("F63", SCALE + text)


def arguments(n: int) -> str:
    """A layer of 100 formals, used n / 100 times with all of them."""
    formals = ", ".join(f"k{k}: Nat" for k in range(100))
    given = ", ".join(f"k{k} = 2" for k in range(100))
    return flow(f"A({given})\n" * (n // 100), SCALE.replace("A on", f"A({formals}) on"))


def bindings(n: int) -> str:
    """A layer proved for n activations."""
    acts = "".join(f"act h{k}(u) = u + {k + 1} * u\n" for k in range(n))
    body = "layer B(h: Act) on Vec[D] ensures diag > 0 { map x -> h(x) }\n"
    return flow("".join(f"B(h = h{k})\n" for k in range(n)), acts + body)


# ---------------------------------------------------------------- layers


def terms(n: int) -> str:
    """A sum of n terms."""
    return layer("  param W : linear lower with diag > 0", "x" + " + W(x)" * n)


def factors(n: int) -> str:
    """A product of n factors."""
    return layer("  param s : scale with diag > 0", "x" + " * s" * n, "diagonal, diag > 0")


def operators(n: int) -> str:
    """A chain of all operators."""
    return layer("  param s : scale with diag > 0", "x" + " * s + x / s" * (n // 3), "diagonal, diag > 0")


def calls(n: int) -> str:
    """Chains inside brackets inside chains."""
    return layer("  param W : linear lower with diag > 0", "x" + " + tanh(x + W(tanh(x) + x) + x)" * (n // 6))


def lets(n: int) -> str:
    """n lets, each of which uses the one before twice."""
    values = "".join(f"    let u{k} = u{k - 1} / 2 + u{k - 1} / 2\n" for k in range(1, n))
    body = f"  map x {{\n    let u0 = x\n{values}    return u{n - 1}\n  }}"
    return f"mint 1\nlayer L on Vec[D] ensures diagonal, diag > 0 {{\n{body}\n}}\n"


def parameters(n: int) -> str:
    """n parameters, each used once."""
    members = "".join(f"  param s{k} : scale with diag > 0\n" for k in range(n))
    return layer(members, "x" + "".join(f" + s{k} * x" for k in range(n)))


def signs(n: int) -> str:
    """n parameters of free sign in one product of squares."""
    members = "".join(f"  param s{k} : scale with diag != 0\n" for k in range(n // 2))
    return layer(members, "x" + "".join(f" * s{k} * s{k}" for k in range(n // 2)), "diagonal, diag > 0")


def ties(n: int) -> str:
    """n / 2 pairs of tied matrices."""
    members = "".join(f"  param U{k}, V{k} : linear lower\n  tie diag(U{k}) * diag(V{k}) >= 0\n" for k in range(n // 2))
    return layer(members, "x" + "".join(f" + U{k}(tanh(V{k}(x)))" for k in range(n // 2)))


def families(n: int) -> str:
    """n families of maps over two indices."""
    members = "  index i, j : 3\n" + "".join(
        f"  param W{k}[i, j] : linear lower with diag > 0\n" for k in range(n // 4)
    )
    return layer(members, "x" + "".join(f" + sum[i, j](W{k}[i, j](x))" for k in range(n // 4)))


# ---------------------------------------------------------------- what stands at the top of a file


def definitions(n: int) -> str:
    """n layers."""
    return "mint 1\n" + "".join(SCALE.replace("A", f"A{k}") for k in range(n))


def constants(n: int) -> str:
    """n numbers, each of which uses the one before twice."""
    rest = "".join(f"const c{k} = c{k - 1} / 2 + c{k - 1} / 2\n" for k in range(1, n))
    return f"mint 1\nconst c0 = 1\n{rest}" + SCALE.replace("s * x", f"s * x * c{n - 1}")


def constants_backwards(n: int) -> str:
    """n numbers, each of which uses the next one twice."""
    rest = "".join(f"const c{k} = c{k + 1} / 2 + c{k + 1} / 2\n" for k in range(n - 1))
    return f"mint 1\n{rest}const c{n - 1} = 1\n" + SCALE.replace("s * x", "s * x * c0")


def spaces(n: int) -> str:
    """n shapes, each defined by the next one."""
    rest = "".join(f"space S{k} = S{k + 1}\n" for k in range(n - 1))
    return f"mint 1\n{rest}space S{n - 1} = Vec[4]\n" + SCALE.replace("Vec[D]", "S0")


def activations(n: int) -> str:
    """n activations, each used once."""
    acts = "".join(f"act h{k}(u) = u + {k + 1} * tanh(u)\n" for k in range(n))
    return "mint 1\n" + acts + layer("", "x" + "".join(f" + h{k}(x)" for k in range(n))).removeprefix("mint 1\n")


def documentation(n: int) -> str:
    """n lines of doc comments."""
    return "mint 1\n" + "".join(f"## line {k} of the documentation\n" for k in range(n)) + SCALE


def unknown_names(n: int) -> str:
    """n mistakes."""
    return layer("", "x" + "".join(f" + nothing{k}" for k in range(n)))


FAMILIES: dict[str, Callable[[int], str]] = {
    made.__name__: made
    for made in (
        steps, different_steps, labelled_steps, blocks, squeezes, flows_of_flows, arguments, bindings,
        terms, factors, operators, calls, lets, parameters, signs, ties, families,
        definitions, constants, constants_backwards, spaces, activations, documentation, unknown_names,
    )
}  # fmt: skip
"""By name; each is a program of about n parts."""


def files(n: int) -> dict[str, str]:
    """n files, each of which imports the next two."""
    found = {}
    for k in range(n):
        imports = "".join(f'import "./f{j}.mint" {{ A{j} }}\n' for j in (k + 1, k + 2) if j < n)
        uses = "".join(f"A{j} " for j in (k + 1, k + 2) if j < n)
        flow_text = f"flow F{k} on Vec[4] ensures invertible {{ {uses}A{k} }}\n"
        found[f"f{k}.mint"] = "mint 1\n" + imports + SCALE.replace("A", f"A{k}") + flow_text
    return found
