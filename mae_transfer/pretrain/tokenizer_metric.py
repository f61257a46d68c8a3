"""Scores of a discrete VAE on pictures that it has not seen."""

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric

from mae_transfer.pretrain.tokenizer_range import STD
from mae_transfer.registry import METRICS


@METRICS.register_module()
class TokenizerMetric(BaseMetric):
    """Error of the reconstructions, compared with the mean picture, and use of the codebook.

    - ``reconstruction_MSE``: squared error in pixel values of 0..255, mean over all values;
    - ``mean_picture_MSE``: the same if each reconstruction were the mean of the pictures that are
      evaluated, the best score without any information about a picture;
    - ``codes_used``: codes that occur at all, in percent;
    - ``perplexity``: exp of the entropy of the codes' frequencies: the number of codes that would
      give this entropy if all were used equally often.

    With several processes, pictures that the sampler repeats to fill equal shares count twice.

    Args:
        num_codes: Size of the codebook.
        collect_device: Where processes exchange their sums, see MMEngine.
    """

    default_prefix = None

    def __init__(self, num_codes: int, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device)
        self.num_codes = num_codes

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Add the sums of a batch."""
        pictures, reconstructions, tokens = (
            torch.stack([sample[name] for sample in data_samples]).cpu()
            for name in ('picture', 'reconstruction', 'tokens')
        )
        pictures = pictures.double() * STD  # a shift of all pixels changes no error
        errors = (reconstructions.double() * STD - pictures).square()
        self.results.append(
            dict(
                count=len(pictures),
                error=errors.mean(dim=(1, 2, 3)).sum(),
                sum=pictures.sum(dim=0),
                squares=pictures.square().sum(dim=0),
                codes=torch.bincount(tokens.flatten(), minlength=self.num_codes),
            )
        )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Put the sums together; see the head of the class."""
        total = {name: sum(result[name] for result in results) for name in results[0]}
        count, codes = total['count'], total['codes']
        variance = total['squares'] / count - (total['sum'] / count).square()
        share = codes[codes > 0].double() / codes.sum()
        return {
            'reconstruction_MSE': (total['error'] / count).item(),
            'mean_picture_MSE': variance.mean().item(),
            'codes_used': 100 * (codes > 0).double().mean().item(),
            'perplexity': torch.exp(-(share * share.log()).sum()).item(),
        }
