"""Modules between encoder and head (`neck=` of a config): pyramids, probes and their norms."""

from mae_transfer.necks.attentive_probe import AttentiveProbe
from mae_transfer.necks.channel_norm import ChannelLN
from mae_transfer.necks.rescaled_pyramid import RescaledPyramid
from mae_transfer.necks.simple_fpn import SimpleFPN

__all__ = ['AttentiveProbe', 'ChannelLN', 'RescaledPyramid', 'SimpleFPN']
