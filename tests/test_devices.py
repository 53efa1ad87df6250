"""Which device computes. (Which precision: test_models.py and test_training.py.)"""

import os
import subprocess
import sys
import warnings
from contextlib import nullcontext

import pytest
import torch

from helpers import devices
from helpers.devices import bf16_autocast, choose_device, cores, limit_threads, no_autocast, threads_for, try_operations

# in a fresh process, as a notebook's kernel: how many threads compute, here and in a thread such as an explorer's
COUNT_THREADS = """
import threading, torch
print(torch.get_num_threads())
import helpers
print(torch.get_num_threads())
thread = threading.Thread(target=lambda: print(torch.get_num_threads()))
thread.start()
thread.join()
"""


@pytest.mark.parametrize("there, wanted", [(True, "cuda"), (False, "cpu")])
def test_by_default_a_gpu_computes_if_there_is_one(there, wanted, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)  # not asked for: not taken
    assert choose_device() == torch.device(wanted)


def test_the_cpu_has_every_operation():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose_device("cpu") == choose_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this computer has the device")
def test_a_device_that_is_not_there_is_replaced_with_a_sentence():
    with pytest.warns(
        UserWarning, match=r"^mps cannot run the networks: .*MPS_FALLBACK=1.*\. The CPU computes instead\.$"
    ):
        assert choose_device("mps") == torch.device("cpu")


def test_an_operation_that_a_device_lacks_is_named(monkeypatch):
    def lacking(*args, **kwargs):
        raise NotImplementedError("The operator 'aten::avg_pool2d' is not implemented for XYZ. Please open an issue.")

    monkeypatch.setattr(devices.F, "avg_pool2d", lacking)
    with pytest.warns(
        UserWarning, match=r"the networks: The operator 'aten::avg_pool2d' is not implemented for XYZ\. The"
    ):
        assert choose_device("cpu") == torch.device("cpu")


def test_the_trial_fails_where_operations_do():
    try_operations(torch.device("cpu"))
    with pytest.raises(RuntimeError):  # tensors without data: the last step, back to the CPU, is impossible
        try_operations(torch.device("meta"))


@pytest.mark.parametrize("wrong", ["gpu", "", 1.5])
def test_what_is_no_device_is_refused(wrong):
    with pytest.raises(ValueError, match=f"device is {wrong!r}; wanted .*mps"):
        choose_device(wrong)


def test_other_devices_keep_fp32_without_autocast():
    assert isinstance(bf16_autocast("mps"), nullcontext)
    assert isinstance(no_autocast(torch.device("mps")), nullcontext)


def test_autocast_can_be_left():
    x = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        with no_autocast(x.device):
            assert (x @ x).dtype == torch.float32


# ---- threads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cores, wanted", [(1, 1), (2, 1), (3, 1), (4, 2), (6, 3), (8, 4), (16, 4), (128, 4)])
def test_one_thread_on_up_to_two_cores_and_at_most_half_of_more(cores, wanted):
    assert threads_for(cores) == wanted


@pytest.fixture
def eight_cores(monkeypatch):
    """A computer with eight cores, and PyTorch's numbers of threads on it: set_to[-1] is the last."""
    set_to = [8]
    monkeypatch.setattr(devices, "cores", lambda: 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: set_to[-1])
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return set_to


def test_the_rule_lowers_the_number_of_threads_and_never_raises_it(eight_cores):
    limit_threads()
    assert eight_cores[-1] == 4
    eight_cores.append(2)
    limit_threads()
    assert eight_cores[-1] == 2


@pytest.mark.parametrize("asked, wanted", [("7", 7), ("7,2", 7), (" 7 ", 7), ("", 4), ("0", 4), ("many", 4), ("-1", 4)])
def test_the_environment_overrides_the_rule_with_a_number_that_openmp_accepts(asked, wanted, eight_cores, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    eight_cores.append(7 if wanted == 7 else 8)  # what PyTorch makes of it
    limit_threads()
    assert eight_cores[-1] == wanted


@pytest.mark.parametrize("asked", [None, "3"])
def test_importing_the_library_limits_the_threads_of_every_thread(asked):
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment |= {} if asked is None else {"OMP_NUM_THREADS": asked}
    run = subprocess.run([sys.executable, "-c", COUNT_THREADS], env=environment, capture_output=True, text=True)
    before, here, elsewhere = map(int, run.stdout.split())
    assert here == elsewhere == (before if asked else min(before, threads_for(cores())))


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5}, raising=False)
    assert cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1
