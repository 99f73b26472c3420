"""The Qt parts of the module MSLesionSegTraining: the panel with its tabs."""
