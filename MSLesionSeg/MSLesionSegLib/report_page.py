"""The report as one HTML page with everything inside it: read on a phone, printed from any browser."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light; } * { box-sizing: border-box; }
body { font: 16px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 0 auto; padding: 1rem;
  max-width: 60rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 1.75rem 0 .5rem; } p { margin: .5rem 0; }
.notice { color: #a01c00; font-weight: 600; } .quiet { color: #5c5c5c; font-size: .9rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.figures div { border: 1px solid #dcdcdc; border-radius: .4rem; padding: .6rem .75rem; }
.figures b { display: block; font-size: 1.45rem; line-height: 1.2; }
.warning { border-left: .3rem solid #c77700; background: #fff6e5; padding: .5rem .75rem; margin: .5rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .95rem; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid #dcdcdc; text-align: right; vertical-align: top; }
th:first-child, td:first-child, table.text td, table.text th { text-align: left; }
thead th { border-bottom: 2px solid #1b1b1b; } table.text td { overflow-wrap: anywhere; }
table.text th { font-weight: 600; width: 9rem; }
.lesions { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .75rem; }
.lesion { display: flex; gap: .6rem; border: 1px solid #dcdcdc; border-radius: .4rem; padding: .5rem; font-size: .9rem;
  break-inside: avoid; }
.lesion img { width: 6.5rem; height: 6.5rem; flex: none; image-rendering: auto; border-radius: .25rem; }
.lesion b { font-size: 1rem; }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } h2 { break-after: avoid; }
  .lesions { grid-template-columns: repeat(3, 1fr); } * { print-color-adjust: exact; } }
"""


def report_page(data: Mapping[str, Any], pictures: Mapping[int, bytes]) -> str:
    """The page as HTML text.

    Args:
        data: what ``report.json`` holds.
        pictures: number of a lesion -> PNG file.
    """
    parts = [
        "<h1>MS lesion report</h1>",
        f"<p><b>{escape(data['title'])}</b></p>" if data["title"] else "",
        f'<p class="notice">{escape(data["notice"])}</p>',
        _figures(data),
        *_warnings(data["quality"]),
        *_locations(data["locations"]),
        *_dissemination(data["dissemination_in_space"]),
        *_confidence(data["confidence"]),
        *_lesions(_in_review_order(data), pictures),
        "<h2>How it was made</h2>",
        _made(data),
        *_notes(data["notes"]),
        f'<p class="quiet">{escape(data["tool"])} {escape(data["tool_version"])}.</p>',
    ]
    return html_page("MS lesion report", parts)


def html_page(title: str, parts: Sequence[str]) -> str:
    """A whole page in the style of the reports; empty parts are left out."""
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
    )
    return head + "\n".join(part for part in parts if part) + "\n</body></html>\n"


def _figures(data: Mapping[str, Any]) -> str:
    summary, model = data["summary"], data["model"]
    name = f"{model.get('name', '')} {model.get('version', '')}".strip() or "none"
    boxes = (
        (str(summary["lesion_count"]), "lesion" if summary["lesion_count"] == 1 else "lesions"),
        (f"{summary['lesion_volume_ml']:.2f} mL", "lesion volume"),
        (f"{summary['lesion_percent_of_brain']:.2f} %", f"of the brain ({summary['brain_volume_ml']:.0f} mL)"),
        (escape(" + ".join(data["contrasts"])), f"model {escape(name)}"),
    )
    source = data["mask"]["source"]
    cells = "".join(f"<div><b>{value}</b>{text}</div>" for value, text in boxes)
    return f'<div class="figures">{cells}</div><p class="quiet">Measured on {source} mask.</p>'


def _warnings(quality: Sequence[Mapping[str, str]]) -> list[str]:
    if not quality:
        return []
    return ["<h2>Image quality</h2>", *(f'<p class="warning">{escape(one["message"])}</p>' for one in quality)]


