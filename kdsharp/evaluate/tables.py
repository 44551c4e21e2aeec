"""Rows as text, in columns: one way for all that the project prints."""


def text_table(rows: list[dict], columns: dict[str, str], texts: int = 1) -> str:
    """Rows under the titles of `columns`, each of which is filled by a template, as of `str.format`, with a row's keys.

    A row that lacks what a template asks for, or has None there, shows "-". The first `texts` columns are words, which
    begin at the left; the others are numbers, which end at the right. `(no rows)` where there is none.

    >>> print(text_table([{"name": "a", "db": 30.126}, {"name": "b"}], {"name": "{name}", "PSNR": "{db:.2f} dB"}))
    name      PSNR
    a     30.13 dB
    b            -
    """
    if not rows:
        return "(no rows)"
    lines = [list(columns), *([_cell(template, row) for template in columns.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:{'<' if place < texts else '>'}{width}}"
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cell(template: str, row: dict) -> str:
    try:
        return template.format(**row)
    except (KeyError, TypeError):  # not measured
        return "-"
