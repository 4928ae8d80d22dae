"""The rules of HTTP as pure functions: standard library only, no `await`, no disk, no clock."""
