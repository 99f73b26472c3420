"""The application around a scripted module, without 3D Slicer: for tests only, never installed.

``slicer-core`` holds Slicer's own C++ classes and ``slicer.util``. :func:`~.start.start_host` puts around them what
only the application has: ``slicer.mrmlScene``, ``slicer.modules``, ``slicer.app``, base classes of scripted modules,
``qt`` and ``ctk`` (PySide6 that behaves like PythonQt), and stand-ins for the widgets that the modules use. A stand-in
has no attribute that its class lacks in Slicer; a test holds it.
"""
