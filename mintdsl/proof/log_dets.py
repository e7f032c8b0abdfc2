"""How the log-dets of residual sums are computed at their uses: what a use must say, and what may stand there."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.diagnostics.model import Diagnostic, Edit, Fix, Label, Safety
from mintdsl.proof.layer_proof import LayerProof
from mintdsl.proof.rules.series import Estimate, estimated
from mintdsl.records import record
from mintdsl.source import Span


@record
class Silent:
    """A residual sum or Cayley map that a flow uses without a `log_det`: the place, perhaps in an inner flow."""

    place: Span
    layer: ir.Layer
    kind: str


def silent_in_a_density(silent: Silent, prior: ir.Step) -> Diagnostic:
    """A density with a use that does not say how its log-det is computed."""
    place, layer = silent.place, silent.layer
    end = Span(place.file, place.end, place.end)
    return Diagnostic(
        "E0608",
        f"`{layer.name}` is {silent.kind}: a density needs to know how its log-det is computed",
        (
            Label(place, "no `log_det` here", primary=True),
            Label(layer.result.span, "its Jacobian is dense"),
            Label(prior.span, "the density"),
        ),
        (
            "`exact` makes the dense Jacobian, D^2 numbers a sample: for at most 4096 elements",
            "`series(bits_per_dim <= 1e-3)` and `roulette(first = 10)` estimate it, for any size",
        ),
        (Fix("write `log_det exact` behind it", (Edit(end, " log_det exact"),), Safety.UNSAFE),),
    )


def estimate_of(how: ir.LogDet, proof: LayerProof) -> Estimate | Diagnostic:
    """Rules SERIES and ROULETTE at a use of a layer."""
    if proof.residual is not None:
        return estimated(how, proof.residual.contraction)
    if proof.cayley is not None:
        return estimated(how, proof.cayley, odd=True)
    return Diagnostic(
        "E0613",
        f"`{proof.layer.name}` is neither a residual sum nor a Cayley map: its log-det is exact, without a series",
        (
            Label(how.span, f"`{how.kind}` behind a layer with a formula", primary=True),
            Label(proof.layer.name_span, "proved by another rule than RES and CAYLEY"),
        ),
        (),
        (Fix("leave it out"),),
    )
