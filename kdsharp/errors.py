"""The one error that a reader of the course is meant to see."""


class KdsharpError(Exception):
    """Something the reader can mend: the message is one sentence that names the culprit and the remedy."""
