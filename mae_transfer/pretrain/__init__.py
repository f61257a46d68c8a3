"""Self-supervised models: image -> masking -> encoder -> decoder -> loss, for MMPretrain."""

from mae_transfer.pretrain.cae import ContextAutoencoder
from mae_transfer.pretrain.cae_loss import ContextLoss
from mae_transfer.pretrain.cae_neck import ContextNeck
from mae_transfer.pretrain.discrete_vae import DiscreteVAE
from mae_transfer.pretrain.hog_target import HOGTarget
from mae_transfer.pretrain.image_likelihood import LogitLaplaceLikelihood, SquaredErrorLikelihood
from mae_transfer.pretrain.losses import MaskedPatchLoss, TokenLoss
from mae_transfer.pretrain.mae import MaskedAutoencoder
from mae_transfer.pretrain.mae_decoder import MAEDecoder
from mae_transfer.pretrain.mask_sampler import BlockMasking, GridMasking, RandomMasking
from mae_transfer.pretrain.pca_target import PCATarget
from mae_transfer.pretrain.pixel_target import PixelTarget
from mae_transfer.pretrain.token_target import TokenTarget
from mae_transfer.pretrain.tokenizer_metric import TokenizerMetric

__all__ = [
    'BlockMasking',
    'ContextAutoencoder',
    'ContextLoss',
    'ContextNeck',
    'DiscreteVAE',
    'GridMasking',
    'HOGTarget',
    'LogitLaplaceLikelihood',
    'MAEDecoder',
    'MaskedAutoencoder',
    'MaskedPatchLoss',
    'PCATarget',
    'PixelTarget',
    'RandomMasking',
    'SquaredErrorLikelihood',
    'TokenLoss',
    'TokenTarget',
    'TokenizerMetric',
]
