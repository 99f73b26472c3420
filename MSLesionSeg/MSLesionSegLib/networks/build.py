"""From the ``architecture`` block of a model bundle to a network."""

from typing import Any

from torch import nn

from ..errors import DependencyError, ModelError
from .efficientnet3d_unet import EfficientNet3DUNet
from .probability_mean import ProbabilityMean

MOST_MEMBERS = 8
"""More networks than that are no model that anybody waits for."""


def build_network(architecture: dict[str, Any]) -> nn.Module:
    """Build a network with random weights.

    Args:
        architecture: ``{"type": "efficientnet3d_unet" | "unet3d", ...}``, the rest are the arguments of the type; with
            ``"members": n`` the network is the mean of ``n`` such ones.

    Returns:
        A module from (B, contrasts, z, y, x) float32, any size, to (B, 1, z, y, x) logits.

    Raises:
        ModelError: the type is unknown or does not take these arguments.
        DependencyError: the type needs a package that is not installed.
    """
    arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in architecture.items()}
    kind = arguments.pop("type", None)
    if kind == "efficientnet3d_unet":
        build = EfficientNet3DUNet
    elif kind == "unet3d":
        build = _conventional_unet
    else:
        raise ModelError(
            f"The model's network type is {kind!r}, which this version does not know.",
            "Known types are efficientnet3d_unet and unet3d; update MSLesionSeg if the model is newer.",
        )
    members = arguments.pop("members", None)
    if members is not None and (type(members) is not int or not 2 <= members <= MOST_MEMBERS):
        raise ModelError(f"A model may average 2 to {MOST_MEMBERS} networks, not {members!r}.")
    try:
        if members is not None:
            return ProbabilityMean(build(**arguments) for _ in range(members))
        return build(**arguments)
    except TypeError as error:
        raise ModelError(f"The model's network {kind!r} does not take these arguments: {error}.") from error


def _conventional_unet(**arguments: Any) -> nn.Module:
    try:
        from .unet3d import ConventionalUNet3D
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"The conventional 3D U-Net needs the package {error.name}.",
            'Install it with: pip install "mslesionseg[train]"',
        ) from error
    return ConventionalUNet3D(**arguments)
