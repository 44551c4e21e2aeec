"""Photographs in: DIV2K, a folder of your own, or the ones that scikit-image ships; pictures of any format."""

from kdsharp.data.folders import (
    BLURRED,
    SHARP,
    SUFFIXES,
    is_paired,
    list_pairs,
    list_photos,
    partner,
    read_for,
)
from kdsharp.data.images import (
    centre,
    crop_to_multiple,
    decode_image,
    read_image,
    to_image,
    to_tensor,
    write_image,
)
from kdsharp.data.photos import DIV2K, Archive, cifar10, div2k, embedded_photos, holdout, photos_for

__all__ = [
    "BLURRED",
    "DIV2K",
    "SHARP",
    "SUFFIXES",
    "Archive",
    "centre",
    "cifar10",
    "crop_to_multiple",
    "decode_image",
    "div2k",
    "embedded_photos",
    "holdout",
    "is_paired",
    "list_pairs",
    "list_photos",
    "partner",
    "photos_for",
    "read_for",
    "read_image",
    "to_image",
    "to_tensor",
    "write_image",
]
