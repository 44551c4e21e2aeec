"""One way to print rows: columns under their titles, words at the left and numbers at the right."""

from kdsharp import evaluate

COLUMNS = {"way": "{way}", "dB": "{db:.2f}", "SSIM": "{ssim:.3f} ± {sd:.3f}"}


def test_columns_end_where_their_titles_do() -> None:
    rows = [
        {"way": "plain", "db": 30.126, "ssim": 0.9, "sd": 0.01},
        {"way": "x", "db": 9, "ssim": 1, "sd": 0},
    ]
    assert evaluate.text_table(rows, COLUMNS).splitlines() == [
        "way       dB           SSIM",
        "plain  30.13  0.900 ± 0.010",
        "x       9.00  1.000 ± 0.000",
    ]


def test_what_was_not_measured_is_a_dash() -> None:
    rows = [{"way": "a", "db": None, "ssim": 0.5, "sd": 0.1}, {"way": "b", "db": 30.0}]
    first, second = (line.split() for line in evaluate.text_table(rows, COLUMNS).splitlines()[1:])
    assert first == ["a", "-", "0.500", "±", "0.100"] and second == ["b", "30.00", "-"]


def test_words_begin_at_the_left_and_no_line_ends_in_spaces() -> None:
    rows = [{"one": "a", "two": "first"}, {"one": "longer", "two": ""}]
    lines = evaluate.text_table(rows, {"one": "{one}", "two": "{two}"}, texts=2).splitlines()
    assert lines == ["one     two", "a       first", "longer"]
    assert evaluate.text_table([], COLUMNS) == "(no rows)"
