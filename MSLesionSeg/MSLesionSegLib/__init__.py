"""The MSLesionSeg engine: read a study, prepare it, find the lesions, write the result.

Plain Python: knows neither Slicer nor Qt. Nothing heavy is imported here, so that Slicer's own process can import
the light modules (errors, protocol, study, lesion table, model list) before torch is installed.
"""

__version__ = "0.1.0"
