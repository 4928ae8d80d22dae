"""The wire seen from inside: request, router, respond, guard. Nothing here knows an endpoint."""
