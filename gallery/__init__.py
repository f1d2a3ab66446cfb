"""What was made and how to make it again: picture files, the recipe inside them, a searchable index.

The files are the truth; the index is a cache of them and can be lost. This room knows no networks,
queues or widgets.
"""

from gallery.entry import Entry
from gallery.gallery import Gallery
from gallery.inputs import Inputs, sha256_of
from gallery.lineage import Family, pictures_of
from gallery.metadata import MetadataError, Restored, read_recipe, restore, save_picture
from gallery.pictures import PictureError, open_picture

__all__ = [
    "Entry",
    "Family",
    "Gallery",
    "Inputs",
    "MetadataError",
    "PictureError",
    "Restored",
    "open_picture",
    "pictures_of",
    "read_recipe",
    "restore",
    "save_picture",
    "sha256_of",
]