def _locations(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return ["<h2>Location</h2>", "<p>No location was determined for this result.</p>"]
    cells = [(row["location"], str(row["lesions"]), f"{row['volume_ml']:.2f}", f"{row['percent']:.1f}") for row in rows]
    return [
        "<h2>Location</h2>",
        html_table(("", "lesions", "volume, mL", "% of volume"), cells),
        '<p class="quiet">A lesion counts where its largest share lies; a confluent one gives each class its share of '
        "the volume.</p>",
    ]


def _dissemination(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    rows = [(area["area"], _supporting(area)) for area in found["areas"]]
    return [
        f"<h2>Areas of dissemination in space ({escape(found['criterion'])})</h2>",
        f"<p>{escape(found['sentence'])} {escape(found['notice'])}</p>",
        html_table(("area", "lesions of at least 3 mm"), rows, "text"),
    ]


def _supporting(area: Mapping[str, Any]) -> str:
    if not area["assessed"]:
        return "not on these images"
    return ", ".join(str(number) for number in area["lesions"]) or "none found"


def _confidence(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    count = found["doubtful"]
    told = "No lesion is doubtful" if count == 0 else f"{count} {'lesion is' if count == 1 else 'lesions are'} doubtful"
    order = "" if count == 0 else f"; look at {'it' if count == 1 else 'them'} first"
    return [
        "<h2>How sure</h2>",
        f"<p>{told} (confidence below {found['doubtful_below']:.2f}){order}.</p>",
        f'<p class="notice">{escape(found["notice"])}</p>',
        "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in found["fitted_on"]) + "</ul>",
    ]


def _in_review_order(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = {row["id"]: row for row in data["lesions"]}
    order = data["confidence"]["review_order"] if data["confidence"] else rows
    return [rows[number] for number in order]


def _lesions(rows: Sequence[Mapping[str, Any]], pictures: Mapping[int, bytes]) -> list[str]:
    if not rows:
        return ["<h2>Lesions</h2>", "<p>No lesion was found.</p>"]
    cards = "".join(_card(row, pictures.get(row["id"])) for row in rows)
    return [
        "<h2>Lesions</h2>",
        f'<div class="lesions">{cards}</div>',
        '<p class="quiet">Axial FLAIR through the largest part of each lesion, 64 mm wide, outlined in red (others in '
        "blue); the patient's right is on the left. Length: between voxel centres. Position: RAS mm.</p>",
    ]


def _card(row: Mapping[str, Any], picture: bytes | None) -> str:
    image = ""
    if picture is not None:
        encoded = base64.b64encode(picture).decode("ascii")
        image = f'<img alt="lesion {row["id"]}" src="data:image/png;base64,{encoded}">'
    place = " ".join(f"{round(row[f'centroid_{axis}_mm'])}" for axis in "ras")
    return (
        f'<div class="lesion">{image}<div><b>{row["id"]}: {row["volume_ml"]:.4f} mL</b><br>'
        f"{_place(row)}<br>{row['longest_diameter_mm']:.2f} mm long<br>"
        f"probability {row['mean_probability']:.4f}<br>at {place}{_doubt(row)}</div></div>"
    )


def _doubt(row: Mapping[str, Any]) -> str:
    if row["confidence"] is None:
        return ""
    doubtful = f'<br><span class="notice">doubtful: {escape(row["doubtful"])}</span>' if row["doubtful"] else ""
    return f"<br>confidence {row['confidence']:.2f}{doubtful}"


def _place(row: Mapping[str, Any]) -> str:
    if not row["shares"]:
        return ""
    shares = {name: share for name, share in row["shares"].items() if share > 0}
    if len(shares) == 1:
        return escape(row["location"])
    return ", ".join(f"{escape(name)} {100 * share:.0f} %" for name, share in shares.items())


def _made(data: Mapping[str, Any]) -> str:
    rows = [(f"{role} model", _model(model)) for role, model in data["models"].items()]
    settings, held = data["settings"], data["held_back"]
    lesion = f"probability from {settings['threshold']:g}, at least {settings['min_lesion_mm3']:g} mm3"
    if held is not None:
        lesion += f"; below {held['below_mm3']:g} mm3 from {held['below_probability']:g} ({held['count']} held back)"
    rows += [
        ("lesion", lesion),
        ("settings", ", ".join(f"{key} {value}" for key, value in sorted(settings.items()))),
        *((name, _input(one)) for name, one in data["inputs"].items()),
        (
            "segmented",
            f"{data['segmented_utc']}, {data['tool']} {data['segmented_with']}, {data['runtime']} on {data['device']}",
        ),
        ("software", ", ".join(f"{name} {version}" for name, version in data["software"].items())),
    ]
    return html_table((), rows, "text")


def _model(model: Mapping[str, str]) -> str:
    return f"{model.get('name', '')} {model.get('version', '')}, SHA-256 {model.get('sha256', '')}"


def _input(one: Mapping[str, Any]) -> str:
    if "size_xyz" not in one:
        return f"SHA-256 {one['sha256']}"
    size = " x ".join(str(count) for count in one["size_xyz"])
    spacing = " x ".join(f"{step:.2f}" for step in one["spacing_xyz_mm"])
    return f"{size} voxels of {spacing} mm, SHA-256 {one['sha256']}"


def _notes(notes: Sequence[str]) -> list[str]:
    if not notes:
        return []
    return ["<h2>Notes</h2>", "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"]


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """A table whose rows begin with a heading; scrolls sideways where it must; ``kind`` "text" aligns left."""
    top = f"<thead><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr></thead>" if head else ""
    body = "".join(
        f"<tr><th>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    return f'<div class="wide"><table class="{kind}">{top}<tbody>{body}</tbody></table></div>'
