"""What a training run is told."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError, model_validator


class SettingsError(Exception):
    """A setting is wrong; the message is one sentence."""


class TrainSettings(BaseModel):
    """Settings of `fit`; raises SettingsError where one is wrong.

    Budget: `seconds` of wall-clock time, `epochs` and `steps`; at least one, and the first to be used
    up ends training. Only `epochs` and `steps` make the result reproducible: how many steps fit in
    a time depends on the machine.
    `batch_size`: images a step. `learning_rate`: Adam's. `schedule`: "constant", or "cosine" from
    `learning_rate` to 0 over the budget. `grad_clip`: the greatest norm of the gradient, None for
    no limit. `seed`: of the order of images and of the dequantisation noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    epochs: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    schedule: Literal["constant", "cosine"] = "constant"
    grad_clip: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0, lt=1 << 63)

    # SettingsError is no ValueError, so pydantic lets it through as it is.
    @model_validator(mode="wrap")
    @classmethod
    def _one_sentence(cls, values: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            settings = handler(values)
        except ValidationError as error:
            raise SettingsError(_sentence(error, cls)) from None
        if settings.seconds is None and settings.epochs is None and settings.steps is None:
            raise SettingsError("Training needs a budget: set `seconds`, `epochs` or `steps`.")
        return settings


def _sentence(error: ValidationError, model: type[BaseModel]) -> str:
    faults = []
    for fault in error.errors(include_url=False):
        name = ".".join(str(part) for part in fault["loc"]) or "settings"
        if fault["type"] == "extra_forbidden":
            faults.append(f"there is no setting `{name}` (there are {', '.join(model.model_fields)})")
        else:
            wanted = fault["msg"].removeprefix("Input should be ").removeprefix("Input should ")
            faults.append(f"`{name}` must be {wanted}, not {fault['input']!r}")
    text = "; ".join(faults)
    return f"{text[:1].upper()}{text[1:]}."
