"""Names without a promise in other libraries that this package relies on: they still exist.

A new release of a library may rename them without notice. Then one line here fails and says which,
before a run does something else than it says.
"""

import inspect

import mmengine.runner.checkpoint
import numpy as np
import pytest
import timm.layers
import torch
import torchvision  # noqa: F401  registers torch.ops.torchvision
from mmengine._strategy import DDPStrategy
from mmengine._strategy.single_device import SingleDeviceStrategy
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel, BaseModule
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper, _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, LogProcessor, Runner
from mmengine.utils import ManagerMixin
from timm.models import beit
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from mae_transfer.backbones.timm_vit import GRID_BIAS


class OneLayer(BaseModel):
    """The smallest model that a runner takes."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, inputs):
        return self.layer(inputs)


@pytest.fixture
def runner(tmp_path):
    return Runner(OneLayer(), str(tmp_path), experiment_name=tmp_path.name)


def test_private_names__overridden_or_called():
    """Methods that MMEngine, PyTorch and timm call and we define, or the other way round."""
    for owner, name in (
        (CheckpointHook, '_save_checkpoint_with_step'),
        (CheckpointHook, '_save_best_checkpoint'),
        (EMAHook, '_swap_ema_parameters'),
        (_MultiProcessingDataLoaderIter, '_shutdown_workers'),
        (Config, '_get_cfg_path'),
        (DefaultOptimWrapperConstructor, '_validate_cfg'),
        (ManagerMixin, '_instance_dict'),
        (_ParamScheduler, '_get_value'),
        (DDPStrategy, '_wrap_model'),
        (SingleDeviceStrategy, 'convert_model'),  # by super(DDPStrategy, self)
        (nn.Module, '_load_from_state_dict'),
        (beit.Attention, '_get_rel_pos_bias'),
        (timm.layers.RelPosBias, 'get_bias'),
        (timm.layers.RelPosMlp, 'set_window_size'),
        (torch.ops.torchvision, '_roi_align_backward'),
        (mmengine.runner.checkpoint, 'load_from_http'),
        (mmengine.runner.checkpoint, '_safe_torch_load'),
        (HistoryBuffer, '_set_default_statistics'),
        (HistoryBuffer, '_statistics_methods'),
        (LogProcessor, '_parse_windows_size'),
        (nn.Module(), '_non_persistent_buffers_set'),
        (np.dtypes, '__all__'),
    ):
        assert hasattr(owner, name), f'{owner} has no {name}'


def test_private_names__classes():
    assert DDPStrategy.__mro__[1] is SingleDeviceStrategy
    assert issubclass(nn.BatchNorm2d, nn.modules.batchnorm._NormBase)
    assert list(inspect.signature(nn.Module._apply).parameters) == ['self', 'fn', 'recurse']


def test_private_names__of_an_optim_wrapper():
    wrapper = OptimWrapper(torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0))
    assert (wrapper._accumulative_counts, wrapper._inner_count, wrapper._max_counts) == (1, 0, -1)


def test_private_names__of_runner_and_loops(runner):
    assert runner._load_from is None and runner._resume is False
    assert runner._train_dataloader is None
    data = DataLoader([0, 1])
    assert EpochBasedTrainLoop(runner, data, max_epochs=1)._iter == 0
    assert IterBasedTrainLoop(runner, data, max_iters=1)._iter == 0


def test_private_names__of_a_data_set():
    assert BaseDataset(lazy_init=True)._metainfo == {}


def test_private_names__of_a_model_that_is_initialized():
    """MMEngine keeps a log of who initialized what, and passes over what ``is_init``."""
    seen = []

    class Watching(BaseModule):
        def init_weights(self):
            seen.append(hasattr(self, '_params_init_info'))

    model = OneLayer()
    model.first, model.second = Watching(), nn.Sequential(Watching())
    model.second.init_weights, model.second.is_init = model.second[0].init_weights, True
    model.init_weights()
    assert seen == [True]


def test_private_names__wrappers_in_the_path_of_a_parameter():
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
    from torch.distributed.fsdp._common_utils import FSDP_WRAPPED_MODULE

    assert [name for name, _ in torch.compile(nn.Linear(1, 1)).named_children()] == ['_orig_mod']
    wrapped = checkpoint_wrapper(nn.Linear(1, 1))
    assert [name for name, _ in wrapped.named_children()] == ['_checkpoint_wrapped_module']
    assert FSDP_WRAPPED_MODULE == '_fsdp_wrapped_module'


@pytest.mark.parametrize('theirs, ours', GRID_BIAS.items())
def test_private_names__the_class_of_a_timm_module_can_be_exchanged(theirs, ours):
    """Python refuses where the layouts of instances differ, as with slots."""
    module = theirs.__new__(theirs)
    module.__class__ = ours
    assert type(module) is ours and isinstance(module, theirs)


def test_private_names__attributes_of_tables_of_timm():
    attention = beit.Attention(8, num_heads=2, window_size=(2, 3))
    bias = timm.layers.RelPosBias(window_size=(2, 3), num_heads=2, prefix_tokens=1)
    assert tuple(attention.window_size) == tuple(bias.window_size) == (2, 3)
    assert attention.relative_position_bias_table.shape == (3 * 5 + 3, 2)
    assert bias.relative_position_bias_table.shape == (3 * 5 + 3, 2) and bias.prefix_tokens == 1
