"""Which device computes. (Which precision: test_models.py and test_training.py.)"""

import warnings
from contextlib import nullcontext

import pytest
import torch

from helpers import devices
from helpers.devices import bf16_autocast, choose_device, no_autocast, try_operations


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
