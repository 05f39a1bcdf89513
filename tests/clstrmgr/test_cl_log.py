"""cl_log as a command, for scripts of the administrator's own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

UTILS = Path(__file__).parents[2] / "etc/usr/es/sbin/cluster/events/utils"


def test_the_banner_and_the_line_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "var/hacmp/adm").mkdir(parents=True)
    environment = {"PATH": "/usr/bin:/bin", "HAES_ROOT": str(tmp_path), "LOCALNODENAME": "node1"}
    words = [str(UTILS / "cl_log"), "296", "mine: cannot find the volume group", "mine", "datavg"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    stars, banner, _, text = done.stdout.splitlines()
    assert stars == "*" * 27
    assert re.fullmatch(r"[A-Z][a-z]{2} \d\d \d{4} \d\d:\d\d:\d\d !{10} ERROR !{10}", banner)
    assert re.fullmatch(r"[A-Z][a-z]{2} \d\d \d{4} [\d:]{8} mine: cannot find the volume group", text)
    assert done.stderr == ""
    logged = (tmp_path / "var/hacmp/adm/cluster.log").read_text()
    assert logged.endswith(" node1 user:notice PowerHA SystemMirror for AIX: mine: cannot find the volume group\n")
    done = subprocess.run(words[:2], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Usage: cl_log ")
