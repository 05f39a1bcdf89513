"""Words that no command expects: each is answered in words, whatever flag it comes with."""

from __future__ import annotations

from tests.commands.flags import known_programs, option_table
from tests.commands.sessions import Run

BAD = (
    "\u00b2", "\u0663", "\udcff", "9" * 25, "9" * 5000, "", "it's \"this\"", "a\nb", "-1", "0x1", "1_0", "../..", "%s",
)  # fmt: skip
FOR_EVER = {("errpt", "c")}


def test_no_flag_with_no_word_ends_in_a_traceback(shell: Run) -> None:
    failures = []
    for name, program in known_programs():
        table = option_table(program)
        lines = [[name, word] for word in BAD]
        for place, flag in enumerate(table):
            if flag != ":" and (name, flag) not in FOR_EVER:
                words = BAD if table[place + 1 : place + 2] == ":" else ("",)
                lines += [[name, f"-{flag}", *filter(None, [word])] for word in words]
                lines += [[name, f"-{flag}", word, word] for word in words if word]
        for line in lines:
            try:
                status, _, err = shell(line)
            except Exception as error:
                failures.append((line, repr(error)))
                continue
            if not 0 <= status < 256 or "Traceback" in err:
                failures.append((line, f"{status} {err}"))
    assert not failures, "\n".join(f"{[word[:30] for word in line]} {what}" for line, what in failures)
