"""The training package of MSLesionSeg: everything that makes a model, and the whole command line.

Stands on the engine (``MSLesionSegLib``), which never imports it. Plain Python: knows neither Slicer nor Qt.
"""
