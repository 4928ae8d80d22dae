"""What one would use instead of the service, each in its best usual form: the same tree at the same URLs.

Where they are told from outside: `BENCH_DATA` is the data directory, `BENCH_DATABASE_URL` a PostgreSQL server.
"""
