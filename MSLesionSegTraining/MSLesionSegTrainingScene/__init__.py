"""Between MRML and the training package: a case of a work list as nodes of the scene.

Imports slicer and vtk, never qt.
"""
