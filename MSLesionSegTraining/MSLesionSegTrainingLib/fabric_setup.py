"""One process or many, on CPUs or GPUs: what ``torchrun`` started, or this process alone."""

from __future__ import annotations

import logging
import os

from lightning_fabric import Fabric

from MSLesionSegLib.device import choose_device
from MSLesionSegLib.errors import UsageError


def make_fabric(device: str, precision: str) -> Fabric:
    """Lightning Fabric for this process, and for its companions where ``torchrun`` started several.

    Args:
        device: "auto", "cpu" or "cuda".
        precision: "bf16-mixed" runs the network in bfloat16 where that is safe; "32-true", "64-true".

    Raises:
        UsageError, ResourceError: the device cannot be used.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    kind, _ = choose_device(device)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator=kind.type,
        devices=here,
        num_nodes=max(1, processes // here),
        strategy="ddp" if processes > 1 else "auto",
        precision=precision,
    )
    fabric.launch()
    return fabric


def share_of_batch(batch: int, fabric: Fabric) -> int:
    """Patches a step of one process.

    Raises:
        UsageError: the batch does not divide evenly.
    """
    if batch % fabric.world_size:
        raise UsageError(
            f"A batch of {batch} patches cannot be shared by {fabric.world_size} processes.",
            "Give a --batch that the number of processes divides.",
        )
    return batch // fabric.world_size
