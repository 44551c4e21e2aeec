"""The networks that teach: official ones by name, files of others, and the course's own."""

from kdsharp.teacher.loading import choose, load_teacher
from kdsharp.teacher.official import OFFICIAL, OWN, OfficialFile, at_hand, official_file, source_of
from kdsharp.teacher.teacher import Teacher, target_for

__all__ = [
    "OFFICIAL",
    "OWN",
    "OfficialFile",
    "Teacher",
    "at_hand",
    "choose",
    "load_teacher",
    "official_file",
    "source_of",
    "target_for",
]
