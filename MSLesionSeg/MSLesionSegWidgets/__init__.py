"""The Qt parts of the modules: panel, worker process, installing.

Files that need neither Qt nor Slicer say so in their first lines and are tested without them.
"""
