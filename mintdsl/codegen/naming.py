"""Names of a spec in Python: the same, but for an underscore where Python or the generated text needs the name."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from mintdsl.codegen.helpers import IMPORTS, helpers
from mintdsl.core import ir
from mintdsl.core.walks import uses

# variables of the generated methods
LOCALS = frozenset(
    "l O I drawn blocks part parts self x w s y z rests diagonal slope lead log_det sign value context term tol "
    "max_iter fixed scale shift log_scale "
    "change widths heights slopes log_slope positions position memory place results x_now apart".split()
)
# arguments and variables of the generated constructors
ARGUMENTS = frozenset("self shape context_shape device dtype factory kept differences".split())
# members of nn.Module and of the generated classes
MEMBERS = frozenset(
    "forward inverse value rests fibre slope_bound effective_weights make_weights reset_parameters jacobian_diagonal "
    "effective set_effective raw event_shape latent_shape context_shape path kept_weights last_inverse names members "
    "latent_parts extents order functional fronts trace frozen log_prob bits_per_dim sample rsample "
    "sample_and_log_prob transform distribution prior levels spec_hash not_onto steps initialize pending "
    "set_from_batch statistics energies logits externs log_det contraction divisor norm_order last_forward limits "
    "certify begin predict absorb at substituted branch "
    "forms assumed check_assumptions checking checks masks make_masks residues "
    "T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches "
    "eval extra_repr float get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules "
    "mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook "
    "register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook "
    "register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook "
    "register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ "
    "set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu zero_grad".split()
)


PRIVATE = (
    "parameters buffers modules non_persistent_buffers_set backward_hooks backward_pre_hooks is_full_backward_hook "
    "forward_hooks forward_hooks_with_kwargs forward_hooks_always_called forward_pre_hooks "
    "forward_pre_hooks_with_kwargs "
    "state_dict_hooks state_dict_pre_hooks load_state_dict_pre_hooks load_state_dict_post_hooks apply call_impl "
    "compiled_call_impl wrapped_call_impl get_name load_from_state_dict named_members save_to_state_dict slow_forward "
    "version get_backward_hooks get_backward_pre_hooks register_state_dict_hook register_load_state_dict_pre_hook "
    "replicate_for_data_parallel maybe_warn_non_full_backward_hook"
).replace(" ", "|")
# buffers and attributes that the constructor makes, and what is private to nn.Module
OWN = re.compile(
    rf"kept(_\d+)?|terms_\w+|shape_\d+|anchor_\w+_\d+x\d+|\w+_(sign|mean|var|count|gain|order|index)|__\w+__|_({PRIVATE})"
)


# further shapes that a net is made with, and its further inputs and results
SHAPE, RESULT = re.compile(r"shape_\d+"), re.compile(r"[xy]_\d+")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # where a word begins


class Names(NamedTuple):
    """What the names of a layer or flow become: variables of methods, attributes, arguments of the constructor.

    `extern` are the arguments for the modules of extern nets in it, by the key of the net.
    """

    local: dict[str, str]
    member: dict[str, str]
    argument: dict[str, str]
    extern: Mapping[str, str] = {}


def names_of(definition: ir.Layer | ir.Net | ir.Flow, classes: Collection[str]) -> Names:
    """Names of parameters, lets, steps and formals; `classes` are those of the module, which arguments leave alone."""
    formals = [f.name for f in definition.formals]

    def argument(name: str) -> bool:
        return _reserved(name) or name in classes

    shapes = definition.places if isinstance(definition, ir.Net) else (definition.shape,)
    if not isinstance(definition, ir.Net) and definition.given is not None:
        shapes = (*shapes, definition.given.shape)
    arguments = _free((*formals, *sorted({name for shape in shapes for name in _sizes(shape)})), argument)
    if isinstance(definition, ir.Flow):
        return Names({}, _free((*_steps(definition.steps), *formals), _attribute), arguments)
    params = [p.name for p in definition.params]
    parts = definition.split.parts if isinstance(definition, ir.Layer) and definition.split is not None else ()
    given = (definition.given.name,) if isinstance(definition, ir.Layer) and definition.given is not None else ()
    local = _free((*params, *(item.name for item in definition.lets), *parts, *given), _variable)
    return Names(local, _free((*params, *formals), _attribute), arguments)


def with_externs(program: ir.Program, names: Mapping[str, Names], classes: Collection[str]) -> dict[str, Names]:
    """`names`, those that a definition uses before it, with the arguments for extern nets: `CondNet` is `cond_net`."""
    nets = [key for key in names if key in program.nets and program.nets[key].extern]
    used = {*classes, *(argument for own in names.values() for argument in own.argument.values())}
    snake = [_CAPITAL.sub("_", program.nets[key].name).lower() for key in nets]
    called: dict[str, str] = {}
    for key, base in zip(nets, snake, strict=True):
        name = base
        while _reserved(name) or name in used:
            name = f"{name}_"
        used.add(name)
        called[key] = name
    found: dict[str, Names] = {}
    for key, own in names.items():
        definition = program.callable(key)
        below = uses(definition.steps) if isinstance(definition, ir.Flow) else ir.used_below(definition)
        taken = dict(item for use in below for item in found[use.definition].extern.items())
        found[key] = own._replace(extern={key: called[key]} if key in called else taken)
    return found


def class_name(name: str) -> str:
    """A definition as a class; helpers, imports and the variables of constructors keep their names."""
    own = f"C{name}" if name.startswith("__") else name  # not to be mangled inside of other classes
    return f"{own}_" if own in ARGUMENTS or _elsewhere(own) or own.startswith(("act_", "own_")) else own


def loop_names(names: Sequence[str], taken: Collection[str]) -> list[str]:
    """The variables of a loop over the steps called `names`."""

    found: dict[str, None] = {}
    for name in names:
        variable = name.lower()
        while variable in found or variable in taken or variable in LOCALS or _elsewhere(variable):
            variable = f"p{variable}" if _mangled(variable) else f"{variable}_"
        found[variable] = None
    return list(found)


def _free(names: Iterable[str], taken: object) -> dict[str, str]:
    assert callable(taken)
    result: dict[str, str] = {}
    wanted = dict.fromkeys(names)
    given: set[str] = set()
    for name in wanted:
        new = name
        while taken(new) or new in given or (new != name and new in wanted):
            # a name that a prefix makes ours stays ours with an underscore after it
            new = f"p_{new}" if taken(f"{new}_") and not new.startswith("p_") else f"{new}_"
        result[name] = new
        given.add(new)
    return result


def _variable(name: str) -> bool:
    reserved = name in LOCALS or name.startswith(("d_", "y_", "slope_", "spread_"))
    return reserved or _elsewhere(name) or RESULT.fullmatch(name) is not None


def _attribute(name: str) -> bool:
    return name in MEMBERS or keyword.iskeyword(name) or OWN.fullmatch(name) is not None or _mangled(name)


def _reserved(name: str) -> bool:
    """Whether no argument of a constructor can have this name."""
    return name in ARGUMENTS or _elsewhere(name) or SHAPE.fullmatch(name) is not None


def _elsewhere(name: str) -> bool:
    """Whether it means something outside of the class it would stand in, or Python changes it there."""
    own = name in helpers() or name == "annotations" or any(name == imported for imported, _ in IMPORTS)
    return own or keyword.iskeyword(name) or hasattr(builtins, name) or _mangled(name)


def _mangled(name: str) -> bool:
    """Whether Python puts the name of the class in front of it, or would with one of our endings behind it."""
    return name.startswith("__") or name == "_"


def _sizes(shape: ir.Shape) -> list[str]:
    return sorted({symbol for dim in shape.dims for symbol in dim.symbols})


def _steps(steps: tuple[ir.Step, ...]) -> list[str]:
    names = []
    for step in steps:
        match step.op:
            case ir.Use() | ir.StandardizeData() | ir.Classify() | ir.Permute() | ir.Ode():
                names.append(step.name)
            case ir.FactorOut(prior=ir.NetParam()):
                names.append(step.name)
            case ir.Repeat() | ir.Pair():
                names += _steps(step.op.steps)
            case _:
                pass
    return names
