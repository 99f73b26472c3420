"""The files of a comparison of two dates, see docs/followup.md."""

TABLE_FILE, MASK_FILE, SUBTRACTION_FILE = "changes.csv", "change_mask.nii.gz", "subtraction.nii.gz"
TRANSFORM_FILE, OVERVIEW_FILE = "followup_to_baseline.tfm", "overview.png"
PAGE_FILE, JSON_FILE = "followup.html", "followup.json"

NEW, ENLARGING, STABLE, SHRINKING, RESOLVED = "new", "enlarging", "stable", "shrinking", "resolved"
KINDS = (NEW, ENLARGING, STABLE, SHRINKING, RESOLVED)
MASK_VALUES = {NEW: 1, ENLARGING: 2, SHRINKING: 3, RESOLVED: 4}
"""Kind of change -> its voxels in the mask; a stable lesion has none."""
