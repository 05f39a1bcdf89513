"""The resource monitor: toggle, schedules, associations, and what a response's environment says."""

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from daemons.ctrmc import core, definitions
from daemons.ctrmc.commands import _condition_block
from daemons.ctrmc.messages import Associate, ChangeResponse, Define, DefineResponse, Outcome, Remove, Resource
from daemons.ctrmc.model import Action, Condition, Registry, Response, applies_now, schedule_fault
from daemons.ctrmc.render import delimited, long_form, table
from srcctl.machine import TICK

MOMENT = core.Moment(1_700_000_000_000_123, 3, 600, "11/14/23 22:13:20")
SHIPPED = msgspec.json.decode(Path("etc/var/ct/cfg/registry.json").read_bytes(), type=Registry)
GOLDEN = Path(__file__).parent.parent / "golden" / "rmc"


def file_system(name: str, used: int) -> Resource:
    return Resource(name, {"Name": name}, {"PercentTotUsed": used, "OpState": 1})


def command(monitor: core.ResourceMonitor, request: object) -> list[core.Effect]:
    return monitor.step(0, core.Command(1, request, MOMENT))  # type: ignore[arg-type]


def watching_var() -> core.ResourceMonitor:
    monitor = core.ResourceMonitor(SHIPPED, 1000, "node1")
    assert monitor.next_deadline() is None
    effects = command(monitor, Associate("/var space used", ("Log event anytime",), "start"))
    assert isinstance(effects[0], core.Store)
    assert effects[-1] == core.Reply(1, Outcome())
    return monitor


def observe(monitor: core.ResourceMonitor, *resources: Resource) -> list[core.RunResponse]:
    effects = monitor.step(5000, core.Observed({"IBM.FileSystem": resources}, MOMENT))
    return [effect for effect in effects if isinstance(effect, core.RunResponse)]


def test_event_and_rearm_take_turns() -> None:
    monitor = watching_var()
    assert monitor.step(5000, TICK) == [core.Observe(("IBM.FileSystem",))]
    assert monitor.next_deadline() == 6000
    assert observe(monitor, file_system("/var", 50), file_system("/tmp", 99)) == []
    (event,) = observe(monitor, file_system("/var", 91))
    environment = dict(event.environment)
    assert environment["ERRM_TYPE"] == "event"
    assert environment["ERRM_VALUE"] == "91"
    assert environment["ERRM_COND_SEVERITYID"] == "2"
    assert observe(monitor, file_system("/var", 95)) == []
    assert observe(monitor, file_system("/var", 80)) == []
    (rearm,) = observe(monitor, file_system("/var", 74))
    assert dict(rearm.environment)["ERRM_TYPEID"] == "1"
    assert len(observe(monitor, file_system("/var", 92))) == 1


def test_a_stopped_association_watches_nothing() -> None:
    monitor = watching_var()
    observe(monitor, file_system("/var", 91))
    command(monitor, Associate("/var space used", (), "stop"))
    assert observe(monitor, file_system("/var", 10)) == []
    assert monitor.step(10_000, TICK) == []
    command(monitor, Associate("/var space used", (), "start"))
    assert len(observe(monitor, file_system("/var", 91))) == 1, "a stop forgets that the event had fired"


def test_a_watched_program_that_disappears() -> None:
    monitor = core.ResourceMonitor(SHIPPED, 1000, "node1")
    condition = Condition(
        name="payroll runs",
        resource_class="IBM.Program",
        event_expression="Processes.CurPidCount<=0",
        selection='ProgramName=="payroll"',
    )
    command(monitor, Define(condition))
    command(monitor, Associate("payroll runs", ("Critical notifications",), "start"))
    (sample,) = monitor.step(1000, TICK)
    assert sample == core.Observe(("IBM.Program",), (core.Program("payroll"),))

    def seen(count: int) -> list[core.Effect]:
        program = Resource("payroll", {"ProgramName": "payroll", "Filter": ""}, {"Processes.CurPidCount": count})
        return monitor.step(2000, core.Observed({"IBM.Program": (program,)}, MOMENT))

    assert seen(2) == []
    fired = seen(0)
    assert [e.action.name for e in fired if isinstance(e, core.RunResponse)] == [
        "Log critical event",
        "E-mail root",
        "Broadcast",
    ]
    assert seen(0) == [], "without a rearm expression it fires once until it was false again"
    assert seen(1) == []
    assert seen(0)


