"""Random programs as hypothesis strategies over the syntax tree; they are well formed, not well typed."""

from __future__ import annotations

from hypothesis import strategies as st

from mintdsl.source import NOWHERE
from mintdsl.syntax import ast

S = NOWHERE
IDS = st.sampled_from(["x", "y", "K", "W1", "alpha", "a_rather_long_name", "_b", "Image", "Vec", "lower", "elu", "T9"])
NAMES = IDS.map(lambda name: ast.Name(name, S))
NUMBERS = st.sampled_from(["0", "1", "2", "256", "0.5", "1e-12", "3.25", "1e5"]).map(
    lambda text: ast.Number(int(text) if text.isdigit() else float(text), text, S)
)
CMPS = st.sampled_from(["<=", ">=", "<", ">", "==", "!="])
DOCS = st.none() | st.sampled_from(["one line", "two\nlines", "  indented", "", "\nlast"])


def some(item: st.SearchStrategy, least: int = 0, most: int = 3) -> st.SearchStrategy:
    return st.lists(item, min_size=least, max_size=most).map(tuple)


def _extend(inner: st.SearchStrategy) -> st.SearchStrategy:
    args = some(_arg(inner))
    return st.one_of(
        st.builds(ast.Neg, inner, st.just(S)),
        st.builds(ast.Binary, st.sampled_from("+-*/"), inner, inner, st.just(S), st.just(S)),
        st.builds(ast.Apply, inner, args, st.just(S)),
        st.builds(ast.At, inner, some(inner, 1), st.just(S)),
        st.builds(ast.Reduce, st.sampled_from(["sum", "chain"]), some(NAMES, 1), inner, st.just(S)),
        st.builds(ast.Tuple, some(inner, 2), st.just(S)),
    )


def _arg(inner: st.SearchStrategy) -> st.SearchStrategy:
    option = st.sampled_from(["prior", "start", "width"]).map(lambda name: ast.Name(name, S))
    return st.one_of(
        st.builds(ast.Arg, st.none(), st.none(), inner, st.just(S)),
        st.builds(ast.Arg, option, st.just("="), inner, st.just(S)),
        st.builds(ast.Arg, NAMES, CMPS, inner, st.just(S)),
    )


LEAVES = NAMES | NUMBERS | st.just(ast.Name("logit", S))
EXPRS = st.recursive(LEAVES, _extend, max_leaves=12)
SMALL = st.recursive(LEAVES, _extend, max_leaves=3)
ARGS = some(_arg(SMALL))
CALLS = st.builds(ast.Call, NAMES, ARGS, st.just(S))
SHAPES = st.builds(ast.Shape, NAMES, some(SMALL), st.just(S))


def place(endo: bool) -> st.SearchStrategy:
    if endo:
        return SHAPES.map(lambda shape: ast.Place((shape,), (shape,), True, S))
    return st.builds(ast.Place, some(SHAPES, 1), some(SHAPES, 1), st.just(False), st.just(S))


