"""The network stage on a brain of 182 x 218 x 182 voxels, beside MONAI's sliding window with a DynUNet."""

import time
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from MSLesionSegLib.bundle import Bundle, load_bundle
from MSLesionSegLib.model_store import default_model
from MSLesionSegLib.predictor import MARGIN, Predictor
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegLib.runtime import choose_runtime, load_network
from MSLesionSegLib.windows import brain_box, plan_windows
from MSLesionSegTrainingLib.scores import score

from .data import labelled_canvas
from .rows import Row

PATIENT = "sub-19"
PEER_WIDTHS = (32, 64, 128, 256, 320)
PEER_WINDOW = 96
PEER_OVERLAP = 0.5
MATRIX = 3072


def inference_cpu() -> list[Row]:
    """Seconds of the network stage on the CPU, ours and the peer's, and how far ours is from its arithmetic floor."""
    return [_measure("inference_cpu", "cpu")]


def inference_gpu() -> list[Row]:
    """The same on the GPU, with its peak memory."""
    return [_measure("inference_gpu", "cuda")]


def _measure(name: str, device: str) -> Row:
    canvas = labelled_canvas(PATIENT)
    channels, brain = canvas.channels.numpy().astype(np.float32), canvas.brain[0].numpy() > 0
    bundle = load_bundle(default_model("lesion"), kind="lesion")
    runtime = choose_runtime("auto", bundle, device)
    predictor = Predictor(
        load_network(bundle, runtime), patch=bundle.model.patch, device=device, flip=bundle.model.flip
    )
    if device == "cuda":
        predictor.predict(channels, brain, SilentProgress())
        torch.cuda.reset_peak_memory_stats()
    ours, probability = _timed(device, lambda: predictor.predict(channels, brain, SilentProgress()))
    truth = canvas.lesion[0].numpy() > 0
    details: dict[str, Any] = {
        "runtime": runtime,
        "model": bundle.path.name,
        "mirrored_windows": bundle.model.flip,
        "dice": score(probability, truth, bundle.model.threshold).row()["dice"],
        "dice_is_of": "a patient that the shipped model was trained on",
    }
    if device == "cuda":
        details["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    else:
        details |= _floor(bundle, brain, ours)
    peer = _peer(channels, brain, device)
    return Row(
        name,
        "network stage",
        round(ours, 2),
        "s",
        f"{PATIENT} of the cross-sectional set, 182x218x182",
        peer=round(peer, 2),
        details=details
        | {
            "peer": f"MONAI sliding_window_inference, DynUNet {PEER_WIDTHS}, 96-cubed, overlap 0.5, no mirroring",
        },
    )


def _floor(bundle: Bundle, brain: np.ndarray, seconds: float) -> dict[str, Any]:
    """Arithmetic of the windows that are run, and the time it would take at the rate of a large matrix product."""
    plan = plan_windows(brain_box(brain, MARGIN), bundle.model.patch, 0.25)
    boxes = [tuple(slice(max(a, 0), a + n) for a, n in zip(start, plan.size, strict=True)) for start in plan.windows()]
    windows = sum(bool(brain[box].any()) for box in boxes)
    network = bundle.load_network()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, len(bundle.model.contrasts), *plan.size))
    work = windows * counter.get_total_flops() * (2 if bundle.model.flip else 1)
    one, other = torch.randn(MATRIX, MATRIX), torch.randn(MATRIX, MATRIX)
    one @ other
    began = time.perf_counter()
    for _ in range(3):
        one @ other
    rate = 3 * 2 * MATRIX**3 / (time.perf_counter() - began)
    return {
        "windows": f"{windows} of {'x'.join(map(str, plan.size))}",
        "gflop": round(work / 1e9),
        "matrix_gflop_per_s": round(rate / 1e9),
        "floor_s": round(work / rate, 2),
        "times_floor": round(seconds * rate / work, 2),
    }


def _peer(channels: np.ndarray, brain: np.ndarray, device: str) -> float:
    from monai.inferers import sliding_window_inference
    from monai.networks.nets import DynUNet

    torch.manual_seed(0)
    network = DynUNet(
        3, 3, 1, kernel_size=[3] * 5, strides=[1, 2, 2, 2, 2], upsample_kernel_size=[2] * 4, filters=PEER_WIDTHS
    )
    network = network.eval().to(device)
    box = brain_box(brain, MARGIN)
    crop = channels[(slice(None), *(slice(max(a, 0), a + n) for a, n in zip(box.start, box.size, strict=True)))]
    image = torch.from_numpy(np.ascontiguousarray(crop))[None]

    def run() -> torch.Tensor:
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=device == "cuda"):
            window = (PEER_WINDOW,) * 3
            logits = sliding_window_inference(
                image.to(device), window, 1 if device == "cpu" else 4, network, overlap=PEER_OVERLAP, mode="gaussian"
            )
            return torch.sigmoid(logits.float()).cpu()

    if device == "cuda":
        run()
    return _timed(device, run)[0]


def _timed(device: str, work: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began, result
