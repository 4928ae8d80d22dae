"""The parameters that exports take, whatever they export."""

from asgi_downloads.asgi.parameter import Parameter

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}

FORM = {
    parameter.name: parameter
    for parameter in (
        Parameter("format", default="csv", choices=("csv", "jsonl"), help="CSV, or a JSON object in each line"),
        Parameter("delimiter", default="comma", choices=tuple(DELIMITERS), help="What stands between the columns"),
        Parameter("excel", "boolean", default=False, help="As spreadsheets like it: a mark, and no formulas"),
        Parameter("columns", "words", help="Which columns, in which order"),
        Parameter("limit", "integer", least=1, help="So many rows at most"),
    )
}
"""By name."""

SPAN = (
    Parameter("since", "datetime", help="Created at this moment or later"),
    Parameter("until", "datetime", help="Created before this moment"),
)
"""Of the users."""