KIND_MAPS = st.builds(
    ast.KindMap, NAMES, st.none() | st.just((3, 3)), st.booleans(), st.none() | NAMES, ARGS, st.just(S)
)
PARAMS = st.builds(
    ast.Param,
    some(st.builds(ast.Binder, NAMES, some(NAMES), st.just(S)), 1),
    KIND_MAPS | st.builds(ast.KindNet, CALLS, st.just(S)),
    st.none() | place(True) | place(False),
    some(st.builds(ast.Constraint, NAMES, CMPS, SMALL, st.none() | CALLS, st.just(S)), 0, 2),
    st.none() | CALLS,
    DOCS,
    st.just(S),
)
LETS = st.one_of(
    st.builds(ast.Let, some(NAMES, 1, 1), some(NAMES), EXPRS, st.just(S)),
    st.builds(ast.Let, some(NAMES, 2), st.just(()), EXPRS, st.just(S)),
)
SPACES = st.builds(ast.Space, NAMES, SHAPES, ARGS, DOCS, st.just(S))
ACTS = st.builds(ast.ActNamed, NAMES, NAMES, ARGS, DOCS, st.just(S)) | st.builds(
    ast.ActDefined, NAMES, NAMES, EXPRS, DOCS, st.just(S)
)
MEMBERS = some(
    st.one_of(
        st.builds(ast.Index, some(NAMES, 1), SMALL, st.just(S)),
        st.builds(ast.OrderUse, NAMES, st.just(S)),
        st.builds(ast.Tie, EXPRS, CMPS, SMALL, st.just(S)),
        PARAMS,
        PARAMS,
        LETS,
        SPACES,
        ACTS,
    ),
    0,
    5,
)
MAPS = st.builds(ast.Map, some(NAMES, 1), st.just(()), EXPRS, st.just(False), st.just(S)) | st.builds(
    ast.Map, some(NAMES, 1), some(LETS), EXPRS, st.just(True), st.just(S)
)
FORMALS = some(st.builds(ast.Formal, NAMES, NAMES, st.none() | SMALL, st.just(S)), 0, 4)
GIVEN = some(st.builds(ast.Context, NAMES, SHAPES, st.just(S)), 0, 2)
CLAIMS = some(
    st.builds(ast.ClaimClass, st.booleans(), NAMES, st.just(S))
    | st.builds(ast.ClaimBound, NAMES, CMPS, SMALL, st.just(S))
)
WORD_ONLY = st.builds(ast.Simple, st.sampled_from(["standardize", "permute", "reverse"]), st.none(), ARGS)


def _ops(steps: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(st.builds(ast.Repeat, SMALL, steps), st.builds(ast.Pair, steps))


def _named(ops: st.SearchStrategy) -> st.SearchStrategy:
    return st.builds(ast.Step, st.none() | NAMES, ops, st.just(S))


NATS = NAMES | st.just(ast.Number(2, "2", S))
PLAIN_OPS = st.one_of(
    st.builds(ast.Use, CALLS, st.none() | CALLS),
    WORD_ONLY,
    st.builds(ast.Simple, st.sampled_from(["dequantize", "patches"]), NATS, st.just(())),
    st.builds(ast.Simple, st.just("logit"), EXPRS, st.just(())),
    st.builds(ast.Simple, st.sampled_from(["squeeze", "unsqueeze"]), NATS, ARGS),
    st.just(ast.Simple("flatten", None, ())),
    st.builds(ast.Pad, NAMES, NATS),
    st.builds(ast.Factor, NAMES, ARGS),
    st.builds(ast.Ode, CALLS, st.none() | CALLS, st.none() | CALLS),
    st.builds(ast.Prior, CALLS),
    st.builds(ast.Classify, CALLS),
)
STEPS = some(_named(st.recursive(PLAIN_OPS, lambda inner: _ops(some(_named(inner))), max_leaves=4)), 0, 5)
ITEMS = st.one_of(
    st.builds(ast.Import, st.sampled_from(["./a.mint", "std/b.mint"]), st.just(S), some(NAMES, 1, 20), st.just(S)),
    st.builds(ast.Const, NAMES, EXPRS, DOCS, st.just(S)),
    SPACES,
    st.builds(ast.OrderDef, NAMES, some(EXPRS, 1), DOCS, st.just(S)),
    st.builds(ast.Mask, NAMES, EXPRS, SMALL, DOCS, st.just(S)),
    ACTS,
    st.builds(ast.Extern, NAMES, some(SHAPES, 1), some(SHAPES, 1), DOCS, st.just(S)),
    st.builds(ast.Layer, NAMES, FORMALS, SHAPES, GIVEN, CLAIMS, MEMBERS, MAPS, DOCS, st.just(S)),
    st.builds(ast.Net, NAMES, FORMALS, some(SHAPES, 1), some(SHAPES, 1), MEMBERS, MAPS, DOCS, st.just(S)),
    st.builds(ast.Flow, NAMES, FORMALS, SHAPES, GIVEN, CLAIMS, STEPS, DOCS, st.just(S)),
)
MODULES = st.builds(ast.Module, st.just(1), st.none(), some(ITEMS, 0, 4), st.just(()), st.just(frozenset()), st.just(S))
