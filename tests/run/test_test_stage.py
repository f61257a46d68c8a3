"""The test stage of a config, in several versions of each picture."""

from mmengine.config import Config

from mae_transfer.run.places import ROOT
from mae_transfer.run.test_stage import set_tta

SEGMENT = 'configs/segmentation/upernet_vit-base-p16_mae-pre_8xb2-amp-160k_ade20k-512x512.py'


def test_set_tta__keeps_the_map_of_labels_of_the_test_data():
    cfg = Config.fromfile(ROOT / SEGMENT)
    own = dict(type='MapLabels', num_classes=7, ignore_labels=[9])
    cfg.test_dataloader.dataset.pipeline[3] = own
    set_tta(cfg, 'upernet.py')
    load, versions = cfg.test_dataloader.dataset.pipeline
    assert load.type == 'LoadImageFromFile' and versions.type == 'TestTimeAug'
    sizes, flips, annotations, maps, pack = versions.transforms
    assert len(sizes) == 6 and [flip.prob for flip in flips] == [0.0, 1.0]
    assert [step.type for step in (*annotations, *pack)] == ['LoadAnnotations', 'PackSegInputs']
    assert maps == [own]
    assert cfg.model.type == 'SegTTAModel' and cfg.model.module.type == 'EncoderDecoder'
