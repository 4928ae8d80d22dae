"""Archives of recent requests, each used again only when a new scan finds its directory as it was."""

import os
from collections import OrderedDict
from contextlib import aclosing
from functools import partial

from app.bodies.ahead import in_order
from app.bodies.zip_archive import Archive
from app.bodies.zip_deflate import Packing
from app.bodies.zip_members import Members, Stop, Stopped
from app.bodies.zip_names import unique_names
from app.storage.checksums import Checksums
from app.storage.listing import Listing, Subtree, scan
from app.storage.threads import in_thread
