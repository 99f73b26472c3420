"""Between MRML and the engine: nodes of a Slicer scene to files of a study and back, and the reader's review of them.

Imports slicer and vtk, never qt: everything here works on a scene alone, with or without Slicer's windows.
"""
