"""What the parts of the panel share: the state in the scene, the review, and word of their changes."""

from collections.abc import Callable
from typing import Any

from MSLesionSegScene.review import Review
from MSLesionSegScene.state import ModuleState

from .review_clock import ReviewClock


class PanelContext:
    """One panel on one scene.

    Args:
        scene: the ``vtkMRMLScene``.

    Attributes:
        state: the module's state in the scene.
        review: the review of its result.
        clock: how long the reader has worked on the present study; kept in the scene.
        busy: whether a computation is going on; inputs stay as they are meanwhile.
    """

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        self.state = ModuleState(scene)
        self.review = Review(scene, self.state)
        self.clock = ReviewClock(kept=self.state)
        self.busy = False
        self._flair = self.state.flair
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever something that a part shows may have changed."""
        self._listeners.append(listener)

    def tell(self) -> None:
        """Let every part show what is now in the scene."""
        if self.state.flair is not self._flair:  # another study, of which nothing can be undone yet
            self._flair = self.state.flair
            self.review = Review(self.scene, self.state)
            self.clock = ReviewClock(kept=self.state)
        for listener in self._listeners:
            listener()

    def forget(self) -> None:
        """Start anew, as after the scene was closed or another one loaded."""
        self.review = Review(self.scene, self.state)
        self.clock = ReviewClock(kept=self.state)
        self.tell()
