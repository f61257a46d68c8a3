"""Fixtures for tests of checkpoint files."""

import pytest
import torch


@pytest.fixture
def save(tmp_path):
    """Return a function that saves a content and returns its path."""

    def save(content, name='x.pth'):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return save
