"""A box in which a lesion model is chosen."""

from typing import Any

from slicer.i18n import tr as _

from MSLesionSegLib.model_store import list_models

SHIPPED = "shipped"


def list_into(combo: Any) -> None:
    """Fill a ``QComboBox`` with the models that there are now; the one chosen stays chosen where it is still there."""
    chosen = str(combo.currentData or SHIPPED)
    combo.clear()
    combo.addItem(_("Shipped model"), SHIPPED)
    for entry in list_models("lesion"):
        if not entry.problem:
            origin = _("shipped") if entry.shipped else _("added")
            combo.addItem(f"{entry.name} {entry.version} ({origin})", entry.full_name)
    choose_in(combo, chosen)


def choose_in(combo: Any, name: str) -> None:
    """Choose a model by its full name; the shipped one where there is no such model."""
    combo.setCurrentIndex(max(combo.findData(name), 0))
