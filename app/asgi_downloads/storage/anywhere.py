"""Trees and files wherever they are: on a disk, or in an object store."""

from asgi_downloads.storage.files.openfile import OpenFile
from asgi_downloads.storage.files.tree import Directory, Tree
from asgi_downloads.storage.objects.bucket import Bucket, StoredObject

AnyTree = Tree | Bucket
AnyDirectory = Directory | Bucket
AnyFile = OpenFile | StoredObject
