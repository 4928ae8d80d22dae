"""The parameters that exports take, whatever they export."""

from asgi_downloads.asgi.parameter import Parameter

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}

FORM = {
    parameter.name: parameter
    for parameter in (
        Parameter("format", default="csv", choices=("csv", "jsonl")),
        Parameter("delimiter", default="comma", choices=tuple(DELIMITERS)),
        Parameter("excel", "boolean", default=False),
        Parameter("columns"),
        Parameter("limit", "integer", least=1),
    )
}
"""By name. `columns` are words with commas between, which the export knows."""

SPAN = (Parameter("since", "datetime"), Parameter("until", "datetime"))
"""Of the users: inclusive, exclusive."""
