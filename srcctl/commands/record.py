"""Named tuples, and generic classes, for what every command imports: to import ``typing``, which has such, takes longer
than most run.

A subclass lists its fields as annotations, with defaults, and is to a type checker a ``typing.NamedTuple``.
"""

from __future__ import annotations

from _operator import itemgetter

__all__ = ["Parametrized", "Record"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic, TypeVar
    from typing import NamedTuple as Record

    AnyT = TypeVar("AnyT")

    class Parametrized(Generic[AnyT]):
        """The base of a class that is generic in one type."""

else:

    class Parametrized:
        """The base of a class that is generic in one type, without ``typing``: any word stands for its parameter."""

        __slots__ = ()

        def __class_getitem__(cls, parameter):
            return cls

    class _RecordType(type):
        def __new__(cls, name, bases, members):
            fields = tuple(members.get("__annotations__", ()))
            defaults = {field: members.pop(field) for field in fields if field in members}
            made = super().__new__(cls, name, bases, {**members, "__slots__": ()})
            made._fields, made._defaults, made.__match_args__ = fields, defaults, fields
            for position, field in enumerate(fields):
                setattr(made, field, property(itemgetter(position)))
            return made

    class Record(tuple, metaclass=_RecordType):
        """See above; also ``_replace`` and ``_asdict``, and a readable ``repr``."""

        def __new__(cls, *values, **named):
            if len(values) > len(cls._fields) or named.keys() - set(cls._fields[len(values) :]):
                raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}")
            try:
                rest = [named[f] if f in named else cls._defaults[f] for f in cls._fields[len(values) :]]
            except KeyError as missing:
                raise TypeError(f"{cls.__name__} needs {missing}") from None
            return tuple.__new__(cls, (*values, *rest))

        def _replace(self, **named):
            return type(self)(**{**dict(zip(self._fields, self, strict=True)), **named})

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            fields = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({fields})"

        def __getnewargs__(self):
            return tuple(self)
