"""A file download service as hand-written ASGI callables.

Read `app/routes.py` first: it is the table of URLs. The rooms import only from their left:
`http <- storage <- bodies <- asgi <- endpoints <- routes, main <- server`.
"""
