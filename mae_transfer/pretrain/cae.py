"""Context autoencoder: encoder, regressor, decoder, target and losses wired together."""

from typing import Any

import torch
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from torch import Tensor

from mae_transfer.layers.patchify import patch_grid, patchify, unpatchify
from mae_transfer.masking.token_index import mask_from_restore
from mae_transfer.pretrain.cae_init import LINEAR_INITS, init_context_autoencoder
from mae_transfer.pretrain.cae_targets import complete, hidden_targets, split_views
from mae_transfer.pretrain.mask_sampler import build_masking, mask_indices
from mae_transfer.pretrain.masked_encoder import check_encoder, encode_visible
from mae_transfer.pretrain.pretraining_facts import pretraining_facts


@MODELS.register_module()
class ContextAutoencoder(BaseSelfSupervisor):
    """CAE (Chen et al. 2022, 'Context Autoencoder', https://arxiv.org/abs/2202.03026).

    Hide half of the patches in blocks and encode the visible ones. From these alone predict the
    latents of the hidden ones, and decode the hidden patches from the predicted latents. Predicted
    latents are pulled to those that the encoder itself gives for the hidden patches.

    Args:
        backbone: The encoder, a ``PlainViT`` with class token, final norm and global attention.
        neck: Regressor and decoder, ``ContextNeck``; its ``out_dims`` are those of the target.
        head: Both losses, ``ContextLoss``.
        target_generator: Images (B, C, H, W) -> one target per patch: tokens (B, L) or values
            (B, L, out_dims). It is asked for the second of two views where the data give two, as
            ``TwoSizeCrop`` does. :meth:`reconstruct` asks its ``to_images(pred, images)``.
        mask_ratio: Share of hidden patches, in (0, 1): 98 of 196.
        masking: How they are chosen: ``BlockMasking``, ``RandomMasking`` or ``GridMasking``.
        linear_init: How linear layers start: 'xavier' (the released code, whatever its options) or
            'rescaled' (BEiT's, which its script for ViT-L means to ask for).
        data_preprocessor: MMPretrain's ``TwoNormDataPreprocessor`` for two views;
            ``SelfSupDataPreprocessor`` by default.
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
        mask_ratio: float = 0.5,
        masking: dict | None = None,
        linear_init: str = 'xavier',
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
        self.masking = build_masking(masking or dict(type='BlockMasking'), mask_ratio)
        if linear_init not in LINEAR_INITS:
            raise ValueError(f'linear_init={linear_init!r}: must be one of {LINEAR_INITS}')
        self.linear_init = linear_init
        check_encoder(self.backbone)

    def pretraining_metadata(self) -> dict[str, Any]:
        """Facts about the pre-training that no tensor tells, in plain containers."""
        return pretraining_facts(self.masking, self.target_generator)

    def init_weights(self) -> None:
        """Initialize as CAE does, then load what ``init_cfg`` names."""
        init_context_autoencoder(self.backbone, self.neck, self.linear_init)
        super().init_weights()

    def extract_feat(self, inputs: Tensor | list[Tensor]) -> tuple[Tensor, ...]:
        """Encode whole images, the first of two views; see ``PlainViT.forward``."""
        return self.backbone(split_views(inputs)[0])

    def _grid(self, images: Tensor) -> tuple[int, int]:
        """Rows and columns of patches of an image."""
        return patch_grid(images.shape[-2:], self.backbone.patch_size)

    def predict_hidden(
        self, images: Tensor, ids_keep: Tensor, ids_mask: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Predict the hidden patches from the visible ones.

        Args:
            images: (B, C, H, W), H and W multiples of the patch size.
            ids_keep: Visible patches, (B, V).
            ids_mask: Hidden patches, (B, M).
            grid: Rows and columns of patches of an image.

        Returns:
            Their latents (B, M, D) and, in the space of the target, predictions (B, M, out_dims).
        """
        visible = self._encode(images, ids_keep, grid)  # (B, V, C)
        return self.neck(visible, ids_keep, ids_mask, grid)

    @torch.no_grad()
    def latent_target(self, images: Tensor, ids_mask: Tensor, grid: tuple[int, int]) -> Tensor:
        """Latents of the hidden patches when the encoder sees nothing else, (B, M, D).

        The encoder is the current one, in the current mode: in training, drop path is drawn again.
        No gradient passes: the prediction is to move to the target, not the target to it.
        """
        return self.neck.projection(self._encode(images, ids_mask, grid))

    def _encode(self, images: Tensor, ids: Tensor, grid: tuple[int, int]) -> Tensor:
        """Encode some patches with a class token, which is then dropped: (B, N, C)."""
        tokens = encode_visible(self.backbone, images, ids, grid)
        return tokens[:, self.backbone.num_prefix_tokens :]

    def loss(
        self,
        inputs: Tensor | list[Tensor],
        data_samples: list | None = None,
        mask: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute both losses.

        Args:
            inputs: Preprocessed images, (B, C, H, W), or two views of them: the encoder's and the
                target generator's, see :func:`split_views`.
            data_samples: Not needed: there are no labels.
            mask: (B, L), True or 1 = hidden, the same number in each image; drawn if not given.

        Returns:
            ``loss_reconstruction`` and ``loss_alignment``; see ``ContextLoss``.
        """
        images, target_images = split_views(inputs)
        grid = self._grid(images)
        ids_keep, ids_mask, _ = mask_indices(self.masking, images, grid, mask)
        latent, pred = self.predict_hidden(images, ids_keep, ids_mask, grid)
        # After the prediction: autocast caches its copies of the weights, and in older versions of
        # PyTorch a copy that is first made without gradients cuts the encoder off from the loss.
        latent_target = self.latent_target(images, ids_mask, grid)
        target = hidden_targets(self.target_generator(target_images), ids_keep, ids_mask)
        return self.head.loss(pred, target, latent, latent_target)

    @torch.no_grad()
    def reconstruct(
        self, inputs: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Show what the model makes of the visible patches.

        Args:
            inputs: Preprocessed images, (B, C, H, W), one view: a ``TokenTarget`` must know how
                they are normalized.
            mask: See :meth:`loss`.

        Returns:
            The images with hidden patches at zero (the mean color), (B, C, H, W); what the targets
            of the visible patches and the predictions of the hidden ones show, in pixels on the
            scale of ``inputs``, (B, C, H, W); the mask (B, L), bool, True = hidden.
        """
        patch_size, grid = self.backbone.patch_size, self._grid(inputs)
        ids_keep, ids_mask, ids_restore = mask_indices(self.masking, inputs, grid, mask)
        _, pred = self.predict_hidden(inputs, ids_keep, ids_mask, grid)
        mask = mask_from_restore(ids_restore, ids_keep.shape[1])
        patches = patchify(inputs, patch_size).masked_fill(mask.unsqueeze(-1), 0)
        masked = unpatchify(patches, patch_size, grid)
        completed = complete(self.target_generator(inputs), pred, ids_mask)  # (B, L, out_dims)
        return masked, self.target_generator.to_images(completed, inputs), mask
