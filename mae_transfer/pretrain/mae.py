"""Masked autoencoder: encoder, decoder, target and loss wired together."""

from typing import Any

import torch
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mae_transfer.layers.patchify import patch_grid, patchify, unpatchify
from mae_transfer.masking.token_index import mask_from_restore
from mae_transfer.pretrain.mask_sampler import build_masking, mask_indices
from mae_transfer.pretrain.masked_encoder import check_encoder, encode_all, encode_visible
from mae_transfer.pretrain.pretraining_facts import pretraining_facts

LINEAR_INITS = ('xavier', 'torch')


@MODELS.register_module()
class MaskedAutoencoder(BaseSelfSupervisor):
    """MAE (He et al. 2021, 'Masked Autoencoders Are Scalable Vision Learners', arXiv 2111.06377).

    Hide most patches, encode the visible ones, predict the pixels of the hidden ones.

    Args:
        backbone: The encoder, a ``PlainViT`` with class token, final norm and global attention.
        neck: The decoder, ``MAEDecoder``; its ``out_dims`` are those of the target.
        head: The loss, ``MaskedPatchLoss``, or a module with ``loss(pred, target, mask)``.
        target_generator: Images (B, C, H, W) -> one target per patch, (B, L, ...): ``PixelTarget``,
            ``PCATarget``, ``HOGTarget`` or another module. :meth:`reconstruct` asks its
            ``to_images(pred, images)``.
        mask_ratio: Share of hidden patches, in (0, 1).
        masking: How they are chosen: ``RandomMasking``, ``BlockMasking`` or ``GridMasking``.
        encoder_mask_token: Whether the encoder sees a mask token in each hidden place (an ablation
            of the paper, table 1c: slower and worse) instead of visible patches alone.
        linear_init: How linear layers start: 'xavier' (MAE; the patch projection, too) or 'torch'
            (PyTorch's own start, as in IcarusWizard/MAE for CIFAR-10).
        skip_first_hidden: Whether the loss leaves out one hidden patch of each image, the first in
            the random order (``ids_restore == L_keep``), while its divisor stays. IcarusWizard/MAE
            as released, and so its published scores, does: it counts the class token among the
            visible patches and starts its mask one place too late, with 191 of 192 patches.
        data_preprocessor: MMPretrain's ``SelfSupDataPreprocessor`` by default.
        init_cfg: Initialization; see MMEngine.

    Raises:
        ValueError: If the encoder cannot run on visible patches alone, or ``linear_init`` is
            unknown.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        target_generator: dict,
        mask_ratio: float = 0.75,
        masking: dict | None = None,
        encoder_mask_token: bool = False,
        linear_init: str = 'xavier',
        skip_first_hidden: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone,
            neck=neck,
            head=head,
            target_generator=target_generator,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self.masking = build_masking(masking or dict(type='RandomMasking'), mask_ratio)
        if linear_init not in LINEAR_INITS:
            raise ValueError(f'linear_init={linear_init!r}: must be one of {LINEAR_INITS}')
        self.linear_init, self.skip_first_hidden = linear_init, skip_first_hidden
        check_encoder(self.backbone)
        self.mask_token = None
        if encoder_mask_token:
            self.mask_token = nn.Parameter(torch.zeros(1, 1, self.backbone.embed_dims))

    def pretraining_metadata(self) -> dict[str, Any]:
        """Facts about the pre-training that no tensor tells, in plain containers."""
        facts = pretraining_facts(self.masking, self.target_generator)
        if len(self.neck.decoder_blocks):
            facts['decoder_num_heads'] = self.neck.decoder_blocks[0].attn.num_heads
        return facts

    def init_weights(self) -> None:
        """Initialize as MAE does (appendix A.1), then load what ``init_cfg`` names.

        Linear layers and the patch projection, seen as a linear layer, are Xavier-uniform with
        zero bias; class and mask token are normal with std .02; the bias of the patch projection
        keeps PyTorch's start. With ``linear_init='torch'`` all these layers keep it.
        """
        for module in [*self.backbone.modules(), *self.neck.modules()]:
            if isinstance(module, nn.Linear):
                self._init_linear(module)
        if self.linear_init == 'xavier':
            nn.init.xavier_uniform_(self.backbone.patch_embed.proj.weight.data.flatten(1))
        for token in (self.backbone.cls_token, self.neck.mask_token, self.mask_token):
            if token is not None:
                nn.init.normal_(token, std=0.02)
        super().init_weights()

    def _init_linear(self, layer: nn.Linear) -> None:
        if self.linear_init == 'torch':
            layer.reset_parameters()
            return
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)

    def _grid(self, inputs: Tensor) -> tuple[int, int]:
        """Rows and columns of patches of an image."""
        return patch_grid(inputs.shape[-2:], self.backbone.patch_size)

    def _indices(
        self, inputs: Tensor, grid: tuple[int, int], mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Visible indices, ranks and mask: the given mask, or one drawn for each image."""
        ids_keep, _, ids_restore = mask_indices(self.masking, inputs, grid, mask)
        return ids_keep, ids_restore, mask_from_restore(ids_restore, ids_keep.shape[1])

    def predict_patches(self, inputs: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Hide patches and predict all of them.

        Args:
            inputs: (B, C, H, W), H and W multiples of the patch size.
            mask: (B, L), True or 1 = hidden, the same number in each image; drawn if not given.

        Returns:
            Predictions (B, L, D) in the space of the target, and the mask (B, L), bool.
        """
        grid = self._grid(inputs)
        ids_keep, ids_restore, mask = self._indices(inputs, grid, mask)
        return self._predict(inputs, grid, ids_keep, ids_restore, mask), mask

    def _predict(
        self,
        inputs: Tensor,
        grid: tuple[int, int],
        ids_keep: Tensor,
        ids_restore: Tensor,
        mask: Tensor,
    ) -> Tensor:
        """Encode, decode: a prediction for every patch, (B, L, D)."""
        if self.mask_token is None:
            latent = encode_visible(self.backbone, inputs, ids_keep, grid)  # (B, 1 + L_keep, C)
        else:
            latent = encode_all(self.backbone, inputs, mask, self.mask_token, grid)  # (B, 1 + L, C)
            # Every token is in its place already: the decoder has nothing to restore.
            ids_restore = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
        return self.neck(latent, ids_restore, grid)

    def loss(
        self,
        inputs: Tensor | list[Tensor],
        data_samples: list | None = None,
        mask: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the reconstruction loss over hidden patches.

        Args:
            inputs: Preprocessed images, (B, C, H, W); or, with repeated sampling, a list of K such
                batches, K crops of each picture, which are trained as one batch of K * B.
            data_samples: Not needed: there are no labels.
            mask: See :meth:`predict_patches`.

        Returns:
            ``{'loss': scalar}``.
        """
        if not isinstance(inputs, Tensor):
            inputs = torch.cat(list(inputs))  # (K * B, C, H, W)
        grid = self._grid(inputs)
        ids_keep, ids_restore, mask = self._indices(inputs, grid, mask)
        pred = self._predict(inputs, grid, ids_keep, ids_restore, mask)  # (B, L, D)
        target = self.target_generator(inputs)
        if not self.skip_first_hidden:
            return {'loss': self.head.loss(pred, target, mask)}
        left_out = ids_restore == ids_keep.shape[1]
        return {'loss': self.head.loss(pred, target, mask, left_out)}

    @torch.no_grad()
    def reconstruct(
        self, inputs: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Show what the model makes of the visible patches.

        Args:
            inputs: Preprocessed images, (B, C, H, W).
            mask: See :meth:`predict_patches`.

        Returns:
            The images with hidden patches at zero (the mean color), (B, C, H, W); the prediction
            for every patch in pixels on the scale of ``inputs``, (B, C, H, W); the mask (B, L),
            bool, True = hidden.
        """
        pred, mask = self.predict_patches(inputs, mask)
        patch_size = self.backbone.patch_size
        patches = patchify(inputs, patch_size).masked_fill(mask.unsqueeze(-1), 0)
        masked = unpatchify(patches, patch_size, self._grid(inputs))
        return masked, self.target_generator.to_images(pred, inputs), mask
