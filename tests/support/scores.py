"""A metric that tells two classifiers apart, however few pictures there are."""

import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS


@METRICS.register_module()
class Scores(BaseMetric):
    """Every score of every picture."""

    def process(self, data_batch, data_samples):
        self.results += [sample['pred_score'] for sample in data_samples]

    def compute_metrics(self, results):
        scores = torch.stack(results).flatten().double()
        return {f'score_{i}': score.item() for i, score in enumerate(scores)}
