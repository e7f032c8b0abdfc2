"""The methods of a flow with a prior: densities, samples, the same as torch.distributions."""

from __future__ import annotations

from mintdsl.codegen.emit import Writer


def write_density(write: Writer, levels: int, accuracy: str, *, assuming: bool, pending: bool, given: bool) -> None:
    """`levels` of the integers that the data are, or 0; `accuracy` of a log-det that is not exact.

    `assuming` and `pending` are tested before each call. `given`: the density is conditional, and samples come for each
    context.
    """
    conditions = "*(those of context), " if given else ""
    data = f"integers 0..{levels - 1} [*, *event_shape]" if levels else "x [*, *event_shape]"
    bound = "; one draw of noise, a lower bound of log P" if levels else ""
    near = f"; its log-det is {accuracy}" if accuracy else ""
    context = "context: Tensor | None = None"
    data_args, shape_args = ("x: Tensor", context), ("shape: tuple[int, ...] | int = ()", context)
    sample = f"integers 0..{levels - 1}" if levels else "reals"
    rows = (
        ("log_prob", data_args, "Tensor", f"log p(x) [*] of {data}{bound}{near}.", "x, context"),
        ("bits_per_dim", data_args, "Tensor", f"-log2 p(x) per dimension [*]{near}.", "x, context"),
        (
            "sample",
            shape_args,
            "Tensor",
            f"Samples [*shape, {conditions}*event_shape], {sample}.",
            "shape, context",
        ),
        (
            "rsample",
            shape_args,
            "Tensor",
            "Samples with gradients to the parameters.",
            "shape, context",
        ),
        (
            "sample_and_log_prob",
            shape_args,
            "tuple[Tensor, Tensor]",
            "Samples, and log_prob of exactly these.",
            "shape, context",
        ),
    )
    for name, args, result, doc, passed in rows:
        write()
        write.call(f"def {name}", ["self", *args], f" -> {result}:")
        with write.indented():
            write(f'"""{doc}"""')
            if assuming and "x: Tensor" in args:
                with write.block("if self.checks:"):
                    write("check_assumptions(self)")
            if pending:
                write("check_initialized(self)")
            write(f"return flow_{name}(self, {passed})")
    if assuming:
        write()
        with write.block("def checking(self) -> AbstractContextManager[nn.Module]:"):
            write('"""Inside `with model.checking():` densities test what the proof assumes, and raise."""')
            write("return checking_assumptions(self)")
    write()
    with write.block("def transform(self, context: Tensor | None = None) -> FlowTransform:"):
        write('"""The bijection data -> latent for torch.distributions."""')
        write("return FlowTransform(self, context)")
    write()
    with write.block("def distribution(self, context: Tensor | None = None) -> Distribution:"):
        write('"""The density of the reals that `forward` takes, as a torch distribution."""')
        if pending:
            write("check_initialized(self)")
        write("return flow_distribution(self, context)")
