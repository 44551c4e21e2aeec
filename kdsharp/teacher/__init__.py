"""The networks that teach: official ones by name, files of others, and the course's own."""

from kdsharp.teacher.teacher import (
    OFFICIAL,
    OWN,
    OfficialFile,
    Teacher,
    at_hand,
    load_teacher,
    official_file,
    target_for,
)

__all__ = [
    "OFFICIAL",
    "OWN",
    "OfficialFile",
    "Teacher",
    "at_hand",
    "load_teacher",
    "official_file",
    "target_for",
]
