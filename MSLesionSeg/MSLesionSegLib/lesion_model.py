"""The lesion model by name or path, checked to see images as this program prepares them."""

from pathlib import Path

from .bundle import Bundle, load_bundle
from .errors import ModelError
from .model_store import default_model, find_model
from .normalise import NORMALISATION


def load_lesion_model(model: str | Path | None) -> tuple[Path, Bundle]:
    """Load a lesion model.

    Args:
        model: name or path; None is the default model.

    Returns:
        Where it lies, and the verified bundle.

    Raises:
        ModelError: there is no such model, it is damaged, finds no lesions, or was trained on images normalised in
            another way.
    """
    path = default_model("lesion") if model is None else find_model(model, "lesion")
    bundle = load_bundle(path, kind="lesion")
    if bundle.model.normalisation != NORMALISATION:
        raise ModelError(
            f"The model {path} was trained on intensities normalised by '{bundle.model.normalisation}', "
            f"and this program only knows '{NORMALISATION}'.",
            "Use a model of this version of the program, or the version that made the model.",
        )
    return path, bundle
