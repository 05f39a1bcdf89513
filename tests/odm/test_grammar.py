"""Descriptions, stanzas and criteria: exact both ways, and garbage is refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcctl.odm import OdmError, criteria, description, stanza

CLASS_TEXT = """class Fictional_Characters {
\tchar Story_Star[20];
\tvchar Birthday[20];
\tshort Age;
\tulong64 Fans;
\tlink PdDv PdDv uniquetype PdDvLn[48];
};
"""
(CLASS,) = description.parse(CLASS_TEXT)

texts = st.text(st.characters(blacklist_characters="\0", codec="utf-8"), max_size=19)


def test_a_description_reads_back_as_it_was_written() -> None:
    assert CLASS.text() == CLASS_TEXT
    assert description.parse("/* c\n */ class A{short x;};class B { long y; }")[1].name == "B"


@pytest.mark.parametrize(
    "text",
    [
        "class",
        "class X {}",
        "class X { int y; };",
        "class X { char y; };",
        "klass X { short y; };",
        "class X { short y }",
        "class X { short y; short y; };",
        "class X { char y[0]; };",
        "class 1X { short y; };",
        "class X { short y;",
        "class X { short y; }; /* class Y",
    ],
)
def test_bad_descriptions(text: str) -> None:
    with pytest.raises(OdmError) as caught:
        description.parse(text)
    assert caught.value.code == "ODMI_INVALID_CLASS"


def test_a_class_is_described_once_in_a_file() -> None:
    with pytest.raises(OdmError) as caught:
        description.parse("class X { short y; }; class Y { short z; }; class X { char y[9]; };")
    assert caught.value.code == "ODMI_CLASS_EXISTS"


@given(texts.filter(lambda t: len(t.encode()) < 20), texts, st.integers(-32768, 32767), st.integers(0, 2**64 - 1))
def test_what_odmget_prints_odmadd_reads(star: str, birthday: str, age: int, fans: int) -> None:
    values = CLASS.complete({"Story_Star": star, "Birthday": birthday, "Age": age, "Fans": fans})
    text = stanza.format_object(CLASS, values)
    (entry,) = stanza.parse(text.split("\n"))
    assert entry.class_name == CLASS.name
    assert CLASS.complete(entry.values) == values
    assert stanza.format_object(CLASS, CLASS.complete(entry.values)) == text


def test_the_documented_forms_of_input() -> None:
    text = '# comment\n* comment\nX:\n        a      = "Once \\\nupon"\n\tb=19\n  c = bare\n\nY:\n\td = "x"\n'
    entries = stanza.parse(text.splitlines())
    assert [(e.class_name, e.values) for e in entries] == [
        ("X", {"a": "Once upon", "b": "19", "c": "bare"}),
        ("Y", {"d": "x"}),
    ]


@pytest.mark.parametrize(
    "text", ["X\n", "\ta = 1\n", "X:\n\ta\n", 'X:\n\ta = "open\n', 'X:\n\ta = "x" y\n', "X:\n\ta = 1\n\ta = 2\n", ":\n"]
)
def test_bad_stanzas_name_their_line(text: str) -> None:
    with pytest.raises(OdmError, match="line"):
        stanza.parse(text.splitlines())


@pytest.mark.parametrize(
    "values",
    [{"Age": "old"}, {"Age": 40000}, {"Fans": -1}, {"Story_Star": "x" * 20}, {"Nobody": 1}, {"Story_Star": "\0"}],
)
def test_values_that_do_not_fit(values: dict[str, int | str]) -> None:
    with pytest.raises(OdmError) as caught:
        CLASS.complete(values)
    assert caught.value.code == "ODMI_PARAMS"


OBJECT: dict[str, int | str] = {"Story_Star": "Cinder ella", "Birthday": "", "Age": 19, "Fans": 7, "PdDvLn": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Age=19", True),
        ("Age = 19 and Fans>=7", True),
        ("Age != 19", False),
        ("Age<20 AND Age>18 AND Fans<=6", False),
        ("Story_Star='Cinder ella'", True),
        ('Story_Star="Cinder ella"', True),
        (" Story_Star LIKE Cind*", True),
        ("Story_Star like 'C?nder [a-f]lla'", True),
        ("Story_Star LIKE cind*", False),
        ("Birthday=''", True),
        ("Story_Star > 'A'", True),
        ("", True),
    ],
)
def test_criteria(text: str, expected: bool) -> None:
    assert criteria.parse(text, CLASS)(OBJECT) is expected


@pytest.mark.parametrize(
    "text",
    [
        "Nobody=1",
        "Age",
        "Age=",
        "Age=old",
        "Story_Star == ",
        "Story_Star = =",
        "Age < > 3",
        "Age 19",
        "Age=19 OR Age=20",
        "Story_Star='open",
        "Age LIKE 1*",
        "=1",
        "x" * 300,
    ],
)
def test_bad_criteria(text: str) -> None:
    with pytest.raises(OdmError) as caught:
        criteria.parse(text, CLASS)
    assert caught.value.code == "ODMI_BAD_CRIT"


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parser in (
        description.parse,
        lambda t: stanza.parse(t.splitlines()),
        lambda t: criteria.parse(t, CLASS)(OBJECT),
    ):
        try:
            parser(text)  # type: ignore[operator]
        except OdmError:
            pass


def test_offsets_are_those_of_the_published_listing() -> None:
    (cudv,) = description.parse(
        "class CuDv { char name[16]; short status; short chgstatus; char ddins[16]; char location[16]; char parent[16];"
        "char connwhere[16]; link PdDv PdDv uniquetype PdDvLn[48]; };"
    )
    assert cudv.offsets() == ([12, 28, 30, 32, 48, 64, 80, 96], 152)
