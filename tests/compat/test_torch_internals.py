"""Red first when torch changes a private part that the project uses."""

import subprocess
import sys

import pytest
import torch

from lrstudy.compat import torch_internals
from preloaded_process import run_preloaded


def run_anew(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def run_with_project(script: str) -> str:
    ended = run_preloaded(["-c", script])
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.parametrize("method", ["step", "zero_grad", "state_dict", "load_state_dict", "add_param_group"])
def test_torch_wraps_an_optimizers_method(method: str) -> None:
    assert hasattr(getattr(torch.optim.Adam, method), "__wrapped__")


def test_torch_asks_whether_a_step_is_wrapped_by_its_attribute_hooked() -> None:
    class Plain(torch.optim.Optimizer):
        def step(self, closure: None = None) -> None:  # type: ignore[override]
            pass

    assert not hasattr(Plain.step, "hooked")
    Plain([torch.nn.Parameter(torch.ones(1))], {})
    assert Plain.step.hooked  # type: ignore[attr-defined]


def test_a_plain_step_of_torchs_imports_the_compiler() -> None:
    """If not, `without_compiler_hooks` saves nothing any more."""
    script = """
import sys, torch
weight = torch.nn.Parameter(torch.ones(3))
optimizer = torch.optim.Adam([weight])
weight.sum().backward()
optimizer.step()
print("torch._dynamo" in sys.modules)
"""
    assert run_anew(script) == "True"


def test_an_optimizer_without_the_hooks_is_a_subclass_with_the_same_name() -> None:
    bare = torch_internals.without_compiler_hooks(torch.optim.SGD)
    assert issubclass(bare, torch.optim.SGD)
    assert bare.__name__ == "SGD"
    assert torch_internals.without_compiler_hooks(torch.optim.SGD) is bare


def test_denormal_numbers_are_flushed() -> None:
    script = """
import torch
from lrstudy.compat.torch_internals import flush_denormal_numbers
numbers = lambda: (torch.full((1000,), 1e-39) * 0.5).sum().item() != 0
before = numbers()
flush_denormal_numbers()
print(before, numbers())
"""
    assert run_with_project(script) == "True False"


def test_kernels_are_deterministic_on_request() -> None:
    script = """
import os, torch
from lrstudy.compat.torch_internals import use_deterministic_kernels
use_deterministic_kernels()
print(torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark)
print(torch.empty(9).isnan().any().item(), torch.utils.deterministic.fill_uninitialized_memory)
print(os.environ["CUBLAS_WORKSPACE_CONFIG"])
"""
    assert run_with_project(script) == "True False\nFalse False\n:4096:8"
