"""Sentences of the report, each written once for page, Markdown and terminal.

- `sentence`: text with named parts; numbers, commands and durations as words.
- `verdict`: claims and what to do next; `remarks`: the ground that they stand on, and all data sets together.
- `closing`: what a terminal shows at a sweep's end.
- `history`: requests and looks in the order of time.
"""