def test_a_class_that_cannot_be_measured_is_an_error_of_its_conditions() -> None:
    monitor = watching_var()
    monitor.step(5000, core.Observed({}, MOMENT))
    assert monitor.failed == ("/var space used",)


@pytest.mark.parametrize(
    ("request_", "id_"),
    [
        (Define(Condition(name="/var space used", resource_class="IBM.Host", event_expression="1=1")), "2618-201"),
        (Define(Condition(name="x", resource_class="IBM.Nonsense", event_expression="1=1")), "2639-008"),
        (Define(Condition(name="x", resource_class="IBM.Host", event_expression="1=")), "2618-011"),
        (Define(Condition(name="x", resource_class="IBM.Host", event_expression="")), "2618-011"),
        (Define(Condition(name="x", resource_class="IBM.Host", event_expression="1", severity="z")), "2618-010"),
        (DefineResponse("r", (Action(name="a", script="/bin/true", days="1-9"),)), "2618-012"),
        (DefineResponse("r", (Action(name="a", script="true"),)), "2618-013"),
        (ChangeResponse("nosuch", new_name="x"), "2618-002"),
        (ChangeResponse("Log event anytime", new_name="E-mail root anytime"), "2618-201"),
        (ChangeResponse("Log event anytime", delete="nosuch"), "2618-003"),
        (DefineResponse("Log event anytime"), "2618-201"),
        (Remove("condition", "nosuch"), "2618-001"),
        (Associate("nosuch", ("Log event anytime",), "make"), "2618-001"),
        (Associate("/var space used", ("nosuch",), "start"), "2618-002"),
        (Associate("/var space used", (), "start"), "2618-008"),
    ],
)
def test_refusals_change_nothing(request_: object, id_: str) -> None:
    monitor = core.ResourceMonitor(SHIPPED, 1000, "node1")
    (reply,) = command(monitor, request_)
    assert isinstance(reply, core.Reply)
    assert reply.outcome.error.startswith(id_)
    assert monitor.registry == SHIPPED


def test_removing_what_is_linked_needs_force() -> None:
    monitor = watching_var()
    (reply,) = command(monitor, Remove("response", "Log event anytime"))
    assert isinstance(reply, core.Reply)
    assert "2618-203" in reply.outcome.error
    command(monitor, Remove("response", "Log event anytime", force=True))
    assert monitor.registry.associations == ()


def refusal(monitor: core.ResourceMonitor, request: object) -> str:
    reply = command(monitor, request)[-1]
    assert isinstance(reply, core.Reply)
    return reply.outcome.error


def test_what_is_started_already_is_said_and_the_rest_is_started() -> None:
    monitor = watching_var()
    link = "/var space used", ("Log event anytime",)
    assert refusal(monitor, Associate(*link, "start")).startswith("2618-244")
    assert refusal(monitor, Associate("/var space used", (), "start")).startswith("2618-244")
    assert refusal(monitor, Associate("/var space used", (*link[1], "E-mail root anytime"), "start")) == ""
    assert [a.active for a in monitor.registry.associations] == [True, True]
    assert refusal(monitor, Associate("/var space used", (), "stop")) == ""
    assert refusal(monitor, Associate(*link, "stop")).startswith("2618-264")


def test_what_is_locked_stays_as_it_is() -> None:
    monitor = watching_var()
    link = "/var space used", ("Log event anytime",)
    var = monitor.registry.condition("/var space used")
    assert var is not None
    assert refusal(monitor, Define(replace(var, locked=True), change=True)) == ""
    assert refusal(monitor, Define(replace(var, locked=True, severity="w"), change=True)).startswith("2618-014")
    assert refusal(monitor, Remove("condition", var.name, force=True)).startswith("2618-014")
    assert refusal(monitor, Define(replace(var, locked=False), change=True)) == ""
    assert refusal(monitor, ChangeResponse("Log event anytime", locked=True)) == ""
    assert refusal(monitor, ChangeResponse("Log event anytime", new_name="x")).startswith("2618-014")
    assert refusal(monitor, ChangeResponse("Log event anytime", locked=False)) == ""
    assert refusal(monitor, Associate(*link, "lock")) == ""
    assert refusal(monitor, Associate(*link, "stop")).startswith("2618-014")
    assert refusal(monitor, Associate(*link, "unlock")) == ""
    assert refusal(monitor, Associate(*link, "stop")) == ""


