"""A view of an image's voxels is taken only of an image that has a name, since the view does not keep the image.

``sitk.GetArrayViewFromImage(read(...))`` shows memory that was freed: wrong voxels, or a crash on a large image.
"""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def views_of_nameless_images(text: str) -> list[int]:
    """Lines that take a view of what a call returns."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and node.args]
    return [
        node.lineno
        for node in calls
        if getattr(node.func, "attr", "") == "GetArrayViewFromImage" and isinstance(node.args[0], ast.Call)
    ]


@pytest.mark.parametrize("folder", ["MSLesionSeg", "MSLesionSegTraining", "Testing"])
def test_no_view_outlives_its_image(folder):
    files = sorted((REPOSITORY / folder).rglob("*.py"))
    found = [f"{file.name}:{line}" for file in files for line in views_of_nameless_images(file.read_text("utf-8"))]
    assert files and found == []


def test_a_view_of_a_nameless_image_is_found():
    assert views_of_nameless_images("a = 1\nb = sitk.GetArrayViewFromImage(read(path))\n") == [2]
    assert views_of_nameless_images("image = read(path)\nb = sitk.GetArrayViewFromImage(image)\n") == []
