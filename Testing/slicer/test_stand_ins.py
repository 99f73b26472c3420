"""No stand-in of the test host has an attribute or a signal that its class lacks in Slicer."""

import pytest


@pytest.fixture(scope="module")
def classes():
    from Testing.host.manifest import checker_path, read_classes

    if not checker_path().is_file():
        pytest.skip(f"no name checker in {checker_path()}; set SLICER_API_CHECK")
    return read_classes()


def stand_ins() -> dict[str, type]:
    """Name of the class in Slicer -> stand-in."""
    from Testing.host import application, io_manager, layout_manager
    from Testing.host.stand_ins import CTK, SLICER

    return {
        **{one.__name__: one for one in (*CTK, *SLICER)},
        "qSlicerApplication": application.HostApplication,
        "qSlicerModuleManager": application.ModuleManager,
        "qSlicerIOManager": io_manager.IOManager,
        "qSlicerLayoutManager": layout_manager.LayoutManager,
        "qMRMLSliceWidget": layout_manager.SliceWidget,
        "qMRMLThreeDWidget": layout_manager.ThreeDWidget,
        "qMRMLThreeDView": layout_manager.ThreeDView,
    }


def own_names(stand_in: type) -> set[str]:
    """What the host's classes define, without what they take from Qt's."""
    bodies = (one.__dict__ for one in stand_in.__mro__ if one.__module__.startswith("Testing.host"))
    return {name for body in bodies for name in body if not name.startswith("_") and name != "staticMetaObject"}


def test_every_attribute_of_a_stand_in_exists_in_slicer(qt_host, classes):
    from Testing.host.manifest import members

    invented = {
        f"{name}.{attribute}"
        for name, stand_in in stand_ins().items()
        for attribute in own_names(stand_in) - members(classes, name)
    }
    assert invented == set()


def test_every_signal_of_a_stand_in_exists_in_slicer(qt_host, classes):
    from Testing.host.manifest import signals

    invented = {
        f"{name}.{signature}"
        for name, stand_in in stand_ins().items()
        for signature in set(getattr(stand_in, "_signals", {})) - signals(classes, name)
    }
    assert invented == set()


def test_an_invented_attribute_would_be_found(qt_host, classes):
    from Testing.host.manifest import members

    known = members(classes, "ctkSliderWidget")
    assert {"value", "setValue", "valueChanged", "enabled", "setEnabled"} <= known
    assert not {"setRange", "setMaximum"} & known  # C++ only
