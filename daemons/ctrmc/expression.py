"""RMC expressions: select strings, event and rearm expressions.

The grammar and the precedence are those of the RSCT administration guide ("Using expressions"): C and SQL spellings may
be mixed, attributes may carry ``@P`` (the previous observation) and name a field of structured data
(``Processes.CurPidCount``). An expression is parsed once; evaluating it never fails on data: a missing value makes a
comparison false, a division by zero makes the result false.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Scalar: TypeAlias = int | float | str | None
Attributes: TypeAlias = Mapping[str, Scalar]

LENGTH_MAX = 2048
"""Characters of one expression."""
DEPTH_MAX = 50
"""Nesting of parentheses and prefix operators."""


class ExpressionError(Exception):
    """The text is no expression; the message says where."""


class _Undefined(Exception):
    """The value is not known (a missing attribute, no previous observation, a division by zero)."""


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>0[xX][0-9a-fA-F]+|\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+|\d+(?:[eE][+-]?\d+)?)
      | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*(?:@[PRQ]+)?)
      | (?P<operator>&&|\|\||==|!=|<>|<=|>=|<<|>>|=~|!~|=\?|!\?|[-+*/%<>=!~&|^(),])
    )""",
    re.VERBOSE,
)

_WORDS = {"AND": "&&", "OR": "||", "NOT": "!", "LIKE": "=?", "IN": "IN", "IS": "IS", "NULL": "NULL"}

_PRECEDENCE = {
    "||": 1,
    "&&": 2,
    "|": 3,
    "^": 4,
    "&": 5,
    "IN": 6,
    "==": 7,
    "=": 7,
    "!=": 7,
    "<>": 7,
    "=?": 7,
    "!?": 7,
    "=~": 7,
    "!~": 7,
    "<": 8,
    ">": 8,
    "<=": 8,
    ">=": 8,
    "<<": 9,
    ">>": 9,
    "+": 10,
    "-": 10,
    "*": 11,
    "/": 11,
    "%": 11,
}

