"""The page: folders to look through, files to look at, ticks that become one ZIP."""
