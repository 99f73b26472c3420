"""The test host behaves as the application does where the modules rely on it."""

import numpy as np
import pytest


def test_a_volume_and_a_segment_survive_a_saved_scene(scene, tmp_path):
    import slicer

    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    volume = slicer.util.addVolumeFromArray(array, name="FLAIR")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lesions")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation.GetSegmentation().AddEmptySegment("reader", "reader")
    slicer.util.updateSegmentBinaryLabelmapFromArray((array > 60).astype(np.uint8), segmentation, "reader", volume)

    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert slicer.util.getNodesByClass("vtkMRMLVolumeNode") == []
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))

    assert np.array_equal(slicer.util.arrayFromVolume(slicer.util.getNode("FLAIR")), array)
    back = slicer.util.getNode("lesions")
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(back, "reader", slicer.util.getNode("FLAIR"))
    assert np.array_equal(mask, array > 60)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert hierarchy.GetItemByDataNode(back)


def test_qt_properties_are_attributes(qt_host):
    label = qt_host.qt.QLabel("text")
    assert label.text == "text"
    label.text = "other"
    assert label.text == "other"
    with pytest.raises(AttributeError, match="QLabel has no attribute txt"):
        label.txt = "wrong"


def test_signals_connect_by_their_cpp_signature(qt_host):
    seen = []
    box = qt_host.qt.QCheckBox("on")
    assert box.connect("toggled(bool)", seen.append)
    box.checked = True
    assert seen == [True]
    with pytest.raises(AttributeError, match="QCheckBox has no signal togled"):
        box.connect("togled(bool)", seen.append)


def test_a_node_selector_follows_the_scene(qt_host, scene):
    import slicer

    seen = []
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.noneEnabled = True
    box.setMRMLScene(scene)
    box.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: seen.append(node and node.GetName()))
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "FLAIR")
    scene.AddNewNodeByClass("vtkMRMLModelNode", "surface")
    assert box.nodeCount() == 1
    assert box.currentNode() is None
    box.setCurrentNode(node)
    scene.RemoveNode(node)
    assert seen == ["FLAIR", None]
    box.setMRMLScene(None)


def test_errors_of_cpp_and_exceptions_in_slots_are_noticed(qt_host, scene):
    def fail() -> None:
        raise ValueError("in a slot")

    button = qt_host.qt.QPushButton("press")
    button.connect("clicked()", fail)
    button.click()
    scene.AddNewNodeByClass("vtkMRMLNoSuchNode")
    failures = qt_host.failures.take()
    assert len(failures) == 2
    assert "ValueError: in a slot" in failures[0]
    assert "vtkMRMLNoSuchNode" in failures[1]


def test_slice_views_follow_the_layout(qt_host):
    import slicer

    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    assert manager.sliceViewNames() == ("Red",)
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    assert set(manager.sliceViewNames()) == {"Red", "Green", "Yellow"}
    assert manager.threeDViewCount == 1
