"""Heads and assigners of detectors, where MMDetection's differ from the papers' code.

They register with MMDetection; configs that use them list this room in ``custom_imports``.
"""

from mae_transfer.heads.best_anchor_assigner import BestAnchorAssigner
from mae_transfer.heads.rpn_with_norm import RPNHeadWithNorm
from mae_transfer.heads.small_logits_mask_head import SmallLogitsMaskHead

__all__ = ['BestAnchorAssigner', 'RPNHeadWithNorm', 'SmallLogitsMaskHead']
