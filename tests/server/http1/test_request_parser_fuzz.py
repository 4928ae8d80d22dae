"""Both parsers against each other and against a grammar of our own, with streams that are nearly right.

What one takes for requests the other does, whole or byte by byte, and so does the grammar. Which status a refusal
has may depend on what is looked at first; that it is one may not.
"""

import os
import random
import re
import time

import pytest

from asgi_downloads.server.http1.h11_parser import H11Parser
from asgi_downloads.server.http1.httptools_parser import HttpToolsParser
from asgi_downloads.server.http1.request_head import METHODS, valid_host
from tests.server.http1.requests import ACCEPTED, BROKEN, REFUSED
from tests.server.http1.test_request_parser import Seen, pieces, read

SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))
