"""Links that expire and still resume: a signed grant of one file, or of all below a folder."""
