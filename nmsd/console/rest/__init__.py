"""The REST interface under /api/v1, described by itself at /api/v1/openapi.json: what the pages do, for programs."""
