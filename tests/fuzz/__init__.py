"""The fuzzer: random programs and near-miss mutants against the checker, and everything accepted against numbers.

    python -m tests.fuzz --accepted 20000 --mutants 20000 --seed 0 --seconds 7200 --jobs 2 --out found
    python -m tests.fuzz --seed 0 --only 17            # program 17 of seed 0 again, with all that is found
    python -m tests.fuzz --seed 0 --only 17 --mutant   # mutant 17

An accepted program is generated, its weights are drawn from the whole allowed set, and its values, Jacobians, secants,
log-determinants and inverses are held against a second evaluation of the typed core. A mutant is an accepted program in
which something is changed that a checker with a hole would let pass; it may be refused, or it must be true.

| file | what |
| --- | --- |
| `registry.py` | productions, mutants, and the constructs to cover, from the registries of the language |
| `draft.py`, `phrases.py` | programs in the making: names, goals, pieces of text |
| `families/` | the productions and mutants of each family of the language, one file each |
| `edit.py`, `shrink.py` | changes of a syntax tree at one place; failing programs made small |
| `subject.py` | a program under test: proof, module, sizes |
| `meaning.py`, `tensors.py` | the typed core evaluated on tensors: values, dense Jacobians, running error bounds |
| `solved.py`, `continuous.py` | continuous flows by equal steps, with what a solver may leave; each of them by itself |
| `draws.py` | weights and inputs |
| `facts.py`, `claims.py` | what the checker derived and what the program claims, against numbers |
| `oracles.py`, `adversary.py` | every check of one program; gradient ascent against its proof |
| `coverage.py`, `cases.py`, `run.py`, `report.py` | which constructs a case uses; one case; a run; its report |

A new family is a new file in `families/`, imported by its `__init__`: functions decorated with `production` write an
expression that meets a goal and name the constructs that they cover, functions decorated with `mutant` change a tree.
A test fails while a construct of the registries has no production. What a new construct means goes to `meaning.py`.
"""
