"""Videos: sharpened with all that their files hold beside the pictures, or written from pictures.

PyAV (FFmpeg) reads and writes them; it is the extra `video`, imported when it is first needed.
"""

from kdsharp.apps.video.kinds import ONLY_READ, SUFFIXES, is_video, pyav
from kdsharp.apps.video.sharpening import sharpen_video
from kdsharp.apps.video.writing import write_video

__all__ = ["ONLY_READ", "SUFFIXES", "is_video", "pyav", "sharpen_video", "write_video"]
