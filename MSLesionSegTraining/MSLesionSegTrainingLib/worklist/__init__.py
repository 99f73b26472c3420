"""A folder of studies that several people correct: who has which case, what is done, what comes next.

Of the studies' folder (BIDS, docs/formats.md) it reads ``sub-*/[ses-*/]anat``, writes finished masks to
``derivatives/annotations``, and keeps what is not finished in ``derivatives/worklist/CASE``: ``claim.json``,
``draft_mask.nii.gz``, ``draft_lesions.nii.gz``, ``draft.json``, ``excluded.json``.
``mslesionseg batch FOLDER FOLDER/derivatives/presegmented`` leaves there the model's results.
"""

from pathlib import Path

WORK = Path("derivatives") / "worklist"
PRESEGMENTED = Path("derivatives") / "presegmented"
