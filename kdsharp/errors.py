"""The one error that a reader of the course is meant to see."""


class KdsharpError(Exception):
    """Something the reader can mend: the message is one sentence that names the culprit and the remedy."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows (a hook of IPython's): the sentence, without the way to where it was said."""
        return [f"{type(self).__name__}: {self}"]
