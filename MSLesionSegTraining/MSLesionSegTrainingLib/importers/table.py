"""The public sets that can be imported, with licence and citation as they go into the data set's README."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import isbi2015, mendeley60, mslesseg, msseg2016, open_ms_data, wmh2017
from .source import Found


@dataclass(frozen=True)
class PublicSet:
    """One public set.

    Attributes:
        title: its name.
        doi: of the data or of its paper.
        licence: as found; "as stated where it was downloaded" where that differs or was not found.
        citation: the work to cite.
        find: finds its cases in a folder.
        no_lesion: values of a mask that are neither background nor lesion.
    """

    title: str
    doi: str
    licence: str
    citation: str
    find: Callable[[Path], Found]
    no_lesion: tuple[int, ...] = ()


_UNKNOWN = "as stated where it was downloaded"

SETS: dict[str, PublicSet] = {
    "open_ms_data": PublicSet(
        "open_ms_data, cross-sectional",
        "doi:10.1007/s12021-017-9348-7",
        "CC BY",
        "Lesjak et al., A Novel Public MR Image Dataset of Multiple Sclerosis Patients With Lesion Segmentations Based "
        "on Multi-rater Consensus, Neuroinformatics 2017",
        open_ms_data.find,
    ),
    "mslesseg": PublicSet(
        "MSLesSeg",
        "doi:10.1038/s41597-025-05250-y",
        "CC BY 4.0",
        "Guarnera et al., MSLesSeg: baseline and benchmarking of a new Multiple Sclerosis Lesion Segmentation dataset, "
        "Scientific Data 12, 920, 2025",
        mslesseg.find,
    ),
    "mendeley60": PublicSet(
        "Brain MRI Dataset of Multiple Sclerosis with Consensus Manual Lesion Segmentation",
        "doi:10.17632/8bctsm8jz7.1",
        _UNKNOWN,
        "Muslim et al., Brain MRI dataset of multiple sclerosis with consensus manual lesion segmentation and patient "
        "meta information, Data in Brief 2022, doi 10.1016/j.dib.2022.108139",
        mendeley60.find,
    ),
    "msseg2016": PublicSet(
        "MSSEG-2016",
        "https://www.nitrc.org/projects/msseg",
        _UNKNOWN,
        "Commowick et al., Multiple sclerosis lesions segmentation from multiple experts: The MICCAI 2016 challenge "
        "dataset, NeuroImage 2021",
        msseg2016.find,
    ),
    "wmh2017": PublicSet(
        "WMH Segmentation Challenge 2017",
        "doi:10.34894/AECRSD",
        "CC BY-NC 4.0",
        "Kuijf et al., Standardized Assessment of Automatic Segmentation of White Matter Hyperintensities and Results "
        "of the WMH Segmentation Challenge, IEEE Transactions on Medical Imaging 38(11), 2019",
        wmh2017.find,
        no_lesion=(2,),
    ),
    "isbi2015": PublicSet(
        "ISBI-2015 longitudinal MS lesion segmentation challenge",
        "doi:10.1016/j.neuroimage.2016.12.064",
        _UNKNOWN,
        "Carass et al., Longitudinal multiple sclerosis lesion segmentation: Resource and challenge, NeuroImage 148, "
        "2017",
        isbi2015.find,
    ),
}