def test_a_response_is_renamed_with_its_links_and_loses_an_action() -> None:
    monitor = watching_var()
    assert refusal(monitor, ChangeResponse("Log event anytime", new_name="Log it")) == ""
    assert [a.response for a in monitor.registry.associations] == ["Log it"]
    (action,) = monitor.registry.response("Log it").actions  # type: ignore[union-attr]
    assert refusal(monitor, ChangeResponse("Log it", delete=action.name)) == ""
    assert monitor.registry.response("Log it") == Response(name="Log it")


@pytest.mark.parametrize(("audit", "records"), [("ALL", ["a", "e", "e"]), ("ERRORS", ["e"]), ("NONE", [])])
def test_what_is_recorded_is_the_conditions_choice(audit: str, records: list[str]) -> None:
    monitor = watching_var()
    var = monitor.registry.condition("/var space used")
    assert var is not None
    command(monitor, Define(replace(var, audit=audit), change=True))
    command(monitor, ChangeResponse("Log event anytime", add=Action(name="second", script="/x", return_code=0)))
    effects = monitor.step(1, core.Observed({"IBM.FileSystem": (file_system("/var", 91),)}, MOMENT))
    effects += [
        effect
        for status in (0, 1)
        for effect in monitor.step(2, core.ResponseEnded(var.name, "Log event anytime", "second", status, "", MOMENT))
    ]
    assert [effect.kind for effect in effects if isinstance(effect, core.Audit)] == records


def test_definitions_are_resources() -> None:
    monitor = watching_var()
    conditions = definitions.resources("IBM.Condition", monitor.registry, {"NodeNameList": "{}"})
    (var,) = (c for c in conditions if core.selects('Name="/var space used"', c))
    assert (var.persistent["Severity"], var.persistent["NoToggleExprFlag"]) == (2, 0)
    shift = next(
        r for r in definitions.resources("IBM.EventResponse", monitor.registry, {}) if r.name == "E-mail root off-shift"
    )
    # The stored form of an action, as it was seen.
    assert "{62,62,65},{61200,0,0},{86400,28800,86400},/usr/sbin/rsct/bin/notifyevent root" in str(
        shift.persistent["Actions"]
    )
    (link,) = definitions.resources("IBM.Association", monitor.registry, {})
    assert link.persistent["ActiveFlag"] == 1
    assert link.persistent["ConditionHandle"] == core.handle("IBM.Condition", "/var space used")


def test_schedules() -> None:
    off_shift = Action(name="a", script="/x", days="2-6,2-6,1+7", times="1700-2400,0000-0800,0000-2400")
    assert applies_now(off_shift, 1, 720)
    assert applies_now(off_shift, 3, 18 * 60)
    assert not applies_now(off_shift, 3, 12 * 60)
    assert schedule_fault("1-7", "0000-2400") is None
    assert schedule_fault("0-3", "0000-2400")
    assert schedule_fault("1-7", "0960-2400")


def golden(name: str) -> str:
    witness, _, expected = (GOLDEN / name).read_text().partition("\n")
    assert witness.startswith(("# witness:", "# inferred"))
    return expected


def test_layouts() -> None:
    rows = [("FileSystem space used", "nodea", "Monitored"), ("/tmp space used", "nodea", "Not monitored")]
    rows.append(("/var space used", "nodea", "Error"))
    lines = ["Displaying condition information:", *table(("Name", "Node", "MonitorStatus"), rows)]
    assert "\n".join(lines) + "\n" == golden("lscondition.txt")
    assert delimited(("Name", "Node"), [("/var space used", "nodea")], ":", False) == ['"/var space used":"nodea"']
    var = SHIPPED.condition("/var space used")
    assert var is not None
    long = long_form("condition", [_condition_block(var, "node1", "Not monitored")])
    assert "\n".join(long) + "\n" == golden("lscondition_long.txt")


def test_the_shipped_registry_is_sound() -> None:
    assert json.loads(Path("etc/var/ct/cfg/registry.json").read_text())
    for condition in SHIPPED.conditions:
        monitor = core.ResourceMonitor(Registry(), 1000, "node1")
        (_, reply) = command(monitor, Define(condition))
        assert reply == core.Reply(1, Outcome())