_Node: TypeAlias = Callable[[Attributes, Attributes], Scalar]


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression. ``attributes`` are the names it uses, without suffixes, in order of appearance."""

    text: str
    attributes: tuple[str, ...]
    _node: _Node

    def holds(self, current: Attributes, previous: Attributes | None = None) -> bool:
        """Whether the expression is true for these observations; unknown values make it false."""
        try:
            value = self._node(current, previous if previous is not None else {})
        except _Undefined:
            return False
        return bool(value) if isinstance(value, int | float) else False


def parse(text: str) -> Expression:
    """Parse an expression.

    Raises:
        ExpressionError: syntax, length or nesting.
    """
    if len(text) > LENGTH_MAX:
        raise ExpressionError(f"the expression is longer than {LENGTH_MAX} characters")
    parser = _Parser(text)
    node = parser.expression(0, 0)
    if parser.peek() is not None:
        raise ExpressionError(f"unexpected {parser.peek()!r}")
    return Expression(text, tuple(dict.fromkeys(parser.names)), node)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    def __repr__(self) -> str:
        return repr(self.text)


class _Parser:
    """Precedence climbing over the token list."""

    def __init__(self, text: str) -> None:
        self.tokens: list[_Token] = []
        self.place = 0
        self.names: list[str] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise ExpressionError(f"unexpected character at {text[position : position + 10]!r}")
            word = match.group(match.lastgroup)
            kind = match.lastgroup
            if kind == "name" and word.upper() in _WORDS:
                kind, word = "operator", _WORDS[word.upper()]
            self.tokens.append(_Token(kind, word))
            position = match.end()
        if not self.tokens:
            raise ExpressionError("the expression is empty")

    def peek(self) -> _Token | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self) -> _Token:
        token = self.peek()
        if token is None:
            raise ExpressionError("the expression ends too early")
        self.place += 1
        return token

    def accept(self, text: str) -> bool:
        token = self.peek()
        if token is not None and token.kind == "operator" and token.text == text:
            self.place += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise ExpressionError(f"{text!r} expected, not {self.peek()!r}")

    def expression(self, lowest: int, depth: int) -> _Node:
        if depth > DEPTH_MAX:
            raise ExpressionError("the expression is nested too deeply")
        left = self.operand(depth)
        while (token := self.peek()) is not None and token.kind == "operator":
            operator = token.text
            negated = False
            if operator == "!" and self.place + 1 < len(self.tokens):
                following = self.tokens[self.place + 1].text  # NOT LIKE, NOT IN
                if following not in ("=?", "IN"):
                    break
                negated, operator = True, following
            if operator == "IS":
                self.take()
                negated = self.accept("!")
                self.expect("NULL")
                left = _is_null(left, negated)
                continue
            precedence = _PRECEDENCE.get(operator)
            if precedence is None or precedence < lowest:
                break
            self.place += 2 if negated else 1
            if operator == "IN":
                left = _membership(left, self.list_of_values(depth), negated)
                continue
            right = self.expression(precedence + 1, depth + 1)
            left = _binary("!?" if negated else operator, left, right)
        return left

    def operand(self, depth: int) -> _Node:
        if depth > DEPTH_MAX:
            raise ExpressionError("the expression is nested too deeply")
        token = self.take()
        if token.kind == "number":
            number = _number(token.text)
            return lambda current, previous: number
        if token.kind == "string":
            string = re.sub(r"\\(.)", r"\1", token.text[1:-1])
            return lambda current, previous: string
        if token.kind == "name":
            return self.attribute(token.text)
        if token.text == "(":
            node = self.expression(0, depth + 1)
            self.expect(")")
            return node
        if token.text in ("-", "+", "!", "~"):
            return _unary(token.text, self.operand(depth + 1))
        raise ExpressionError(f"unexpected {token!r}")

    def attribute(self, text: str) -> _Node:
        name, _, suffix = text.partition("@")
        self.names.append(name)
        from_previous = "P" in suffix

        def value(current: Attributes, previous: Attributes) -> Scalar:
            found = (previous if from_previous else current).get(name)
            if found is None:
                raise _Undefined
            return found

        return value

    def list_of_values(self, depth: int) -> list[_Node]:
        self.expect("(")
        values = [self.expression(0, depth + 1)]
        while self.accept(","):
            values.append(self.expression(0, depth + 1))
        self.expect(")")
        return values


def _number(text: str) -> int | float:
    if text[:2] in ("0x", "0X"):
        return int(text, 16)
    return float(text) if any(c in text for c in ".eE") else int(text)


def _unary(operator: str, operand: _Node) -> _Node:
    def value(current: Attributes, previous: Attributes) -> Scalar:
        if operator == "!":
            try:
                return int(not operand(current, previous))
            except _Undefined:
                raise
        number = operand(current, previous)
        if isinstance(number, str) or number is None:
            raise _Undefined
        if operator == "-":
            return -number
        if operator == "~":
            return ~_whole(number)
        return number

    return value


def _is_null(operand: _Node, negated: bool) -> _Node:
    def value(current: Attributes, previous: Attributes) -> Scalar:
        try:
            operand(current, previous)
        except _Undefined:
            return int(not negated)
        return int(negated)

    return value


def _membership(operand: _Node, values: list[_Node], negated: bool) -> _Node:
    def value(current: Attributes, previous: Attributes) -> Scalar:
        wanted = operand(current, previous)
        return int((wanted in [v(current, previous) for v in values]) != negated)

    return value


def _binary(operator: str, left: _Node, right: _Node) -> _Node:
    if operator in ("&&", "||"):
        return _logic(operator, left, right)

    def value(current: Attributes, previous: Attributes) -> Scalar:
        return _apply(operator, left(current, previous), right(current, previous))

    return value


def _logic(operator: str, left: _Node, right: _Node) -> _Node:
    def truth(node: _Node, current: Attributes, previous: Attributes) -> bool:
        try:
            return bool(node(current, previous))
        except _Undefined:
            return False

    if operator == "&&":
        return lambda current, previous: int(truth(left, current, previous) and truth(right, current, previous))
    return lambda current, previous: int(truth(left, current, previous) or truth(right, current, previous))


def _apply(operator: str, a: Scalar, b: Scalar) -> Scalar:
    if operator in ("==", "="):
        return int(a == b)
    if operator in ("!=", "<>"):
        return int(a != b)
    if isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return _apply_to_strings(operator, a, b)
    match operator:
        case "<":
            return int(a < b)
        case ">":
            return int(a > b)
        case "<=":
            return int(a <= b)
        case ">=":
            return int(a >= b)
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            if not b:
                raise _Undefined
            # Integer operands round: the guide's example is 2/3 = 1.
            return round(a / b) if isinstance(a, int) and isinstance(b, int) else a / b
    x, y = _whole(a), _whole(b)
    match operator:
        case "%":
            if not y:
                raise _Undefined
            return x % y
        case "|":
            return x | y
        case "&":
            return x & y
        case "^":
            return x ^ y
        case "<<" if 0 <= y < 64:
            return x << y
        case ">>" if 0 <= y < 64:
            return x >> y
    raise _Undefined


def _apply_to_strings(operator: str, a: Scalar, b: Scalar) -> Scalar:
    if not isinstance(a, str) or not isinstance(b, str):
        raise _Undefined
    match operator:
        case "<":
            return int(a < b)
        case ">":
            return int(a > b)
        case "<=":
            return int(a <= b)
        case ">=":
            return int(a >= b)
        case "=?" | "!?":
            pattern = fnmatch.translate(re.sub(r"([*?\[])", r"[\1]", b).replace("%", "*").replace("_", "?"))
            return int((re.match(pattern, a) is not None) == (operator == "=?"))
        case "=~" | "!~":
            try:
                return int((re.search(b, a) is not None) == (operator == "=~"))
            except re.error:
                raise _Undefined from None
    raise _Undefined


def _whole(value: int | float) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise _Undefined
    return int(value)
