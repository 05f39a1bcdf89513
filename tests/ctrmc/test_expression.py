import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.ctrmc.expression import DEPTH_MAX, ExpressionError, parse

NOW = {
    "PercentTotUsed": 91,
    "Name": "/var",
    "PctTotalTimeIdle": 12.5,
    "Processes.CurPidCount": 0,
    "OpState": 1,
    "Size": 9,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PercentTotUsed>90", True),
        ("PercentTotUsed > 90 && Name = '/var'", True),
        ('Name == "/tmp" || Name=="/var"', True),
        ("Processes.CurPidCount<=0", True),
        ("OpState!=1", False),
        ("OpState <> 2", True),
        ("NOT OpState == 1", False),
        ("!(OpState == 2)", True),
        ("Name =~ '^/v'", True),
        ("Name !~ '^/v'", False),
        ('Name =? "/v%"', True),
        ('Name LIKE "/v_r"', True),
        ('Name NOT LIKE "/v_r"', False),
        ("Name IN ('/tmp', '/var')", True),
        ("Name NOT IN ('/tmp', '/var')", False),
        ("2/3 == 1", True),
        ("1 + 2 * 3 == 7", True),
        ("(1 + 2) * 3 == 9", True),
        ("1 << 3 | 1 == 9", True),
        ("-1 < +1 AND ~0 == -1", True),
        ("0x10 == 16", True),
        ("7 % 4 == 3 and (6 & 3) = 2 and (6 ^ 3) = 5", True),
        ("1/0 == 1", False),
        ("Missing > 1", False),
        ("NOT Missing > 1", False),
        ("Missing IS NULL", True),
        ("Name IS NOT NULL", True),
        ("Size > Size@P", True),
        ("Size != Size@P && Size@P != 0", True),
        ("Name > 3", False),
        ("Name =~ '('", False),
        ("1=1", True),
    ],
)
def test_expressions(text: str, expected: bool) -> None:
    assert parse(text).holds(NOW, {"Size": 4}) is expected


def test_no_previous_observation_is_unknown() -> None:
    assert not parse("Size > Size@P").holds(NOW)


@pytest.mark.parametrize("text", ["", "(", "1 +", "Name = ", "a b", "Name IN 3", "1 ** 2", "$x", "'open", "x" * 3000])
def test_bad_expressions_are_refused_in_words(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


@pytest.mark.parametrize("prefix", ["(", "!", "-"])
def test_deep_nesting_is_refused(prefix: str) -> None:
    with pytest.raises(ExpressionError, match="nested"):
        parse(prefix * (DEPTH_MAX + 10) + "1")


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        parse(text).holds(NOW, NOW)
    except ExpressionError:
        pass


@given(st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_comparison_and_arithmetic_agree_with_python(a: int, b: int) -> None:
    values = {"a": a, "b": b}
    assert parse("a < b").holds(values) is (a < b)
    assert parse("a * b - a == b * a - a").holds(values)
    assert parse("a - b < 0").holds(values) is (a - b < 0)
