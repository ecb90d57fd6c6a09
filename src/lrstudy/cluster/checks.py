"""Compare the machine of a worker with that of the driver."""

from __future__ import annotations

from lrstudy.cluster.machines import MISSING, DeviceReport, MachineReport, StudyInputs
from lrstudy.cluster.pinning import StudyRuntime
from lrstudy.formatting import join_and


class MachineRefusedError(Exception):
    """A machine differs from the driver's; the text names the difference."""


def compare_versions(theirs: dict[str, str], ours: dict[str, str]) -> None:
    """Raise MachineRefusedError if the versions of a machine's packages differ from those of the driver."""
    if different := [name for name in ours if theirs.get(name) != ours[name]]:
        listed = [f"{name} {theirs.get(name) or 'missing'} there and {ours[name]} here" for name in different]
        raise MachineRefusedError(join_and(listed))


def compare_inputs(report: MachineReport, inputs: StudyInputs) -> None:
    """Raise MachineRefusedError if the data of a machine, or its pretrained weights, differ from the driver's."""
    if report.digest == MISSING:
        raise MachineRefusedError(report.problem)
    if report.digest != inputs.digest:
        raise MachineRefusedError(f"its data have the digest {report.digest[:8]} there and {inputs.digest[:8]} here")
    if report.weights != inputs.weights:
        name, digest = next(iter(inputs.weights.items()))
        theirs = report.weights.get(name, "")[:8] or "missing"
        raise MachineRefusedError(f"weights={name} have the digest {theirs} there and {digest[:8]} here")


def compare_devices(report: MachineReport, runtime: StudyRuntime) -> DeviceReport:
    """Return the report on the device of the study; raise MachineRefusedError if the machine does not have it."""
    device = report.devices.get(runtime.device)
    if device is None:
        raise MachineRefusedError(f"it has {join_and(list(report.devices))}, and the trainings run on {runtime.device}")
    if device.problem:
        raise MachineRefusedError(device.problem)
    if device.precision != runtime.precision:
        raise MachineRefusedError(f"it computes in {device.precision} there and in {runtime.precision} elsewhere")
    return device
