"""Tokens of a frozen tokenizer as the target of masked pre-training."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import initialize
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mae_transfer.layers.patchify import patch_grid
from mae_transfer.pretrain.tokenizer_range import (
    MARGIN,
    check_tokenizer_range,
    from_tokenizer_range,
    to_tokenizer_range,
)

HOW_TO_GET = {
    'DiscreteVAE': 'train one without labels: tools/train.py configs/pretrain/dvae/...',
    'DALL-E': (
        "DALL-E's encoder is not part of this toolkit: take OpenMMLab's file, "
        'https://mmassets.onedl.ai/mmselfsup/1.x/target_generator_ckpt/dalle_encoder.pth, '
        'or https://cdn.openai.com/dall-e/encoder.pkl (OpenAI; a pickled module, so it needs '
        '--trust-checkpoint and the package dall_e)'
    ),
}


@MODELS.register_module()
class TokenTarget(nn.Module):
    """Each patch's token: the most likely code of a frozen tokenizer (BEiT, CAE, MAE's table 1d).

    The tokenizer is not part of the model: it has no parameters to train, stays in eval mode, and
    the model's checkpoints hold only a fingerprint of its weights. A run that is resumed reads the
    tokenizer's file again, and stops if it holds other weights.

    Args:
        tokenizer: ``dict(type='DiscreteVAE', ...)`` with the sizes it was trained with, or
            ``dict(type='DALL-E')``, MMPretrain's copy of DALL-E's encoder.
        checkpoint: Its weights: a local file, or the work dir of a run. All tensors must fit.
        image_mean: Mean that the images were normalized with, per channel, in pixel values. By
            default they come in DALL-E's range, as the second view of CAE's pre-training does.
        image_std: The same for the standard deviation.
        view_size: Size of the tokenizer's view, in pixels, an int for squares or (H, W): half the
            encoder's for codes of 8 pixels and patches of 16. Images of another size are resized to
            it, bicubically. By default they keep their size.

    Raises:
        FileNotFoundError: If there is no ``checkpoint``; the message says how to get one.
        ValueError: If it does not fit the tokenizer, or an argument is out of range.
    """

    fingerprint: Tensor

    def __init__(
        self,
        tokenizer: dict,
        checkpoint: str,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
        view_size: int | tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        kind = tokenizer.get('type')
        if kind not in HOW_TO_GET:
            raise ValueError(f'tokenizer.type={kind!r}: must be one of {", ".join(HOW_TO_GET)}')
        if (image_mean is None) != (image_std is None):
            raise ValueError('image_mean and image_std belong together: give both or neither')
        self.image_mean, self.image_std = image_mean, image_std
        self.view_size = (view_size, view_size) if isinstance(view_size, int) else view_size
        module = MODELS.build(tokenizer)
        try:
            initialize(module, dict(type='PretrainedTokenizer', checkpoint=checkpoint))
        except FileNotFoundError as error:
            raise FileNotFoundError(f'{error}. {HOW_TO_GET[kind]}') from error
        # In a tuple, PyTorch does not see it: not in parameters(), state_dict() and train().
        self._hidden = (module.requires_grad_(False).eval(),)
        self.register_buffer('fingerprint', fingerprint(module))
        self._checked_range = False

    @property
    def tokenizer(self) -> Any:
        """The frozen tokenizer: a module, images (B, C, H, W) -> logits of codes (B, K, h, w)."""
        return self._hidden[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> 'TokenTarget':
        """Move the tokenizer, too, when the model moves to a device."""
        self.tokenizer._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest: object) -> None:
        """Refuse a checkpoint whose targets came from another tokenizer.

        Raises:
            ValueError: The fingerprints differ.
        """
        saved = state_dict.get(f'{prefix}fingerprint')
        if saved is not None and saved.item() != self.fingerprint.item():
            raise ValueError(
                'the checkpoint was trained with the tokens of another tokenizer: its fingerprint '
                f'is {saved.item()}, that of target_generator.checkpoint '
                f'{self.fingerprint.item()}. Give the file that the run began with'
            )
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Tokenize images, in float32 under autocast, too.

        Args:
            images: (B, C, H, W), normalized as ``image_mean`` and ``image_std`` say.

        Returns:
            Most likely codes, row by row of the grid, (B, L), int64.

        Raises:
            ValueError: If the first images are not in the range that tokenizers take.
        """
        with torch.autocast(images.device.type, enabled=False):
            logits = self.tokenizer(self._tokenizer_view(images))  # (B, K, h, w)
        return logits.argmax(dim=1).flatten(1)

    def _tokenizer_view(self, images: Tensor) -> Tensor:
        """Map images to the range and the size that the tokenizer takes."""
        images = images.float()
        if self.image_mean is not None and self.image_std is not None:
            images = to_tokenizer_range(images, self.image_mean, self.image_std)
        # A wrong range gives tokens that mean nothing, and no error. Once is enough, and to look at
        # all pixels makes a GPU wait.
        if not self._checked_range:
            check_tokenizer_range(images)
            self._checked_range = True
        size = self._size_of_view(images)
        if size != images.shape[-2:]:
            images = F.interpolate(images, size, mode='bicubic', antialias=True)
            # Bicubic interpolation overshoots at edges.
            images = images.clamp(MARGIN, 1 - MARGIN)
        return images

    def _size_of_view(self, images: Tensor) -> tuple[int, int]:
        height, width = self.view_size or images.shape[-2:]
        return height, width

    @torch.no_grad()
    def to_images(self, pred: Tensor, images: Tensor) -> Tensor:
        """Paint the most likely tokens of a prediction.

        Args:
            pred: Logits of the codes for every patch, (B, L, K).
            images: What :meth:`forward` takes, (B, C, H, W); only its size counts.

        Returns:
            (B, C, H, W), float32, on the scale of ``images``.

        Raises:
            ValueError: If the tokenizer has no decoder.
        """
        if not hasattr(self.tokenizer, 'decode_tokens'):
            raise ValueError(
                f'a {type(self.tokenizer).__name__} has no decoder: its tokens cannot be painted'
            )
        size = self._size_of_view(images)
        grid = patch_grid(size, self.tokenizer.patch_size)
        with torch.autocast(images.device.type, enabled=False):
            painted = self.tokenizer.decode_tokens(pred.argmax(dim=-1), grid)
        if size != images.shape[-2:]:
            painted = F.interpolate(painted, images.shape[-2:], mode='bilinear')
        if self.image_mean is not None and self.image_std is not None:
            painted = from_tokenizer_range(painted, self.image_mean, self.image_std)
        return painted


def fingerprint(module: nn.Module) -> Tensor:
    """Eight bytes of the SHA-256 of a module's names and weights, as an int64 scalar."""
    # Names as well: two tokenizers of equal weights in other places are not the same function.
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return torch.tensor(int.from_bytes(digest.digest()[:8], 'little', signed=True))
