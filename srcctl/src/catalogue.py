"""The 0513 message catalogue. Texts that no published output confirms are believed right (inferred: 001, 050, 052, 053,
066 to 074, 078, 087, 103)."""

from __future__ import annotations

MESSAGES = {
    1: "The System Resource Controller daemon is not active.",
    4: "The Subsystem or Group, %s, is currently inoperative.",
    5: "The Subsystem, %s, only supports signal communication.",
    15: "The %s Subsystem could not be started.\nPlease check subsystem resources and try again.",
    29: "The %s Subsystem is already active.\nMultiple instances are not supported.",
    36: "The request could not be passed to the %s subsystem.\nStart the subsystem and try your command again.",
    44: "The %s Subsystem was requested to stop.",
    50: "The host %s is not known.",
    52: "The request needs root authority.",
    53: "Only root may ask another host (-h).",
    56: "Timeout waiting for command response. If you specified a foreign host,\n"
    "see the /etc/inittab file on the foreign host to verify that the SRC daemon\n"
    "(srcmstr) was started with the -r flag to accept remote requests.",
    59: "The %s Subsystem has been started. Subsystem PID is %s.",
    68: "The Notify method was successfully added.",
    69: "The Notify method was successfully deleted.",
    70: "The %s Subserver has been added.",
    71: "The %s Subsystem has been added.",
    72: "The new subserver type or code point is already on file.",
    73: "Subserver has been changed.",
    74: "Subserver has been Deleted.",
    75: "The new subsystem name is already on file.",
    77: "Subsystem has been changed.",
    78: "The notify name %s is already on file.",
    83: "Subsystem has been Deleted.",
    84: "There were no records that matched your request.",
    85: "The %s Subsystem is not on file.",
    86: "The %s Group is not on file.",
    87: "The %s Subserver is not on file.",
    91: "The request to turn on tracing was completed successfully.",
    92: "The request to turn off tracing was completed successfully.",
    95: "The request for subsystem refresh was completed successfully.",
    103: "The request is not supported by the %s.",
    124: "The %s subserver has been started.",
    127: "The %s subserver was stopped successfully.",
}


def message(number: int, *values: object) -> str:
    """``0513-nnn text``."""
    text = MESSAGES[number]
    return f"0513-{number:03d} " + (text % values if values and "%s" in text else text)
