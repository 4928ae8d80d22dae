"""Names that are not there for anybody."""

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cache


@dataclass(frozen=True, slots=True)
class Hidden:
    """Patterns of file names as a shell has them, in any case: `.*` hides all that begin with a dot."""

    patterns: tuple[str, ...] = ()

    def hides(self, name: str) -> bool:
        """Whether a name matches any of them."""
        return bool(self.patterns) and _compiled(self.patterns).match(name) is not None

    def hides_any(self, path: str) -> bool:
        """Whether any name of a path does."""
        return bool(self.patterns) and any(map(self.hides, path.split("/")))


NOTHING = Hidden()


@cache
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)), re.IGNORECASE)
